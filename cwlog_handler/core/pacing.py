"""When the next request may start: the token bucket of a stream, the stretched send interval, requests that overlap.

Owns: the arithmetic of a rate. Must not know: what is sent, what a clock is, who shares a bucket, failures (`retry`).
Instants are seconds of one monotonic clock, handed in.
"""

from bisect import insort
from typing import Final, NamedTuple, Protocol

# A token comes back this long after its request arrived: 2 ms for two clocks that do not run alike.
WINDOW: Final = 1.002
# When a request arrived we do not know: after we last saw it under way and before it was answered. The answer is taken
# for it, but at most so much after the former, or a slow endpoint would cost rate: 2 % at 20 ms. Counting from when a
# full megabyte began to go out had 2 of 43 throttled by a stand-in on a busy machine, even with 10 ms to spare.
ARRIVED_AFTER_MOST: Final = 0.02

# When other handlers' requests have all tokens of a stream out, nobody knows until when: ask again soon.
ALL_OUT: Final = 0.05

# Throttling doubles the send interval, up to a minute; each accepted request takes a tenth off again.
STRETCH: Final = 2.0
RECOVER: Final = 0.9
# What is doubled at first, where the interval is shorter.
STRETCHED_FROM: Final = 0.5
STRETCHED_MOST: Final = 60.0


class Turn(NamedTuple):
    """Whether a token was taken; the instant from which its request may start, or else at which to ask again."""

    is_taken: bool
    at: float


class Bucket(Protocol):
    """What a stream, and who carries its requests out, need of a token bucket; `TokenBucket` tells what each does.

    A plain one in simulations; in a process, one that all handlers share which write to the stream.
    """

    def take(self, now: float, ahead: float = 0.0) -> Turn:
        """Take a token."""

    def cancel(self) -> None:
        """Put a token back that no request was made with."""

    def is_full(self, now: float) -> bool:
        """True if no token is out or counts as used."""

    def give_back(self, used_at: float) -> None:
        """End the request of a token."""


class TokenBucket:
    """Lets at most ``rate`` requests start in any window of one second; None lets all pass.

    A bucket of ``rate`` tokens that each come back a second after they were *used*: a bucket refilled evenly would let
    twice the rate through in the second after a quiet one. A rate below 1 is one request every ``1 / rate`` seconds,
    a fraction above 1 is left unused. Not thread-safe.
    """

    def __init__(self, rate: float | None) -> None:
        self._used: list[float] = []
        self._out = 0
        self._limit: int | None = None
        self._window = WINDOW
        self.tighten(rate)

    def tighten(self, rate: float | None) -> None:
        """Take a further user's rate into account: the strictest of all counts."""
        if rate is None:
            return
        limit, window = max(1, int(rate)), WINDOW * max(1.0, 1 / rate)
        if self._limit is None or limit / window < self._limit / self._window:
            self._limit, self._window = limit, window

    def take(self, now: float, ahead: float = 0.0) -> Turn:
        """Take a token, also one that is free only within ``ahead`` seconds: so long before a request may be prepared.

        A token that was taken is out until `give_back`, however long the request takes to start and to end.
        """
        if self._limit is None:
            return Turn(True, now)
        while self._used and self._used[0] + self._window <= now:
            self._used.pop(0)
        free_at = now
        if self._out >= self._limit:
            return Turn(False, now + ALL_OUT)
        if self._out + len(self._used) >= self._limit:
            free_at = self._used[self._out - self._limit] + self._window
        if free_at > now + ahead:
            return Turn(False, free_at - ahead)
        self._out += 1
        return Turn(True, free_at)

    def cancel(self) -> None:
        """Put a token back that no request was made with."""
        self._out = max(0, self._out - 1)

    def is_full(self, now: float) -> bool:
        """True if no request is under way and none began so lately that it counts."""
        return not self._out and (not self._used or self._used[-1] + self._window <= now)

    def give_back(self, used_at: float) -> None:
        """End the request of a token, which counts from ``used_at`` for a second more."""
        if self._limit is not None:
            self._out = max(0, self._out - 1)
            insort(self._used, used_at)


class SendInterval:
    """The longest an event waits for company, in seconds: longer while the service throttles, then back."""

    def __init__(self, usual: float) -> None:
        self._usual = usual
        self.seconds = usual

    def throttled(self) -> None:
        """Stretch: fewer, fuller requests leave an account's quota to the rest of the fleet."""
        self.seconds = max(self._usual, min(STRETCHED_MOST, max(self.seconds, STRETCHED_FROM) * STRETCH))

    def accepted(self) -> None:
        """Recover, a tenth at a time."""
        self.seconds = max(self._usual, self.seconds * RECOVER)


class Overlap:
    """How many requests of one stream may be on their way: several, until an endpoint insists on sequence tokens."""

    def __init__(self, most: int) -> None:
        self.most = most

    def tokens_matter(self) -> None:
        """One at a time from now on: only the answer to one has the token for the next."""
        self.most = 1
