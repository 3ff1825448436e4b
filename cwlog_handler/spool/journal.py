"""Mode "always": each record is in a file before its logging call returns.

Owns: the caller's side of the spool, and which events in memory lie where in a journal file. Must not know: streams,
batches, when events leave memory (`delivery.storing`).

A caller copies its record into shared memory that is a part of a file. That is one call of C code: no other thread and
no signal handler interrupts it, and no kill takes it back. No lock is needed. The blocks of the file belong to it
before it is mapped. So a full disk is noticed when a file is begun, and never while a record is written (SIGBUS).

Two races are left. Two callers may begin a file at the same time: then there are two, and that is all. A caller may
write into a file that was retired meanwhile: then it writes its record again, into the next file. An id that was given
for the first copy is void.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from errno import ENOSPC
from itertools import count, groupby
from mmap import mmap
from operator import itemgetter
from typing import Final, NamedTuple
from zlib import crc32

from ..core.columns import END, Events
from ..core.events import timestamp_ms
from ..core.parcels import Parcel
from . import frames
from .files import File, Owner
from .ranges import in_order, merged
from .records import BEGIN, CRC, MAGIC, record

# The area of a file is so large at first, and four times as large as the one before in the next file of its class.
FIRST_AREA_BYTES: Final = 256 * 1024
GROWTH: Final = 4
# What callers write is read one file at a time: see `leftovers`.
MOST_AREA_BYTES: Final = 4 * 1024 * 1024

HandOver = Callable[..., None]
"""`delivery.inbox.Inbox.put`: takes a record over, its file and its number there."""


def _refuse(_data: bytes) -> None:
    raise ValueError("there is no area")


def _nobody(*_fields: object) -> None:
    pass


class JournalFile(File):
    """A file into which callers write.

    `enter`, `write`, `next_number`, `is_retired` and `void` are for callers, all else for the driver.
    """

    def __init__(
        self,
        owner: Owner,
        name: str,
        path: str,
        fd: int,
        level_class: int,
        size_bytes: int,
        area: mmap | None,
        head_bytes: int,
    ) -> None:
        super().__init__(owner, name, path, fd, level_class, size_bytes)
        # Callers write into it, nobody else.
        self.is_full = True
        self.is_retired = False
        """True if callers are to write into another file from now on."""
        self.was_full = False
        """True if a caller has found no room."""
        self.void: list[int] = []
        """Numbers that were given, but whose records are not here."""
        self._area = area
        self._head_bytes = head_bytes
        self.write: Callable[[bytes], object] = area.write if area is not None else _refuse
        """Writes a record into the area. Raises ValueError if there is no room."""
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

        Raises ValueError if there is no room, or the disk refuses.
        """
        if self._area is not None:
            self.write(record(number, created, name, text))
        else:
            self._append(number, created, name, text)

    def _append(self, number: int, created: float, name: bytes, text: bytes) -> None:
        """Write a record as a frame: where no memory can be shared with a file, at some ten times the cost."""
        timestamp = timestamp_ms(created)
        stream_name = name.decode("utf-8", "surrogatepass")
        data = frames.events(stream_name, Events([0], [timestamp], [len(text)], text + END), number)
        # A record that is larger than a file may be has one of its own.
        if self.size_bytes > self._first_mark and self.size_bytes + len(data) > self._owner.file_bytes:
            raise ValueError("no room")
        try:
            written = self._owner.disk.write(self.fd, data)
            if written < len(data):
                raise OSError(ENOSPC, "the disk is full")
        except OSError as error:
            self._owner.failed(error)
            # Whatever followed a torn frame would make it seem damaged.
            self._marks_fail = True
            raise ValueError("no room") from error
        self.size_bytes += written

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

    def shelve(self, stream_name: str, places: Sequence[int], events: Events) -> Parcel:
        """Return the parcel of events that leave memory. ``events`` are those at these places, and no pieces."""
        self._leave_memory(places)
        parcel = Parcel(
            self,
            stream_name,
            self.level_class,
            tuple(in_order(self.ids_at(places))),
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

    def load(self, parcel: Parcel, first_number: int) -> Events | None:
        """Read the events of a parcel; None if they cannot be read any more."""
        if self.is_gone or parcel not in self.parcels:
            return None
        if self._area is None:
            return self._load_frames(parcel, first_number)
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

    def unmap(self) -> None:
        """Give the shared memory back, once callers are to write into another file.

        A caller that comes late gets a ValueError, and takes the next file.
        """
        if self._area is not None:
            self._area.close()

    def _area_bytes(self) -> bytes:
        return self._owner.disk.read(self.fd, self._head_bytes, self._first_mark - self._head_bytes)

    def _load_frames(self, parcel: Parcel, first_number: int) -> Events | None:
        try:
            data = self._owner.disk.read(self.fd, 0, self.size_bytes)
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

    def release(self) -> None:
        """See `File.release`."""
        super().release()
        self.is_retired = True
        self.unmap()


class Run(NamedTuple):
    """Events in memory that lie in one file, or in none: of those asked for, from ``start`` up to, without, ``end``."""

    file: JournalFile | None
    start: int
    end: int
    places: Sequence[int]


class Taken(NamedTuple):
    """Where the records of one lot are: the file of each, or None, and its number there."""

    files: Sequence[JournalFile | None]
    ids: Sequence[int]


class Journal:
    """The files into which callers write at the moment. `put` may be called by any thread and any signal handler."""

    def __init__(
        self,
        begin: Callable[[int, int, int], JournalFile | None],
        class_of: Callable[[float | None], int],
        *,
        sync: Callable[[int], None] | None,
    ) -> None:
        self._hand_over: HandOver = _nobody
        self._begin = begin
        self._class_of = class_of
        self._sync = sync
        # By level, because a level's class would have to be computed for each record.
        self._by_level: dict[int, JournalFile] = {}
        self._areas: dict[int, int] = {}
        self.files: list[JournalFile] = []
        """The files of which events are in memory, oldest first."""

    def put(self, created: float, text: str, stream_name: str | None, level: int, is_surplus: bool = False) -> None:
        """Write a record, and then hand it over with its place. If the disk refuses, it is handed over without one."""
        file = self._by_level.get(level)
        if file is not None and stream_name is None and self._sync is None:
            # What `_put` and `records.record` do, for the usual case: each further call would make a record 1 % slower.
            number = file.next_number()
            try:
                data = text.encode()
                body = BEGIN.pack(MAGIC, 0, len(data), number, created) + data
                file.write(body + CRC.pack(crc32(body)))
            except Exception:
                file.void.append(number)
            else:
                if not file.is_retired:
                    self._hand_over(created, text, None, level, is_surplus, file, number)
                    return
                file.void.append(number)
        self._put(created, text, stream_name, level, is_surplus)

    def _put(self, created: float, text: str, stream_name: str | None, level: int, is_surplus: bool) -> None:
        name = b"" if stream_name is None else stream_name.encode("utf-8", "surrogatepass")
        data = text.encode("utf-8", "surrogatepass")
        while True:
            file = self._by_level.get(level)
            if file is None or file.is_retired:
                file = self._turn(file, level, len(data) + len(name))
                if file is None:
                    break
            number = file.next_number()
            try:
                file.enter(number, created, name, data)
            except ValueError:
                # There is no room left, or the file was removed.
                file.void.append(number)
                file.is_retired = file.was_full = True
                continue
            except (struct.error, OverflowError, TypeError, OSError):
                # The time is no number, or something is longer than a file can say, or the disk refuses: see `intake`.
                file.void.append(number)
                break
            if file.is_retired:
                file.void.append(number)
                continue
            if self._sync is not None:
                self._sync(file.fd)
            self._hand_over(created, text, stream_name, level, is_surplus, file, number)
            return
        self._hand_over(created, text, stream_name, level, is_surplus)

    def _turn(self, before: JournalFile | None, level: int, size: int) -> JournalFile | None:
        level_class = self._class_of(level)
        if (current := self._current(level_class)) is not None:
            self._by_level[level] = current
            return current
        self._by_level.pop(level, None)
        area = self._areas.get(level_class, FIRST_AREA_BYTES)
        if before is not None and before.was_full:
            area = min(area * GROWTH, MOST_AREA_BYTES)
        file = self._begin(level_class, area, size + frames.RECORD_COST_BYTES)
        if file is None:
            return None
        # Meanwhile another caller may have begun one, perhaps a signal handler that has interrupted this one.
        if (current := self._current(level_class)) is not None and size < FIRST_AREA_BYTES:
            file.is_retired = True
        else:
            self._areas[level_class] = area
            current = file
        self._by_level[level] = current
        # Last: the driver retires each file in this list into which nobody writes.
        self.files.append(file)
        return current

    def _current(self, level_class: int) -> JournalFile | None:
        """Return the file into which callers write records of this class, perhaps of another level."""
        for level, file in list(self._by_level.items()):
            if not file.is_retired and self._class_of(level) == level_class:
                return file
        return None

    def hand_over_to(self, hand_over: HandOver) -> None:
        """Say who takes the records over that were written."""
        self._hand_over = hand_over

    # -- the driver --------------------------------------------------------------------------------------------------

    def took_in(self, taken: Taken, numbers: Sequence[range]) -> None:
        """Note which events the records of a lot became: for each record a range of numbers, perhaps an empty one."""
        files = taken.files
        first = files[0]
        if first is not None and files.count(first) == len(files) and all(len(some) == 1 for some in numbers):
            first.took_in([some.start for some in numbers], taken.ids)
            return
        for file, number, some in zip(files, taken.ids, numbers, strict=True):
            if file is not None:
                file.took_in_pieces(some, number)

    def took_in_all(self, taken: Taken, first_number: int) -> None:
        """Do the same for records that became one event each, numbered one after another."""
        files = taken.files
        first = files[0]
        if files.count(first) == len(files):
            if first is not None:
                first.took_in(range(first_number, first_number + len(files)), taken.ids)
            return
        for file in dict.fromkeys(file for file in files if file is not None):
            places = [place for place, other in enumerate(files) if other is file]
            file.took_in([first_number + place for place in places], [taken.ids[place] for place in places])

    def settle(self, numbers: array[int]) -> None:
        """Note that events with these numbers need no delivery any more."""
        for file, places in self._find(numbers):
            file.forget(places)

    def sent(self, numbers: array[int]) -> None:
        """Write that a request with these events is about to be made."""
        for file, places in self._find(numbers):
            file.mark_sent(merged(in_order(file.ids_at(places))))

    def _find(self, numbers: array[int]) -> list[tuple[JournalFile, Sequence[int]]]:
        # The usual case: what a request holds lies in one file or two, one event after another.
        runs: list[tuple[JournalFile, Sequence[int]]] = []
        rest = numbers
        for file in self.files:
            if run := file.find_run(rest):
                runs.append((file, run))
                rest = rest[len(run) :]
                if not rest:
                    return runs
        lowest, highest, wanted = min(numbers), max(numbers), set(numbers)
        found = [(file, file.find(wanted, lowest, highest)) for file in self.files]
        return [(file, places) for file, places in found if len(places)]

    def runs(self, events: Events) -> list[Run]:
        """Return where events in memory lie, in their order: cut where the next one lies in another file, or in none.

        A record that became several events counts as in no file: only all of it could leave memory.
        """
        where: list[tuple[JournalFile | None, int]] = [(None, 0)] * len(events)
        at = {number: place for place, number in enumerate(events.numbers)}
        for file, places in self._find(events.numbers):
            if len(places) == len(events) and not file.has_pieces:
                return [Run(file, 0, len(events), places)]
            for place in places:
                if not file.is_piece(place):
                    where[at[file.number_at(place)]] = file, place
        runs = []
        start = 0
        for file, group in groupby(where, key=itemgetter(0)):
            places = [place for _, place in group]
            runs.append(Run(file, start, start + len(places), places))
            start += len(places)
        return runs

    def missing(self, events: Events) -> Events | None:
        """Return those of these events in memory that are in no file; None if there are none."""
        found = self._find(events.numbers)
        if sum(len(places) for _, places in found) == len(events):
            return None
        if not found:
            return events
        here = {file.number_at(place) for file, places in found for place in places}
        return events.picked([[place for place, number in enumerate(events.numbers) if number not in here]])[0]

    def retire_forgotten(self) -> None:
        """Have nobody write into files that two callers began at the same time, but one: see the module."""
        current = set(self._by_level.values())
        for file in self.files:
            if file not in current:
                file.is_retired = True

    def retire(self, file: JournalFile) -> None:
        """Have callers write into another file."""
        file.is_retired = True

    def start_over(self) -> None:
        """Forget all files: in a forked child they are the parent's."""
        self._by_level.clear()
        self.files.clear()
