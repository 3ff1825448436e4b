"""One file of the spool that this process holds: what in it is still pending, and its marks.

Owns: the count of what is left in a file, frames of settled and sent events, reading a parcel back. Must not know: when
a file is begun, how much the directory may hold (`spool`), what a stream is. The caller holds the lock of `rounds`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from errno import ENOSPC
from itertools import chain
from typing import Final, Protocol

from ..core.columns import Events
from ..core.ledger import Ledger
from ..core.parcels import Ids, Parcel
from ..core.targets import Target
from . import frames
from .directory import Directory
from .disk import Disk
from .ranges import merged
from .reading import Reading

# A parcel is read from this many frames at most.
_MOST_FRAMES: Final = 1000


class Owner(Protocol):
    """The spool, as its files need it."""

    disk: Disk
    directory: Directory
    ledger: Ledger
    file_bytes: int
    reading: Reading

    def touched(self, file: File) -> None:
        """Note that a file has events that were settled just now."""

    def failed(self, error: OSError) -> None:
        """Note that the disk refused something."""


class File:
    """A file that this process holds, written by itself or taken over. It is a `core.parcels.Place`."""

    def __init__(self, owner: Owner, name: str, path: str, fd: int, level_class: int, size_bytes: int = 0) -> None:
        self.name: Final = name
        self.path: Final = path
        self.fd: Final = fd
        self.level_class: Final = level_class
        self.size_bytes = size_bytes
        self.next_id = 0
        self.left = 0
        """How many events in it are not settled."""
        self.parcels: dict[Parcel, frames.Block | array[int] | None] = {}
        """Where they lie: one frame, or the places of several frames."""
        self.kept: dict[Parcel, Events] = {}
        """Events that were read together with the file, and are not settled yet."""
        self.is_full = False
        """True if nothing more is to be written to it, but marks."""
        self.is_gone = False
        """True if it was removed: what is settled from now on need not be noted."""
        self.has_broken = False
        """True if a part of it could not be read: it is kept aside instead of being removed."""
        self.pieces: dict[int, int] = {}
        """How many events are left of each record that was split. Its id is settled with the last of them."""
        self._owner = owner
        self._done: list[tuple[int, int]] = []
        self._marks_fail = False
        # True if a frame that was written in part could not be cut off.
        self._is_torn = False

    def append(self, data: bytes) -> int | None:
        """Write a frame and return its offset; None if the disk refused it. Then nothing more is written here."""
        offset = self.size_bytes
        written = 0
        try:
            if self._is_torn:
                self._owner.disk.cut(self.fd, offset)
                self._is_torn = False
            written = self._owner.disk.write(self.fd, data)
            if written == len(data):
                self.size_bytes += written
                return offset
            self._owner.failed(OSError(ENOSPC, "the disk is full"))
        except OSError as error:
            self._owner.failed(error)
        self.is_full = True
        if written:
            try:
                self._owner.disk.cut(self.fd, offset)
            except OSError:
                # Nothing may follow a torn frame: it would seem to be a damaged one.
                self._is_torn = True
        return None

    def add(
        self, target: Target, level_class: int, events: Events, *, is_closed: bool, is_sent: bool = False
    ) -> Parcel | None:
        """Write the events of one stream; None if the disk refused them.

        ``is_closed``: they are one batch. ``is_sent``: a request with them was made, but perhaps in vain.
        """
        count = len(events)
        data = frames.events(self._owner.directory.identity.name_of(target), events, self.next_id)
        # First, and in one write: the events are never here without the word that they were sent.
        sent = frames.marks(frames.Kind.SENT, [(self.next_id, self.next_id + count - 1)]) if is_sent else b""
        offset = self.append(sent + data)
        if offset is None:
            return None
        offset += len(sent)
        first, self.next_id = self.next_id, self.next_id + count
        span_ms = (min(events.timestamps), max(events.timestamps))
        parcel = Parcel(
            self,
            target,
            level_class,
            ((first, first + count - 1),),
            size_bytes=events.size_bytes,
            span_ms=span_ms,
            span=(min(events.numbers), max(events.numbers)),
            is_closed=is_closed,
        )
        self.parcels[parcel] = frames.block(data, offset)
        self.left += count
        self._owner.ledger.store(count)
        return parcel

    def load(self, parcel: Parcel, first_number: int) -> Events | None:
        """Read the events of a parcel that are left; None if they cannot be read any more."""
        if parcel in self.kept and not self.is_gone:
            # A copy: if they cannot be sent now, they come back, and are read another time.
            kept = self.kept[parcel].part(0, len(self.kept[parcel]))
            kept.numbers[:] = type(kept.numbers)("Q", range(first_number, first_number + len(kept)))
            return kept
        block = self.parcels.get(parcel)
        if block is None or self.is_gone:
            return None
        try:
            if isinstance(block, array):
                return self._load_joined(parcel, block, first_number)
            payload = self._owner.disk.read(self.fd, block.offset, block.length)
            events = frames.block_events(payload, block, first_number)
        except OSError as error:
            self._owner.failed(error)
            # Another time, somebody may be able to read it.
            self.has_broken = True
            return None
        except frames.Unreadable:
            self.has_broken = True
            return None
        if parcel.count < block.count:
            places = [place - block.first_id for first, last in parcel.ids for place in range(first, last + 1)]
            (events,) = events.picked([places])
        events.numbers[:] = type(events.numbers)("Q", range(first_number, first_number + len(events)))
        return events

    def join(self, parcel: Parcel, following: Parcel) -> bool:
        """See `core.parcels.Place.join`."""
        frame, added = self.parcels.get(parcel), self.parcels.get(following)
        if isinstance(frame, frames.Block) and frame.count == parcel.count:
            frame = array("Q", [frame.offset])
        if not isinstance(frame, array) or not isinstance(added, frames.Block):
            return False
        if added.count != following.count or len(frame) >= _MOST_FRAMES:
            return False
        # What else is known of these frames is in their heads.
        frame.append(added.offset)
        self.parcels[parcel] = frame
        parcel.ids = ()
        del self.parcels[following]
        return True

    def _load_joined(self, parcel: Parcel, offsets: array[int], first_number: int) -> Events:
        parts: list[Events] = []
        ids: list[tuple[int, int]] = []
        head_bytes = frames.FRAME_HEAD_BYTES + len(self._owner.directory.identity.name_of(parcel.target).encode())
        for offset in offsets:
            start = offset - frames.FRAME_HEAD_BYTES
            block = frames.block(self._owner.disk.read(self.fd, start, head_bytes), start)
            payload = self._owner.disk.read(self.fd, offset, block.length)
            parts.append(frames.block_events(payload, block, first_number))
            first_number += block.count
            ids.append((block.first_id, block.first_id + block.count - 1))
        parcel.ids = tuple(merged(ids))
        return Events.joined(parts)

    def settle(self, parcel: Parcel, ids: Ids, count: int) -> None:
        """See `core.parcels.Place.settle`."""
        if self.is_gone:
            return
        self.left -= count
        self._owner.ledger.store(-count)
        if not parcel.left:
            self.parcels.pop(parcel, None)
            self.kept.pop(parcel, None)
        self._done.extend(self.whole(ids) if self.pieces else ids)
        self._owner.touched(self)

    def whole(self, ids: Ids) -> list[tuple[int, int]]:
        """Return those ids of which no event is left now: an id is there once for each event that was settled."""
        whole = []
        for number in chain.from_iterable(range(first, last + 1) for first, last in ids):
            left = self.pieces.get(number, 1) - 1
            if left:
                self.pieces[number] = left
            else:
                self.pieces.pop(number, None)
                whole.append((number, number))
        return whole

    @property
    def may_go(self) -> bool:
        """True if the file may be removed once nothing is left in it."""
        return True

    def mark_sent(self, ids: Iterable[tuple[int, int]]) -> None:
        """Write that a request with these events is about to be made."""
        self._mark(frames.Kind.SENT, ids)

    def mark_settled(self) -> None:
        """Write which events were settled since the last call."""
        done, self._done = self._done, []
        if done:
            self._mark(frames.Kind.SETTLED, done)

    def _mark(self, kind: frames.Kind, ids: Iterable[tuple[int, int]]) -> None:
        # After a refusal no mark is tried: the next process may send these events again, and counts them.
        if self._marks_fail or self.is_gone:
            return
        data = frames.marks(kind, merged(ids))
        self._marks_fail = self.append(data) is None

    def release(self) -> None:
        """Close the file without a word: in a forked child it belongs to the parent."""
        self.is_gone = True
        self._owner.directory.close(self.fd)
