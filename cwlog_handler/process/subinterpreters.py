"""Sub-interpreters, as mod_wsgi or ``concurrent.interpreters`` make them: none may end while a thread of ours is there.

Python up to 3.13 aborts the whole process then ("Py_EndInterpreter: not the last thread"), with all interpreters in it.
Later ones leave the thread behind, in an interpreter that is gone. Must not know: what the threads do.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from ..delivery import senders
from ..system import starting

# Python's own, from 3.13 on and before. Nothing public says which interpreter this is, before 3.14.
_MODULES: Final = ("_interpreters", "_xxsubinterpreters")


def is_one() -> bool:
    """True in a sub-interpreter; False in the main one, and where Python was built without means to tell."""
    for name in _MODULES:
        with suppress(ImportError):
            interpreters: Any = import_module(name)
            return bool(interpreters.get_current() != interpreters.get_main())
    return False


def end_threads() -> None:
    """Wait for the end of all threads of ours, once each flusher's was told to end.

    Without a time limit of its own: a request that is under way ends with its time-outs, and cannot be ended before.
    """
    senders.dismiss_all()
    starting.wait_for_all()
