"""Processes that need special care, because no ``atexit`` hook or no thread runs in them.

Owns: what is done for multiprocessing and its copies, Celery, uWSGI, uvicorn. Must not know: how a flusher delivers.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any, Final

from ..system.stderr import Notices
from ..system.stdlib import getpid
from . import lifecycle

# Names by which the module ``util`` of a copy of multiprocessing is recognised. Such copies are billiard (used by
# Celery), multiprocess (used by pathos), and those that packages contain. The module ``process`` beside it must have
# the name current_process.
_MARKS: Final = frozenset({"Finalize", "register_after_fork", "_exit_function"})
# From this version on, uWSGI always enables Python threads. Before, it does so only if an option asks for it.
_UWSGI_WITH_THREADS: Final = (2, 0, 31)
# The priority of our finalizer in a child process: it runs after all others, because they may log.
_LAST_OF_ALL: Final = -100

# For multiprocessing and each copy of it: its modules ``util`` and ``process``.
_copies: list[tuple[Any, Any]] = []
# The length of sys.modules when the copies were last looked for.
_modules_seen = 0
# Modules for which everything has been done already.
_known: set[ModuleType] = set()
# For each module ``util``: the id of the process in which our finalizer was last registered with it.
_finished_by: dict[ModuleType, int] = {}


def look_around(notices: Notices) -> None:
    """Register what this kind of process needs. Called often, so it is cheap if there is nothing new."""
    _join_multiprocessing()
    signals = sys.modules.get("celery.signals")
    if signals is not None and signals not in _known:
        _known.add(signals)
        # The children of Celery's prefork pool end by os._exit, and billiard's finalizers do not run in them.
        signals.worker_process_shutdown.connect(lifecycle.flushers.finish_all, weak=False, dispatch_uid=__name__)
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and uwsgi not in _known:
        _known.add(uwsgi)
        if not _has_threads(uwsgi):
            notices.say(
                "uwsgi", "uWSGI may run without threads, so that records are sent late: set enable-threads = true"
            )


def _join_multiprocessing() -> None:
    """Register our finalizer for child processes: they end by ``os._exit``, which runs finalizers but no ``atexit``."""
    if len(sys.modules) != _modules_seen:
        _look_for_copies()
    for util, process in _copies:
        if util not in _known:
            _known.add(util)
            # A forked child first forgets all finalizers, and then calls what is registered here.
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
        # __dict__ is read because asking a module for a name that it lacks may import other modules, or raise.
        if (process := sys.modules.get(f"{name.removesuffix('util')}process")) is not None
        and getattr(util, "__dict__", {}).keys() >= _MARKS
        and "current_process" in getattr(process, "__dict__", {})
    ]


def join_before_fork() -> None:
    """Register our finalizer for a child that is about to be forked. If multiprocessing forks it, it is loaded now."""
    # This looks even if the number of modules is unchanged: one may have replaced another.
    _look_for_copies()
    _join_multiprocessing()


def _finish_in_child(util: Any) -> None:
    if _finished_by.get(util) != getpid():
        _finished_by[util] = getpid()
        util.Finalize(None, lifecycle.flushers.finish_all, exitpriority=_LAST_OF_ALL)


def is_pool_worker() -> bool:
    """True in a worker of a multiprocessing.Pool, or of the Pool of a copy of multiprocessing."""
    _look_for_copies()
    return any("PoolWorker" in process.current_process().name for _, process in _copies)


def _has_threads(uwsgi: Any) -> bool:
    if _is_set(uwsgi, "enable-threads", "threads"):
        return True
    version = uwsgi.version.decode() if isinstance(uwsgi.version, bytes) else uwsgi.version
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal()) >= _UWSGI_WITH_THREADS


def _is_set(uwsgi: Any, *options: str) -> bool:
    return not {name.decode() if isinstance(name, bytes) else name for name in uwsgi.opt}.isdisjoint(options)


def forks_from_c() -> bool:
    """True in uWSGI's master process, which forks its workers from C, without Python's fork hooks.

    No thread of ours may run there: a worker would inherit the locks that the thread holds at the fork, and nobody
    would release them. One of them may be Python's own lock, the GIL. False with uWSGI's option
    py-call-uwsgi-fork-hooks: then it forks with Python's hooks.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None or uwsgi.worker_id() or uwsgi.mule_id() or uwsgi.i_am_the_spooler():
        return False
    return not _is_set(uwsgi, "py-call-uwsgi-fork-hooks")


def inherits_records() -> bool:
    """True in the first uWSGI worker when it is started for the first time: it sends the records of the master.

    The master process cannot send them, because it has no thread.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    return uwsgi is not None and uwsgi.worker_id() == 1 and uwsgi.workers()[0]["respawn_count"] == 0


def join_uvicorn() -> None:
    """Have the servers of uvicorn in this process deliver our records at their end.

    A server that has shut down restores the earlier signal handlers, and raises again the signals that it has captured.
    The default handler of SIGTERM then ends the process at once. It is the default one in gunicorn's workers, and where
    an application is imported by a server that runs already: such an application cannot install a handler before it.
    """
    module = sys.modules.get("uvicorn.server")
    if module is not None and module not in _known:
        _known.add(module)
        _deliver_before_signals(module.Server)
    # A server that captures signals already is not reached by that.
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    captured = getattr(server, "_captured_signals", None)
    if module is not None and type(captured) is list and isinstance(server, module.Server):
        server._captured_signals = _DeliverFirst(captured)


def _deliver_before_signals(server_class: Any) -> None:
    """Replace ``capture_signals``, in which a server runs, by one that delivers before signals are raised again."""
    capture_signals = server_class.capture_signals

    @wraps(capture_signals)
    @contextmanager
    def capture_and_deliver(server: Any) -> Iterator[None]:
        with capture_signals(server):
            try:
                yield
            finally:
                if server._captured_signals:
                    lifecycle.flushers.deliver_all()

    server_class.capture_signals = capture_and_deliver


class _DeliverFirst(list[int]):
    """A list of signals. Going through it backwards, as uvicorn does at its very end, first delivers all records."""

    def __reversed__(self) -> Iterator[int]:
        lifecycle.flushers.deliver_all()
        return super().__reversed__()
