"""What happens to flushers when the process forks and when it ends, also where no ``atexit`` runs.

Must not know: what a flusher does between.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from collections.abc import Mapping
from typing import Protocol
from weakref import WeakSet

from . import own_threads, pacing
from .notices import Notices


class Watched(Protocol):
    """What is needed of a flusher here."""

    def start_over(self) -> None:
        """Begin with nothing, in a forked child."""

    def finish_within_timeout(self) -> float:
        """Return the deadline of a finish that begins now."""

    def finish(self, deadline: float) -> None:
        """Deliver what waits until the deadline."""


_watched: WeakSet[Watched] = WeakSet()
_seen_to_pid: int | None = None


def watch(flusher: Watched) -> None:
    """Look after a flusher for as long as it lives."""
    _watched.add(flusher)


def on_first_thread(notices: Notices) -> None:
    """See to what the kind of process asks for, when its first record is there."""
    global _seen_to_pid
    if _seen_to_pid == os.getpid():
        return
    _seen_to_pid = os.getpid()
    _finish_in_child_of("multiprocessing")
    _finish_in_child_of("billiard")
    celery_signals = sys.modules.get("celery.signals")
    if celery_signals is not None:
        # The children of Celery's prefork pool end in os._exit, without billiard's finalizers.
        celery_signals.worker_process_shutdown.connect(_on_celery_shutdown, weak=False, dispatch_uid=__name__)
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and not _has_threads(uwsgi.opt):
        notices.say("uwsgi", "uWSGI runs without threads, so that records are hardly sent: set enable-threads = true")


def _finish_in_child_of(package: str) -> None:
    """Have a child of multiprocessing, or of Celery's version of it, finish: it ends in ``os._exit``, not in atexit."""
    process = sys.modules.get(f"{package}.process")
    if process is not None and getattr(process.current_process(), "_parent_pid", None) is not None:
        util = importlib.import_module(f"{package}.util")
        util.Finalize(None, _finish_all, exitpriority=0)


def _on_celery_shutdown(**_: object) -> None:
    _finish_all()


def _has_threads(options: Mapping[object, object]) -> bool:
    names = {name.decode() if isinstance(name, bytes) else name for name in options}
    return not names.isdisjoint({"enable-threads", "threads"})


def _finish_all() -> None:
    # All deadlines first, so that several handlers wait side by side and not one after another.
    for flusher, deadline in [(flusher, flusher.finish_within_timeout()) for flusher in list(_watched)]:
        flusher.finish(deadline)


def _in_forked_child() -> None:
    own_threads.forget_all()
    pacing.forget_shared_buckets()
    for flusher in list(_watched):
        flusher.start_over()


# Registered after logging's own, so it runs before: no lock of logging is held while we wait.
atexit.register(_finish_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
