"""When to try again after failures in a row: by back-off, and sooner for somebody who waits until a deadline.

Owns: how many failures there were, and what follows from them. Must not know: what is tried, what a clock is. Instants
are seconds of one monotonic clock, handed in; a deadline of ``inf`` means that nobody waits.

Back-off alone loses records at the end of a program: it may sleep through the last seconds although the service is well
again. So while somebody waits, the time that is left is shared out: the next try comes after a quarter of it at the
latest, and then a quarter of the rest. The tries become denser towards the end, where each of them counts most.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

from .pacing import SLOW_LANE_MOST, Backoff

# A fresh stream may be unknown for a moment after it was made, and a token may be stale twice where two writers race.
# The first two such failures are retried at once; later ones back off.
QUICK_RETRIES: Final = 2
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
    """The failures in a row of one thing that is tried: a stream's requests, or the making of a client."""

    __slots__ = (
        "_backoff", "_failed_at", "_not_before", "_quick_retries", "_random", "_share", "_slow", "_tried_at",
        "failures",
    )  # fmt: skip

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._backoff = Backoff(random)
        self._slow = Backoff(random, SLOW_LANE_MOST)
        self.failures = 0
        """How many there were since it last worked."""
        self._quick_retries = 0
        self._not_before = -inf
        self._tried_at = -inf
        self._failed_at = -inf
        self._share = SHARE_OF_WHAT_IS_LEFT

    def at(self, deadline: Deadline) -> float:
        """Return the instant of the next try."""
        if self._not_before <= self._failed_at or not self._failed_at < deadline.at < inf:
            return self._not_before
        # Counted from when it was tried: what took long to fail, or had no answer, has used up its share of the time.
        in_time = self._tried_at + (deadline.at - self._tried_at) * self._share
        return min(self._not_before, max(in_time, self._failed_at, self._tried_at + TRIES_APART))

    def worked(self) -> None:
        """Forget the failures."""
        self.failures = self._quick_retries = 0
        self._not_before = -inf
        self._backoff.worked()
        self._slow.worked()

    def failed(self, tried_at: float, now: float) -> None:
        """Note a failure that passes by itself."""
        self._note(tried_at, now, self._backoff.failed())

    def refused(self, tried_at: float, now: float) -> None:
        """Note a failure that somebody must mend."""
        self._note(tried_at, now, self._slow.failed())

    def failed_quickly(self, tried_at: float, now: float) -> None:
        """Note a failure whose cause is removed by now."""
        self._quick_retries += 1
        self._note(tried_at, now, 0.0 if self._quick_retries <= QUICK_RETRIES else self._backoff.failed())

    def _note(self, tried_at: float, now: float, delay: float) -> None:
        self.failures += 1
        self._tried_at, self._failed_at, self._not_before = tried_at, now, now + delay
        self._share = SHARE_OF_WHAT_IS_LEFT * (1.0 - JITTER_OF_SHARE * self._random())


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
