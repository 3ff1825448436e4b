"""The kinds of processes in which no ``atexit`` runs, or no thread: what each asks for.

Owns: multiprocessing and its like, Celery, uWSGI, uvicorn. Must not know: what a flusher does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from ..system.stderr import Notices
from ..system.stdlib import getpid
from . import lifecycle

# What a copy of multiprocessing has in its module ``util``, whatever its name: billiard (Celery's), multiprocess (of
# pathos and dill), or one that a package brings along. Its module ``process`` has current_process.
_MARKS: Final = frozenset({"Finalize", "register_after_fork", "_exit_function"})
# Since then its threads are always enabled; before, only if it was asked for.
_UWSGI_WITH_THREADS: Final = (2, 0, 31)
# After all other finalizers of a child: they may log.
_LAST_OF_ALL: Final = -100

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
        signals.worker_process_shutdown.connect(lifecycle.flushers.finish_all, weak=False, dispatch_uid=__name__)
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


def join_before_fork() -> None:
    """Have the children finish that are about to be forked: by now multiprocessing is loaded, if it is what forks."""
    # As many modules as before may be others.
    _look_for_copies()
    _join_multiprocessing()


def _finish_in_child(util: Any) -> None:
    if _finished_by.get(util) != getpid():
        _finished_by[util] = getpid()
        util.Finalize(None, lifecycle.flushers.finish_all, exitpriority=_LAST_OF_ALL)


def is_pool_worker() -> bool:
    """True in a worker of a multiprocessing.Pool, or of a copy's."""
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


def join_uvicorn(server: Any) -> None:
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
        lifecycle.flushers.deliver_all()
        return super().__reversed__()
