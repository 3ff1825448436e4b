"""When to try again after failures in a row: by back-off, and sooner if a caller waits until a deadline.

Owns: how many failures there were, when the next try comes, how long an answer is waited for. Must not know: what is
tried, what a clock is. Instants are seconds of one monotonic clock, handed in. A deadline of ``inf`` means that no
caller waits.

Back-off alone loses records at the end of a program: it may wait through the last seconds although the service has
recovered. So while a caller waits, the next try comes after a quarter of the time that is left, at the latest. The one
after it comes after a quarter of the rest, and so on: the tries become denser towards the end, where each of them
counts most.
"""

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

# Back-off has full jitter: it is a random part of a bound, and the bound doubles with each failure. The first bound of
# 0.5 s spreads many processes that were throttled in the same second. 10 s is how late we may notice that an outage is
# over.
BACKOFF_FIRST: Final = 0.5
BACKOFF_MOST: Final = 10.0
# The highest bound in seconds for failures that a person must put right: a minute is soon enough after that.
SLOW_RETRY_MOST: Final = 60.0

# A new stream may be unknown for a moment after it was made, and a token may be stale twice if two writers race.
# The first two such failures are retried at once; later ones back off.
QUICK_RETRIES: Final = 2
# A network fault is written to stderr from this many failures in a row on: single failures are common.
WORTH_A_LINE: Final = 3
# The next try comes after this part of the time left until a deadline, at the latest.
SHARE_OF_WHAT_IS_LEFT: Final = 1 / 4
# Up to this part of that share is taken off at random, because many processes may be stopped at the same moment.
JITTER_OF_SHARE: Final = 1 / 2
# However near the deadline is, tries of one stream are this many seconds apart: at most three in a second.
TRIES_APART: Final = 1 / 3
# A request without an answer is presumed lost when a caller has waited for it for half of the time until the deadline:
# then there is time for a second request, and for a third. But each request gets at least SILENCE_LEAST seconds, and
# USUAL_AND_HALF times as long as the last good answer took.
SILENCE_LEAST: Final = 0.5
USUAL_AND_HALF: Final = 1.5
# If no second request can be made beside a first one, the first is given up after SHARE_FOR_AN_ANSWER of the time that
# is left, or FOR_ANOTHER_TRY seconds before the deadline, whichever is sooner.
SHARE_FOR_AN_ANSWER: Final = 2 / 3
FOR_ANOTHER_TRY: Final = 1.0


class Deadline(NamedTuple):
    """The instants until which and since which a caller waits."""

    at: float
    since: float = -inf


NO_DEADLINE: Final = Deadline(inf)


class Retry:
    """The failures in a row of one kind of work: the requests of a stream, or the making of a client.

    Each failure is counted once, by its kind: failures of one kind do not lengthen the back-off of another.
    Not thread-safe.
    """

    __slots__ = (
        "_failed_at", "_not_before", "_passing", "_quick", "_random", "_share", "_to_mend", "_tried_at",
    )  # fmt: skip

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        # The number of failures that pass by themselves, that a person must put right, and that are retried at once.
        self._passing = self._to_mend = self._quick = 0
        self._not_before = -inf
        self._tried_at = -inf
        self._failed_at = -inf
        self._share = SHARE_OF_WHAT_IS_LEFT

    @property
    def failures(self) -> int:
        """How many failures there were since the last success."""
        return self._passing + self._to_mend + self._quick

    @property
    def is_in_trouble(self) -> bool:
        """True if a try has failed since the last success, and its cause was not removed at once."""
        return bool(self._passing or self._to_mend)

    def at(self, deadline: Deadline) -> float:
        """Return the instant of the next try."""
        if self._not_before <= self._failed_at or not self._failed_at < deadline.at < inf:
            return self._not_before
        # Counted from the start of the failed try: if it took long to fail, it has used up its share of the time.
        in_time = self._tried_at + (deadline.at - self._tried_at) * self._share
        return min(self._not_before, max(in_time, self._failed_at, self._tried_at + TRIES_APART))

    def worked(self) -> None:
        """Note a success: forget the failures."""
        self._passing = self._to_mend = self._quick = 0
        self._not_before = -inf

    def failed(self, tried_at: float, now: float) -> None:
        """Note a failure that passes by itself."""
        self._passing += 1
        self._note(tried_at, now, backoff(self._passing, BACKOFF_MOST, self._random))

    def refused(self, tried_at: float, now: float) -> None:
        """Note a failure that a person must put right."""
        self._to_mend += 1
        self._note(tried_at, now, backoff(self._to_mend, SLOW_RETRY_MOST, self._random))

    def failed_quickly(self, tried_at: float, now: float) -> None:
        """Note a failure whose cause has been removed: the first QUICK_RETRIES of them are retried at once."""
        if self._quick >= QUICK_RETRIES:
            self.failed(tried_at, now)
            return
        self._quick += 1
        self._note(tried_at, now, 0.0)

    def _note(self, tried_at: float, now: float, delay: float) -> None:
        self._tried_at, self._failed_at, self._not_before = tried_at, now, now + delay
        self._share = SHARE_OF_WHAT_IS_LEFT * (1.0 - JITTER_OF_SHARE * self._random())


def backoff(failures: int, most: float, random: Callable[[], float]) -> float:
    """Return how many seconds to wait after ``failures`` in a row: a random part of a bound that doubles (full jitter).

    ``most`` is the highest bound in seconds. ``random`` returns a number from 0 to 1.
    """
    # Without a cap on the exponent, a week of failures would overflow a float. 2.0 ** 64 is far above any bound.
    return random() * min(most, BACKOFF_FIRST * 2.0 ** min(failures - 1, 64))


def presumed_lost_at(started_at: float, usual: float, deadline: Deadline) -> float:
    """Return the instant at which a request without an answer is presumed lost, so that another one is made.

    ``usual`` is how many seconds the last good answer took.
    """
    waited_from = max(started_at, deadline.since)
    in_time = waited_from + max(SILENCE_LEAST, (deadline.at - waited_from) / 2)
    return max(in_time, started_at + USUAL_AND_HALF * usual)


def time_for_an_answer(now: float, usual: float, silence: float, deadline: Deadline, least: float) -> float:
    """Return how many seconds a request may take before a deadline if no other can be made beside it.

    A request that gets no answer must leave time for another one. But the answer of a slow service must be waited for,
    or the service stores the same batch with every try. ``usual`` is how many seconds the last good answer took.
    ``silence`` is how many seconds were waited in vain since then. The next try gets twice as long, without the last
    FOR_ANOTHER_TRY seconds before the deadline. ``least`` is the lowest value returned, in seconds.
    """
    left = deadline.at - now
    before_another = left - FOR_ANOTHER_TRY
    unknown = min(max(left * SHARE_FOR_AN_ANSWER, 2 * silence), before_another)
    return max(least, unknown, min(left, USUAL_AND_HALF * usual))
