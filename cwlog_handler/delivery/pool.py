"""The threads that make the calls of all handlers of this process.

Owns: a few daemon threads, which start when there is work and end when there is none; the lock of the shares. Must not
know: what a job does, how many requests a handler wants to make (`senders`), who may use how many threads (`shares`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

from ..system.clock import SYSTEM_CLOCK
from ..system.own_calls import start_thread, thread_of_calls
from ..system.own_threads import own_thread
from ..system.primitives import Empty, SimpleQueue, allocate_lock
from ..system.register import Register
from .shares import Share, Shares

# The most requests under way at the same time, over all streams and all handlers. If each takes 200 ms, 8 senders make
# 40 requests a second: the service's former quota for 8 streams. They leave 2 of botocore's 10 connections unused.
MOST_SENDERS: Final = 8
# A request that is presumed lost keeps its thread until its time-out is over. At most this many threads are added to
# replace such threads.
MOST_LOST: Final = 16
# A thread without work ends after this many seconds.
LINGER: Final = 10.0

Job: TypeAlias = Callable[[], None]
StartThread: TypeAlias = Callable[[Callable[[], object]], None]


class Pool:
    """Threads for the jobs of several handlers. Any thread may call any method; its lock is held for arithmetic only.

    ``most`` threads make jobs; for when there are more see `shares.Shares`.
    """

    def __init__(
        self,
        start_thread: StartThread = start_thread,
        most: int = MOST_SENDERS,
        linger: float = LINGER,
        clock: Callable[[], float] = SYSTEM_CLOCK.monotonic,
    ) -> None:
        self._start_thread = start_thread
        self._linger = linger
        self._lock = allocate_lock()
        self.shares = Shares(most, clock)
        """How many of the threads each handler may have. Here are the methods that need the lock."""
        # One object for each thread.
        self._threads: set[object] = set()
        # A job is in a list that whoever does it empties. A thread that takes None out puts it back for the other
        # threads, and ends. With an empty tuple it does so if no handler is left.
        self._jobs: SimpleQueue[tuple[Share, list[Job]] | tuple[()] | None] = SimpleQueue()
        self._not_ended = 0
        self.is_short_of_threads = False
        """True if the system had no thread left when one was wanted last."""
        _all.add(self)

    # -- who may have how many ---------------------------------------------------------------------------------------

    def move(self, share: Share, group: object) -> None:
        """Note with whose calls those of this handler are likely to hang."""
        with self._lock:
            self.shares.move(share, group)

    def take(self, share: Share, wanted: int) -> int:
        """Give this handler at most so many places, and return how many. If it is less, it waits in line."""
        with self._lock:
            return self.shares.take(share, wanted)

    def give_back(self, share: Share, places: int) -> None:
        """Take back places in which no job was started."""
        with self._lock:
            self.shares.add(share, -places)
            following = self.shares.next_in_line()
        if following is not None:
            following.ring()

    def leave(self, share: Share) -> None:
        """Note that this handler has no more jobs for now. With the last one the threads end. Takes no lock."""
        self.shares.leave(share)
        if not self.shares.has_members and self._threads:
            self._jobs.put(())

    # -- threads -----------------------------------------------------------------------------------------------------

    def run(self, share: Share, job: Job, *, has_place: bool) -> None:
        """Start a job. Without a thread, and without one that could be started, it is done here."""
        mine = [job]
        with self._lock:
            self.shares.add(share, 0 if has_place else 1)
            self._not_ended += 1
            self._jobs.put((share, mine))
            thread = self._new_thread(self._not_ended)
        if thread is not None and not self._start(thread):
            with own_thread():
                self._do(share, mine)

    def presume_lost(self, share: Share) -> bool:
        """Let another job of this handler start beside one that is presumed lost; False if too many are lost."""
        with self._lock:
            if self.shares.lost >= MOST_LOST:
                return False
            self.shares.add(share, lost=1)
            thread = self._new_thread(self._not_ended + 1)
        # Start the thread now: only then is it known whether the next job gets one when its time-outs are chosen.
        if thread is not None:
            self._start(thread)
        return True

    def found(self, share: Share) -> None:
        """Note that the result of a job has come in that was presumed lost."""
        with self._lock:
            self.shares.found(share)

    def _new_thread(self, wanted: int) -> object | None:
        """Count one more thread, which is to be started; None if there are enough. The lock is held."""
        # In this order, because `most` is counted anew each time.
        if len(self._threads) >= wanted or len(self._threads) >= self.shares.most:
            return None
        thread = object()
        self._threads.add(thread)
        return thread

    def _start(self, thread: object) -> bool:
        """Start this thread; return False if that fails: too many threads, or the interpreter is ending."""
        try:
            # Not threading.Thread, for the reason given in `own_threads.start_thread`.
            self._start_thread(partial(self._work, thread))
        except RuntimeError:
            self._threads.discard(thread)
            self.is_short_of_threads = True
            return False
        self.is_short_of_threads = False
        return True

    def _work(self, thread: object) -> None:
        with own_thread(), thread_of_calls():
            while True:
                try:
                    item = self._jobs.get(timeout=self._linger)
                except Empty:
                    if self._end_if_idle(thread):
                        return
                    continue
                if item is None:
                    self._jobs.put(None)
                    return
                if item:
                    self._do(*item)
                elif not self.shares.has_members and self._end_if_idle(thread):
                    self._jobs.put(())
                    return
                # Otherwise all that belongs to the last job would live until the next one.
                del item

    def _end_if_idle(self, thread: object) -> bool:
        """Count this thread no more and return True, unless a job waits."""
        with self._lock:
            if not self._jobs.empty():
                return False
            # `run` no longer counts this thread.
            self._threads.discard(thread)
            return True

    def _do(self, share: Share, mine: list[Job]) -> None:
        try:
            job = mine.pop()
        except IndexError:
            # Who has put it in has done it, because no thread could be started.
            return
        try:
            # A job posts its result even if it raises. A thread ended by the exception would still be counted.
            with suppress(BaseException):
                job()
        finally:
            with self._lock:
                self._not_ended -= 1
                self.shares.end(share)
                following = self.shares.next_in_line()
            if following is not None:
                following.ring()

    def dismiss(self) -> None:
        """Have each thread end when its job is done. Afterwards no job may `run`."""
        self._jobs.put(None)


_all: Final[Register[Pool]] = Register()
_shared = Pool()


def shared_pool() -> Pool:
    """Return the pool of this process."""
    return _shared


def dismiss_all() -> None:
    """Have all threads of all pools end."""
    for pool in _all:
        pool.dismiss()


def start_over() -> None:
    """Begin with a new pool, in a forked child: the parent's threads do not exist there."""
    global _shared
    _shared = Pool()
