"""The events of one stream that wait for their first request, and the full batches that are made of them.

Owns: which events form the next batch, and in which order events of a level are dropped. Must not know: clocks,
threads, logging, boto3, retries.

Events are packed in order of arrival and put in chronological order when a batch is closed. The sort is stable, so
events of the same millisecond keep their order of arrival, within a batch and from batch to batch.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from math import inf
from typing import Final

from .batches import Batch, Levels, Rules, cut_on_span
from .columns import Events, Gone, fitting
from .lanes import Lane
from .limits import EVENT_OVERHEAD_BYTES
from .loose import MOST_LOOSE, OF_EACH, Loose, first_level, in_columns, level_of_all

# So many fields of loose events are kept at most. Added up here, because each event would do it again.
_MOST_FIELDS: Final = MOST_LOOSE * OF_EACH

# Events of some levels: pairs of a level and its events.
Rest = list[tuple[float, Events]]


class Backlog:
    """The events of one stream that wait for their first request, with one lane for each level of severity.

    In many streams a few events wait in each. To enter one of them in its lane takes several times as long as to note
    it, and to enter many at once takes hardly longer than to enter one. So the last that came one by one are loose:
    they enter the lanes when a lane is needed, or when they are MOST_LOOSE. Not thread-safe.
    """

    __slots__ = (
        "_bytes", "_closed", "_full_bytes", "_full_count", "_in_lanes", "_keeps_levels", "_loose", "_rules", "count"
    )  # fmt: skip

    def __init__(self, rules: Rules, *, keeps_levels: bool = False) -> None:
        self._rules = rules
        # An event has at least one byte of text. So a batch with less room than that byte and the overhead is full.
        self._full_bytes = rules.max_bytes - EVENT_OVERHEAD_BYTES
        self._full_count = rules.max_events
        # If nobody asks for the levels of events in batches, memory and time are saved.
        self._keeps_levels = keeps_levels
        # By level. No lane in it is ever empty.
        self._in_lanes: dict[float, Lane] = {}
        self._loose: Loose = []
        self.count = 0
        """How many events wait outside of closed batches."""
        self._bytes = 0
        # Hardly ever more than one. A tuple, because an empty one takes no memory.
        self._closed: tuple[Batch, ...] = ()

    @property
    def has_full_batch(self) -> bool:
        """True if a batch is ready that no further event could join."""
        return self._bytes >= self._full_bytes or self.count >= self._full_count or bool(self._closed)

    @property
    def is_empty(self) -> bool:
        """True if no event waits."""
        return not (self._loose or self._in_lanes or self._closed)

    @property
    def _lanes(self) -> dict[float, Lane]:
        """The lanes by level, with all events outside of closed batches: none is loose from now on."""
        if self._loose:
            self._enter_loose()
        return self._in_lanes

    def _enter_loose(self) -> None:
        """Enter all loose events in their lanes."""
        while self._loose:
            self._enter_first_level()

    def _enter_first_level(self) -> None:
        """Enter the loose events that have the level of the first one."""
        level, events, rest = first_level(self._loose)
        lane = self._in_lanes.get(level) or Lane()
        lane.append(events)
        # No call from where the lane has them until they are not loose any more: see ARCHITECTURE, Ctrl-C, 1.
        self._in_lanes[level] = lane
        self._loose = rest

    @property
    def first_number(self) -> int | None:
        """The number of the waiting event that arrived first; None if none waits."""
        numbers = [lane.first_number for lane in self._lanes.values()]
        if self._closed:
            numbers += [batch.first_number for batch in self._closed]
        return min(numbers) if numbers else None

    @property
    def lowest_level(self) -> float | None:
        """The least severe level among events that are in no closed batch yet; None if there are none."""
        return min(self._lanes, default=None)

    def count_of(self, level: float) -> int:
        """Return how many events of a level wait outside of closed batches."""
        lane = self._lanes.get(level)
        return lane.count if lane is not None else 0

    def append(self, events: Events, level: float) -> bool:
        """Add events that arrived after all others of their level.

        Return whether a batch is ready that no further event could join.
        """
        lane = self._lanes.get(level) or Lane()
        lane.append(events)
        self._enter(level, lane, events)
        return self.has_full_batch

    def append_one(self, number: int, timestamp: int, data: bytes, level: float) -> bool:
        """Add one event that arrived after all others of its level.

        Return whether a batch is ready that no further event could join.
        """
        if len(self._loose) >= _MOST_FIELDS:
            self._enter_loose()
        size_bytes = len(data) + EVENT_OVERHEAD_BYTES
        # From here on no call, until the event is counted in the ledger, too: see ARCHITECTURE, Ctrl-C, 1.
        self._loose += (number, timestamp, data, level)
        self.count += 1
        self._bytes += size_bytes
        return self._bytes >= self._full_bytes or self.count >= self._full_count

    def insert(self, event: Events, level: float) -> None:
        """Add one event before all events of its level with a higher number."""
        lane = self._lanes.get(level) or Lane()
        lane.insert(event)
        self._enter(level, lane, event)

    def fits_with(self, batch: Batch) -> bool:
        """True if something waits here, and one request may hold all of it and this batch, if their span allows it."""
        if self._closed or not self.count:
            return False
        size_bytes, count = self._bytes + batch.size_bytes, self.count + len(batch)
        return size_bytes <= self._rules.max_bytes and count <= self._rules.max_events

    def close_batch(self) -> Batch:
        """Return the batch to be sent next, but leave it here. No event may join it any more.

        It holds as many of the events that arrived first as fit. Call this only if an event waits.
        """
        if not self._closed:
            events, levels = self._take_what_fits()
            first_number = events.numbers[0]
            pieces = cut_on_span(events.in_order())
            if len(pieces) == 1:
                self._closed = (Batch(pieces[0], first_number, levels=levels),)
            else:
                self._closed = tuple([Batch(piece, levels=levels) for piece in pieces])
        return self._closed[0]

    def take(self) -> Batch:
        """Take out the batch to be sent next. At least one event must wait."""
        batch = self.close_batch()
        self._closed = self._closed[1:]
        return batch

    def give_back(self, batch: Batch) -> None:
        """Put back the batch that `take` took out last: it is the next one again, and nothing joins it."""
        self._closed = (batch, *self._closed)

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
                self._closed = (Batch(events), *self._closed)
                continue
            lane = self._lanes.get(level) or Lane()
            lane.put_back(events)
            self._enter(level, lane, events)

    def take_to_store(self, about_bytes: int, above: float = -inf) -> tuple[float | None, Events] | None:
        """Take out the events that arrived first: about so many bytes of one level, or a closed batch (level None).

        Only levels ``above`` that one are looked at. Return None if nothing waits. `put_back` returns the events.
        """
        if self._closed:
            return None, self.take().columns
        levels = [level for level in self._lanes if level > above]
        if not levels:
            return None
        level = min(levels, key=lambda level: self._lanes[level].first_number)
        events = self._lanes[level].take_columns(about_bytes)
        self._leave([events])
        return level, events

    def next_to_drop(self, level: float, newest: bool) -> bytes:
        """Return the text of the event that `drop` would take out."""
        return self._lanes[level].next_to_pop(newest)

    def in_batches(self, above: int = -1) -> Iterator[Batch]:
        """Yield what waits, in batches of one level or closed ones, and leave it here.

        Batches without a number ``above`` that one are left out, as far as that is quickly seen.
        """
        yield from self._closed
        for level, lane in self._lanes.items():
            for column in lane.columns:
                if column.numbers[-1] > above:
                    yield Batch(column.part(0, len(column)), levels=((level, None),))

    def drop(self, level: float, newest: bool) -> Gone:
        """Take out the event of a level that arrived last (``newest``) or first.

        KeyError if no event of this level waits outside of closed batches.
        """
        lane = self._lanes[level]
        gone = lane.pop(newest)
        if not lane.count:
            del self._lanes[level]
        self.count -= 1
        self._bytes -= gone.size_bytes
        return gone

    def _enter(self, level: float, lane: Lane, events: Events) -> None:
        count, size_bytes = len(events.numbers), events.size_bytes
        # Only now that the lane has events: Ctrl-C may break this off at any point, and must not leave an empty lane.
        self._lanes[level] = lane
        self.count += count
        self._bytes += size_bytes

    def _take_what_fits(self) -> tuple[Events, Levels]:
        """Take out events in order of arrival until a limit of the batch is reached, but at least one.

        Return their levels, too, if these are kept.
        """
        taken: list[Events] = []
        levels: Levels = ()
        rules = self._rules
        fits = self._bytes <= rules.max_bytes and self.count <= rules.max_events
        if fits and not self._in_lanes and (level := level_of_all(self._loose)) is not None:
            # In many streams a few events wait in each, and all fit: no lane is needed.
            events = in_columns(self._loose)
            self._loose, self.count, self._bytes = [], 0, 0
            return events, ((level, None),)
        if len(self._lanes) == 1:
            # The usual case, and cheaper: there is no order among lanes to find. In most streams all fits.
            ((level, lane),) = self._lanes.items()
            taken = lane.take_all() if fits else lane.take_what_fits(rules.max_bytes, rules.max_events)
            levels = ((level, None),)
        else:
            number = self._last_that_fits()
            for level, lane in self._lanes.items():
                of_lane = lane.take_up_to(number)
                taken += of_lane
                if self._keeps_levels and of_lane:
                    # A copy: the columns are joined below.
                    levels += ((level, sum((events.numbers for events in of_lane), array("Q"))),)
        self._leave(taken)
        return Events.joined(taken), levels

    def _leave(self, taken: list[Events]) -> None:
        # First of all, so that no empty lane is left if Ctrl-C breaks this off.
        for level in [level for level, lane in self._lanes.items() if not lane.count]:
            del self._lanes[level]
        self.count -= sum(map(len, taken))
        self._bytes -= sum(events.size_bytes for events in taken)

    def _last_that_fits(self) -> int:
        """Return the number of the event that will be the last to fit into the next batch."""
        first = [column for lane in self._lanes.values() for column in lane.first(self._rules)]
        numbers = list(chain.from_iterable(column.numbers for column in first))
        lengths = list(chain.from_iterable(column.lengths for column in first))
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        fit = max(1, fitting([lengths[place] for place in order], self._rules.max_bytes, self._rules.max_events))
        return numbers[order[fit - 1]]
