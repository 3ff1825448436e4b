"""Death by SIGTERM: deliver first, where the process would die at once.

Owns: our handler of the signal, and where there is none. Must not know: what a flusher does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Final

from ..system.primitives import sleep
from ..system.starting import start_thread
from ..system.stdlib import getpid, kill
from . import lifecycle, runtimes

# Where a server written in C runs Python, its own signal handlers are not seen, and must not be replaced.
_SERVERS_IN_C: Final = frozenset({"uwsgi", "mod_wsgi"})
# Longer than a caller holds the lock of `rounds`, in seconds.
_A_MOMENT: Final = 0.01

_is_forked = False


def handle_sigterm() -> None:
    """Have the process deliver before it dies of SIGTERM, where it would die at once: if nobody handles the signal.

    Only the main thread can see to it; elsewhere this does nothing. Python runs a signal handler when the main thread
    next runs Python code, and a signal that comes just before a system call waits for the end of that. So workers that
    somebody ends by SIGTERM and then waits for, for ever, are left to die at once: forked ones, and those of a Pool.
    """
    if os.name != "posix" or not _SERVERS_IN_C.isdisjoint(sys.modules) or _is_forked or runtimes.is_pool_worker():
        return
    # In a subinterpreter it cannot be done; and a test may have replaced any of these by what raises.
    with suppress(Exception):
        is_main_thread = threading.main_thread().ident == threading.get_ident()
        handler = signal.getsignal(signal.SIGTERM)
        if is_main_thread and handler is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_sigterm)
        runtimes.join_uvicorn(getattr(handler, "__self__", None))


def die_at_once_when_forked() -> None:
    """In a forked child: leave SIGTERM alone from now on."""
    global _is_forked
    _is_forked = True
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        # A thread that forked is the main thread of the child.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_sigterm(*_: object) -> None:
    is_interrupted = lifecycle.flushers.is_interrupted()
    if is_interrupted:
        with suppress(RuntimeError):
            start_thread(_send_sigterm_again)
            return
        # There are no more threads: nothing can be waited for.
    # First, so that whoever is impatient and sends another is obeyed at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not is_interrupted:
        lifecycle.flushers.deliver_all()
    kill(getpid(), signal.SIGTERM)
    # Still there: process 1 of a container does not die of it.
    handle_sigterm()


def _send_sigterm_again() -> None:
    sleep(_A_MOMENT)
    kill(getpid(), signal.SIGTERM)
