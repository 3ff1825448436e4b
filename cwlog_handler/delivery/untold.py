"""What the program's own function (option ``on_lost``) has not been told yet: lost events, and sums of them.

Owns: how much may wait in memory, and how events become the values that the function gets. Must not know: why an event
was lost, who calls the function, and when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from ..core.batches import Batch
from ..core.columns import END
from ..core.ledger import DropReason
from ..core.lost import CountedAs, LostEvent, LostReason, is_told, shown
from ..core.targets import Target
from ..system.primitives import allocate_lock
from ..system.stderr import Notices

# The most events, and about the most bytes of their texts, that the function gets in one call.
MOST_EVENTS: Final = 1000
MOST_BYTES: Final = 1024 * 1024
# Memory in bytes of one event that waits here, in addition to its text; and of one in a batch, which has columns.
EVENT_COST_BYTES: Final = 350
BATCHED_COST_BYTES: Final = 24
# What is known only by its number is added up by stream, level and reason: at most so many sums are kept apart.
MOST_SUMS: Final = 1000

_Sum: TypeAlias = tuple[Target, "int | None", CountedAs, LostReason, bool]
"""Of events of which only the number is told: stream, level, counter, reason, and whether they may be stored."""


class Lost(NamedTuple):
    """Events that wait to be told. They are made into values only when it is their turn, which takes less memory."""

    make: Callable[[], Iterable[LostEvent]]
    events: int
    size_bytes: int


class Untold:
    """What waits to be told. It is a `core.lost.Reports`, which the driver uses; see there.

    What waits is at most ``most_bytes``, or one entry that is larger. Of the rest only the number is told. ``ring`` is
    called whenever something is added.
    """

    def __init__(self, notices: Notices, ring: Callable[[], None], *, log_group_name: str, most_bytes: int) -> None:
        self._notices = notices
        self._ring = ring
        self._group = log_group_name
        self._most_bytes = most_bytes
        # Protects the next three, for some lines of Python at a time.
        self._lock = allocate_lock()
        self._waiting: deque[Lost] = deque()
        self.size_bytes = 0
        """About how much memory in bytes what waits takes, and what is being told."""
        self._sums: dict[_Sum, tuple[int, int]] = {}

    @property
    def is_empty(self) -> bool:
        """True if nothing waits. Any thread may ask."""
        return not (self._waiting or self._sums)

    # -- what is lost (the driver, or a caller that helps; the lock of `rounds` is held) -----------------------------

    def has_room(self, size_bytes: int) -> bool:
        """See `core.lost.Reports`."""
        return self.size_bytes + size_bytes <= self._most_bytes

    def event(
        self, target: Target, level: float | None, timestamp: int, text: bytes | str | None, reason: DropReason
    ) -> None:
        """See `core.lost.Reports`."""
        if not is_told(level):
            return
        size_bytes = text.__sizeof__() + EVENT_COST_BYTES
        # As `has_room`, but without a call: while the buffer overflows, this is done for each event that is dropped.
        if text is None or (self.size_bytes + size_bytes > self._most_bytes and self.size_bytes):
            self._add((target, shown(level), "dropped", reason, False), 1, timestamp)
            return
        make = partial(self._of_event, target, level, timestamp, text, reason)
        self._enter(Lost(make, 1, size_bytes))

    def batch(
        self,
        target: Target,
        batch: Batch,
        counted_as: CountedAs,
        reason: LostReason,
        may_be_stored: bool = False,
    ) -> None:
        """See `core.lost.Reports`."""
        size_bytes = len(batch.columns.texts) + BATCHED_COST_BYTES * len(batch)
        # What is known of levels on disk changes later.
        levels = [batch.level_at(place) for place in range(len(batch))] if batch.stored else None
        if self.has_room(size_bytes) or not self.size_bytes:
            make = partial(self._of_batch, target, batch, levels, counted_as, reason, may_be_stored)
            self._enter(Lost(make, len(batch), size_bytes))
            return
        for level, places in _by_level(batch, levels).items():
            first_ms = min(batch.columns.timestamps[place] for place in places)
            self._add((target, level, counted_as, reason, may_be_stored), len(places), first_ms)

    def unknown(self, target: Target, level: float | None, first_ms: int, count: int, reason: DropReason) -> None:
        """See `core.lost.Reports`."""
        self._add((target, shown(level), "dropped", reason, False), count, first_ms, is_late=False)

    def _enter(self, lost: Lost) -> None:
        with self._lock:
            self._waiting.append(lost)
            self.size_bytes += lost.size_bytes
        self._ring()

    def _add(self, key: _Sum, count: int, first_ms: int, *, is_late: bool = True) -> None:
        with self._lock:
            known = self._sums.get(key)
            if known is None and len(self._sums) >= MOST_SUMS:
                key = (Target(self._group, ""), None, *key[2:])
                known = self._sums.get(key)
            before, earliest_ms = known or (0, first_ms)
            self._sums[key] = before + count, min(earliest_ms, first_ms)
        self._ring()
        if known is None and is_late:
            self._notices.say(
                "on_lost_late",
                f"log group {self._group!r}: events are lost faster than on_lost returns: of some it gets only the "
                "number (count), not the text",
            )

    # -- what is told next (one thread at a time) ---------------------------------------------------------------------

    def take(self) -> tuple[Iterator[LostEvent], int]:
        """Take out what comes first, enough for one call or a whole batch; return it and its bytes, for `give_back`."""
        taken: list[Lost] = []
        count = size_bytes = 0
        with self._lock:
            while self._waiting and count < MOST_EVENTS and size_bytes < MOST_BYTES:
                taken.append(self._waiting.popleft())
                count, size_bytes = count + taken[-1].events, size_bytes + taken[-1].size_bytes
        return chain(chain.from_iterable(lost.make() for lost in taken), self._of_sums()), size_bytes

    def put_back(self, events: Iterator[LostEvent], size_bytes: int) -> None:
        """Have what is left of what was taken out told first."""
        with self._lock:
            self._waiting.appendleft(Lost(lambda: events, 0, size_bytes))

    def give_back(self, size_bytes: int) -> None:
        """Give the room of what was taken out to others: it was told."""
        with self._lock:
            self.size_bytes -= size_bytes

    # -- the values --------------------------------------------------------------------------------------------------

    def _of_event(
        self, target: Target, level: float | None, timestamp: int, text: bytes | str, reason: DropReason
    ) -> Iterator[LostEvent]:
        words = text if isinstance(text, str) else text.decode(errors="replace")
        yield LostEvent(timestamp, shown(level), *target, words, "dropped", reason)

    def _of_batch(
        self,
        target: Target,
        batch: Batch,
        levels: Sequence[float | None] | None,
        counted_as: CountedAs,
        reason: LostReason,
        may_be_stored: bool,
    ) -> Iterator[LostEvent]:
        columns = batch.columns
        texts = bytes(columns.texts).split(END)
        for place, timestamp in enumerate(columns.timestamps):
            level = batch.level_at(place) if levels is None else levels[place]
            if is_told(level):
                text = texts[place].decode(errors="replace")
                yield LostEvent(timestamp, shown(level), *target, text, counted_as, reason, 1, may_be_stored)

    def _of_sums(self) -> Iterator[LostEvent]:
        with self._lock:
            sums, self._sums = self._sums, {}
        for (target, level, counted_as, reason, may_be_stored), (count, first_ms) in sums.items():
            yield LostEvent(first_ms, level, *target, None, counted_as, reason, count, may_be_stored)


def _by_level(batch: Batch, levels: Sequence[float | None] | None) -> dict[int | None, list[int]]:
    """Return the places of the events of each level, without those that are not told."""
    places: dict[int | None, list[int]] = {}
    for place in range(len(batch)):
        level = batch.level_at(place) if levels is None else levels[place]
        if is_told(level):
            places.setdefault(shown(level), []).append(place)
    return places
