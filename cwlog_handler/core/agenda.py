"""When each item is to be asked: a date for each, and a queue of the items whose date has come (the line).

Owns: the order in which items (streams, in this package) get their turn. Must not know: what an item is asked, what a
clock is. Instants are seconds of one monotonic clock, handed in. Not thread-safe.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from math import inf
from typing import Final, Generic, TypeVar

# A date that was replaced by an earlier one stays in the heap. The heap is rebuilt when it holds more than two entries
# for each item that has a date, and this many more.
SPARE_DATES: Final = 16

Item = TypeVar("Item", bound=Hashable)


class Agenda(Generic[Item]):
    """Each item has at most one date, the earliest that it was given, and at most one place in the line.

    If Ctrl-C breaks off a method, an item may be asked twice, but no item loses its date.
    """

    def __init__(self) -> None:
        # The serial number decides between equal dates, because items need not be comparable.
        self._heap: list[tuple[float, int, Item]] = []
        self._serial = itertools.count()
        # The valid date of each item. An entry of the heap with any other date was replaced.
        self._dates: dict[Item, float] = {}
        self._due: OrderedDict[Item, None] = OrderedDict()

    def __len__(self) -> int:
        """The number of dates in the heap, including those that were replaced."""
        return len(self._heap)

    def plan(self, item: Item, at: float) -> None:
        """Have an item asked at the instant ``at``, unless it has an earlier date."""
        date = self._dates.get(item)
        if date is not None and date <= at:
            return
        heapq.heappush(self._heap, (at, next(self._serial), item))
        # After the push: see ARCHITECTURE, Ctrl-C, 2. If Ctrl-C comes in between, the next `plan` pushes it again.
        self._dates[item] = at
        if len(self._heap) > 2 * len(self._dates) + SPARE_DATES:
            self._heap = self._heap_of(self._dates)

    def plan_all(self, items: Iterable[Item], at: float) -> None:
        """Have many items asked at the instant ``at``, which has come, unless they are in the line already.

        They are put into the heap together, which takes less time than one by one.
        """
        dates = self._dates.copy()
        dates.update((item, at) for item in items if item not in self._due and dates.get(item, inf) > at)
        heap = self._heap_of(dates)
        # No call in between: see ARCHITECTURE, Ctrl-C, 1.
        self._heap, self._dates = heap, dates

    def _heap_of(self, dates: Mapping[Item, float]) -> list[tuple[float, int, Item]]:
        heap = [(date, next(self._serial), item) for item, date in dates.items()]
        heapq.heapify(heap)
        return heap

    def advance(self, now: float) -> None:
        """Move the items whose date has come to the end of the line."""
        while self._heap and self._heap[0][0] <= now:
            at, _, item = self._heap[0]
            if self._dates.get(item) == at:
                self._due[item] = None
                del self._dates[item]
            # Last, for the same reason as in `plan`.
            heapq.heappop(self._heap)

    @property
    def due(self) -> Iterable[Item]:
        """The items in the line, in order."""
        return self._due.keys()

    @property
    def count_due(self) -> int:
        """The number of items in the line."""
        return len(self._due)

    def pop_due(self) -> Item:
        """Take out the first item of the line, which must not be empty."""
        return self._due.popitem(last=False)[0]

    @property
    def next_at(self) -> float | None:
        """The next instant at which an item may join the line; None if no item has a date."""
        return self._heap[0][0] if self._heap else None
