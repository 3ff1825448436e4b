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
# A try that took long to fail has waited already: its back-off counts from its start. But a random part of this many
# seconds is waited in any case. It keeps processes apart whose tries have failed at the same moment.
BACKOFF_LEAST: Final = 1.0
# The highest bound in seconds for failures that a person must put right: a minute is soon enough after that.
SLOW_RETRY_MOST: Final = 60.0

# Where others use the same quota, a throttled put waits for half of a bound or more: a fleet must not ask too often.
# The first bound is two seconds, or this share of the send interval if that is more. It doubles up to BACKOFF_MOST, but
# from THROTTLED_OFTEN failures in a row on it is THROTTLED_SHORT: who has waited for long asks more often, and so the
# quota is used at once after an outage.
THROTTLED_FIRST: Final = 2.0
SHARE_OF_INTERVAL: Final = 0.4
THROTTLED_OFTEN: Final = 4
THROTTLED_SHORT: Final = 4.0
# While creations are throttled, the first CREATION_SOON waits are random up to a bound that doubles. The next ones take
# CREATION_LONG seconds, and from CREATION_OFTEN tries on CREATION_SHORT: who has waited for long asks more often. Each
# is longer or shorter by up to CREATION_JITTER of it. Processes that start together and share 50 creations a second
# have to come back so often that the quota is used until the last of them; more often would cost more refusals.
CREATION_FIRST: Final = 5.0
CREATION_SOON: Final = 2
CREATION_LONG: Final = 20.0
CREATION_OFTEN: Final = 9
CREATION_SHORT: Final = 6.0
CREATION_JITTER: Final = 0.25

# A new stream may be unknown for a moment after it was made, and a token may be stale twice if two writers race.
# The first two such failures are retried at once; later ones back off.
QUICK_RETRIES: Final = 2
# So many questions in a row (`outcomes.AskAgain`) are asked at once: one for each thing that a put may leave out, and
# once more if two of them are refused.
QUICK_QUESTIONS: Final = 4
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
        "_failed_at", "_not_before", "_passing", "_questions", "_quick", "_random", "_share", "_throttled", "_to_mend",
        "_tried_at", "_uncreated",
    )  # fmt: skip

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        # The number of failures that pass by themselves, that a person must put right, that are retried at once, and
        # after which something is asked.
        self._passing = self._to_mend = self._quick = self._questions = 0
        # The number of throttled puts, and of throttled creations.
        self._throttled = self._uncreated = 0
        self._not_before = -inf
        self._tried_at = -inf
        self._failed_at = -inf
        self._share = SHARE_OF_WHAT_IS_LEFT

    @property
    def failures(self) -> int:
        """How many failures there were since the last success."""
        return self._passing + self._to_mend + self._quick + self._questions + self._throttled + self._uncreated

    @property
    def has_failed(self) -> bool:
        """True if a try has failed since the last success, by a fault of the service or of the network."""
        return self._passing > 0

    @property
    def is_in_trouble(self) -> bool:
        """True if a try has failed since the last success, and its cause was not removed at once."""
        return bool(self._passing or self._to_mend or self._throttled or self._uncreated)

    def at(self, deadline: Deadline) -> float:
        """Return the instant of the next try."""
        if self._not_before <= self._failed_at or not self._failed_at < deadline.at < inf:
            return self._not_before
        # Counted from the start of the failed try: if it took long to fail, it has used up its share of the time.
        in_time = self._tried_at + (deadline.at - self._tried_at) * self._share
        return min(self._not_before, max(in_time, self._failed_at, self._tried_at + TRIES_APART))

    def worked(self) -> None:
        """Note a success: forget the failures."""
        self._passing = self._to_mend = self._quick = self._questions = self._throttled = self._uncreated = 0
        self._not_before = -inf

    def failed(self, tried_at: float, now: float) -> None:
        """Note a failure that passes by itself."""
        self._passing += 1
        part = self._random()
        wait, least = (backoff(self._passing, most, lambda: part) for most in (BACKOFF_MOST, BACKOFF_LEAST))
        self._note(tried_at, now, max(wait - (now - tried_at), least))

    def refused(self, tried_at: float, now: float) -> None:
        """Note a failure that a person must put right."""
        self._to_mend += 1
        self._note(tried_at, now, backoff(self._to_mend, SLOW_RETRY_MOST, self._random))

    def throttled(self, tried_at: float, now: float, share: float, is_new: bool, is_behind: bool = False) -> None:
        """Note that a put was throttled; ``share`` is the send interval, if others use the same quota, or 0.

        ``is_new``: the stream has just been created and has no event yet, so it has waited for long. ``is_behind``:
        this put has waited for long, too, because one before it failed in another way.
        """
        self._throttled += 1
        if not share:
            self._note(tried_at, now, backoff(self._throttled, BACKOFF_MOST, self._random))
            return
        first = most = THROTTLED_FIRST
        if not is_new:
            first = max(first, SHARE_OF_INTERVAL * share)
            has_waited = is_behind or self._throttled + self._passing >= THROTTLED_OFTEN
            most = THROTTLED_SHORT if has_waited else BACKOFF_MOST
        self._note(tried_at, now, backoff(self._throttled, most, lambda: (1 + self._random()) / 2, first))

    def not_created(self, tried_at: float, now: float) -> None:
        """Note that the stream is missing and that the service has refused to create it for now."""
        self._throttled = 0
        self._uncreated += 1
        if self._uncreated <= CREATION_SOON:
            wait = backoff(self._uncreated, CREATION_LONG, self._random, CREATION_FIRST)
        else:
            wait = CREATION_LONG if self._uncreated < CREATION_OFTEN else CREATION_SHORT
            wait *= 1.0 + CREATION_JITTER * (2 * self._random() - 1)
        self._note(tried_at, now, wait)

    def failed_quickly(self, tried_at: float, now: float) -> None:
        """Note a failure whose cause has been removed: the first QUICK_RETRIES of them are retried at once."""
        self._throttled = self._uncreated = 0
        if self._quick >= QUICK_RETRIES:
            self.failed(tried_at, now)
            return
        self._quick += 1
        self._note(tried_at, now, 0.0)

    def asked_again(self, tried_at: float, now: float) -> None:
        """Note a failure whose cause the next try may find out: the first QUICK_QUESTIONS are retried at once."""
        if self._questions >= QUICK_QUESTIONS:
            self.refused(tried_at, now)
            return
        self._questions += 1
        self._note(tried_at, now, 0.0)

    def _note(self, tried_at: float, now: float, delay: float) -> None:
        self._tried_at, self._failed_at, self._not_before = tried_at, now, now + delay
        self._share = SHARE_OF_WHAT_IS_LEFT * (1.0 - JITTER_OF_SHARE * self._random())


def backoff(failures: int, most: float, random: Callable[[], float], first: float = BACKOFF_FIRST) -> float:
    """Return how many seconds to wait after ``failures`` in a row: a random part of a bound that doubles (full jitter).

    ``first`` and ``most`` are the first and the highest bound in seconds. ``random`` returns a number from 0 to 1.
    """
    # Without a cap on the exponent, a week of failures would overflow a float. 2.0 ** 64 is far above any bound.
    return random() * min(most, first * 2.0 ** min(failures - 1, 64))


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
