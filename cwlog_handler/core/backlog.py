"""The events of one stream that wait for their first request, and the full batches that are made of them.

Owns: which events form the next batch, and in which order events of a level are dropped. Must not know: clocks,
threads, logging, boto3, retries.

Events are packed in order of arrival and put in chronological order when a batch is closed. The sort is stable, so
events of the same millisecond keep their order of arrival, within a batch and from batch to batch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice, takewhile
from math import inf
from typing import Final

from .batches import Batch, Rules, cut_on_span
from .columns import Events, Gone, fitting
from .limits import EVENT_OVERHEAD_BYTES

# Columns are filled up to this many bytes of text: large enough that many events share the fixed cost of a column,
# small enough that taking out the first event costs little.
COLUMN_BYTES: Final = 16 * 1024

# Events of some levels: pairs of a level and its events.
Rest = list[tuple[float, Events]]


class Lane:
    """The waiting events of one level, in order of arrival. Not thread-safe."""

    __slots__ = ("_columns", "count")

    def __init__(self) -> None:
        # No column in it is ever empty.
        self._columns: deque[Events] = deque()
        self.count = 0

    @property
    def first_number(self) -> int:
        """The number of the event that arrived first. The lane must not be empty."""
        return self._columns[0].numbers[0]

    def append(self, events: Events) -> None:
        """Add events that arrived after all others here."""
        last = self._columns[-1] if self._columns else None
        if last is not None and len(last.texts) + len(events.texts) <= COLUMN_BYTES:
            last.extend(events)
        else:
            self._columns.append(events)
        self.count += len(events)

    def insert(self, event: Events) -> None:
        """Add one event before all events with a higher number."""
        self.count += 1
        behind = []
        while self._columns and self._columns[-1].numbers[-1] > event.numbers[0]:
            behind.append(self._columns.pop())
        if behind:
            place = bisect_left(behind[-1].numbers, event.numbers[0])
            if place:
                self._columns.append(behind[-1].take_first(place))
        self._columns.append(event)
        self._columns.extend(reversed(behind))

    def put_back(self, events: Events) -> None:
        """Put events back that were taken from the front."""
        self.count += len(events)
        while self._columns and self._columns[0].numbers[0] < events.numbers[-1]:
            # `insert` has added events with lower numbers meanwhile.
            events = Events.joined([self._columns.popleft(), events])
        self._columns.appendleft(events)

    def pop(self, newest: bool) -> Gone:
        """Take out the event that arrived last (``newest``) or first."""
        self.count -= 1
        column = self._columns[-1 if newest else 0]
        gone = column.pop_last() if newest else column.pop_first()
        if not column:
            del self._columns[-1 if newest else 0]
        return gone

    def first(self, rules: Rules) -> Iterator[Events]:
        """Yield the first columns, until they have more events or bytes than a batch can hold. Take nothing out."""
        count = size = 0
        for column in self._columns:
            if count > rules.max_events or size > rules.max_bytes:
                return
            yield column
            count += len(column)
            size += column.size_bytes

    def count_at(self, ms: int, most: int) -> int:
        """Return how many events at the front have this timestamp, up to the first event that has another.

        Counting stops at ``most``.
        """
        timestamps = chain.from_iterable(column.timestamps for column in self._columns)
        return sum(1 for _ in takewhile(ms.__eq__, islice(timestamps, most)))

    def take_what_fits(self, room: int, most: int) -> list[Events]:
        """Take out events from the front: as many as fit into ``room`` bytes, and at most ``most``.

        The first event is taken even if it does not fit.
        """
        taken: list[Events] = []
        while self._columns and self._columns[0].size_bytes <= room and len(self._columns[0]) <= most:
            column = self._columns.popleft()
            taken.append(column)
            room, most = room - column.size_bytes, most - len(column)
        if self._columns and (count := fitting(self._columns[0].lengths, room, most) or not taken):
            taken.append(self._columns[0].take_first(int(count)))
            if not self._columns[0]:
                self._columns.popleft()
        self.count -= sum(map(len, taken))
        return taken

    def take_columns(self, about_bytes: int) -> Events:
        """Take out the first columns: about so many bytes of text, or one column. The lane must not be empty."""
        taken = [self._columns.popleft()]
        size = len(taken[0].texts)
        while self._columns and size + len(self._columns[0].texts) <= about_bytes:
            taken.append(self._columns.popleft())
            size += len(taken[-1].texts)
        events = Events.joined(taken)
        self.count -= len(events)
        return events

    def take_up_to(self, number: int) -> list[Events]:
        """Take out the events with this number or a lower one."""
        taken = []
        while self._columns and self._columns[0].numbers[-1] <= number:
            taken.append(self._columns.popleft())
        if self._columns and (count := bisect_right(self._columns[0].numbers, number)):
            taken.append(self._columns[0].take_first(count))
        self.count -= sum(map(len, taken))
        return taken


class Backlog:
    """The events of one stream that wait for their first request, with one lane for each level of severity.

    Not thread-safe.
    """

    __slots__ = ("_bytes", "_closed", "_count", "_lanes", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # No lane in it is ever empty.
        self._lanes: dict[float, Lane] = {}
        self._count = 0
        self._bytes = 0
        self._closed: deque[Batch] = deque()

    @property
    def has_full_batch(self) -> bool:
        """True if a batch is ready that no further event could join."""
        # An event has at least one byte of text. So a batch with less room than that byte and the overhead is full.
        full = self._bytes + EVENT_OVERHEAD_BYTES >= self._rules.max_bytes or self._count >= self._rules.max_events
        return full or bool(self._closed)

    @property
    def is_empty(self) -> bool:
        """True if no event waits."""
        return not (self._lanes or self._closed)

    @property
    def first_number(self) -> int | None:
        """The number of the waiting event that arrived first; None if none waits."""
        numbers = [batch.first_number for batch in self._closed]
        numbers += [lane.first_number for lane in self._lanes.values()]
        return min(numbers, default=None)

    @property
    def lowest_level(self) -> float | None:
        """The least severe level among events that are in no closed batch yet; None if there are none."""
        return min(self._lanes, default=None)

    def count_of(self, level: float) -> int:
        """Return how many events of a level wait outside of closed batches."""
        lane = self._lanes.get(level)
        return lane.count if lane is not None else 0

    def append(self, events: Events, level: float) -> None:
        """Add events that arrived after all others of their level."""
        lane = self._lanes.get(level) or Lane()
        lane.append(events)
        self._enter(level, lane, events)

    def insert(self, event: Events, level: float) -> None:
        """Add one event before all events of its level with a higher number."""
        lane = self._lanes.get(level) or Lane()
        lane.insert(event)
        self._enter(level, lane, event)

    def close_batch(self) -> Batch:
        """Return the batch to be sent next, but leave it here. No event may join it any more.

        It holds as many of the events that arrived first as fit. Call this only if an event waits.
        """
        if not self._closed:
            events = self._take_what_fits()
            first_number = events.numbers[0]
            pieces = cut_on_span(events.in_order())
            self._closed.extend(Batch(piece, first_number if len(pieces) == 1 else None) for piece in pieces)
        return self._closed[0]

    def take(self) -> Batch:
        """Take out the batch to be sent next. At least one event must wait."""
        self.close_batch()
        return self._closed.popleft()

    def would_close_at(self, ms: int) -> bool:
        """True if no batch is closed, and the next one to be closed may have an event with this timestamp."""
        return not self._closed and any(
            ms in column.timestamps for lane in self._lanes.values() for column in lane.first(self._rules)
        )

    def take_rest(self, ms: int) -> Rest:
        """Take out the events at the front of each lane that have this timestamp; `put_back` returns them.

        A lane with more than half of ``max_events`` such events keeps them.
        """
        most = self._rules.max_events // 2
        rest = []
        for level, lane in list(self._lanes.items()):
            if 0 < (count := lane.count_at(ms, most + 1)) <= most:
                taken = lane.take_what_fits(self._rules.max_bytes, count)
                self._leave(taken)
                rest.append((level, Events.joined(taken)))
        return rest

    def put_back(self, rest: Sequence[tuple[float | None, Events]]) -> None:
        """Put events back that `take_rest` or `take_to_store` took out."""
        for level, events in rest:
            if level is None:
                self._closed.appendleft(Batch(events))
                continue
            lane = self._lanes.get(level) or Lane()
            lane.put_back(events)
            self._enter(level, lane, events)

    def take_to_store(self, about_bytes: int, above: float = -inf) -> tuple[float | None, Events] | None:
        """Take out the events that arrived first: about so many bytes of one level, or a closed batch (level None).

        Only levels ``above`` that one are looked at. Return None if nothing waits. `put_back` returns the events.
        """
        if self._closed:
            return None, self._closed.popleft().columns
        levels = [level for level in self._lanes if level > above]
        if not levels:
            return None
        level = min(levels, key=lambda level: self._lanes[level].first_number)
        events = self._lanes[level].take_columns(about_bytes)
        self._leave([events])
        return level, events

    def drop(self, level: float, newest: bool) -> Gone:
        """Take out the event of a level that arrived last (``newest``) or first.

        KeyError if no event of this level waits outside of closed batches.
        """
        lane = self._lanes[level]
        gone = lane.pop(newest)
        if not lane.count:
            del self._lanes[level]
        self._count -= 1
        self._bytes -= gone.size_bytes
        return gone

    def _enter(self, level: float, lane: Lane, events: Events) -> None:
        count, size_bytes = len(events), events.size_bytes
        # Only now that the lane has events: Ctrl-C may break this off at any point, and must not leave an empty lane.
        self._lanes[level] = lane
        self._count += count
        self._bytes += size_bytes

    def _take_what_fits(self) -> Events:
        """Take out events in order of arrival until a limit of the batch is reached, but at least one."""
        taken: list[Events] = []
        if len(self._lanes) == 1:
            # The usual case, and cheaper: there is no order among lanes to find.
            for lane in self._lanes.values():
                taken = lane.take_what_fits(self._rules.max_bytes, self._rules.max_events)
        else:
            number = self._last_that_fits()
            for lane in self._lanes.values():
                taken += lane.take_up_to(number)
        self._leave(taken)
        return Events.joined(taken)

    def _leave(self, taken: list[Events]) -> None:
        # First of all, so that no empty lane is left if Ctrl-C breaks this off.
        for level in [level for level, lane in self._lanes.items() if not lane.count]:
            del self._lanes[level]
        self._count -= sum(map(len, taken))
        self._bytes -= sum(events.size_bytes for events in taken)

    def _last_that_fits(self) -> int:
        """Return the number of the event that will be the last to fit into the next batch."""
        first = [column for lane in self._lanes.values() for column in lane.first(self._rules)]
        numbers = list(chain.from_iterable(column.numbers for column in first))
        lengths = list(chain.from_iterable(column.lengths for column in first))
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        fit = max(1, fitting([lengths[place] for place in order], self._rules.max_bytes, self._rules.max_events))
        return numbers[order[fit - 1]]
