"""The way back from the senders' threads: results of calls wait here until the next round takes them in.

Owns: the queue of results. Must not know: what a call was for, what its result means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..system.primitives import Empty, SimpleQueue

Settle: TypeAlias = Callable[[float], None]
"""Takes in one result. Its argument is the present instant."""


class Results:
    """Results of calls. Any thread may `post`; only the thread that holds the lock of `rounds` may `collect`."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._waiting: SimpleQueue[Settle] = SimpleQueue()

    def post(self, settle: Settle) -> None:
        """Have a result taken in by the next round, and make that round start soon."""
        self._waiting.put(settle)
        self._ring()

    def collect(self, now: float) -> None:
        """Take in all results that have been posted."""
        while True:
            try:
                settle = self._waiting.get_nowait()
            except Empty:
                return
            settle(now)
