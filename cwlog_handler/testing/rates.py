"""How many puts a stream gets in a second: the limit, and the count afterwards.

Owns: the sliding window of one second. Must not know: clocks (it gets monotonic seconds), what a put contains.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

WINDOW: Final = 1.0  # seconds; older quota: "5 requests per second per log stream"


class RateLimit:
    """Admits at most ``requests_per_second`` puts for a stream in any window of one second; None admits all.

    A refused put does not count, so a stream recovers as soon as its client slows down.
    """

    def __init__(self, requests_per_second: int | None) -> None:
        if requests_per_second is not None and requests_per_second < 1:
            raise ValueError(f"requests_per_second must be 1 or more, or None for no limit: {requests_per_second!r}")
        self._limit = requests_per_second
        self._admitted: dict[tuple[str, str], deque[float]] = {}

    def admits(self, group: str, stream: str, now: float) -> bool:
        """Whether a put at ``now`` (monotonic seconds) is within the limit. If so, it counts from then on."""
        if self._limit is None:
            return True
        admitted = self._admitted.setdefault((group, stream), deque(maxlen=self._limit))
        if len(admitted) == self._limit and now - admitted[0] < WINDOW:
            return False
        admitted.append(now)
        return True


def busiest_second(arrivals: Iterable[float]) -> int:
    """The highest number of arrivals in any window of one second; ``arrivals`` are monotonic seconds."""
    window: deque[float] = deque()
    most = 0
    for arrival in sorted(arrivals):
        window.append(arrival)
        while arrival - window[0] >= WINDOW:
            window.popleft()
        most = max(most, len(window))
    return most
