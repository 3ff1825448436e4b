"""Events of one stream that lie on disk: what is known of them in memory, and the queue from which they are sent.

Owns: which of them are settled, in which order they are read back, and which batch they form. Must not know: files,
frames, when events are written (`delivery.storing`), who reads them (`Place`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from .batches import Batch, Rules, cut_on_span
from .columns import Events, fitting
from .ledger import Ledger
from .targets import Target

FIRST_NUMBER: Final = 2**29
"""Where there is a disk, events that arrive are numbered from here on. Events that are read back get lower numbers.

Up to 2 ** 30 Python's integers are small, and everything that is done with the numbers is faster."""
FIRST_RECOVERED: Final = 2**62
"""Events that another process has left are numbered from here on: they come behind all others."""
PARCEL_COST_BYTES: Final = 400
"""Memory that a parcel takes while its events are on disk only."""
JOINED_BYTES: Final = 256 * 1024
"""Small parcels become one up to this size."""

Ids = tuple[tuple[int, int], ...]
"""Ranges of the numbers that events have in their file; both ends belong to a range."""


class Place(Protocol):
    """Where the events of a parcel lie: a file."""

    def load(self, parcel: Parcel, first_number: int) -> Events | None:
        """Read the events, numbered from ``first_number`` on. None: they cannot be read any more."""

    def settle(self, parcel: Parcel, ids: Ids, count: int) -> None:
        """Note that events need no delivery any more."""

    def join(self, parcel: Parcel, following: Parcel) -> bool:
        """Have the first parcel stand for the events of both, if that takes less memory; return whether it does.

        Both are on disk only, and of one stream. ``ids`` of the first one may be empty until it is read.
        """


class Parcel:
    """Events of one stream that lie together in one file. Not thread-safe.

    It is on a shelf while its events are on disk only. Then it belongs to the batch into which they were read. An event
    of a batch in memory may also have been copied to disk: then the batch has a parcel that never was on a shelf.
    """

    __slots__ = (
        "count", "doubts", "first_ms", "first_number", "ids", "is_closed", "last_ms", "last_number", "left",
        "level_class", "numbers", "place", "size_bytes", "target",
    )  # fmt: skip

    def __init__(
        self,
        place: Place,
        target: Target,
        level_class: int,
        ids: Ids,
        *,
        size_bytes: int,
        span_ms: tuple[int, int],
        span: tuple[int, int] = (0, 0),
        numbers: Sequence[int] = (),
        is_closed: bool = False,
        doubts: int = 0,
    ) -> None:
        self.place = place
        self.target = target
        self.level_class = level_class
        self.ids = ids
        self.count = sum(last - first + 1 for first, last in ids)
        self.left = self.count
        """How many of the events are not settled yet."""
        self.size_bytes = size_bytes
        """The size of all events as the service counts it."""
        self.first_ms, self.last_ms = span_ms
        self.first_number, self.last_number = span
        self.numbers = numbers
        """The numbers of the events in memory, in the order of ``ids``; empty while they are on disk only."""
        self.is_closed = is_closed
        """True if the events are a closed batch, which must be sent as it is."""
        self.doubts = doubts
        """How many earlier requests with these events the service may have stored."""

    @property
    def level(self) -> float | None:
        """The tens of the level that its events have, 50 at most; None if they are a batch of any levels."""
        return None if self.is_closed else self.level_class * 10.0

    def number_as(self, numbers: Sequence[int]) -> None:
        """Note the numbers that the events have in memory from now on; none: they are on disk only."""
        self.numbers = numbers

    def set_aside(self, doubts: int) -> None:
        """Note that its events are a batch that must be sent again as it is; ``doubts``: see the attribute."""
        self.is_closed, self.doubts = True, doubts

    def settle(self, numbers: Sequence[int] | None = None) -> None:
        """Note that the events with these numbers, or all that are left, need no delivery any more.

        None of these events may have been settled before.
        """
        if not self.left:
            return
        if numbers is None:
            ids, count = self.ids, self.left
        else:
            ids = self.ids_of(numbers)
            count = sum(last - first + 1 for first, last in ids)
        if count:
            self.left -= count
            self.place.settle(self, ids, count)

    def absorb(self, following: Parcel) -> None:
        """Count the events of another parcel as those of this one: see `Place.join`."""
        self.count += following.count
        self.left += following.left
        self.size_bytes += following.size_bytes
        self.first_ms, self.last_ms = min(self.first_ms, following.first_ms), max(self.last_ms, following.last_ms)
        self.last_number = following.last_number

    def abandon(self) -> None:
        """Note that the events are not on disk any more: those in memory are as if they never had been."""
        self.left = 0

    def ids_of(self, numbers: Sequence[int]) -> Ids:
        """Return where in the file the events with these numbers are, of those that belong to this parcel."""
        if isinstance(self.numbers, range):
            first = self.numbers.start
            ordered = sorted(numbers)
            here = ordered[bisect_left(ordered, first) : bisect_left(ordered, self.numbers.stop)]
            if len(here) == self.count:
                return self.ids
            places = [number - first for number in here]
        else:
            wanted = set(numbers)
            places = [place for place, number in enumerate(self.numbers) if number in wanted]
        return tuple(_ids_at(self.ids, places))


def _ids_at(ids: Ids, places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ids at these places, which rise."""
    starts = []
    total = 0
    for first, last in ids:
        starts.append(total)
        total += last - first + 1
    at = 0
    begun: tuple[int, int] | None = None
    for place in places:
        while at + 1 < len(starts) and starts[at + 1] <= place:
            at += 1
        number = ids[at][0] + place - starts[at]
        if begun is not None and number == begun[1] + 1:
            begun = (begun[0], number)
        else:
            if begun is not None:
                yield begun
            begun = (number, number)
    if begun is not None:
        yield begun


class Numbers:
    """Numbers for events that are read back, from ``first`` up to, but without, ``end``.

    After the last number it begins again: by then the events with the first ones have long been sent.
    """

    __slots__ = ("_end", "_first", "_next")

    def __init__(self, first: int, end: int = 2**63) -> None:
        self._first = self._next = first
        self._end = end

    def take(self, count: int) -> int:
        """Return the first of ``count`` numbers in a row."""
        if self._next + count > self._end:
            self._next = self._first
        first = self._next
        self._next += count
        return first


class Shelf:
    """The parcels of one stream whose events are on disk only, in order. Not thread-safe."""

    __slots__ = ("_batches", "_ledger", "_numbers", "_opened", "_parcels", "_rules", "_unreadable")

    def __init__(self, rules: Rules, ledger: Ledger, numbers: Numbers, unreadable: Callable[[Parcel], None]) -> None:
        self._unreadable = unreadable
        self._rules = rules
        self._ledger = ledger
        self._numbers = numbers
        self._parcels: deque[Parcel] = deque()
        # Parcels that were read, but did not fit into the last batch, or not as a whole; and what is left of them. Two
        # are here if such a batch is put back.
        self._opened: dict[Parcel, Events] = {}
        # Batches that were read but not sent yet: events of one parcel may be more than 24 hours apart.
        self._batches: deque[Batch] = deque()

    @property
    def is_empty(self) -> bool:
        """True if nothing is here."""
        return not (self._parcels or self._batches)

    @property
    def first_number(self) -> int | None:
        """The lowest number of the events here; None if there are none."""
        numbers = [parcel.first_number for parcel in self._parcels] + [batch.first_number for batch in self._batches]
        return min(numbers, default=None)

    @property
    def parcels(self) -> Sequence[Parcel]:
        """The parcels, in order."""
        return self._parcels

    def add(self, parcel: Parcel) -> None:
        """Add a parcel behind all others."""
        if self._parcels and self._may_join(self._parcels[-1], parcel):
            last = self._parcels[-1]
            if parcel.place.join(last, parcel):
                last.absorb(parcel)
                return
        self._ledger.charge(PARCEL_COST_BYTES)
        self._parcels.append(parcel)

    def _may_join(self, last: Parcel, parcel: Parcel) -> bool:
        """True if two parcels may become one. In a long outage, a stream may have thousands of small ones."""
        is_plain = not (last.is_closed or parcel.is_closed or last.doubts or parcel.doubts or last in self._opened)
        is_small = last.size_bytes + parcel.size_bytes <= JOINED_BYTES
        is_whole = last.left == last.count and parcel.left == parcel.count
        return is_plain and is_small and is_whole and last.place is parcel.place

    def put_back(self, parcel: Parcel) -> None:
        """Add a parcel in front: its events were in memory, and are to be sent next."""
        self._ledger.charge(PARCEL_COST_BYTES)
        parcel.number_as(())
        self._parcels.appendleft(parcel)

    def remove(self, parcel: Parcel) -> int:
        """Take out a parcel that is lost; return how many of its events were here."""
        if parcel not in self._parcels:
            return 0
        here = parcel.left
        if (events := self._opened.pop(parcel, None)) is not None:
            self._ledger.unload(len(events), events.size_bytes)
            here = len(events)
        self._take_out(parcel)
        return here

    def events_of(self, parcel: Parcel) -> Events | None:
        """Return the events of a parcel here without taking them out; None if they cannot be read, or are not here."""
        if parcel not in self._parcels:
            return None
        return self._opened.get(parcel) or parcel.place.load(parcel, self._numbers.take(parcel.count))

    @property
    def read(self) -> Sequence[Batch]:
        """The batches that were read, and that are taken next."""
        return self._batches

    def _take_out(self, parcel: Parcel) -> None:
        self._ledger.charge(-PARCEL_COST_BYTES)
        self._parcels.remove(parcel)

    def take(self) -> tuple[Batch, int] | None:
        """Read the next batch, and return it with its doubts; None if nothing is here that can be read."""
        if not self._batches:
            self._read()
        if not self._batches:
            return None
        batch = self._batches.popleft()
        return batch, max((parcel.doubts for parcel in batch.stored), default=0)

    def _read(self) -> None:
        parts: list[Events] = []
        used: list[Parcel] = []
        room, most = self._rules.max_bytes, self._rules.max_events
        while self._parcels and most > 0:
            parcel = self._parcels[0]
            if used and (parcel.is_closed or parcel.doubts != used[0].doubts):
                break
            events = self._open(parcel)
            if events is None:
                continue
            fit = len(events) if parcel.is_closed else fitting(events.lengths, room, most)
            if not fit and used:
                break
            used.append(parcel)
            if 0 < fit < len(events) or (not fit and len(events) > 1):
                parts.append(events.take_first(max(fit, 1)))
                break
            parts.append(events)
            room, most = room - events.size_bytes, most - len(events)
            del self._opened[parcel]
            self._take_out(parcel)
            if parcel.is_closed:
                break
        if parts:
            first_number = min(parcel.first_number for parcel in used)
            events = Events.joined(parts)
            for piece in cut_on_span(events.in_order()):
                self._batches.append(Batch(piece, first_number, tuple(used)))

    def _open(self, parcel: Parcel) -> Events | None:
        if (opened := self._opened.get(parcel)) is not None:
            return opened
        base = self._numbers.take(parcel.count)
        events = parcel.place.load(parcel, base)
        if events is None:
            # Takes it out.
            self._unreadable(parcel)
            return None
        parcel.number_as(range(base, base + parcel.count))
        self._ledger.load(len(events), events.size_bytes)
        self._opened[parcel] = events
        return events


def sole_parcel(batch: Batch) -> Parcel | None:
    """Return the parcel that has exactly the events of this batch; None if there is none."""
    if len(batch.stored) != 1:
        return None
    (parcel,) = batch.stored
    return parcel if parcel.left == len(batch) == parcel.count else None
