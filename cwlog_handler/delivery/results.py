"""The way back from the senders' threads: what became of their calls waits here until the next round takes it in.

Owns: the queue. Must not know: what a call was, what its result means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..system.primitives import Empty, SimpleQueue

Settle: TypeAlias = Callable[[float], None]
"""Takes a result in, at the instant that it is given."""


class Results:
    """Results of calls. Any thread may `post`; whoever holds the lock of `rounds` may `collect`."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._waiting: SimpleQueue[Settle] = SimpleQueue()

    def post(self, settle: Settle) -> None:
        """Have a result taken in by the next round, and have that round come soon."""
        self._waiting.put(settle)
        self._ring()

    def collect(self, now: float) -> None:
        """Take in what was posted so far."""
        while True:
            try:
                settle = self._waiting.get_nowait()
            except Empty:
                return
            settle(now)
