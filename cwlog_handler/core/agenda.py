"""Who is to be asked when: dates, and the line of those whose date has come.

Owns: the order in which streams get their turn. Must not know: what is asked, what a clock is. Instants are seconds of
one monotonic clock, handed in. Not thread-safe.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

# Dates that were replaced by earlier ones stay in the heap. It is made anew with more than two for each that has a
# date, and these.
SPARE_DATES: Final = 16

Item = TypeVar("Item", bound=Hashable)


class Agenda(Generic[Item]):
    """Each item has one date at most, the earliest it was given, and one place at most in the line of those due.

    Ctrl-C between any two steps may have an item asked twice, but never leaves one without its date.
    """

    def __init__(self) -> None:
        # The serial number decides between equal dates: items need not be comparable.
        self._heap: list[tuple[float, int, Item]] = []
        self._serial = itertools.count()
        # What is in the heap with another date than here was replaced.
        self._dates: dict[Item, float] = {}
        self._due: OrderedDict[Item, None] = OrderedDict()

    def __len__(self) -> int:
        """How many dates are kept, replaced ones included."""
        return len(self._heap)

    def plan(self, item: Item, at: float) -> None:
        """Have an item asked at that instant, if not before."""
        date = self._dates.get(item)
        if date is not None and date <= at:
            return
        heapq.heappush(self._heap, (at, next(self._serial), item))
        # After the push: see ARCHITECTURE, Ctrl-C, 2. Who plans the item next would push it again.
        self._dates[item] = at
        if len(self._heap) > 2 * len(self._dates) + SPARE_DATES:
            heap = [(date, next(self._serial), planned) for planned, date in self._dates.items()]
            heapq.heapify(heap)
            self._heap = heap

    def advance(self, now: float) -> None:
        """Let those whose date has come join the end of the line."""
        while self._heap and self._heap[0][0] <= now:
            at, _, item = self._heap[0]
            if self._dates.get(item) == at:
                self._due[item] = None
                del self._dates[item]
            # Last, for the same reason as in `plan`.
            heapq.heappop(self._heap)

    @property
    def due(self) -> Iterable[Item]:
        """Those whose date has come, in their order."""
        return self._due.keys()

    @property
    def count_due(self) -> int:
        """How many are in the line."""
        return len(self._due)

    def pop_due(self) -> Item:
        """Take out the first in the line; there must be one."""
        return self._due.popitem(last=False)[0]

    @property
    def next_at(self) -> float | None:
        """The next instant at which somebody may join the line; None if nobody has a date."""
        return self._heap[0][0] if self._heap else None
