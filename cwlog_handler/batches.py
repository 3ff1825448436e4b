"""What may travel together: packing events into batches that PutLogEvents accepts whole.

Owns: bytes, count, order, span and age of a batch. Must not know: clocks, threads, logging, boto3, retries.

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
from .limits import DAY_MS, MAX_AGE_MS, MAX_AHEAD_MS, MAX_BATCH_SPAN_MS

_timestamp = attrgetter("timestamp")


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
    """Events for one request, in chronological order. ``chunk`` numbers what was packed together, for `flush`."""

    events: tuple[Event, ...]
    chunk: int

    @property
    def size_bytes(self) -> int:
        """The batch's size as the service counts it."""
        return sum(event.size_bytes for event in self.events)

    def halves(self) -> tuple[Batch, Batch]:
        """Cut a batch of two events or more in two."""
        middle = len(self.events) // 2
        return Batch(self.events[:middle], self.chunk), Batch(self.events[middle:], self.chunk)

    def within(self, now_ms: int, rules: Rules) -> Aged:
        """Sort out the events that the service would not take at ``now_ms``; the batch itself if there are none."""
        oldest_ms, newest_ms = age_window_ms(now_ms, rules)
        if oldest_ms <= self.events[0].timestamp and self.events[-1].timestamp <= newest_ms:
            return Aged(self, (), ())
        start = bisect_left(self.events, oldest_ms, key=_timestamp)
        end = bisect_right(self.events, newest_ms, key=_timestamp)
        rest = Batch(self.events[start:end], self.chunk) if start < end else None
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
    """The events of one stream that wait for their first request: full chunks, and one that still fills.

    Not thread-safe: the flusher owns it.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._full: deque[deque[Event]] = deque()
        self._filling: deque[Event] = deque()
        self._filling_bytes = 0
        self._closed: deque[Batch] = deque()
        self._first_chunk = 0
        self.droppable = 0
        """How many events are in no closed batch yet."""

    @property
    def has_full_batch(self) -> bool:
        """True if a batch is ready that no further event could join."""
        return bool(self._full or self._closed)

    @property
    def is_empty(self) -> bool:
        """True if no event waits."""
        return not (self._filling or self._full or self._closed)

    @property
    def first_chunk(self) -> int:
        """Number of the oldest chunk that has events here, or of the one to come."""
        return self._closed[0].chunk if self._closed else self._first_chunk

    @property
    def last_chunk(self) -> int:
        """Number of the chunk that the newest event is in."""
        return self._first_chunk + len(self._full) - (0 if self._filling else 1)

    def append(self, event: Event) -> None:
        """Add an event behind all others; it starts a new chunk if it would break a limit of this one."""
        too_many = len(self._filling) >= self._rules.max_events
        if too_many or self._filling_bytes + event.size_bytes > self._rules.max_bytes:
            self._full.append(self._filling)
            self._filling = deque()
            self._filling_bytes = 0
        self._filling.append(event)
        self._filling_bytes += event.size_bytes
        self.droppable += 1

    def take(self) -> Batch | None:
        """Take out the batch to be sent next, closing the oldest chunk for it; None if no event waits."""
        if not self._closed:
            self._close_chunk()
        return self._closed.popleft() if self._closed else None

    def drop_oldest(self) -> Event | None:
        """Take out the event that arrived first and is in no closed batch; None if there is none."""
        chunk = self._full[0] if self._full else self._filling
        if not chunk:
            return None
        event = chunk.popleft()
        self.droppable -= 1
        if chunk is self._filling:
            self._filling_bytes -= event.size_bytes
        elif not chunk:
            self._full.popleft()
        if not chunk:
            self._first_chunk += 1
        return event

    def _close_chunk(self) -> None:
        if self._full:
            chunk = self._full.popleft()
        else:
            chunk, self._filling, self._filling_bytes = self._filling, deque(), 0
        if not chunk:
            return
        self.droppable -= len(chunk)
        # sorted() is stable and needs one pass where the events are in order already, which they nearly always are.
        for piece in cut_on_span(sorted(chunk, key=_timestamp)):
            self._closed.append(Batch(tuple(piece), self._first_chunk))
        self._first_chunk += 1
