"""What may travel together: the rules of a batch, and what becomes of one on its way.

Owns: order, span and age of a batch. Must not know: what waits (`backlog`), clocks, threads, logging, boto3, retries.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from math import inf
from typing import Final, NamedTuple

from .columns import Events
from .events import Event
from .limits import DAY_MS, EVENT_OVERHEAD_BYTES, MAX_AGE_MS, MAX_AHEAD_MS, MAX_BATCH_SPAN_MS

# For so many seconds a group that this process has made is taken to be as it was made. Later on somebody may have given
# it another retention, or have deleted it and made another one.
JUST_MADE: Final = 300.0


class Rules(NamedTuple):
    """What a batch may hold: bytes and events at most."""

    max_bytes: int
    max_events: int


class AgeLimit:
    """How old an event may be that is sent to one log group: 14 days, which is the service's own limit.

    What a group keeps is the service's to say, whatever retention we would give it: it may have been there before, and
    an account may have a retention policy of its own. So the service is asked, and its answer is counted (``expired``).
    Only where this process itself has just made the group and set its retention, older events stay here.
    """

    __slots__ = ("_kept_ms", "_until")

    def __init__(self) -> None:
        self._kept_ms = MAX_AGE_MS
        self._until = -inf

    def made(self, retention_days: int | None, now: float) -> None:
        """Take note that something was missing, and made: the group with this retention; None: anything else.

        Whoever had to make a stream alone may be in another group of the same name, which somebody else has made.
        """
        self._kept_ms = MAX_AGE_MS if retention_days is None else min(MAX_AGE_MS, retention_days * DAY_MS)
        self._until = now + JUST_MADE

    def max_age_ms(self, now: float) -> int:
        """Return how old an event may be at an instant of the clock that `made` was told of."""
        return self._kept_ms if now < self._until else MAX_AGE_MS


class Batch:
    """Events for one request, in chronological order; they do not change."""

    __slots__ = ("_milliseconds", "columns", "first_number", "size_bytes")

    def __init__(self, columns: Events, first_number: int | None = None) -> None:
        self.columns = columns
        self.first_number = min(columns.numbers) if first_number is None else first_number
        """The number of the event that arrived first."""
        self.size_bytes = columns.size_bytes
        """The batch's size as the service counts it."""
        self._milliseconds: frozenset[int] | None = None

    @classmethod
    def of(cls, events: list[Event]) -> "Batch":
        """Return a batch of single events."""
        return cls(Events.of(events))

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.columns)

    @property
    def first_ms(self) -> int:
        """The first timestamp."""
        return self.columns.timestamps[0]

    @property
    def last_ms(self) -> int:
        """The last timestamp."""
        return self.columns.timestamps[-1]

    @property
    def milliseconds(self) -> frozenset[int]:
        """All timestamps."""
        if self._milliseconds is None:
            self._milliseconds = frozenset(self.columns.timestamps)
        return self._milliseconds

    def shares_time_with(self, other: "Batch") -> bool:
        """True if events of both could be mixed up where timestamps are all that tells their order."""
        if self.last_ms < other.first_ms or other.last_ms < self.first_ms:
            return False
        return not self.milliseconds.isdisjoint(other.milliseconds)

    def size_of(self, start: int, end: int) -> int:
        """Return the size of some of the events."""
        return sum(self.columns.lengths[start:end]) + EVENT_OVERHEAD_BYTES * (end - start)

    def halves(self) -> "tuple[Batch, Batch]":
        """Cut a batch of two events or more in two."""
        middle = len(self) // 2
        return Batch(self.columns.part(0, middle)), Batch(self.columns.part(middle, len(self)))

    def cut_out(self, place: int) -> "tuple[Batch | None, Batch, Batch | None]":
        """Cut a batch before and after the event at a place; None where there is nothing."""
        event = Batch(self.columns.part(place, place + 1))
        return self._part(0, place), event, self._part(place + 1, len(self))

    def fits_with(self, other: "Batch", rules: Rules) -> bool:
        """True if both could travel together."""
        span_ms = max(self.last_ms, other.last_ms) - min(self.first_ms, other.first_ms)
        size_bytes, count = self.size_bytes + other.size_bytes, len(self) + len(other)
        return size_bytes <= rules.max_bytes and count <= rules.max_events and span_ms <= MAX_BATCH_SPAN_MS

    def joined_with(self, other: "Batch") -> "Batch":
        """Return all events of both in one batch."""
        return Batch(Events.joined([batch.columns.part(0, len(batch)) for batch in (self, other)]).in_order())

    def within(self, now_ms: int, max_age_ms: int) -> "Aged":
        """Sort out the events that the service would not take at ``now_ms``; the batch itself if there are none."""
        oldest_ms, newest_ms = age_window_ms(now_ms, max_age_ms)
        if oldest_ms <= self.first_ms and self.last_ms <= newest_ms:
            return Aged(self, None, None)
        start = bisect_left(self.columns.timestamps, oldest_ms)
        end = bisect_right(self.columns.timestamps, newest_ms)
        return Aged(*(self._part(*span) for span in ((start, end), (0, start), (end, len(self)))))

    def within_any(self, clocks_ms: Iterable[int], max_age_ms: int) -> "Aged":
        """Sort out the same by the clock, of several that may be right, by which most events are left."""
        return max((self.within(now_ms, max_age_ms) for now_ms in clocks_ms), key=Aged.count_left)

    def _part(self, start: int, end: int) -> "Batch | None":
        return Batch(self.columns.part(start, end)) if start < end else None


class Aged(NamedTuple):
    """What may be sent of a batch now, and the events that are too old or too new; None for none."""

    batch: Batch | None
    too_old: Batch | None
    too_new: Batch | None

    def count_left(self) -> int:
        """How many events may be sent."""
        return 0 if self.batch is None else len(self.batch)


def age_window_ms(now_ms: int, max_age_ms: int) -> tuple[int, int]:
    """Return the oldest and newest timestamp that the service takes at ``now_ms``, both inclusive."""
    return now_ms - max_age_ms, now_ms + MAX_AHEAD_MS


def cut_on_span(events: Events) -> list[Events]:
    """Cut chronological events wherever 24 hours between first and last would be exceeded; the oldest come first."""
    pieces = []
    start = 0
    while start < len(events):
        end = bisect_right(events.timestamps, events.timestamps[start] + MAX_BATCH_SPAN_MS, lo=start)
        pieces.append(events.part(start, end) if end - start < len(events) else events)
        start = end
    return pieces
