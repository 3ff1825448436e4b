"""The calls of one handler: on which threads they are made, and how many at the same time.

Owns: how many calls are under way and presumed lost. Must not know: what a job does, how the threads are shared among
handlers (`pool`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..system.own_calls import start_thread
from ..system.own_threads import own_thread
from ..system.primitives import are_greenlets, are_greenlets_late
from .pool import MOST_LOST, MOST_SENDERS, Job, Pool, shared_pool
from .shares import Share

__all__ = ["MOST_LOST", "MOST_SENDERS", "Job", "Senders"]

# From this many lost requests on, a request gets no more time than until it would be presumed lost.
MANY_LOST: Final = 8
# A thread that makes all calls ends after so many seconds without one: longer than its idle connection lasts, which
# only it can use.
LINGER_ALONE: Final = 300.0


class Senders:
    """Runs jobs on the threads of a pool, or inline, on the calling thread. Only one thread at a time may use it.

    Any thread may call `leave`.
    """

    def __init__(
        self,
        most: int = MOST_SENDERS,
        inline: bool = False,
        start_thread: Callable[[Callable[[], object]], None] = start_thread,
        pool: Pool | None = None,
    ) -> None:
        self._inline = inline
        self._start_thread = start_thread
        self._most = most
        self._busy = 0
        self._lost = 0
        self._reserved = 0
        self._is_short = False
        # True once a job ran on another thread: it may end there at any time.
        self._had_threads = False
        # Greenlets of different threads cannot wait for each other: each handler has its own.
        self._pool = pool or (Pool(start_thread) if are_greenlets() else shared_pool())
        self._share = Share(self._ring)
        # True if one thread makes all calls.
        self._is_alone = False
        # True if the program's threads were greenlets, and ours native, when this round began.
        self._is_late = False
        self._wake: Callable[[], None] = lambda: None

    def _ring(self) -> None:
        self._wake()

    def wake_by(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when a thread has become free for which a job was waiting."""
        self._wake = wake

    @property
    def inline(self) -> bool:
        """True if jobs run on the calling thread."""
        return self._inline

    @property
    def is_busy(self) -> bool:
        """True until the results of all jobs have come in."""
        return self._busy > 0

    def forget_broken_off(self) -> None:
        """Count no job any more that Ctrl-C has broken off. Inline, none can be going on when a round begins."""
        if self._inline and not self._had_threads:
            self._busy = 0

    def go_inline(self) -> None:
        """Run each job on the calling thread from now on."""
        self._inline = True

    def belong_to(self, endpoint: str | None) -> None:
        """Note to which service the calls go: those that hang together leave threads to others."""
        if endpoint != self._share.group:
            self._pool.move(self._share, endpoint)

    @property
    def _own_free(self) -> int:
        # Inline, one at a time: the driver looks at its deadline after each job.
        most = 1 if self._inline or self._is_late else self._most
        return most + self._lost - self._busy

    @property
    def _is_apart(self) -> bool:
        """True if the pool is not asked for places."""
        return self._inline or self._is_alone or self._is_late

    @property
    def free(self) -> int:
        """How many jobs could start now without waiting for a thread."""
        own = self._own_free
        return own if self._is_apart else min(own, self._reserved + self._pool.shares.room_for(self._share))

    @property
    def may_overlap(self) -> bool:
        """True if one stream may have another job beside one that is under way.

        Half of the threads are left to other streams, or one if other handlers need them, too.
        """
        free = self.free
        return free > (MOST_SENDERS // 2 if free == self._own_free else 1)

    def reserve(self, wanted: int) -> int:
        """Return how many of the wanted jobs may start now. `keep` has to follow."""
        self._is_late = are_greenlets_late()
        wanted = max(0, min(wanted, self._own_free))
        if self._is_apart:
            return wanted
        if wanted or self.is_waiting:
            # Some may be left of a round that Ctrl-C has ended.
            self._reserved += self._pool.take(self._share, max(0, wanted - self._reserved))
        # Not only the pool knows this: if a round takes long, the pool takes this handler for gone.
        self._is_short = self._reserved < wanted
        return min(wanted, self._reserved)

    def keep(self, jobs: int) -> None:
        """Say how many jobs will be `run` of those that may start."""
        if self._reserved > jobs:
            self._pool.give_back(self._share, self._reserved - jobs)
            self._reserved = jobs

    @property
    def is_waiting(self) -> bool:
        """True if fewer jobs could be reserved than were wanted, because other handlers have the threads."""
        return not self._is_apart and (self._is_short or self._pool.shares.is_waiting(self._share))

    @property
    def is_crowded(self) -> bool:
        """True if each further job should take as little time as possible, because others may have to wait for it."""
        if self._inline or self._is_alone or self._pool.is_short_of_threads:
            return True
        return self._pool.shares.has_line or self._pool.shares.lost >= MANY_LOST

    def presume_lost(self) -> bool:
        """Let another job start beside one that is presumed lost; return False if too many are lost already."""
        if self._inline or self._is_alone or self._lost >= MOST_LOST or not self._pool.presume_lost(self._share):
            return False
        self._lost += 1
        return True

    def run(self, job: Job) -> None:
        """Start a job. The caller must call `finished` when the result of the job has come in."""
        self._busy += 1
        if self._inline:
            with own_thread():
                job()
            return
        self._had_threads = True
        has_place = self._reserved > 0
        self._reserved -= has_place
        if not self._is_alone and self._is_late:
            # With gevent a connection works only on the thread that made it. The earlier threads end by themselves.
            self._pool.give_back(self._share, self._reserved + has_place)
            self._is_alone, has_place, self._reserved = True, False, 0
            for _ in range(self._lost):
                self._pool.found(self._share)
            self._pool.leave(self._share)
            self._pool, self._share = Pool(self._start_thread, most=1, linger=LINGER_ALONE), Share(self._ring)
            self._pool.shares.join(self._share)
        self._pool.run(self._share, job, has_place=has_place)

    def finished(self, was_lost: bool = False) -> None:
        """Note that the result of a job has come in. ``was_lost``: the job was presumed lost before."""
        self._busy -= 1
        if was_lost:
            self._lost -= 1
            self._pool.found(self._share)

    def leave(self) -> None:
        """Note that there are no more jobs for now. Threads that nobody needs end."""
        self._pool.leave(self._share)
