"""The threads that make the calls, so that the flusher itself never waits for the network.

Owns: a few daemon threads that come with the work and go when there is none. Must not know: what a job does.
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

# Requests on their way at the same time, over all streams of a handler. Eight make 40 requests a second at 200 ms each,
# eight streams' worth of the old quota, and leave two of botocore's ten connections to spare.
MOST_SENDERS: Final = 8
# Requests that are presumed lost keep their threads until their time-outs are over. So many threads may be added.
MOST_LOST: Final = 16
# From so many on, requests are given no more time than they have until they are presumed lost.
MANY_LOST: Final = 8
# A thread without work ends after this many seconds.
LINGER: Final = 10.0
# Longer than an idle connection lasts that only one thread can use.
LINGER_ALONE: Final = 300.0

Job = Callable[[], None]

_all: Final[WeakSet[Senders]] = WeakSet()


class Senders:
    """Runs jobs on daemon threads, or on the calling thread from `go_inline` on. One thread at a time may `run`."""

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
        # One token for each thread. Not a number: ``+=`` may lose an update, and then a job would wait for ever.
        self._threads: set[object] = set()
        # None: whoever takes it ends, and leaves it to the others.
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # One thread makes all calls.
        self._is_alone = False
        _all.add(self)

    @property
    def inline(self) -> bool:
        """True where jobs run on the calling thread."""
        return self._inline

    def go_inline(self) -> None:
        """From now on run each job on the calling thread."""
        self._inline = True

    @property
    def free(self) -> int:
        """How many jobs would start at once."""
        # Inline one at a time: whoever drives looks at its deadline between two.
        most = 1 if self._inline or are_greenlets_late() else self._most
        return most + self._lost - self._busy

    @property
    def is_crowded(self) -> bool:
        """True if no further job should take longer than is needed."""
        return self._inline or self._is_alone or self._is_short_of_threads or self._lost >= MANY_LOST

    def presume_lost(self) -> bool:
        """Let another job start beside one from which nothing is expected any more; False if there are too many."""
        if self._inline or self._is_alone or self._lost >= MOST_LOST:
            return False
        self._lost += 1
        # Now, so that it is known whether the next job has a thread of its own before its time-outs are chosen.
        if len(self._threads) <= self._busy:
            self._add_thread()
        return True

    def run(self, job: Job) -> None:
        """Start a job; whoever gave it says `finished` when its result has come in."""
        self._busy += 1
        if self._inline:
            with own_thread():
                job()
            return
        if not self._is_alone and are_greenlets_late():
            # A connection of gevent's works only on the thread that made it. The threads of before end by themselves.
            self._is_alone = True
            self._threads, self._jobs = set(), SimpleQueue()
        self._jobs.put(job)
        if len(self._threads) < (1 if self._is_alone else self._busy) and not self._add_thread():
            # Do it here, unless another thread has taken it already.
            with own_thread(), suppress(Empty):
                while (waiting := self._jobs.get_nowait()) is not None:
                    waiting()

    def _add_thread(self) -> bool:
        """Start one more thread; False if there are no more threads, or the interpreter is ending."""
        thread = object()
        self._threads.add(thread)
        try:
            # Not threading.Thread, for the reason given in `starting.start_thread`.
            linger = LINGER_ALONE if self._is_alone else LINGER
            self._start_thread(partial(self._work, thread, self._threads, self._jobs, linger))
        except RuntimeError:
            self._threads.discard(thread)
            self._is_short_of_threads = True
            return False
        self._is_short_of_threads = False
        return True

    def finished(self, was_lost: bool = False) -> None:
        """Say that a job's result has come in; ``was_lost``: it was presumed lost before."""
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
                        # A job put from here on finds one thread less, and starts another.
                        return
                    threads.add(thread)
                    continue
                if job is None:
                    jobs.put(None)
                    return
                # A job posts its own result, whatever happens; a thread that died of it would still be counted.
                with suppress(BaseException):
                    job()

    def dismiss(self) -> None:
        """Have each thread end, when its job is done. Nothing may be `run` after it, unless inline."""
        self._jobs.put(None)


def dismiss_all() -> None:
    """Have all threads of all senders end."""
    for senders in list(_all):
        senders.dismiss()
