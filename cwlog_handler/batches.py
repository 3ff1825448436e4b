"""What may travel together: packing events into batches that PutLogEvents accepts whole.

Owns: bytes, count, order, span and age of a batch; which waiting event an overflow takes. Must not know: clocks,
threads, logging, boto3, retries.

Events are packed in order of arrival, as tightly as the limits allow, and put in chronological order when a batch is
closed. The sort is stable, so events of the same millisecond keep their order of arrival, within a batch and from
batch to batch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from .events import Event
from .limits import DAY_MS, EVENT_OVERHEAD_BYTES, MAX_AGE_MS, MAX_AHEAD_MS, MAX_BATCH_SPAN_MS

_timestamp = attrgetter("timestamp")
_number = attrgetter("number")


@dataclass(frozen=True)
class Rules:
    """What a batch may hold: bytes and events at most, and how old (ms) an event may be."""

    max_bytes: int
    max_events: int
    max_age_ms: int = MAX_AGE_MS

    @classmethod
    def of(cls, max_bytes: int, max_events: int, retention_days: int | None) -> Rules:
        """Return the rules for a group that keeps its events ``retention_days`` (None: for ever, or not known)."""
        kept_ms = MAX_AGE_MS if retention_days is None else retention_days * DAY_MS
        return cls(max_bytes, max_events, min(MAX_AGE_MS, kept_ms))


@dataclass(frozen=True, eq=False)
class Batch:
    """Events for one request, in chronological order."""

    events: tuple[Event, ...]

    @property
    def first_number(self) -> int:
        """The number of the event that arrived first."""
        return min(event.number for event in self.events)

    @property
    def size_bytes(self) -> int:
        """The batch's size as the service counts it."""
        return sum(event.size_bytes for event in self.events)

    def halves(self) -> tuple[Batch, Batch]:
        """Cut a batch of two events or more in two."""
        middle = len(self.events) // 2
        return Batch(self.events[:middle]), Batch(self.events[middle:])

    def within(self, now_ms: int, rules: Rules) -> Aged:
        """Sort out the events that the service would not take at ``now_ms``; the batch itself if there are none."""
        oldest_ms, newest_ms = age_window_ms(now_ms, rules)
        if oldest_ms <= self.events[0].timestamp and self.events[-1].timestamp <= newest_ms:
            return Aged(self, (), ())
        start = bisect_left(self.events, oldest_ms, key=_timestamp)
        end = bisect_right(self.events, newest_ms, key=_timestamp)
        rest = Batch(self.events[start:end]) if start < end else None
        return Aged(rest, self.events[:start], self.events[end:])


class Aged(NamedTuple):
    """A batch with what may be sent now (None: nothing), and the events that are too old or too new."""

    batch: Batch | None
    too_old: tuple[Event, ...]
    too_new: tuple[Event, ...]


def age_window_ms(now_ms: int, rules: Rules) -> tuple[int, int]:
    """Return the oldest and newest timestamp that the service takes at ``now_ms``, both inclusive."""
    return now_ms - rules.max_age_ms, now_ms + MAX_AHEAD_MS


def cut_on_span(events: list[Event]) -> list[list[Event]]:
    """Cut chronological events wherever 24 hours between first and last would be exceeded; the oldest come first."""
    pieces = []
    start = 0
    while start < len(events):
        end = bisect_right(events, events[start].timestamp + MAX_BATCH_SPAN_MS, lo=start, key=_timestamp)
        pieces.append(events[start:end])
        start = end
    return pieces


class Backlog:
    """The events of one stream that wait for their first request, in a lane for each level of severity.

    Not thread-safe.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # No lane is ever empty.
        self._lanes: dict[int, deque[Event]] = {}
        self._count = 0
        self._bytes = 0
        self._closed: deque[Batch] = deque()

    @property
    def has_full_batch(self) -> bool:
        """True if a batch is ready that no further event could join."""
        # No event is smaller than one byte of text.
        full = self._bytes + EVENT_OVERHEAD_BYTES >= self._rules.max_bytes or self._count >= self._rules.max_events
        return full or bool(self._closed)

    @property
    def is_empty(self) -> bool:
        """True if no event waits."""
        return not (self._count or self._closed)

    @property
    def first_number(self) -> int | None:
        """The number of the waiting event that arrived first; None if none waits."""
        numbers = [batch.first_number for batch in self._closed]
        numbers += [lane[0].number for lane in self._lanes.values()]
        return min(numbers, default=None)

    @property
    def lowest_level(self) -> int | None:
        """The least severe level of which an event waits that is in no closed batch yet; None if there is none."""
        return min(self._lanes, default=None)

    def count_of(self, level: int) -> int:
        """How many events of a level wait that are in no closed batch yet."""
        lane = self._lanes.get(level)
        return len(lane) if lane is not None else 0

    def append(self, event: Event, level: int) -> None:
        """Add an event in the place that its number says: behind all others, but for one that takes a lost one's."""
        lane = self._lanes.get(level)
        if lane is None:
            lane = self._lanes[level] = deque()
        if lane and lane[-1].number > event.number:
            lane.insert(bisect_left(lane, event.number, key=_number), event)
        else:
            lane.append(event)
        self._count += 1
        self._bytes += event.size_bytes

    def take(self) -> Batch | None:
        """Take out the batch to be sent next: the events that arrived first, as many as fit; None if none waits."""
        if not self._closed and self._lanes:
            # sorted() is stable and needs one pass where the events are in order already, as they nearly always are.
            pieces = cut_on_span(sorted(self._take_what_fits(), key=_timestamp))
            self._closed.extend(Batch(tuple(piece)) for piece in pieces)
        return self._closed.popleft() if self._closed else None

    def drop(self, level: int, newest: bool) -> Event:
        """Take out the event of a level that arrived first, or last; KeyError if none of that level waits."""
        lane = self._lanes[level]
        event = lane.pop() if newest else lane.popleft()
        if not lane:
            del self._lanes[level]
        self._count -= 1
        self._bytes -= event.size_bytes
        return event

    def _take_what_fits(self) -> list[Event]:
        """Take out events in order of arrival until a limit is reached; one at least."""
        taken: list[Event] = []
        room = self._rules.max_bytes
        while self._lanes:
            # From one lane for as long as it has the oldest: most of the time, there is one lane only.
            level = min(self._lanes, key=lambda level: self._lanes[level][0].number)
            lane = self._lanes[level]
            until = min((other[0].number for other in self._lanes.values() if other is not lane), default=None)
            while lane and (until is None or lane[0].number < until):
                size = lane[0].size_bytes
                if taken and (size > room or len(taken) >= self._rules.max_events):
                    return taken
                room -= size
                taken.append(lane.popleft())
                self._count -= 1
                self._bytes -= size
            if not lane:
                del self._lanes[level]
        return taken
