"""The events of one level that wait in a stream, in columns, in order of arrival.

Owns: how they are kept. Must not know: the other levels, batches, clocks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import chain, islice, takewhile
from typing import Final

from .batches import Rules
from .columns import Events, Gone, fitting

# Columns are filled up to this many bytes of text: large enough that many events share the fixed cost of a column,
# small enough that taking out the first event costs little.
COLUMN_BYTES: Final = 16 * 1024


class Lane:
    """The waiting events of one level, in order of arrival. Not thread-safe."""

    __slots__ = ("_columns", "count")

    def __init__(self) -> None:
        # No column in it is ever empty. Not a deque, which takes 600 bytes: many streams have only one column each.
        self._columns: list[Events] = []
        self.count = 0

    @property
    def first_number(self) -> int:
        """The number of the event that arrived first. The lane must not be empty."""
        return self._columns[0].numbers[0]

    def append(self, events: Events) -> None:
        """Add events that arrived after all others here."""
        columns, count = self._columns, len(events.numbers)
        # No call of C code behind the one in which the events become part of the columns: see ARCHITECTURE, Ctrl-C, 1.
        if columns and len(columns[-1].texts) + len(events.texts) <= COLUMN_BYTES:
            columns[-1].extend(events)
        else:
            columns += (events,)
        self.count += count

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
            events = Events.joined([self._columns.pop(0), events])
        self._columns.insert(0, events)

    def pop(self, newest: bool) -> Gone:
        """Take out the event that arrived last (``newest``) or first."""
        self.count -= 1
        column = self._columns[-1 if newest else 0]
        gone = column.pop_last() if newest else column.pop_first()
        if not column:
            del self._columns[-1 if newest else 0]
        return gone

    def next_to_pop(self, newest: bool) -> bytes:
        """Return the text of the event that `pop` would take out."""
        return self._columns[-1].last_text() if newest else self._columns[0].first_text()

    @property
    def columns(self) -> Iterator[Events]:
        """All events, in columns."""
        return iter(self._columns)

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

    def take_all(self) -> list[Events]:
        """Take out all events."""
        taken, self._columns, self.count = self._columns, [], 0
        return taken

    def take_what_fits(self, room: int, most: int) -> list[Events]:
        """Take out events from the front: as many as fit into ``room`` bytes, and at most ``most``.

        The first event is taken even if it does not fit.
        """
        taken: list[Events] = []
        while self._columns and self._columns[0].size_bytes <= room and len(self._columns[0]) <= most:
            column = self._columns.pop(0)
            taken.append(column)
            room, most = room - column.size_bytes, most - len(column)
        if self._columns and (count := fitting(self._columns[0].lengths, room, most) or not taken):
            taken.append(self._columns[0].take_first(int(count)))
            if not self._columns[0]:
                self._columns.pop(0)
        self.count -= sum(map(len, taken))
        return taken

    def take_columns(self, about_bytes: int) -> Events:
        """Take out the first columns: about so many bytes of text, or one column. The lane must not be empty."""
        taken = [self._columns.pop(0)]
        size = len(taken[0].texts)
        while self._columns and size + len(self._columns[0].texts) <= about_bytes:
            taken.append(self._columns.pop(0))
            size += len(taken[-1].texts)
        events = Events.joined(taken)
        self.count -= len(events)
        return events

    def take_up_to(self, number: int) -> list[Events]:
        """Take out the events with this number or a lower one."""
        taken = []
        while self._columns and self._columns[0].numbers[-1] <= number:
            taken.append(self._columns.pop(0))
        if self._columns and (count := bisect_right(self._columns[0].numbers, number)):
            taken.append(self._columns[0].take_first(count))
        self.count -= sum(map(len, taken))
        return taken
