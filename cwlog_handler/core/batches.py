"""What one request may hold: the rules of a batch, how batches are cut and joined, and how old their events may be.

Owns: order, size, span and age of a batch. Must not know: what waits (`backlog`), clocks, threads, logging, boto3,
retries.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from .columns import Events
from .events import Event
from .limits import DAY_MS, EVENT_OVERHEAD_BYTES, MAX_AGE_MS, MAX_AHEAD_MS, MAX_BATCH_SPAN_MS

if TYPE_CHECKING:
    from .parcels import Parcel

# After this process has made a log group, it relies for this many seconds on the retention that it gave the group.
# Later somebody may have changed the retention, or have deleted the group and made another one.
JUST_MADE: Final = 300.0


Levels: TypeAlias = "tuple[tuple[float, array[int] | None], ...]"
"""The levels of events, each with the numbers of those that have it, which rise; None: all have it."""


class Rules:
    """How much a batch may hold: bytes as the service counts them, and events."""

    __slots__ = ("max_bytes", "max_events")

    def __init__(self, max_bytes: int, max_events: int) -> None:
        self.max_bytes: Final = max_bytes
        self.max_events: Final = max_events


class AgeLimit:
    """The age up to which events are sent to one log group: 14 days, the service's own limit.

    A group may keep events for a shorter time, which we do not know: the group may have existed before, and an account
    may have a retention policy of its own. So older events are sent, and those that the service rejects are counted
    (``expired``). Only if this process itself has just made the group and set its retention, events that are older
    than this retention are not sent.
    """

    __slots__ = ("__weakref__", "_kept_ms", "_until")

    def __init__(self) -> None:
        self._kept_ms = MAX_AGE_MS
        self._until = -inf

    def made(self, retention_days: int | None, now: float) -> None:
        """Note that a stream was missing and has been made, perhaps with its group.

        ``retention_days``: the retention, if this process has made the group and set it; None in all other cases. If
        only the stream was missing, somebody else may have made a new group of the same name.
        """
        self._kept_ms = MAX_AGE_MS if retention_days is None else min(MAX_AGE_MS, retention_days * DAY_MS)
        self._until = now + JUST_MADE

    def max_age_ms(self, now: float) -> int:
        """Return how old an event may be in milliseconds; ``now`` comes from the same clock as for `made`."""
        return self._kept_ms if now < self._until else MAX_AGE_MS


class Batch:
    """Events for one request, in chronological order; they do not change."""

    __slots__ = ("_milliseconds", "columns", "first_number", "levels", "size_bytes", "stored")

    def __init__(
        self,
        columns: Events,
        first_number: int | None = None,
        stored: "tuple[Parcel, ...]" = (),
        levels: Levels = (),
    ) -> None:
        self.columns = columns
        self.first_number = min(columns.numbers) if first_number is None else first_number
        """The number of the event that arrived first."""
        self.size_bytes = columns.size_bytes
        """The batch's size as the service counts it."""
        self.stored = stored
        """Where its events lie on disk, too. A part of a batch has the parcels of the whole."""
        self.levels = levels
        """The levels of its events, as far as they are kept. A part of a batch has those of the whole."""
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
        """True if both have an event with the same timestamp: only timestamps tell readers the order of two batches."""
        if self.last_ms < other.first_ms or other.last_ms < self.first_ms:
            return False
        return not self.milliseconds.isdisjoint(other.milliseconds)

    @property
    def is_stored(self) -> bool:
        """True if an event of it is on disk, too."""
        return any(parcel.left for parcel in self.stored)

    def copied(self, parcel: "Parcel", numbers: Sequence[int]) -> None:
        """Note that its events with these numbers were copied to disk, and stay in memory."""
        parcel.number_as(numbers)
        self.stored = (parcel,)

    def settle(self) -> None:
        """Note on disk, where its events lie there, too, that they need no delivery any more."""
        for parcel in self.stored:
            parcel.settle(self.columns.numbers)

    def size_of(self, start: int, end: int) -> int:
        """Return the size of the events from ``start`` to ``end`` (exclusive) as the service counts it."""
        if end - start == len(self):
            return self.size_bytes
        return sum(self.columns.lengths[start:end]) + EVENT_OVERHEAD_BYTES * (end - start)

    def halves(self) -> "tuple[Batch, Batch]":
        """Cut a batch of two events or more in two."""
        middle = len(self) // 2
        first, second = self.columns.part(0, middle), self.columns.part(middle, len(self))
        return self._with(first), self._with(second)

    def cut_out(self, place: int) -> "tuple[Batch | None, Batch, Batch | None]":
        """Cut a batch before and after the event at a place; None if there are no events on that side."""
        event = self._with(self.columns.part(place, place + 1))
        return self.part(0, place), event, self.part(place + 1, len(self))

    def fits_with(self, other: "Batch", rules: Rules) -> bool:
        """True if one request may hold both batches, and both are on disk, too, or neither is."""
        if self.is_stored != other.is_stored:
            return False
        span_ms = max(self.last_ms, other.last_ms) - min(self.first_ms, other.first_ms)
        size_bytes, count = self.size_bytes + other.size_bytes, len(self) + len(other)
        return size_bytes <= rules.max_bytes and count <= rules.max_events and span_ms <= MAX_BATCH_SPAN_MS

    def joined_with(self, other: "Batch") -> "Batch":
        """Return all events of both in one batch."""
        columns = Events.joined([batch.columns.part(0, len(batch)) for batch in (self, other)]).in_order()
        levels = self.levels if self.levels == other.levels else self._levels_with(other)
        return Batch(columns, stored=tuple(dict.fromkeys(self.stored + other.stored)), levels=levels)

    def is_within(self, now_ms: int, max_age_ms: int) -> bool:
        """True if no event is too old or too new for the service at ``now_ms``."""
        oldest_ms, newest_ms = age_window_ms(now_ms, max_age_ms)
        return oldest_ms <= self.first_ms and self.last_ms <= newest_ms

    def within(self, now_ms: int, max_age_ms: int) -> "Aged":
        """Separate the events that are too old or too new for the service at ``now_ms``.

        If there are none, the batch in the result is this very batch.
        """
        if self.is_within(now_ms, max_age_ms):
            return Aged(self, None, None)
        oldest_ms, newest_ms = age_window_ms(now_ms, max_age_ms)
        start = bisect_left(self.columns.timestamps, oldest_ms)
        end = bisect_right(self.columns.timestamps, newest_ms)
        return Aged(*(self.part(*span) for span in ((start, end), (0, start), (end, len(self)))))

    def within_any(self, clocks_ms: Iterable[int], max_age_ms: int) -> "Aged":
        """Do the same as `within` by each clock, any of which may be right; return the result with most events left."""
        first, *others = clocks_ms
        aged = self.within(first, max_age_ms)
        if aged.batch is self or not others:
            return aged
        return max((self.within(now_ms, max_age_ms) for now_ms in clocks_ms), key=Aged.count_left)

    def part(self, start: int, end: int) -> "Batch | None":
        """Return the events from index ``start`` up to, but without, ``end``; None if there are none."""
        if start >= end:
            return None
        return self if end - start == len(self) else self._with(self.columns.part(start, end))

    def only(self, events: Events) -> "Batch":
        """Return a batch of these events, which are some of its own and in memory only."""
        return Batch(events, levels=self.levels)

    def _with(self, columns: Events) -> "Batch":
        return Batch(columns, stored=self.stored, levels=self.levels)

    def _levels_with(self, other: "Batch") -> Levels:
        numbers: dict[float, list[int]] = {}
        for batch in (self, other):
            for place, number in enumerate(batch.columns.numbers):
                if batch.levels and (level := batch.level_at(place)) is not None:
                    numbers.setdefault(level, []).append(number)
        return tuple((level, array("Q", sorted(some))) for level, some in numbers.items())

    def level_at(self, place: int) -> float | None:
        """Return the level of the event at a place; None if it is not known.

        Events that were read back from disk have the tens of their level.
        """
        number = self.columns.numbers[place]
        for level, numbers in self.levels:
            if numbers is None:
                return level
            at = bisect_left(numbers, number)
            if at < len(numbers) and numbers[at] == number:
                return level
        return next((parcel.level for parcel in self.stored if number in parcel.numbers), None)


class Aged:
    """A batch cut by age: what may be sent now, what is too old, what is too new; each None if it has no events."""

    __slots__ = ("batch", "too_new", "too_old")

    def __init__(self, batch: Batch | None, too_old: Batch | None, too_new: Batch | None) -> None:
        self.batch: Final = batch
        self.too_old: Final = too_old
        self.too_new: Final = too_new

    def count_left(self) -> int:
        """How many events may be sent."""
        return 0 if self.batch is None else len(self.batch)


def age_window_ms(now_ms: int, max_age_ms: int) -> tuple[int, int]:
    """Return the oldest and newest timestamp that the service takes at ``now_ms``, both inclusive."""
    return now_ms - max_age_ms, now_ms + MAX_AHEAD_MS


def cut_on_span(events: Events) -> list[Events]:
    """Cut chronological events into pieces that span at most 24 hours each; the oldest piece comes first."""
    if events.timestamps[-1] - events.timestamps[0] <= MAX_BATCH_SPAN_MS:
        return [events]
    pieces = []
    start = 0
    while start < len(events):
        end = bisect_right(events.timestamps, events.timestamps[start] + MAX_BATCH_SPAN_MS, lo=start)
        pieces.append(events.part(start, end) if end - start < len(events) else events)
        start = end
    return pieces
