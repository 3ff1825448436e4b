"""What a disk means to one stream: events that are on it, and events that may have to go there.

Owns: which events are on disk only, which are in memory and not on disk, and since when they wait; what is lost on
disk. Must not know: files (`spool`), when anything is written or taken over (`delivery.storing`), when it is sent
(`stream`). Loaded only where there is a spool. Not thread-safe: the caller holds the lock of `rounds`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from .batches import Batch
from .columns import Events
from .ledger import DropReason
from .parcels import FIRST_RECOVERED, Numbers, Parcel, Shelf, sole_parcel

if TYPE_CHECKING:
    from .answers import Answers
    from .backlog import Backlog
    from .shared import Shared
    from .targets import Target

# The age of waiting events is known to so many seconds.
AGE_STEP: Final = 0.25

Lost: TypeAlias = "tuple[int, int, int, int, DropReason]"
"""Events that were lost on disk: how many, their first and last timestamp, their last number, and why."""


class Shelves:
    """The shelves of one stream, and its events in memory as a disk sees them."""

    __slots__ = ("_answers", "_arrivals", "_backlog", "_losses", "_shared", "_target", "left", "own")

    def __init__(self, target: Target, shared: Shared, backlog: Backlog, answers: Answers) -> None:
        self._target = target
        self._shared = shared
        self._backlog = backlog
        self._answers = answers
        # What the stream has lost here and does not know yet. It is not called: a stream that refers to itself would
        # live on until the garbage collector finds it.
        self._losses: list[Lost] = []
        # The instants at which waiting events arrived, each with the number of the first of them.
        self._arrivals: deque[tuple[float, int]] = deque()
        self.own: Shelf | None = None
        """Events of this process that are on disk only: older than those in memory. None: there never were any."""
        self.left: Shelf | None = None
        """Events that processes which have ended left on disk. None: there never were any."""

    @property
    def has_own(self) -> bool:
        """True if events of this process are on disk only."""
        return self.own is not None and not self.own.is_empty

    @property
    def has_left(self) -> bool:
        """True if events are here that another process has left."""
        return self.left is not None and not self.left.is_empty

    def count_left(self) -> int:
        """How many events are here that another process has left."""
        return 0 if self.left is None else sum(parcel.left for parcel in self.left.parcels)

    def _each(self) -> list[Shelf]:
        return [shelf for shelf in (self.own, self.left) if shelf is not None]

    # -- in memory, and perhaps to be stored -------------------------------------------------------------------------

    def note_arrival(self, now: float, number: int) -> None:
        """Note that events have arrived at the instant ``now``, the first of them with this number."""
        if not self._arrivals or now - self._arrivals[-1][0] >= AGE_STEP:
            self._forget_arrivals()
            self._arrivals.append((now, number))

    def _forget_arrivals(self) -> None:
        """Forget the instants at which events arrived that wait no longer."""
        first = self._backlog.first_number
        if first is None:
            self._arrivals.clear()
        while len(self._arrivals) > 1 and self._arrivals[1][1] <= (first or 0):
            self._arrivals.popleft()

    @property
    def waits_since(self) -> float:
        """The instant since which an event waits in memory for its first request; ``inf`` if none waits."""
        self._forget_arrivals()
        return self._arrivals[0][0] if self._arrivals else inf

    @property
    def asked_since(self) -> float:
        """The start of the first request with events that are not on disk and wait for an answer, or to be sent again.

        ``inf`` if there are none.
        """
        sends = (*self._answers.under_way.sent, *self._answers.resends.waiting)
        return min([send.start for send in sends if not send.batch.is_stored], default=inf)

    @property
    def unstored(self) -> list[tuple[Batch, bool]]:
        """The batches in memory, under way or to be sent again, of which no event is on disk.

        With each of them, whether the service may have stored it.
        """
        sent = [(send.batch, send.may_be_stored) for send in self._answers.under_way.sent]
        waiting = [(send.batch, send.doubts > 0) for send in self._answers.resends.waiting]
        return [(batch, is_sent) for batch, is_sent in sent + waiting if not batch.is_stored]

    def take_to_store(self, about_bytes: int, above: float = -inf) -> tuple[float | None, Events] | None:
        """Take out, in order, events that wait for their first request; see `Backlog.take_to_store`."""
        for send in self._answers.under_way.sent:
            for place, (level, _) in enumerate(send.rest):
                if level > above and isinstance(send.rest, list):
                    # They come after the batch that is under way: while anything is on the shelf, only one request is.
                    return send.rest.pop(place)
        return self._backlog.take_to_store(about_bytes, above)

    def put_back(self, level: float | None, events: Events) -> None:
        """Put events back that `take_to_store` took out."""
        self._backlog.put_back([(level, events)])

    # -- on disk only ------------------------------------------------------------------------------------------------

    def store(self, parcel: Parcel, numbers: Numbers) -> None:
        """Add events that are on disk only, behind those which are there already."""
        if self.own is None:
            self.own = self._shelf(numbers)
        self.own.add(parcel)

    def set_aside(self, numbers: Numbers) -> None:
        """Free the memory of batches that wait to be sent again and are on disk, too; they are read when it is time."""
        is_awaited = self._answers.under_way.is_presumed_lost
        for send in self._answers.resends.take_all(
            lambda send: sole_parcel(send.batch) is not None and not is_awaited(send.batch)
        ):
            parcel = sole_parcel(send.batch)
            assert parcel is not None
            self._shared.ledger.unload(len(send.batch), send.batch.size_bytes)
            parcel.set_aside(send.doubts)
            self.store(parcel, numbers) if self.own is None else self.own.put_back(parcel)

    def inherit(self, parcel: Parcel, numbers: Numbers) -> None:
        """Add events that a process which has ended left on disk."""
        if self.left is None:
            self.left = self._shelf(numbers)
        self.left.add(parcel)

    def _shelf(self, numbers: Numbers) -> Shelf:
        return Shelf(self._shared.rules, self._shared.ledger, numbers, self._unreadable)

    @property
    def read(self) -> Iterator[Batch]:
        """The batches that were read, and that are taken next."""
        return chain.from_iterable(shelf.read for shelf in self._each())

    # -- lost --------------------------------------------------------------------------------------------------------

    def _unreadable(self, parcel: Parcel) -> None:
        self.lose(parcel, "corrupt")
        parcel.settle()

    def lose(self, parcel: Parcel, reason: DropReason) -> None:
        """Count the events of a parcel as lost that are on disk only."""
        shelves = self._each()
        reports, events = self._shared.reports, None
        if reports is not None and reason != "corrupt" and reports.has_room(parcel.size_bytes):
            events = next(filter(None, (shelf.events_of(parcel) for shelf in shelves)), None)
        here = sum(shelf.remove(parcel) for shelf in shelves)
        if here:
            self._shared.ledger.lose(here, reason)
            if reports is not None and events is not None and len(events) == here:
                batch = Batch(events, levels=() if parcel.level is None else ((parcel.level, None),))
                reports.batch(self._target, batch, "dropped", reason, may_be_stored=parcel.doubts > 0)
            elif reports is not None:
                reports.unknown(self._target, parcel.level, parcel.first_ms, here, reason)
            self._losses.append((here, parcel.first_ms, parcel.last_ms, parcel.last_number, reason))

    def miss(self, count: int, first_ms: int, last_ms: int) -> None:
        """Count events as lost that another process has left and that cannot be read."""
        if count:
            self._shared.ledger.recover_in_vain(count, "corrupt")
            if self._shared.reports is not None:
                self._shared.reports.unknown(self._target, None, first_ms, count, "corrupt")
            self._losses.append((count, first_ms, last_ms, FIRST_RECOVERED, "corrupt"))

    def take_losses(self) -> list[Lost]:
        """Return what was lost here since the last call."""
        losses, self._losses = self._losses, []
        return losses
