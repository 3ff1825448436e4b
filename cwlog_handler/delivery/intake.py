"""Turns the records of the inbox into events in their streams, and keeps these within bounds.

Owns: the numbers of events, when room is made (`shedding` chooses what is dropped), and that a stream gets its loss
event. Must not know: threads, who drives, requests. The caller holds the lock of `rounds`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from ..core.columns import Events
from ..core.conversion import Kind, Records, Scattered, convert
from ..core.events import make_events, timestamp_ms
from ..core.ledger import EVENT_COST_BYTES, DropReason, Ledger
from ..core.losses import UNTOLD
from ..core.shedding import Shedding
from ..core.stream import Stream
from ..core.targets import Target
from ..core.terms import Terms
from ..system.stderr import Notices
from .dispatch import Dispatch
from .inbox import RECORD_COST_BYTES, Inbox

if TYPE_CHECKING:
    from ..core.lost import Reports
    from .storing import Storing

# A loss event must not be dropped for want of room itself.
LOSS_EVENT_LEVEL: Final = inf
# Records are taken in this many bytes at a time, counted as in the inbox. No call of C code on so few takes 1 ms.
SLICE_BYTES: Final = 512 * 1024


class Intake:
    """Turns records into events and enters them in their streams. Not thread-safe, except for `has_room`."""

    def __init__(
        self,
        inbox: Inbox,
        dispatch: Dispatch,
        ledger: Ledger,
        notices: Notices,
        terms: Terms,
        own_target: Target | None,
        storing: Storing | None = None,
        reports: Reports | None = None,
    ) -> None:
        self._storing = storing
        self._reports = reports
        self._inbox = inbox
        self._dispatch = dispatch
        self._ledger = ledger
        self._notices = notices
        self._terms = terms
        self._shedding = Shedding(terms.bounds, ledger, dispatch.streams)
        # With overflow="block" a caller had room before it put its record, unless that is marked as surplus. Several
        # callers may have found the same room. The bound is then exceeded a little, and nothing is dropped for that.
        # (What `on_lost` logs has not waited for room, and is dropped: see `core.losses.UNTOLD`.)
        self._drops_surplus_only = terms.bounds.overflow == "block"
        self._own_target = own_target
        # Events whose records are still in the inbox. The next call enters what is left: see ARCHITECTURE, Ctrl-C, 2.
        self._converted: deque[tuple[Kind, Events]] = deque()
        self._scattered: Scattered | None = None
        # The number of the last of these that was entered in its stream.
        self._entered = 0
        self._records: Records | None = None
        self.last_number = 0 if storing is None else storing.first_number - 1
        """The number of the last event that was made."""

    def has_room(self, size: int) -> bool:
        """True if there is room for a record of ``size`` bytes of text. Any thread may ask: it is an estimate."""
        return self._shedding.has_room(self._inbox.size_bytes + size + RECORD_COST_BYTES, len(self._inbox) + 1)

    def take_in(self, most: int, arrived: float, now: float) -> int:
        """Take in the first records of the inbox, at most ``most``; return how many were taken in.

        ``arrived`` is the earliest instant at which they can have arrived: their send interval counts from there.
        """
        dropped = 0
        if self._records is None:
            self._convert(self._inbox.first(most, SLICE_BYTES))
        if self._scattered is not None:
            self._enter_scattered(self._scattered, arrived, now)
        while self._converted:
            entered = self._ledger.emitted
            try:
                dropped += self._enter(*self._converted[0], arrived, now)
            finally:
                # If Ctrl-C came before these events were in the ledger, they stay here. None is entered twice.
                if self._ledger.emitted != entered:
                    self._converted.popleft()
        records = self._records
        if records is not None:
            # Removed last: a record is always in the inbox or in the ledger.
            items, end = self._inbox.about_to_remove(records)
            # No call in between: Python 3.10 may raise KeyboardInterrupt when a call returns.
            del items[:end]
            self._records = None
        if dropped:
            if self._storing is not None:
                self._storing.note_dropped()
            self._notices.say(
                "overflow", f"log group {self._terms.log_group_name!r}: the buffer is full: {dropped} records dropped"
            )
        return len(records.texts) if records is not None else 0

    def tell_losses(self, now: float) -> None:
        """Add a loss event to each stream that delivers again, as far as there is room."""
        for stream in list(self._dispatch.lossy):
            if not self._shedding.has_room(EVENT_COST_BYTES, 1):
                return
            loss = stream.take_loss()
            if loss is None:
                continue
            del self._dispatch.lossy[stream]
            self._ledger.tell_loss()
            (event,) = make_events(
                loss.last_ms / 1000, loss.text, self._terms.max_event_bytes, "truncate", loss.last_number
            )
            stream.insert(Events.of([event]), LOSS_EVENT_LEVEL, now)
            # Send it at once: a flush waits for the loss events of the records that it asks about, too.
            stream.hasten(now)
            self._dispatch.plan(stream, now)

    def _convert(self, records: Records) -> None:
        if not records.texts:
            return
        converted = convert(records, self.last_number + 1, self._terms.max_event_bytes, self._terms.oversize)
        # One statement, which makes no call between its assignments: see ARCHITECTURE, Ctrl-C, 1.
        self._records, self._converted, self._scattered, self.last_number = (
            records,
            deque(_in_order(converted.events) if self._storing is not None else converted.events.items()),
            converted.scattered,
            converted.last_number,
        )
        if self._storing is not None:
            self._storing.took_in(records, converted)
        for reason, count in converted.refused.items():
            self._ledger.turn_away(reason, count)
        if converted.error:
            self._ledger.fail(converted.error)
        if self._reports is not None and converted.turned_away:
            self._report(self._reports, records, converted.turned_away)

    def _report(self, reports: Reports, records: Records, turned_away: Sequence[tuple[int, DropReason]]) -> None:
        for place, reason in turned_away:
            try:
                timestamp = timestamp_ms(records.created[place])
            except (TypeError, ValueError, OverflowError):
                timestamp = 0
            reports.event(
                self._target(records.targets[place]), records.levels[place], timestamp, records.texts[place], reason
            )

    def _target(self, given: Target | None) -> Target:
        target = given or self._own_target
        assert target is not None  # callers name the stream if the process has none of its own
        return target

    def _enter_scattered(self, scattered: Scattered, arrived: float, now: float) -> None:
        """Add each event to its stream. If there may not be room for all of them, leave that to `_enter`."""
        # If Ctrl-C has broken this off before, some are in their streams already.
        left = scattered.behind(self._entered)
        if left is not None:
            events = left.events
            cost = events.size_bytes + EVENT_COST_BYTES * len(events)
            if not self._shedding.has_room(cost, len(events)) or (self._storing is not None and self._storing.is_tight):
                by_kind = deque(left.by_kind().items())
                self._converted, self._scattered = by_kind, None
                return
            self._shedding.arrives(min(left.levels))
            self._enter_each(left, arrived, now)
        self._scattered = None
        if self._storing is not None:
            self._storing.relieve(now)

    def _enter_each(self, scattered: Scattered, arrived: float, now: float) -> None:
        streams, urgent_level = self._dispatch.streams, self._terms.flush_level
        rows = zip(scattered.events.rows(), scattered.targets, scattered.levels, strict=True)
        for (number, timestamp, data), given, level in rows:
            target = given or self._target(given)
            stream = streams.get(target) or self._dispatch.stream(target)
            if not stream.backlog.count:
                # First: see ARCHITECTURE, Ctrl-C, 2.
                self._dispatch.expect(stream, arrived, now)
            is_full = stream.add_one(number, timestamp, data, level, arrived)
            self._entered = number
            if is_full or level >= urgent_level:
                self._ask_now(stream, level, now)

    def _enter(self, kind: Kind, events: Events, arrived: float, now: float) -> int:
        """Add events to their stream; return how many events, of any stream, were dropped to make room."""
        stream = self._dispatch.stream(self._target(kind.target))
        self._shedding.arrives(kind.level)
        # First: see ARCHITECTURE, Ctrl-C, 2.
        self._dispatch.expect(stream, arrived, now)
        is_full = stream.add(events, kind.level, arrived)
        if self._storing is not None:
            self._storing.relieve(now)
        dropped = 0
        if kind.is_surplus or not self._drops_surplus_only or kind.level == UNTOLD:
            dropped = self._shedding.make_room(stream, kind.level)
        if is_full or kind.level >= self._terms.flush_level:
            self._ask_now(stream, kind.level, now)
        return dropped

    def _ask_now(self, stream: Stream, level: float, now: float) -> None:
        if level >= self._terms.flush_level:
            stream.hasten(now)
        self._dispatch.plan(stream, now)


def _in_order(events: Mapping[Kind, Events]) -> Iterable[tuple[Kind, Events]]:
    """Put the events of one stream and level together, whether their callers have waited for room or not.

    Each lot may go to disk as soon as it is entered. What is entered later would be read back later.
    """
    lots: dict[tuple[Target | None, float], tuple[Kind, Events]] = {}
    for kind, some in events.items():
        before = lots.get(kind[:2])
        if before is None:
            lots[kind[:2]] = kind, some
        else:
            is_surplus = kind.is_surplus or before[0].is_surplus
            lots[kind[:2]] = kind._replace(is_surplus=is_surplus), Events.joined([before[1], some])
    return lots.values()
