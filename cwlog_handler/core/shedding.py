"""How much may wait in all streams, and which events are dropped if there is more.

Owns: the bounds, which stream loses an event next. Must not know: records, loss events, threads.
Only `Shedding.has_room` is thread-safe.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, Literal, get_args

from .ledger import Ledger
from .losses import UNTOLD
from .stream import Stream
from .targets import Target

Overflow = Literal["drop_oldest", "drop_newest", "block"]
OVERFLOW: Final[tuple[Overflow, ...]] = get_args(Overflow)
# After so many drops all streams are looked at again, if there are fewer of them.
MOST_DROPS: Final = 100


class Bounds:
    """How much may wait, and what happens if there is more. ``max_bytes`` is memory, counted as in `ledger`."""

    __slots__ = ("block_timeout", "max_bytes", "max_count", "overflow")

    def __init__(self, max_bytes: int, max_count: int | None, overflow: Overflow, block_timeout: float) -> None:
        self.max_bytes: Final = max_bytes
        self.max_count: Final = max_count
        self.overflow: Final = overflow
        self.block_timeout: Final = block_timeout


class Shedding:
    """Keeps the waiting events of all streams within bounds.

    If there is no room, an event of the least severe level that waits is dropped: the oldest or the newest one, as
    configured. The event that has just arrived waits too and may be the one. So a flood of DEBUG never drops an ERROR.
    """

    def __init__(self, bounds: Bounds, ledger: Ledger, streams: Mapping[Target, Stream]) -> None:
        self._bounds = bounds
        self._ledger = ledger
        self._streams = streams
        self._drops_newest = bounds.overflow != "drop_oldest"
        # The streams that lose events next, the level of these events, and how many more are dropped before all streams
        # are looked at again.
        self._victims: deque[Stream] = deque()
        self._victim_level = 0.0
        self._drops_left = 0

    def has_room(self, more_bytes: int = 0, more: int = 0) -> bool:
        """True if ``more_bytes`` in ``more`` events would fit within the bounds. Any thread; an estimate."""
        bounds, ledger = self._bounds, self._ledger
        if bounds.max_count is not None and ledger.in_memory + more > bounds.max_count:
            return False
        return ledger.pending_bytes + more_bytes <= bounds.max_bytes

    def arrives(self, level: float) -> None:
        """Note that events of a level are about to wait, perhaps less severe ones than those dropped so far."""
        if level < self._victim_level:
            self._drops_left = 0

    def make_room(self, arrived_in: Stream, level: float) -> int:
        """Drop events until there is room; return how many were dropped. Some of ``level`` have just arrived.

        Events that are in a closed batch or a request are not dropped, so there may be too little room afterwards.
        """
        dropped = 0
        if level == UNTOLD:
            # These drop nothing but themselves: see there.
            while not self.has_room() and arrived_in.count_of(level):
                arrived_in.drop(level, newest=True)
                dropped += 1
            return dropped
        while not self.has_room() and (victim := self._next_victim(arrived_in, level)) is not None:
            victim.drop(self._victim_level, self._drops_newest)
            dropped += 1
        return dropped

    def _next_victim(self, arrived_in: Stream, level: float) -> Stream | None:
        """Return the stream that loses an event of the least severe level next; None if no event can be dropped."""
        while self._victims and not self._victims[0].count_of(self._victim_level):
            self._victims.popleft()
        if not self._drops_left or not self._victims:
            self._look_for_victims()
        if not self._victims:
            return None
        self._drops_left -= 1
        # If the newest event is dropped and that level has just arrived, the stream in which it arrived loses it.
        pays_itself = self._drops_newest and level == self._victim_level and arrived_in.count_of(level)
        victim = arrived_in if pays_itself else self._victims[0]
        self._victims.rotate(-1)
        return victim

    def _look_for_victims(self) -> None:
        """Find the least severe level and the streams with most events of it.

        So a stream that cannot deliver does not cost the others their events.
        """
        streams = self._streams.values()
        lowest = [level for stream in streams if (level := stream.lowest_level) is not None]
        self._victim_level = min(lowest, default=0.0)
        most = max(stream.count_of(self._victim_level) for stream in streams)
        # Drop in turn from all streams that have at least half as many events as the one with most. Drop as many events
        # as there are streams, or an eighth of what the largest has, before the next look: so its cost for each dropped
        # event is that of one stream at most, and the streams stay nearly as far apart as they were.
        self._victims = deque(s for s in streams if s.count_of(self._victim_level) * 2 >= most > 0)
        self._drops_left = max(len(streams), min(MOST_DROPS, most // 8))
