"""How much may wait, and which events go when there is no room for all.

Owns: the bounds, whose turn it is to lose an event, which streams have to tell of a loss. Must not know: records, what
is told, threads. Not thread-safe, but for `Shedding.has_room`.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, get_args

from .ledger import Ledger
from .stream import Stream

Overflow = Literal["drop_oldest", "drop_newest", "block"]
OVERFLOW: Final[tuple[Overflow, ...]] = get_args(Overflow)


class Bounds(NamedTuple):
    """How much may wait (``max_bytes`` as memory, see `ledger`), and what happens to what is too much."""

    max_bytes: int
    max_count: int | None
    overflow: Overflow
    block_timeout: float


class Shedding:
    """Keeps what waits in all streams within bounds.

    Severity counts when there is no room: one of the least severe level that waits has to go, the oldest of them or the
    newest, the record that arrives being one of them. So a flood of DEBUG never pushes out an ERROR.
    """

    def __init__(self, bounds: Bounds, ledger: Ledger, streams: Mapping[str, Stream]) -> None:
        self._bounds = bounds
        self._ledger = ledger
        self._streams = streams
        self._drops_newest = bounds.overflow != "drop_oldest"
        # Who loses an event next, of which level, and how many more go before all streams are looked at again.
        self._victims: deque[Stream] = deque()
        self._victim_level = 0.0
        self._drops_left = 0
        self._lossy: dict[Stream, None] = {}

    @property
    def lossy(self) -> Iterable[Stream]:
        """The streams that lost something which they have not told yet."""
        return self._lossy.keys()

    def has_told(self, stream: Stream) -> None:
        """Note that a stream has told what it lost."""
        del self._lossy[stream]

    def has_room(self, more_bytes: int = 0, more: int = 0) -> bool:
        """True if so many bytes and events more would be within the bounds. Any thread: an estimate."""
        bounds, ledger = self._bounds, self._ledger
        if bounds.max_count is not None and ledger.pending + more > bounds.max_count:
            return False
        return ledger.pending_bytes + more_bytes <= bounds.max_bytes

    def arrives(self, level: float) -> None:
        """Note that events of a level are about to wait, which may be less severe than those that went so far."""
        if level < self._victim_level:
            self._drops_left = 0

    def make_room(self, arrived_in: Stream, level: float) -> int:
        """Drop as many events as are too many after some of a level arrived in a stream; return how many it were.

        What is in requests already is not dropped, so it may be less than is needed.
        """
        dropped = 0
        while not self.has_room() and (victim := self._next_victim(arrived_in, level)) is not None:
            victim.drop(self._victim_level, self._drops_newest)
            self._lossy[victim] = None
            dropped += 1
        return dropped

    def _next_victim(self, arrived_in: Stream, level: float) -> Stream | None:
        """Choose the stream that loses an event of the least severe level; None if all is in requests already."""
        while self._victims and not self._victims[0].count_of(self._victim_level):
            self._victims.popleft()
        if not self._drops_left or not self._victims:
            self._look_for_victims()
        if not self._victims:
            return None
        self._drops_left -= 1
        # Where the newest has to go and is what just arrived, no other stream pays for it.
        pays_itself = self._drops_newest and level == self._victim_level and arrived_in.count_of(level)
        victim = arrived_in if pays_itself else self._victims[0]
        self._victims.rotate(-1)
        return victim

    def _look_for_victims(self) -> None:
        """Find the least severe level and the streams with most of it: one that is stuck must not cost the others."""
        streams = self._streams.values()
        lowest = [level for stream in streams if (level := stream.lowest_level) is not None]
        self._victim_level = min(lowest, default=0.0)
        most = max(stream.count_of(self._victim_level) for stream in streams)
        # In turn from all that have half as much or more; and as many as there are streams, so that looking at all of
        # them costs each victim no more than looking at one.
        self._victims = deque(s for s in streams if s.count_of(self._victim_level) * 2 >= most > 0)
        self._drops_left = len(streams)
