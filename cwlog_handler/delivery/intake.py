"""Taking records in: what callers handed over becomes events in their streams, within bounds.

Owns: the events' numbers, when room is made (`shedding` chooses what goes), and that a stream tells what it lost. Must
not know: threads, who drives, requests. Called with the lock of `rounds` held.
"""

from collections import deque
from math import inf
from typing import Final

from ..core.columns import Events
from ..core.conversion import Kind, Records, convert
from ..core.events import make_events
from ..core.ledger import EVENT_COST_BYTES, Ledger
from ..core.shedding import Shedding
from ..core.terms import Terms
from ..system.stderr import Notices
from .dispatch import Dispatch
from .inbox import RECORD_COST_BYTES, Inbox

# What tells of a loss must not be the next to be lost.
LOSS_EVENT_LEVEL: Final = inf
# Taken in at a time, in bytes as in the inbox: no call of C code on so much takes a millisecond.
SLICE_BYTES: Final = 512 * 1024


class Intake:
    """Turns records into events and enters them in their streams."""

    def __init__(
        self,
        inbox: Inbox,
        dispatch: Dispatch,
        ledger: Ledger,
        notices: Notices,
        terms: Terms,
        own_stream_name: str,
    ) -> None:
        self._inbox = inbox
        self._dispatch = dispatch
        self._ledger = ledger
        self._notices = notices
        self._terms = terms
        self._shedding = Shedding(terms.bounds, ledger, dispatch.streams)
        # A caller that waits for room had it, but for a moment in which others found the same room.
        self._drops_surplus_only = terms.bounds.overflow == "block"
        self._own_stream_name = own_stream_name
        # Events whose records are in the inbox still. What is left, the next call enters: see ARCHITECTURE, Ctrl-C, 2.
        self._converted: deque[tuple[Kind, Events]] = deque()
        self._records: Records | None = None
        self.last_number = 0
        """The number of the event that came last."""

    def has_room(self, size: int) -> bool:
        """True if a caller that asked to be blocked need not wait with so many bytes. Any thread: an estimate."""
        return self._shedding.has_room(self._inbox.size_bytes + size + RECORD_COST_BYTES, len(self._inbox) + 1)

    def take_in(self, most: int, arrived: float, now: float) -> int:
        """Take in the records that came first, ``most`` at most; return how many it were.

        ``arrived`` is the earliest instant at which they can have come: their send interval counts from there.
        """
        dropped = 0
        if self._records is None:
            self._convert(self._inbox.first(most, SLICE_BYTES))
        while self._converted:
            entered = self._ledger.emitted
            try:
                dropped += self._enter(*self._converted[0], arrived, now)
            finally:
                # What Ctrl-C leaves here is not in the ledger: none is entered twice.
                if self._ledger.emitted != entered:
                    self._converted.popleft()
        records = self._records
        if records is not None:
            # Removed last: a record is always in the inbox or in the ledger.
            self._inbox.remove_first(records)
            self._records = None
        if dropped:
            self._notices.say(
                "overflow", f"log group {self._terms.log_group_name!r}: the buffer is full: {dropped} records dropped"
            )
        return len(records.texts) if records is not None else 0

    def tell_losses(self, now: float) -> None:
        """Let each stream that flows again tell what an overflow cost it, as far as there is room for that."""
        for stream in list(self._shedding.lossy):
            if not self._shedding.has_room(EVENT_COST_BYTES, 1):
                return
            loss = stream.take_loss()
            if loss is None:
                continue
            self._shedding.has_told(stream)
            self._ledger.loss_notices += 1
            (event,) = make_events(
                loss.last_ms / 1000, loss.text, self._terms.max_event_bytes, "truncate", loss.last_number
            )
            stream.insert(Events.of([event]), LOSS_EVENT_LEVEL, now)
            # At once: a flush that asked for what was logged before waits for this too.
            stream.hasten(now)
            self._dispatch.plan(stream, now)

    def _convert(self, records: Records) -> None:
        if not records.texts:
            return
        converted = convert(records, self.last_number + 1, self._terms.max_event_bytes, self._terms.oversize)
        # One statement, which makes no call between its assignments: see ARCHITECTURE, Ctrl-C, 1.
        self._records, self._converted, self.last_number = (
            records,
            deque(converted.events.items()),
            converted.last_number,
        )
        for reason, count in converted.refused.items():
            self._ledger.turn_away(reason, count)
        self._ledger.last_error = converted.error or self._ledger.last_error

    def _enter(self, kind: Kind, events: Events, arrived: float, now: float) -> int:
        """Let events wait in their stream; return how many others, or of these, had to go."""
        stream = self._dispatch.stream(kind.stream_name or self._own_stream_name)
        self._shedding.arrives(kind.level)
        stream.add(events, kind.level, arrived)
        dropped = 0
        if kind.is_surplus or not self._drops_surplus_only:
            dropped = self._shedding.make_room(stream, kind.level)
        if kind.level >= self._terms.flush_level:
            stream.hasten(now)
        self._dispatch.plan(stream, now)
        return dropped
