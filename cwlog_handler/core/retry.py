"""When to try again after failures in a row: by back-off, and sooner for somebody who waits until a deadline.

Owns: how many failures there were, and what follows from them. Must not know: what is tried, what a clock is. Instants
are seconds of one monotonic clock, handed in; a deadline of ``inf`` means that nobody waits.

Back-off alone loses records at the end of a program: it may sleep through the last seconds although the service is well
again. So while somebody waits, the time that is left is shared out: the next try comes after a quarter of it at the
latest, and then a quarter of the rest. The tries become denser towards the end, where each of them counts most.
"""

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

# Full jitter: a random part of a bound that doubles. Half a second spreads a fleet over one throttled second; 10 s is
# how late we may notice that an outage is over.
BACKOFF_FIRST: Final = 0.5
BACKOFF_MOST: Final = 10.0
# For what a person must mend: one request a minute at the least, soon enough after the mending.
SLOW_RETRY_MOST: Final = 60.0

# A fresh stream may be unknown for a moment after it was made, and a token may be stale twice where two writers race.
# The first two such failures are retried at once; later ones back off.
QUICK_RETRIES: Final = 2
# Failures in a row before the operator is told of a network fault: single ones are everyday.
WORTH_A_LINE: Final = 3
# The part of the time left until a deadline after which the next try comes at the latest.
SHARE_OF_WHAT_IS_LEFT: Final = 1 / 4
# The random part of that share: many processes may be stopped at the same moment.
JITTER_OF_SHARE: Final = 1 / 2
# However short the time is, no stream is tried more than three times a second for a deadline.
TRIES_APART: Final = 1 / 3
# A request without an answer is presumed lost when somebody has waited for it for half of the time that there is: then
# there is time for another, and for a third. It has at least this many seconds, and half as much again as the last good
# answer took.
SILENCE_LEAST: Final = 0.5
USUAL_AND_HALF: Final = 1.5
# Where no other request can be made beside one, it is given up for the next after this part of the time that is left,
# or so many seconds before the deadline, whichever is sooner.
SHARE_FOR_AN_ANSWER: Final = 2 / 3
FOR_ANOTHER_TRY: Final = 1.0


class Deadline(NamedTuple):
    """Until when somebody waits, and since when."""

    at: float
    since: float = -inf


NO_DEADLINE: Final = Deadline(inf)


class Retry:
    """The failures in a row of one thing that is tried: a stream's requests, or the making of a client.

    Each failure is counted once, by its kind: one kind does not make the back-off of another longer.
    """

    __slots__ = (
        "_failed_at", "_not_before", "_passing", "_quick", "_random", "_share", "_to_mend", "_tried_at",
    )  # fmt: skip

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        # Failures that pass by themselves, such that somebody must mend, and such that are retried at once.
        self._passing = self._to_mend = self._quick = 0
        self._not_before = -inf
        self._tried_at = -inf
        self._failed_at = -inf
        self._share = SHARE_OF_WHAT_IS_LEFT

    @property
    def failures(self) -> int:
        """How many failures there were since it last worked."""
        return self._passing + self._to_mend + self._quick

    def at(self, deadline: Deadline) -> float:
        """Return the instant of the next try."""
        if self._not_before <= self._failed_at or not self._failed_at < deadline.at < inf:
            return self._not_before
        # Counted from when it was tried: what took long to fail, or had no answer, has used up its share of the time.
        in_time = self._tried_at + (deadline.at - self._tried_at) * self._share
        return min(self._not_before, max(in_time, self._failed_at, self._tried_at + TRIES_APART))

    def worked(self) -> None:
        """Forget the failures."""
        self._passing = self._to_mend = self._quick = 0
        self._not_before = -inf

    def failed(self, tried_at: float, now: float) -> None:
        """Note a failure that passes by itself."""
        self._passing += 1
        self._note(tried_at, now, backoff(self._passing, BACKOFF_MOST, self._random))

    def refused(self, tried_at: float, now: float) -> None:
        """Note a failure that somebody must mend."""
        self._to_mend += 1
        self._note(tried_at, now, backoff(self._to_mend, SLOW_RETRY_MOST, self._random))

    def failed_quickly(self, tried_at: float, now: float) -> None:
        """Note a failure whose cause is removed by now."""
        if self._quick >= QUICK_RETRIES:
            self.failed(tried_at, now)
            return
        self._quick += 1
        self._note(tried_at, now, 0.0)

    def _note(self, tried_at: float, now: float, delay: float) -> None:
        self._tried_at, self._failed_at, self._not_before = tried_at, now, now + delay
        self._share = SHARE_OF_WHAT_IS_LEFT * (1.0 - JITTER_OF_SHARE * self._random())


def backoff(failures: int, most: float, random: Callable[[], float]) -> float:
    """Return the seconds to wait after so many failures in a row: a random part of a bound that doubles (full jitter).

    ``most`` is the highest bound, ``random`` returns a number from 0 to 1.
    """
    # 2.0 ** 64 is far beyond any bound; without a cap on the exponent a week of failures overflows a float.
    return random() * min(most, BACKOFF_FIRST * 2.0 ** min(failures - 1, 64))


def presumed_lost_at(started_at: float, usual: float, deadline: Deadline) -> float:
    """Return when a request without an answer gets another beside it.

    ``usual`` is how many seconds the last good answer took.
    """
    waited_from = max(started_at, deadline.since)
    in_time = waited_from + max(SILENCE_LEAST, (deadline.at - waited_from) / 2)
    return max(in_time, started_at + USUAL_AND_HALF * usual)


def time_for_an_answer(now: float, usual: float, silence: float, deadline: Deadline, least: float) -> float:
    """Return how many seconds a request may take for somebody's deadline if no other can be made beside it.

    A request that was swallowed must leave time for another; but a service that is slow must be heard, or it stores the
    same batch with every try. ``usual`` is how many seconds the last good answer took. ``silence`` is how many were
    waited in vain since: the next try gets twice that, without the last second. ``least`` are the fewest seconds.
    """
    left = deadline.at - now
    before_another = left - FOR_ANOTHER_TRY
    unknown = min(max(left * SHARE_FOR_AN_ANSWER, 2 * silence), before_another)
    return max(least, unknown, min(left, USUAL_AND_HALF * usual))
