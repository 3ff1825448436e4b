"""The kinds of processes in which no ``atexit`` runs, or no thread: what each asks for.

Owns: multiprocessing and its like, Celery, uWSGI, and death by SIGTERM. Must not know: what a flusher does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, Final

from ..system.primitives import sleep
from ..system.starting import start_thread
from ..system.stderr import Notices
from ..system.stdlib import getpid, kill
from . import lifecycle

# What a copy of multiprocessing has in its module ``util``, whatever its name: billiard (Celery's), multiprocess (of
# pathos and dill), or one that a package brings along. Its module ``process`` has current_process.
_MARKS: Final = frozenset({"Finalize", "register_after_fork", "_exit_function"})
# Where a server written in C runs Python, its own signal handlers are not seen, and must not be replaced.
_SERVERS_IN_C: Final = frozenset({"uwsgi", "mod_wsgi"})
# Since then its threads are always enabled; before, only if it was asked for.
_UWSGI_WITH_THREADS: Final = (2, 0, 31)
# After all other finalizers of a child: they may log.
_LAST_OF_ALL: Final = -100

# Longer than a caller is at the books.
_A_MOMENT: Final = 0.01

_is_forked = False
# Pairs of the modules ``util`` and ``process``, and how many modules there were when they were last looked for.
_copies: list[tuple[Any, Any]] = []
_modules_seen = 0
_known: set[ModuleType] = set()
_finished_by: dict[ModuleType, int] = {}


def look_around(notices: Notices) -> None:
    """See to what the kind of process asks for; cheap, so that it may be called again and again."""
    _join_multiprocessing()
    signals = sys.modules.get("celery.signals")
    if signals is not None and signals not in _known:
        _known.add(signals)
        # The children of its prefork pool end in os._exit, without billiard's finalizers.
        signals.worker_process_shutdown.connect(lifecycle.finish_all, weak=False, dispatch_uid=__name__)
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and uwsgi not in _known:
        _known.add(uwsgi)
        if not _has_threads(uwsgi):
            notices.say(
                "uwsgi", "uWSGI may run without threads, so that records are sent late: set enable-threads = true"
            )


def _join_multiprocessing() -> None:
    """Have children finish: they end in ``os._exit``, without ``atexit``, but with finalizers."""
    if len(sys.modules) != _modules_seen:
        _look_for_copies()
    for util, process in _copies:
        if util not in _known:
            _known.add(util)
            # Finalizers that are there at a fork are forgotten in the child, and then this is called.
            util.register_after_fork(util, _finish_in_child)
        if getattr(process.current_process(), "_parent_pid", None) is not None:
            _finish_in_child(util)


def _look_for_copies() -> None:
    global _copies, _modules_seen
    _modules_seen = len(sys.modules)
    _copies = [
        (util, process)
        for name, util in list(sys.modules.items())
        if isinstance(name, str) and name.endswith(".util")
        # Not getattr: a module may import more, or raise, when it is asked for what it lacks.
        if (process := sys.modules.get(f"{name.removesuffix('util')}process")) is not None
        and getattr(util, "__dict__", {}).keys() >= _MARKS
        and "current_process" in getattr(process, "__dict__", {})
    ]


def _join_before_fork() -> None:
    # As many modules as before may be others.
    _look_for_copies()
    _join_multiprocessing()


def _finish_in_child(util: Any) -> None:
    if _finished_by.get(util) != getpid():
        _finished_by[util] = getpid()
        util.Finalize(None, lifecycle.finish_all, exitpriority=_LAST_OF_ALL)


def _has_threads(uwsgi: Any) -> bool:
    if _is_set(uwsgi, "enable-threads", "threads"):
        return True
    version = uwsgi.version.decode() if isinstance(uwsgi.version, bytes) else uwsgi.version
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal()) >= _UWSGI_WITH_THREADS


def _is_set(uwsgi: Any, *options: str) -> bool:
    return not {name.decode() if isinstance(name, bytes) else name for name in uwsgi.opt}.isdisjoint(options)


def is_forked_behind_pythons_back() -> bool:
    """True in the master of uWSGI, which forks its workers from C: a thread of ours would leave its locks to them.

    Also where Python's own lock is one of these. With its option py-call-uwsgi-fork-hooks it forks as Python does.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None or uwsgi.worker_id() or uwsgi.mule_id() or uwsgi.i_am_the_spooler():
        return False
    return not _is_set(uwsgi, "py-call-uwsgi-fork-hooks")


def inherits_records() -> bool:
    """True in the one worker that sends what its master, which has no thread, had logged before the fork."""
    uwsgi: Any = sys.modules.get("uwsgi")
    return uwsgi is not None and uwsgi.worker_id() == 1 and uwsgi.workers()[0]["respawn_count"] == 0


def handle_sigterm() -> None:
    """Have the process deliver before it dies of SIGTERM, where it would die at once: if nobody handles the signal.

    Only the main thread can see to it; elsewhere this does nothing. Python runs a signal handler when the main thread
    next runs Python code, and a signal that comes just before a system call waits for the end of that. So workers that
    somebody ends by SIGTERM and then waits for, for ever, are left to die at once: forked ones, and those of a Pool.
    """
    if os.name != "posix" or not _SERVERS_IN_C.isdisjoint(sys.modules) or _is_forked or _is_pool_worker():
        return
    # In a subinterpreter it cannot be done; and a test may have replaced any of these by what raises.
    with suppress(Exception):
        is_main_thread = threading.main_thread().ident == threading.get_ident()
        handler = signal.getsignal(signal.SIGTERM)
        if is_main_thread and handler is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_sigterm)
        _join_uvicorn(getattr(handler, "__self__", None))


def _join_uvicorn(server: Any) -> None:
    """Have a server of uvicorn's deliver at its end.

    When it has shut down, it puts Python's default handlers back and raises the signals again that it has captured: the
    process dies at once. An application that it imports in a worker finds its handler in the place of the default.
    """
    captured = getattr(server, "_captured_signals", None)
    if type(captured) is list and type(server).__module__.partition(".")[0] == "uvicorn":
        server._captured_signals = _DeliverFirst(captured)


class _DeliverFirst(list[int]):
    """What is delivered before anybody goes through it backwards, as uvicorn does at its very end."""

    def __reversed__(self) -> Iterator[int]:
        lifecycle.deliver_all()
        return super().__reversed__()


def _is_pool_worker() -> bool:
    _look_for_copies()
    return any("PoolWorker" in process.current_process().name for _, process in _copies)


def _die_at_once_when_forked() -> None:
    global _is_forked
    _is_forked = True
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        # A thread that forked is the main thread of the child.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_sigterm(*_: object) -> None:
    is_interrupted = lifecycle.is_interrupted()
    if is_interrupted:
        with suppress(RuntimeError):
            start_thread(_send_sigterm_again)
            return
        # There are no more threads: nothing can be waited for.
    # First, so that whoever is impatient and sends another is obeyed at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not is_interrupted:
        lifecycle.deliver_all()
    kill(getpid(), signal.SIGTERM)
    # Still there: process 1 of a container does not die of it.
    handle_sigterm()


def _send_sigterm_again() -> None:
    sleep(_A_MOMENT)
    kill(getpid(), signal.SIGTERM)


if hasattr(os, "register_at_fork"):
    # By then multiprocessing is loaded, if it is what forks.
    os.register_at_fork(before=_join_before_fork, after_in_child=_die_at_once_when_forked)
