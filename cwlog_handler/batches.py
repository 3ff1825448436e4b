"""What may travel together: the rules of a batch, and what becomes of one on its way.

Owns: order, span and age of a batch. Must not know: what waits (`backlog`), clocks, threads, logging, boto3, retries.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .columns import Events
from .events import Event
from .limits import DAY_MS, EVENT_OVERHEAD_BYTES, MAX_AGE_MS, MAX_AHEAD_MS, MAX_BATCH_SPAN_MS


class Rules(NamedTuple):
    """What a batch may hold: bytes and events at most, and how old (ms) an event may be."""

    max_bytes: int
    max_events: int
    max_age_ms: int = MAX_AGE_MS

    @classmethod
    def of(cls, max_bytes: int, max_events: int, retention_days: int | None) -> "Rules":
        """Return the rules for a group that keeps its events ``retention_days`` (None: for ever, or not known)."""
        kept_ms = MAX_AGE_MS if retention_days is None else retention_days * DAY_MS
        return cls(max_bytes, max_events, min(MAX_AGE_MS, kept_ms))


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

    def within(self, now_ms: int, rules: Rules) -> "Aged":
        """Sort out the events that the service would not take at ``now_ms``; the batch itself if there are none."""
        oldest_ms, newest_ms = age_window_ms(now_ms, rules)
        if oldest_ms <= self.first_ms and self.last_ms <= newest_ms:
            return Aged(self, None, None)
        start = bisect_left(self.columns.timestamps, oldest_ms)
        end = bisect_right(self.columns.timestamps, newest_ms)
        return Aged(*(self._part(*span) for span in ((start, end), (0, start), (end, len(self)))))

    def within_any(self, clocks_ms: Iterable[int], rules: Rules) -> "Aged":
        """Sort out the same by the clock, of several that may be right, by which most events are left."""
        return max((self.within(now_ms, rules) for now_ms in clocks_ms), key=Aged.count_left)

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


def age_window_ms(now_ms: int, rules: Rules) -> tuple[int, int]:
    """Return the oldest and newest timestamp that the service takes at ``now_ms``, both inclusive."""
    return now_ms - rules.max_age_ms, now_ms + MAX_AHEAD_MS


def cut_on_span(events: Events) -> list[Events]:
    """Cut chronological events wherever 24 hours between first and last would be exceeded; the oldest come first."""
    pieces = []
    start = 0
    while start < len(events):
        end = bisect_right(events.timestamps, events.timestamps[start] + MAX_BATCH_SPAN_MS, lo=start)
        pieces.append(events.part(start, end) if end - start < len(events) else events)
        start = end
    return pieces
