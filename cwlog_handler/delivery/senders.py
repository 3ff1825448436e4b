"""The threads that make the calls, so that the flusher itself never waits for the network.

Owns: a few daemon threads, which start when there is work and end when there is none. Must not know: what a job does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final
from weakref import WeakSet

from ..system.own_calls import start_thread, thread_of_calls
from ..system.own_threads import own_thread
from ..system.primitives import Empty, SimpleQueue, are_greenlets_late

# The most requests under way at the same time, over all streams of a handler. If each takes 200 ms, 8 senders make 40
# requests a second: the service's former quota for 8 streams. They leave 2 of botocore's 10 connections unused.
MOST_SENDERS: Final = 8
# A request that is presumed lost keeps its thread until its time-out is over. At most this many threads are added to
# replace such threads.
MOST_LOST: Final = 16
# From this many lost requests on, a request gets no more time than until it would be presumed lost.
MANY_LOST: Final = 8
# A thread without work ends after this many seconds.
LINGER: Final = 10.0
# The same for a thread that makes all calls, in seconds: longer than its idle connection lasts, which only it can use.
LINGER_ALONE: Final = 300.0

Job = Callable[[], None]

_all: Final[WeakSet[Senders]] = WeakSet()


class Senders:
    """Runs jobs on daemon threads, or inline, on the calling thread. Only one thread at a time may `run` a job."""

    def __init__(
        self,
        most: int = MOST_SENDERS,
        inline: bool = False,
        start_thread: Callable[[Callable[[], object]], None] = start_thread,
    ) -> None:
        self._inline = inline
        self._start_thread = start_thread
        self._most = most
        self._busy = 0
        self._lost = 0
        self._is_short_of_threads = False
        # One object for each thread. Not a number: ``+=`` may lose an update, and then a job would wait for ever.
        self._threads: set[object] = set()
        # A thread that takes None out puts it back for the other threads, and ends.
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # True if one thread makes all calls.
        self._is_alone = False
        _all.add(self)

    @property
    def inline(self) -> bool:
        """True if jobs run on the calling thread."""
        return self._inline

    def go_inline(self) -> None:
        """Run each job on the calling thread from now on."""
        self._inline = True

    @property
    def free(self) -> int:
        """How many jobs could start now without waiting for a thread."""
        # Inline, one at a time: the driver looks at its deadline after each job.
        most = 1 if self._inline or are_greenlets_late() else self._most
        return most + self._lost - self._busy

    @property
    def is_crowded(self) -> bool:
        """True if each further job should take as little time as possible, because others may have to wait for it."""
        return self._inline or self._is_alone or self._is_short_of_threads or self._lost >= MANY_LOST

    def presume_lost(self) -> bool:
        """Let another job start beside one that is presumed lost; return False if too many are lost already."""
        if self._inline or self._is_alone or self._lost >= MOST_LOST:
            return False
        self._lost += 1
        # Start the thread now: only then is it known whether the next job gets one when its time-outs are chosen.
        if len(self._threads) <= self._busy:
            self._add_thread()
        return True

    def run(self, job: Job) -> None:
        """Start a job. The caller must call `finished` when the result of the job has come in."""
        self._busy += 1
        if self._inline:
            with own_thread():
                job()
            return
        if not self._is_alone and are_greenlets_late():
            # With gevent a connection works only on the thread that made it. The earlier threads end by themselves.
            self._is_alone = True
            self._threads, self._jobs = set(), SimpleQueue()
        self._jobs.put(job)
        if len(self._threads) < (1 if self._is_alone else self._busy) and not self._add_thread():
            # No thread could be started: do the job here, unless another thread has taken it already.
            with own_thread(), suppress(Empty):
                while (waiting := self._jobs.get_nowait()) is not None:
                    waiting()

    def _add_thread(self) -> bool:
        """Start one more thread; return False if that fails: too many threads, or the interpreter is ending."""
        thread = object()
        self._threads.add(thread)
        try:
            # Not threading.Thread, for the reason given in `own_threads.start_thread`.
            linger = LINGER_ALONE if self._is_alone else LINGER
            self._start_thread(partial(self._work, thread, self._threads, self._jobs, linger))
        except RuntimeError:
            self._threads.discard(thread)
            self._is_short_of_threads = True
            return False
        self._is_short_of_threads = False
        return True

    def finished(self, was_lost: bool = False) -> None:
        """Note that the result of a job has come in. ``was_lost``: the job was presumed lost before."""
        self._busy -= 1
        self._lost -= was_lost

    def _work(self, thread: object, threads: set[object], jobs: SimpleQueue[Job | None], linger: float) -> None:
        with own_thread(), thread_of_calls():
            while True:
                try:
                    job = jobs.get(timeout=linger)
                except Empty:
                    threads.discard(thread)
                    if jobs.empty():
                        # `run` no longer counts this thread. For a job that is put from now on, it starts another one.
                        return
                    threads.add(thread)
                    continue
                if job is None:
                    jobs.put(None)
                    return
                # A job posts its result even if it raises. A thread ended by the exception would still be counted.
                with suppress(BaseException):
                    job()

    def dismiss(self) -> None:
        """Have each thread end when its job is done. Afterwards jobs may `run` only inline."""
        self._jobs.put(None)


def dismiss_all() -> None:
    """Have all threads of all senders end."""
    for senders in list(_all):
        senders.dismiss()
