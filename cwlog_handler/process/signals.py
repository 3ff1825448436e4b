"""SIGTERM: if it would end the process at once, the records that wait are delivered first.

Owns: our handler of the signal, and in which processes it is not installed. Must not know: how a flusher delivers.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Final

from ..system.own_threads import start_thread
from ..system.primitives import sleep
from ..system.stdlib import getpid, kill
from . import lifecycle, runtimes

# Modules that show that a server written in C runs Python. Python does not see the signal handlers of such a server,
# and we must not replace them.
_SERVERS_IN_C: Final = frozenset({"uwsgi", "mod_wsgi"})
# In seconds. It is longer than a caller holds the lock of `rounds`.
_A_MOMENT: Final = 0.01

_is_forked = False


def handle_sigterm() -> None:
    """If nothing handles SIGTERM, have the process deliver before it dies of that signal.

    Python lets only the main thread install a handler, so on other threads this installs none. Python runs the handler
    only when the main thread runs Python code again. So a signal that comes just before a system call has no effect
    until that call ends. Forked children and workers of a Pool would be a danger then: their parent may end them by
    SIGTERM and wait for them without a limit. They get no handler and die at once.
    """
    # What uvicorn has become by another version, or a test, must not keep a handler from being made.
    with suppress(Exception):
        runtimes.join_uvicorn()
    if os.name != "posix" or not _SERVERS_IN_C.isdisjoint(sys.modules) or _is_forked or runtimes.is_pool_worker():
        return
    # Python refuses to install a handler in a sub-interpreter. And a test may have replaced any of these functions by
    # one that raises.
    with suppress(Exception):
        is_main_thread = threading.main_thread().ident == threading.get_ident()
        if is_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_sigterm)


def die_at_once_when_forked() -> None:
    """In a forked child: remove our handler of SIGTERM, and install none from now on."""
    global _is_forked
    _is_forked = True
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        # This cannot fail: in the child the thread that forked is the main thread.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_sigterm(*_: object) -> None:
    is_interrupted = lifecycle.flushers.is_interrupted()
    if is_interrupted:
        with suppress(RuntimeError):
            start_thread(_send_sigterm_again)
            return
        # No thread could be started: the process dies without delivering.
    # Before the delivery, so that a second SIGTERM ends the process at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not is_interrupted:
        lifecycle.flushers.deliver_all()
    kill(getpid(), signal.SIGTERM)
    # The process is still alive: process 1 of a container does not die of SIGTERM. So install the handler again.
    handle_sigterm()


def _send_sigterm_again() -> None:
    sleep(_A_MOMENT)
    kill(getpid(), signal.SIGTERM)
