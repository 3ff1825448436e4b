"""How many requests are taken in a second, of a stream and of the account: the limits, and the count afterwards.

Owns: the sliding window of one second. Must not know: clocks (it gets monotonic seconds), what a request contains.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

WINDOW: Final = 1.0  # seconds; older quota: "5 requests per second per log stream"


class RateLimit:
    """Admits at most ``limit`` puts for a stream in any window of one second; None admits all.

    A refused put does not count, so a stream recovers as soon as its client slows down. ``option`` is what users call
    the limit.
    """

    def __init__(self, limit: int | None, option: str = "requests_per_second") -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"{option} must be 1 or more, or None for no limit: {limit!r}")
        self._limit = limit
        self._admitted: dict[tuple[str, str], deque[float]] = {}

    def has_room(self, group: str, stream: str, now: float) -> bool:
        """Whether a put at ``now`` (monotonic seconds) is within the limit."""
        if self._limit is None:
            return True
        admitted = self._admitted.get((group, stream))
        return admitted is None or len(admitted) < self._limit or now - admitted[0] >= WINDOW

    def admits(self, group: str, stream: str, now: float) -> bool:
        """Whether a put at ``now`` (monotonic seconds) is within the limit. If so, it counts from then on."""
        if not self.has_room(group, stream, now):
            return False
        self._admitted.setdefault((group, stream), deque(maxlen=self._limit)).append(now)
        return True


class Quotas:
    """The limits of requests per second: of puts to one stream, and of the whole account. None: no limit.

    Those of an account are in AWS's Service Quotas. They are 800 to 5,000 for PutLogEvents, by region, 50 for
    CreateLogStream, and fewer for CreateLogGroup.
    """

    def __init__(
        self,
        requests_per_second: int | None,
        account_puts_per_second: int | None,
        account_streams_per_second: int | None,
        account_groups_per_second: int | None,
    ) -> None:
        self._of_stream = RateLimit(requests_per_second)
        self._of_account = {
            "PutLogEvents": RateLimit(account_puts_per_second, "account_puts_per_second"),
            "CreateLogStream": RateLimit(account_streams_per_second, "account_streams_per_second"),
            "CreateLogGroup": RateLimit(account_groups_per_second, "account_groups_per_second"),
        }

    def admits(self, operation: str, group: str, stream: str, now: float) -> bool:
        """Whether a request at ``now`` (monotonic seconds) is within all limits. If so, it counts from then on."""
        of_account = self._of_account.get(operation)
        if of_account is None:
            return True
        if not of_account.has_room("", "", now):
            return False
        if operation == "PutLogEvents" and not self._of_stream.admits(group, stream, now):
            return False
        return of_account.admits("", "", now)


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
