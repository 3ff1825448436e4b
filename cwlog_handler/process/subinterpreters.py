"""Sub-interpreters, as mod_wsgi or ``concurrent.interpreters`` make them: none may end while a thread of ours lives.

Owns: whether this is a sub-interpreter, and the wait for our threads at its end. Must not know: what the threads do.

If a thread still lives when its sub-interpreter ends, Python up to 3.13 aborts the whole process, with all interpreters
in it ("Py_EndInterpreter: not the last thread"). Later versions let the thread go on in an interpreter that is gone.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from ..delivery import senders
from ..system import starting

# Private modules of Python: the first from 3.13 on, the second before. Before 3.14 there is no public way to learn in
# which interpreter code runs.
_MODULES: Final = ("_interpreters", "_xxsubinterpreters")


def is_one() -> bool:
    """True in a sub-interpreter. False in the main one, and in a build of Python that has neither private module."""
    for name in _MODULES:
        with suppress(ImportError):
            interpreters: Any = import_module(name)
            return bool(interpreters.get_current() != interpreters.get_main())
    return False


def end_threads() -> None:
    """End the senders' threads, and wait until all threads of ours have ended. The flushers' must be ending already.

    The wait has no time limit: a request that is under way cannot be stopped, but its own time-outs end it.
    """
    senders.dismiss_all()
    starting.wait_for_all()
