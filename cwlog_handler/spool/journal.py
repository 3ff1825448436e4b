"""Mode "always": each record is in a file before its logging call returns.

Owns: into which file a caller writes, and in which files events in memory lie. Must not know: streams, batches, when
events leave memory (`delivery.storing`), how a record gets into a file (`journal_file`).

A caller copies its record into shared memory that is a part of a file. That is one call of C code: no other thread and
no signal handler interrupts it, and no kill takes it back. No lock is needed. The blocks of the file belong to it
before it is mapped. So a full disk is noticed when a file is begun, and never while a record is written (SIGBUS).

Two races between callers are left, and harmless. Two may begin a file at the same time: then there are two. A caller
may write into a file that was retired meanwhile: then it writes its record again, into the next file, and the number of
the first copy is void.

Ctrl-C between the write and the hand-over leaves a record on disk that was never handed over: the next process delivers
it.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple
from zlib import crc32

from ..core.columns import Events
from ..core.targets import Target
from . import frames
from .journal_file import JournalFile, NoRoom
from .ranges import in_order, merged
from .records import MAGIC, pack_begin, pack_crc

# The area of a file is so large at first, and four times as large as the one before in the next file of its class.
FIRST_AREA_BYTES: Final = 256 * 1024
GROWTH: Final = 4
# What callers write is read one file at a time: see `leftovers`.
MOST_AREA_BYTES: Final = 4 * 1024 * 1024

HandOver = Callable[..., None]
"""`delivery.inbox.Inbox.put`: takes a record over, its file and its number there."""


def _nobody(*_fields: object) -> None:
    pass


class Run(NamedTuple):
    """Events in memory that lie in one file, or in none.

    They are those asked for from index ``start`` up to, but without, ``end``.
    """

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
        name_of: Callable[[Target], str],
        *,
        sync: Callable[[int], None] | None,
    ) -> None:
        self._hand_over: HandOver = _nobody
        self._begin = begin
        self._class_of = class_of
        self._name_of = name_of
        self._sync = sync
        # By level, because a level's class would have to be computed for each record.
        self._by_level: dict[int, JournalFile] = {}
        self._areas: dict[int, int] = {}
        self.files: list[JournalFile] = []
        """The files of which events are in memory, oldest first."""

    def put(self, created: float, text: str, target: Target | None, level: int, is_surplus: bool = False) -> None:
        """Write a record, and then hand it over with its place. If the disk refuses, it is handed over without one."""
        file = self._by_level.get(level)
        if file is not None and target is None and self._sync is None:
            # What `_put` and `records.record` do, for the usual case: each further call would make a record 1 % slower.
            number = file.next_number()
            try:
                data = text.encode()
                body = pack_begin(MAGIC, 0, len(data), number, created) + data
                file.write(body + pack_crc(crc32(body)))
            except Exception:
                file.void.append(number)
            else:
                if not file.is_retired:
                    self._hand_over(created, text, None, level, is_surplus, file, number)
                    return
                file.void.append(number)
        self._put(created, text, target, level, is_surplus)

    def _put(self, created: float, text: str, target: Target | None, level: int, is_surplus: bool) -> None:
        name = b"" if target is None else self._name_of(target).encode("utf-8", "surrogatepass")
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
            except NoRoom:
                file.void.append(number)
                file.is_retired = file.was_full = True
                continue
            except (struct.error, OverflowError, TypeError, ValueError):
                # The time is no number, or something is longer than a file can say. No other file could take it.
                file.void.append(number)
                break
            if file.is_retired:
                file.void.append(number)
                continue
            if self._sync is not None:
                self._sync(file.fd)
            self._hand_over(created, text, target, level, is_surplus, file, number)
            return
        self._hand_over(created, text, target, level, is_surplus)

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
