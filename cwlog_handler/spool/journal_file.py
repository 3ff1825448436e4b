"""A file into which callers write their records: where its events in memory lie in it, and its two kinds.

Owns: what a caller may do with the file, and which events in memory are in it. Must not know: which file a caller takes
(`journal`), streams, batches. What callers do here is safe in any thread; all else happens with the lock of `rounds`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from errno import ENOSPC
from itertools import count
from mmap import mmap

from ..core.columns import END, Events
from ..core.events import legal_text, timestamp_ms
from ..core.parcels import Parcel
from ..core.targets import Target
from . import frames
from .files import File, Owner
from .ranges import in_order
from .records import Record, record


class NoRoom(Exception):
    """The file has no room for the record, or takes no more records: the next one may."""


def _refuse(_data: bytes) -> None:
    raise NoRoom


class JournalFile(File):
    """A file into which callers write: an `AreaFile` or a `FramesFile`.

    `enter`, `write`, `next_number`, `is_retired` and `void` are for callers, all else for the driver.
    """

    def __init__(self, owner: Owner, name: str, path: str, fd: int, level_class: int, size_bytes: int) -> None:
        super().__init__(owner, name, path, fd, level_class, size_bytes)
        # Callers write into it, nobody else.
        self.is_full = True
        self.is_retired = False
        """True if callers are to write into another file from now on."""
        self.was_full = False
        """True if a caller has found no room."""
        self.void: list[int] = []
        """Numbers that were given, but whose records are not here."""
        self.write: Callable[[bytes], object] = _refuse
        """Writes a record as `records.record` returns it, in one call of C code. Raises an exception if it cannot."""
        self._first_mark = size_bytes
        self._given = count()
        self.next_number: Callable[[], int] = self._given.__next__
        """Returns the number of the next record."""
        self._taken = 0
        self._void_marked = 0
        # The events that are in memory: their numbers there, which rise; their numbers here; whether they are settled
        # or have left memory.
        self._numbers = array("Q")
        self._ids = array("L" if array("L").itemsize == 4 else "I")
        self._gone = bytearray()

    def enter(self, number: int, created: float, name: bytes, text: bytes) -> None:
        """Write a record. Any thread may call this.

        Raises NoRoom if another file is to be tried, and anything else if no file could take the record.
        """
        raise NotImplementedError

    # -- the driver --------------------------------------------------------------------------------------------------

    @property
    def holds_what_it_gave(self) -> bool:
        """True if the driver has seen each record for which a number was given."""
        # The text of a counter is its only side that can be read: "count(5)".
        given = int(repr(self._given)[6:-1])
        return given == self._taken + len(self.void)

    def took_in(self, numbers: Iterable[int], ids: Sequence[int]) -> None:
        """Note that records were taken in, one event each: the events' numbers, which rise, and the records'."""
        self._taken += len(ids)
        self._hold(numbers, ids)

    def took_in_pieces(self, numbers: range, number: int) -> None:
        """Note that a record was taken in that became several events, or none."""
        self._taken += 1
        if not numbers and not self.is_gone:
            self._done.append((number, number))
            self._owner.touched(self)
            return
        if len(numbers) > 1:
            self.pieces[number] = len(numbers)
        self._hold(numbers, [number] * len(numbers))

    def _hold(self, numbers: Iterable[int], ids: Sequence[int]) -> None:
        if self.is_gone:
            # It was given up meanwhile: these are in memory only.
            return
        more_numbers, more_ids = array("Q", numbers), array(self._ids.typecode, ids)
        more_gone = bytes(len(ids))
        # No call is made between these, or columns could be left with different lengths: see ARCHITECTURE, Ctrl-C, 1.
        self._numbers += more_numbers
        self._ids += more_ids
        self._gone += more_gone
        self.left += len(ids)
        self._owner.ledger.store(len(ids))

    def find_run(self, numbers: array[int]) -> range:
        """Return the places of the first of these events, if they lie here one after another and are all in memory."""
        start = bisect_left(self._numbers, numbers[0])
        count = min(len(numbers), len(self._numbers) - start)
        end = start + count
        # Bytes, because numbers would be compared one by one.
        if self._numbers[start:end].tobytes() != numbers[:count].tobytes() or 1 in self._gone[start:end]:
            return range(0)
        return range(start, end)

    def find(self, numbers: Collection[int], lowest: int, highest: int) -> Sequence[int]:
        """Return the places of those of these events that are in memory and in this file."""
        start, end = bisect_left(self._numbers, lowest), bisect_right(self._numbers, highest)
        ours, gone = self._numbers, self._gone
        return [place for place in range(start, end) if ours[place] in numbers and not gone[place]]

    def forget(self, places: Sequence[int]) -> None:
        """Note that events need no delivery any more."""
        self._leave_memory(places)
        ids = in_order(self.ids_at(places))
        self._forget_gone()
        self.left -= len(places)
        self._owner.ledger.store(-len(places))
        self._done.extend(self.whole(ids) if self.pieces else ids)
        self._owner.touched(self)

    def ids_at(self, places: Sequence[int]) -> array[int]:
        """Return the numbers of the records at these places."""
        if isinstance(places, range):
            return self._ids[places.start : places.stop]
        return array(self._ids.typecode, [self._ids[place] for place in places])

    def _leave_memory(self, places: Sequence[int]) -> None:
        if isinstance(places, range):
            self._gone[places.start : places.stop] = b"\1" * len(places)
        else:
            for place in places:
                self._gone[place] = 1

    def _forget_gone(self) -> None:
        """Free the columns once none of their events is in memory. In a long outage they would take 13 bytes each."""
        if 0 not in self._gone:
            # No call is made between these, either: see `_hold`.
            numbers, ids, gone = array("Q"), array(self._ids.typecode), bytearray()
            self._numbers, self._ids, self._gone = numbers, ids, gone

    def settle_void(self) -> None:
        """Have the next process know which records are void: a caller has written them again, into another file."""
        if len(self.void) > self._void_marked:
            new = self.void[self._void_marked :]
            self._void_marked += len(new)
            self._done.extend((number, number) for number in new)
            self._owner.touched(self)

    def number_at(self, place: int) -> int:
        """Return the number in memory of the event at a place."""
        return self._numbers[place]

    @property
    def may_go(self) -> bool:
        """See `File.may_go`."""
        return self.is_retired and self.holds_what_it_gave

    @property
    def marks_bytes(self) -> int:
        """How many bytes of marks stand behind the record area."""
        return self.size_bytes - self._first_mark

    @property
    def has_pieces(self) -> bool:
        """True if an event in memory is a part of a record."""
        return bool(self.pieces)

    def is_piece(self, place: int) -> bool:
        """True if the record at this place was split."""
        return self._ids[place] in self.pieces

    def shelve(self, target: Target, places: Sequence[int], events: Events) -> Parcel:
        """Return the parcel of events that leave memory. ``events`` are those at these places, and no pieces."""
        self._leave_memory(places)
        ids = tuple(in_order(self.ids_at(places)))
        self._forget_gone()
        parcel = Parcel(
            self,
            target,
            self.level_class,
            ids,
            size_bytes=events.size_bytes,
            span_ms=(min(events.timestamps), max(events.timestamps)),
            span=(min(events.numbers), max(events.numbers)),
        )
        self.parcels[parcel] = None
        return parcel

    def join(self, parcel: Parcel, following: Parcel) -> bool:
        """See `core.parcels.Place.join`."""
        if len(parcel.ids) > 1 or len(following.ids) > 1 or parcel.ids[0][1] + 1 != following.ids[0][0]:
            return False
        parcel.ids = ((parcel.ids[0][0], following.ids[0][1]),)
        del self.parcels[following]
        return True

    def unmap(self) -> None:
        """Give shared memory back, if there is any, once callers are to write into another file."""

    def release(self) -> None:
        """See `File.release`."""
        super().release()
        self.is_retired = True
        self.unmap()


class AreaFile(JournalFile):
    """A file of which a part is shared memory: a caller copies its record there."""

    def __init__(
        self,
        owner: Owner,
        name: str,
        path: str,
        fd: int,
        level_class: int,
        size_bytes: int,
        area: mmap,
        head_bytes: int,
    ) -> None:
        """``area`` is the whole file as memory; its position is behind the head."""
        super().__init__(owner, name, path, fd, level_class, size_bytes)
        self._area = area
        self._head_bytes = head_bytes
        self.write = area.write

    def enter(self, number: int, created: float, name: bytes, text: bytes) -> None:
        """See `JournalFile.enter`."""
        data = record(number, created, name, text)
        try:
            self.write(data)
        except ValueError as error:
            # The memory is full, or was given back.
            raise NoRoom from error

    def load(self, parcel: Parcel, first_number: int) -> Events | None:
        """Read the events of a parcel; None if they cannot be read any more."""
        if self.is_gone or parcel not in self.parcels:
            return None
        wanted = [number for first, last in parcel.ids for number in range(first, last + 1)]
        try:
            records = self._owner.reading.records_of(self, self._area_bytes, wanted)
        except OSError as error:
            self._owner.failed(error)
            return None
        try:
            found = [records[number] for number in wanted]
        except KeyError:
            self.has_broken = True
            return None
        return self._owner.reading.events_of(found, first_number)

    def _area_bytes(self) -> bytes:
        return self._owner.disk.read(self.fd, self._head_bytes, self._first_mark - self._head_bytes)

    def unmap(self) -> None:
        """See `JournalFile.unmap`. A caller that comes late finds no room, and takes the next file."""
        self._area.close()


class FramesFile(JournalFile):
    """A file where no memory can be shared: each record is a frame of its own, at some ten times the cost."""

    def enter(self, number: int, created: float, name: bytes, text: bytes) -> None:
        """See `JournalFile.enter`. Raises ValueError for an empty text: a frame can hold only what becomes an event."""
        if not text:
            raise ValueError("empty")
        stream_name = name.decode("utf-8", "surrogatepass")
        data = frames.events(stream_name, self._event(number, created, text), number)
        # A record that is larger than a file may be has one of its own.
        if self.size_bytes > self._first_mark and self.size_bytes + len(data) > self._owner.file_bytes:
            raise NoRoom
        try:
            written = self._owner.disk.write(self.fd, data)
            if written < len(data):
                raise OSError(ENOSPC, "the disk is full")
        except OSError as error:
            self._owner.failed(error)
            # Whatever followed a torn frame would make it seem damaged.
            self._marks_fail = True
            raise NoRoom from error
        self.size_bytes += written

    def _event(self, number: int, created: float, text: bytes) -> Events:
        legible = legal_text(text.decode("utf-8", "surrogatepass"))
        event = self._owner.reading.events_of([Record(number, created, None, legible)], number)
        if event is not None:
            return event
        # It becomes several events, or none, and has one number here. So it lies here as it is.
        whole = legible.encode()
        return Events([number], [timestamp_ms(created)], [len(whole)], whole + END)

    def load(self, parcel: Parcel, first_number: int) -> Events | None:
        """Read the events of a parcel; None if they cannot be read any more."""
        if self.is_gone or parcel not in self.parcels:
            return None
        try:
            # Callers may have written more since the size was noted.
            data = self._owner.disk.read(self.fd, 0, self._owner.disk.size(self.fd))
            blocks = {block.first_id: block for block in frames.read(data).blocks}
            parts: list[Events] = []
            for first, last in parcel.ids:
                for number in range(first, last + 1):
                    block = blocks[number]
                    payload = data[block.offset : block.offset + block.length]
                    parts.append(frames.block_events(payload, block, first_number + len(parts)))
        except (OSError, KeyError, frames.Unreadable):
            self.has_broken = True
            return None
        return Events.joined(parts)
