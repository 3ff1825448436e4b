"""How many puts a stream gets in a second: the limit, and the count afterwards.

Owns the sliding window of one second. Reads no clock: it is handed monotonic seconds. Must not know what a put holds.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

WINDOW: Final = 1.0  # seconds; older quota: "5 requests per second per log stream"


class RateLimit:
    """Admits a number of puts per stream in any window of one second; None admits all.

    A put that was turned away does not count, so a stream recovers as soon as its client slows down.
    """

    def __init__(self, requests_per_second: int | None) -> None:
        if requests_per_second is not None and requests_per_second < 1:
            raise ValueError(f"requests_per_second must be 1 or more, or None for no limit: {requests_per_second!r}")
        self._limit = requests_per_second
        self._admitted: dict[tuple[str, str], deque[float]] = {}

    def admits(self, group: str, stream: str, now: float) -> bool:
        """Whether a put at ``now`` is within the limit; if so, it counts."""
        if self._limit is None:
            return True
        admitted = self._admitted.setdefault((group, stream), deque(maxlen=self._limit))
        if len(admitted) == self._limit and now - admitted[0] < WINDOW:
            return False
        admitted.append(now)
        return True


def busiest_second(arrivals: Iterable[float]) -> int:
    """The most arrivals, in monotonic seconds, within any window of one second."""
    window: deque[float] = deque()
    most = 0
    for arrival in sorted(arrivals):
        window.append(arrival)
        while arrival - window[0] >= WINDOW:
            window.popleft()
        most = max(most, len(window))
    return most
