"""The send interval: how long an event waits for others to share its request, at most.

Owns: how the interval follows the quota of the account. Must not know: requests, streams, what a clock is, when a
refused request is made again (`retry`). Instants are seconds of one monotonic clock, handed in.

A process that is throttled once may be alone, and somebody else has used up the quota for a moment: its interval
doubles, and is the usual one again soon. Only a process that is throttled again and again shares the quota with others.
None of them knows how many there are, nor the quota. All that each of them sees is whether a put is taken at once, or
only after it was throttled. So the interval of each process is a controller that converges on its share from both
sides: a put that was throttled stretches it, and while puts are taken at once, it shrinks. What counts is time and not
requests. A request changes the interval only by that share of a full step which has passed of an interval since the
last one. So a process with many streams, with full batches or with urgent records changes its interval no faster than
any other.

The steps are small, because a process learns little: where a fleet uses its quota, one put in twenty is throttled.
`tests.fleet` shows what each of the numbers below does to 10,000 processes.
"""

from __future__ import annotations

from math import exp
from typing import Final

# The interval never becomes longer than this many seconds.
LONGEST: Final = 60.0
# A process that has not been throttled for CALM intervals may be alone: throttling doubles its interval, or adds
# ALONE_LEAST seconds if that is more. Each interval shortens it by a tenth in which a put is taken, this one as well.
CALM: Final = 30.0
ALONE_LEAST: Final = 0.5
ALONE_RECOVERS: Final = 0.9
# If it is throttled again before CALM intervals are over, it shares the quota: a throttled put adds this share of the
# interval, or STRETCH_LEAST seconds if that is more. If the one before was throttled, too, it adds STREAK times as much
# as that one, but at most STRETCH_MOST of the interval.
STRETCH: Final = 0.12
STRETCH_LEAST: Final = 2.0
STREAK: Final = 2.8
STRETCH_MOST: Final = 0.22
# After CALM intervals in which nothing was throttled it is taken for an accident, and adds a quarter of that.
ACCIDENT: Final = 0.25
# A first put that is throttled more than once shows how long a process has to wait for its turn. On average it comes in
# the middle between two turns, so the interval becomes twice as long, but by no more than this many seconds.
FIRST_TIMES: Final = 2.0
FIRST_MOST: Final = 12.0
# While requests are taken at once, an interval that is a share shrinks to 1 / e in so many seconds, and faster by this
# factor for each interval since a request was throttled.
SHRINK: Final = 1600.0
# An interval below 7.3 seconds shrinks faster: to 1 / e in this many seconds times the square of the interval, which is
# less than SHRINK there. So a process that was throttled twice by chance is back at the usual interval within two
# minutes.
SHRINK_SHORT: Final = 30.0
FASTER: Final = 1.03
# After so many intervals it becomes no faster.
FASTER_UP_TO: Final = 300.0
# A process that has caught up after an outage leaves its next turn to those that have not: its next put comes an
# interval later, but by no more than this many seconds.
LEAVES_MOST: Final = 12.0


class SendInterval:
    """How long an event waits for others to share its request, at most. Not thread-safe."""

    __slots__ = ("_at_once", "_is_shared", "_refused", "_taken_at", "_usual", "seconds")

    def __init__(self, usual: float) -> None:
        self._usual = usual
        self.seconds = usual
        """The interval, in seconds."""
        # When the last put was taken; None: none was.
        self._taken_at: float | None = None
        # True once puts were throttled again and again, until the interval is the usual one again.
        self._is_shared = False
        # For how many intervals, in a row until now, puts were throttled before they were taken, or taken at once.
        self._refused, self._at_once = 0.0, CALM

    def share(self, times: int) -> float:
        """Return the interval if others seem to use the same quota, else 0; ``times`` a put has been throttled by now.

        The very first put of a process has to be throttled twice to show that.
        """
        return self.seconds if self._is_shared or (self._taken_at is None and times > 1) else 0.0

    def caught_up(self, back_at: float, now: float) -> float:
        """Return the instant before which events that come now are not sent, unless they are urgent.

        After an outage each process needs two puts: one for the batch that failed, one for what has come since. If the
        first to catch up went on at once, they would use the quota that the last ones need. ``back_at`` is when the
        service was back for this process. If that is an interval ago, about half of the others have caught up, too.
        """
        if not self._is_shared or now - back_at > self.seconds:
            return now
        return now + self.seconds + min(self.seconds, LEAVES_MOST)

    def taken(self, tried_at: float, now: float, times: int) -> None:
        """Note that the service has taken a put, first tried at ``tried_at`` and throttled so many times since."""
        since, self._taken_at = self._taken_at, now
        if since is None and times > 1:
            self._lengthen(min(FIRST_MOST, FIRST_TIMES * (now - tried_at)))
            self._is_shared, self._at_once = True, 0.0
            return
        passed = 0.0 if since is None else max(0.0, tried_at - since)
        intervals = min(1.0, passed / self.seconds) if self.seconds > 0 else 1.0
        if not times:
            self._shrink(passed, intervals)
        elif self._at_once < CALM or self._is_shared:
            self._stretch(intervals)
        else:
            self._lengthen(max(self.seconds, ALONE_LEAST))
            self._shrink(0.0, 1.0)
            self._at_once = 0.0

    def _stretch(self, intervals: float) -> None:
        share = min(STRETCH_MOST, STRETCH * STREAK ** min(9.0, self._refused))
        if self._at_once >= CALM:
            share *= ACCIDENT
        self._lengthen(intervals * share * max(self.seconds, STRETCH_LEAST / STRETCH))
        self._is_shared = True
        self._refused, self._at_once = self._refused + intervals, 0.0

    def _shrink(self, passed: float, intervals: float) -> None:
        if self.seconds > self._usual:
            shrunk = ALONE_RECOVERS**intervals
            if self._is_shared:
                lasts = min(SHRINK, max(1.0, SHRINK_SHORT * self.seconds**2))
                shrunk = exp(-passed / lasts * FASTER**self._at_once)
            self.seconds = max(self._usual, self.seconds * shrunk)
        self._is_shared = self._is_shared and self.seconds > self._usual
        self._refused, self._at_once = 0.0, min(FASTER_UP_TO, self._at_once + intervals)

    def _lengthen(self, seconds: float) -> None:
        self.seconds = max(self._usual, min(LONGEST, self.seconds + seconds))
