"""When the next request may start: token bucket, send interval, and how many requests may overlap.

Owns: the arithmetic of a rate. Must not know: what is sent, what a clock is, who shares a bucket, back-off (`retry`).
Instants are seconds of one monotonic clock, handed in.
"""

from bisect import insort
from typing import Final, Protocol

from .values import Value

# A token is free again this many seconds after its request arrived at the service: one second, and 2 ms because the
# clocks of the service and of this machine may run at different speeds.
WINDOW: Final = 1.002
# We do not know when a request arrives at the service: it is after we last saw it being sent, and before its answer. We
# count from the answer, but from no more than this many seconds after the last sight, or a slow endpoint would lower
# the rate. 0.02 s cost at most 2 % of the rate. Counting from the moment at which a full megabyte began to be sent is
# too early: on a busy machine a stand-in of the service throttled 2 of 43 requests, even with 10 ms to spare.
ARRIVED_AFTER_MOST: Final = 0.02

# Requests of other handlers may hold all tokens of a stream, and nobody knows when these requests will end. Then the
# stream asks again after this many seconds.
ALL_OUT: Final = 0.05


class Turn(Value):
    """Whether a token was taken. If so, its request may start at the instant ``at``; if not, ask again then."""

    __slots__ = __match_args__ = ("is_taken", "at")

    def __init__(self, is_taken: bool, at: float) -> None:
        self.is_taken: Final = is_taken
        self.at: Final = at


class Bucket(Protocol):
    """A token bucket as a stream, and the code that makes its requests, need it. `TokenBucket` documents each method.

    Simulations use a plain one. In a process, all handlers that write to the same stream share one.
    """

    def take(self, now: float, ahead: float = 0.0, spare: int = 0) -> Turn:
        """Take a token."""

    def cancel(self) -> None:
        """Put a token back with which no request was made."""

    def is_full(self, now: float) -> bool:
        """True if all tokens are free."""

    def give_back(self, used_at: float) -> None:
        """Note that the request of a token has ended."""


class TokenBucket:
    """Lets at most ``rate`` requests start in any window of one second; None lets all pass.

    The bucket has ``rate`` tokens, and each comes back one second after it was *used*. A bucket that is refilled evenly
    would let twice the rate through in the second after a quiet one. A rate below 1 means one request every
    ``1 / rate`` seconds. A rate above 1 is rounded down to a whole number. Not thread-safe.
    """

    __slots__ = ("_limit", "_out", "_used", "_window")

    def __init__(self, rate: float | None) -> None:
        # When tokens were used that may not be free yet. A list only if there are any: there may be many buckets.
        self._used: list[float] | tuple[()] = ()
        self._out = 0
        self._limit: int | None = None
        self._window = WINDOW
        if rate is not None:
            TokenBucket.tighten(self, rate)

    def tighten(self, rate: float | None) -> None:
        """Add the rate of a further user of the bucket: the lowest rate of all users applies."""
        if rate is None:
            return
        limit, window = max(1, int(rate)), WINDOW * max(1.0, 1 / rate)
        if self._limit is None or limit / window < self._limit / self._window:
            self._limit, self._window = limit, window

    def take(self, now: float, ahead: float = 0.0, spare: int = 0) -> Turn:
        """Take a token that is free now, or will be within ``ahead`` seconds, the time to prepare the request.

        ``spare`` tokens must be left over for others, unless there are no more than that.
        The token is out until `give_back` or `cancel`, however long the request takes to start and to end.
        """
        if self._limit is None:
            return Turn(True, now)
        while self._used and self._used[0] + self._window <= now:
            del self._used[0]
        free_at = now
        limit = max(1, self._limit - spare)
        if self._out >= limit:
            return Turn(False, now + ALL_OUT)
        if self._out + len(self._used) >= limit:
            free_at = self._used[self._out - limit] + self._window
        if free_at > now + ahead:
            return Turn(False, free_at - ahead)
        self._out += 1
        return Turn(True, free_at)

    def cancel(self) -> None:
        """Put a token back with which no request was made."""
        self._out = max(0, self._out - 1)

    def is_full(self, now: float) -> bool:
        """True if no token is out, and all that were used are free again."""
        return not self._out and (not self._used or self._used[-1] + self._window <= now)

    def give_back(self, used_at: float) -> None:
        """Note that the request of a token has ended. The token is free again one second after ``used_at``."""
        if self._limit is not None:
            self._out = max(0, self._out - 1)
            if self._used:
                insort(self._used, used_at)
            else:
                self._used = [used_at]


class Overlap:
    """How many requests of one stream may be under way at a time: several, but one if sequence tokens matter."""

    def __init__(self, most: int) -> None:
        self.most = most

    def tokens_matter(self) -> None:
        """Allow one at a time from now on: only the answer to a request has the token for the next one."""
        self.most = 1
