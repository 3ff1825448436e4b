"""What happens to flushers when the process forks, ends, or ends as a multiprocessing child.

Must not know: what a flusher does between.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Protocol
from weakref import WeakSet

from . import own_threads, pacing


class Watched(Protocol):
    """What is needed of a flusher here."""

    def start_over(self) -> None:
        """Begin with nothing, in a forked child."""

    def finish_within_timeout(self) -> float:
        """Return the deadline of a finish that begins now."""

    def finish(self, deadline: float) -> None:
        """Deliver what waits until the deadline."""


_watched: WeakSet[Watched] = WeakSet()
_finalizer_pid: int | None = None


def watch(flusher: Watched) -> None:
    """Look after a flusher for as long as it lives."""
    _watched.add(flusher)


def finish_in_multiprocessing_child() -> None:
    """In a child of multiprocessing, have it finish too: such a child ends in ``os._exit``, without ``atexit``."""
    global _finalizer_pid
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _finalizer_pid == os.getpid():
        return
    _finalizer_pid = os.getpid()
    from multiprocessing.util import Finalize  # loaded already, multiprocessing.process needs it

    Finalize(None, _finish_all, exitpriority=0)


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
