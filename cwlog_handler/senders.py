"""The threads that make the calls, so that the flusher itself never waits for the network.

Owns: a few daemon threads that come with the work and go when there is none. Must not know: what a job does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakSet

from .own_threads import own_thread
from .threads import Empty, SimpleQueue, start_new_thread

# Requests on their way at the same time, over all streams of a handler. Eight make 40 requests a second at 200 ms each,
# eight streams' worth of the old quota, and leave two of botocore's ten connections to spare.
MOST_SENDERS: Final = 8
# A thread without work ends after this many seconds.
LINGER: Final = 10.0

Job = Callable[[], None]

_all: Final[WeakSet[Senders]] = WeakSet()


class Senders:
    """Runs jobs on daemon threads, or on the calling thread once `inline` is set. One thread at a time may `run`."""

    def __init__(self, most: int = MOST_SENDERS, inline: bool = False) -> None:
        self.inline = inline
        self._most = most
        self._busy = 0
        # One token for each thread. Not a number: ``+=`` may lose an update, and then a job would wait for ever.
        self._threads: set[object] = set()
        # None: whoever takes it ends, and leaves it to the others.
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        _all.add(self)

    @property
    def free(self) -> int:
        """How many jobs would start at once."""
        # Inline one at a time: whoever drives looks at its deadline between two.
        return (1 if self.inline else self._most) - self._busy

    def run(self, job: Job) -> None:
        """Start a job; whoever gave it says `finished` when its result has come in."""
        self._busy += 1
        if self.inline:
            with own_thread():
                job()
            return
        self._jobs.put(job)
        if len(self._threads) < self._busy:
            thread = object()
            self._threads.add(thread)
            try:
                # Not threading.Thread: its start() takes a lock of the threading module that the frame below a signal
                # handler may hold, and waits for the new thread.
                start_new_thread(self._work, (thread,))
            except RuntimeError:
                # No more threads, or the interpreter is ending: do it here, unless another thread has taken it already.
                self._threads.discard(thread)
                with own_thread(), suppress(Empty):
                    while (waiting := self._jobs.get_nowait()) is not None:
                        waiting()

    def finished(self) -> None:
        """Say that a job's result has come in."""
        self._busy -= 1

    def _work(self, thread: object) -> None:
        with own_thread():
            while True:
                try:
                    job = self._jobs.get(timeout=LINGER)
                except Empty:
                    self._threads.discard(thread)
                    if self._jobs.empty():
                        # A job put from here on finds one thread less, and starts another.
                        return
                    self._threads.add(thread)
                    continue
                if job is None:
                    self._jobs.put(None)
                    return
                # A job posts its own result, whatever happens; a thread that died of it would still be counted.
                with suppress(BaseException):
                    job()

    def dismiss(self) -> None:
        """Have each thread end, when its job is done. Nothing may be `run` after it, unless `inline` is set."""
        self._jobs.put(None)


def dismiss_all() -> None:
    """Have all threads of all senders end."""
    for senders in list(_all):
        senders.dismiss()
