"""Taking records in: what callers handed over becomes events in their streams, within bounds.

Owns: the events' numbers, the bounds on what waits, who has to go when there is no room, and that a stream tells what
it lost. Must not know: threads, who drives, requests. Called with the books of `rounds` held.
"""

from collections import deque
from math import inf
from typing import Final, Literal, NamedTuple

from ..core.columns import Events
from ..core.conversion import Kind, Records, convert
from ..core.events import Oversize, make_events
from ..core.ledger import EVENT_COST_BYTES, Ledger
from ..core.stream import Stream
from ..system.stderr import Notices
from .dispatch import Dispatch
from .inbox import RECORD_COST_BYTES, Inbox

Overflow = Literal["drop_oldest", "drop_newest", "block"]
OVERFLOW: Final = ("drop_oldest", "drop_newest", "block")

# What tells of a loss must not be the next to be lost.
NOTICE_LEVEL: Final = inf
# Taken in at a time, in bytes as in the inbox: no call of C code on so much takes a millisecond.
SLICE_BYTES: Final = 512 * 1024


class Bounds(NamedTuple):
    """How much may wait (``max_bytes`` as memory, see `ledger`), and what happens to what is too much."""

    max_bytes: int
    max_count: int | None
    overflow: Overflow
    block_timeout: float


class Intake:
    """Turns records into events and keeps what waits within bounds.

    Severity counts when there is no room: one of the least severe level that waits has to go, the oldest of them or the
    newest, the record that arrives being one of them. So a flood of DEBUG never pushes out an ERROR.
    """

    def __init__(
        self,
        inbox: Inbox,
        dispatch: Dispatch,
        ledger: Ledger,
        notices: Notices,
        *,
        log_group_name: str,
        bounds: Bounds,
        max_event_bytes: int,
        oversize: Oversize,
        flush_level: int,
        own_stream_name: str,
    ) -> None:
        self._inbox = inbox
        self._dispatch = dispatch
        self._ledger = ledger
        self._notices = notices
        self._group = log_group_name
        self._bounds = bounds
        self._max_event_bytes = max_event_bytes
        self._oversize: Oversize = oversize
        self._flush_level = flush_level
        self._own_stream_name = own_stream_name
        self._drops_newest = bounds.overflow != "drop_oldest"
        # Events whose records are in the inbox still: Ctrl-C may come in between, and the rest is entered next time.
        self._converted: deque[tuple[Kind, Events]] = deque()
        self._records: Records | None = None
        self.last_number = 0
        """The number of the event that came last."""
        # Who has to go next, and how many more before looking at all streams again.
        self._victims: deque[Stream] = deque()
        self._victim_level = 0.0
        self._drops_left = 0
        # Streams that lost something which they have not told yet.
        self._lossy: dict[Stream, None] = {}

    def has_room(self, size: int) -> bool:
        """True if a caller that asked to be blocked need not wait with so many bytes. Any thread: an estimate."""
        return not self._is_over(self._inbox.size_bytes + size + RECORD_COST_BYTES, len(self._inbox) + 1)

    def take_in(self, most: int, arrived: float, now: float) -> int:
        """Take in the records that came first, ``most`` at most; return how many it were.

        ``arrived`` is the earliest instant at which they can have come: their send interval counts from there.
        """
        lost_before = self._ledger.dropped["overflow"]
        if self._records is None:
            self._convert(self._inbox.first(most, SLICE_BYTES))
        while self._converted:
            entered = self._ledger.emitted
            try:
                self._enter(*self._converted[0], arrived, now)
            finally:
                # What Ctrl-C leaves here is not in the books: none is entered twice.
                if self._ledger.emitted != entered:
                    self._converted.popleft()
        records = self._records
        if records is not None:
            # Last, so that nobody ever finds them neither here nor there.
            self._inbox.remove_first(records)
            self._records = None
        if lost := self._ledger.dropped["overflow"] - lost_before:
            self._notices.say("overflow", f"log group {self._group!r}: the buffer is full: {lost} records dropped")
        return len(records.texts) if records is not None else 0

    def tell_losses(self, now: float) -> None:
        """Let each stream that flows again tell what an overflow cost it, as far as there is room for that."""
        for stream in list(self._lossy):
            if self._is_over(EVENT_COST_BYTES, 1):
                return
            loss = stream.take_loss()
            if loss is None:
                continue
            del self._lossy[stream]
            self._ledger.loss_notices += 1
            (event,) = make_events(loss.last_ms / 1000, loss.text, self._max_event_bytes, "truncate", loss.last_number)
            stream.insert(Events.of([event]), NOTICE_LEVEL, now)
            # At once: a flush that asked for what was logged before waits for this too.
            stream.hasten(now)
            self._dispatch.plan(stream, now)

    def _convert(self, records: Records) -> None:
        if not records.texts:
            return
        converted = convert(records, self.last_number + 1, self._max_event_bytes, self._oversize)
        # In one step, between whose parts no Ctrl-C comes.
        self._records, self._converted, self.last_number = (
            records,
            deque(converted.events.items()),
            converted.last_number,
        )
        for reason, count in converted.refused.items():
            self._ledger.turn_away(reason, count)
        self._ledger.last_error = converted.error or self._ledger.last_error

    def _enter(self, kind: Kind, events: Events, arrived: float, now: float) -> None:
        stream = self._dispatch.stream(kind.stream_name or self._own_stream_name)
        if kind.level < self._victim_level:
            self._drops_left = 0
        stream.add(events, kind.level, arrived)
        # A caller that waits for room had it, but for a moment in which others found the same room.
        if kind.is_surplus or self._bounds.overflow != "block":
            while self._is_over() and self._make_room(stream, kind.level):
                pass
        if kind.level >= self._flush_level:
            stream.hasten(now)
        self._dispatch.plan(stream, now)

    def _is_over(self, more_bytes: int = 0, more: int = 0) -> bool:
        bounds, ledger = self._bounds, self._ledger
        if bounds.max_count is not None and ledger.pending + more > bounds.max_count:
            return True
        return ledger.pending_bytes + more_bytes > bounds.max_bytes

    def _make_room(self, arrived_in: Stream, level: float) -> bool:
        """Drop one event of the least severe level; False if all that waits is in requests already."""
        while self._victims and not self._victims[0].count_of(self._victim_level):
            self._victims.popleft()
        if not self._drops_left or not self._victims:
            self._look_for_victims()
        if not self._victims:
            return False
        self._drops_left -= 1
        # Where the newest has to go and is what just arrived, no other stream pays for it.
        pays_itself = self._drops_newest and level == self._victim_level and arrived_in.count_of(level)
        victim = arrived_in if pays_itself else self._victims[0]
        self._victims.rotate(-1)
        victim.drop(self._victim_level, self._drops_newest)
        self._lossy[victim] = None
        return True

    def _look_for_victims(self) -> None:
        """Find the least severe level and the streams with most of it: one that is stuck must not cost the others."""
        streams = self._dispatch.streams.values()
        lowest = [level for stream in streams if (level := stream.lowest_level) is not None]
        self._victim_level = min(lowest, default=0.0)
        most = max(stream.count_of(self._victim_level) for stream in streams)
        # In turn from all that have half as much or more; and as many as there are streams, so that looking at all of
        # them costs each victim no more than looking at one.
        self._victims = deque(s for s in streams if s.count_of(self._victim_level) * 2 >= most > 0)
        self._drops_left = len(streams)
