"""The spool of one handler in one process: its files, and what becomes of the events in them.

Owns: which file an event goes to, when a file is removed. Must not know: which events are to be stored and when
(`delivery.storing`), the format (`frames`), how much the directory may hold (`room`), what others have left
(`leftovers`). The caller holds the lock of `rounds`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from errno import ENOSPC, ENOTSUP
from mmap import mmap
from typing import Final

from ..core.batches import Batch
from ..core.columns import Events, Gone
from ..core.ledger import Ledger
from ..core.parcels import Numbers, Parcel
from ..core.targets import Target
from ..system.stderr import Notices
from . import frames
from .directory import Directory, Identity, Settings
from .disk import Disk
from .files import File
from .journal import MOST_AREA_BYTES, Journal
from .journal_file import AreaFile, FramesFile, JournalFile
from .leftovers import Found, Leftovers
from .reading import Reading
from .room import Room

# The directory is seldom more than this many files for each process, however large it may become.
FILES: Final = 64
LEAST_FILE_BYTES: Final = 64 * 1024
# A file for callers in which nothing is left is given up when so many bytes of marks stand in it.
MOST_MARKS_BYTES: Final = 64 * 1024
HIGHEST_CLASS: Final = 5


def class_of(level: float | None) -> int:
    """Return the class of a level: what is given up first has the lowest. None: a batch of events of any level."""
    if level is None:
        return HIGHEST_CLASS
    return int(min(max(level, 0), HIGHEST_CLASS * 10) // 10)


class Spool:
    """The files of one handler in one process. Not thread-safe."""

    def __init__(
        self,
        settings: Settings,
        identity: Callable[[], Identity],
        ledger: Ledger,
        notices: Notices,
        monotonic: Callable[[], float],
        disk: Disk | None = None,
        *,
        gives_up_newest: bool = False,
        is_forked_from_c: bool = False,
    ) -> None:
        self.disk: Disk = disk or Disk()
        self.ledger = ledger
        self.file_bytes = max(LEAST_FILE_BYTES, settings.max_bytes // FILES)
        self.reading = Reading(settings)
        self.on_lost: Callable[[Parcel], None] = lambda _parcel: None
        """Called with each parcel that was given up because the directory is full."""
        self.directory = Directory(settings, identity, notices, monotonic, self.disk)
        self._room = Room(self.directory, self, gives_up_newest=gives_up_newest)
        self._leftovers = Leftovers(self.directory, self, ledger, self.reading)
        # Files of processes that have ended, and then of this one, oldest first.
        self._files: list[File] = []
        self._current: dict[int, File] = {}
        self._touched: dict[File, None] = {}
        self._unsynced: dict[File, None] = {}
        self.journal: Journal | None = None
        """The files into which callers write, in mode "always"."""
        # In a process that forks without Python's hooks, a child would write into its parent's memory; and it is the
        # child that sends the parent's records.
        if settings.mode == "always" and not is_forked_from_c:
            self.journal = Journal(
                self._begin_journal, class_of, self._name_of, sync=self.directory.sync if settings.sync else None
            )
        # Files that callers have begun, and one for which a caller had no room: class and bytes.
        self._begun: list[JournalFile] = []
        self._wanted: tuple[int, int] | None = None
        self._dropped: list[int] = []

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """True while nothing is written, because the disk has refused something."""
        return self.directory.is_paused

    @property
    def is_empty(self) -> bool:
        """True if no file is held."""
        return not self._files

    def store(
        self, target: Target, level: float | None, events: Events, *, is_closed: bool = False, is_sent: bool = False
    ) -> Parcel | None:
        """Write events; None if there is no room or the disk refuses them. ``level`` None: a closed batch.

        ``is_sent``: a request with them was made, and nobody knows whether it arrived.
        """
        level_class = class_of(level)
        size = len(events.texts) + 12 * len(events) + frames.FRAME_HEAD_BYTES + 4 * len(self._name_of(target))
        file = self._file_for(level_class, size)
        if file is None:
            return None
        parcel = file.add(target, level_class, events, is_closed=is_closed, is_sent=is_sent)
        if parcel is not None:
            self._room.written(size)
            self._unsynced[file] = None
            if self.journal is not None:
                # The events of a split record are in a journal file, too. From now on only this copy counts.
                self.journal.settle(events.numbers)
        elif not file.left:
            # Nothing is in it, and nothing will be.
            self.touched(file)
        return parcel

    def _file_for(self, level_class: int, size: int) -> File | None:
        if not (self.directory.is_usable and self._room.make(size, level_class)):
            return None
        file = self._current.get(level_class)
        if file is not None and (file.is_full or file.is_gone or file.size_bytes + size > self.file_bytes):
            self.finish(file)
            file = None
        return file or self._begin(level_class)

    def _begin(self, level_class: int) -> File | None:
        try:
            name, path, fd = self.directory.create()
        except OSError as error:
            self.failed(error)
            return None
        file = File(self, name, path, fd, level_class)
        self._files.append(file)
        if file.append(self.directory.head(level_class, 0)) is None:
            self._remove(file)
            return None
        self._current[level_class] = file
        self._room.look_again()
        return file

    def _name_of(self, target: Target) -> str:
        return self.directory.identity.name_of(target)

    # -- mode "always" -----------------------------------------------------------------------------------------------

    def _begin_journal(self, level_class: int, area_bytes: int, least_bytes: int) -> JournalFile | None:
        """Begin a file for callers, on the thread of one of them; None if there is no room or the disk refuses."""
        if self.is_paused or self._wanted is not None:
            return None
        area_bytes = max(min(area_bytes, self.file_bytes, MOST_AREA_BYTES), least_bytes)
        try:
            head = self.directory.head(level_class, area_bytes)
            size = len(head) + area_bytes
            if not self._room.fits_now(size):
                # The driver gives something up.
                self._wanted = level_class, size
                return None
            name, path, fd = self.directory.create()
            try:
                area = self._reserve(fd, size)
                if area is not None:
                    area.write(head)
                else:
                    head = self.directory.head(level_class, 0)
                    if self.disk.write(fd, head) < len(head):
                        raise OSError(ENOSPC, "the disk is full")
                    size = len(head)
            except BaseException:
                self.disk.remove(path)
                self.directory.close(fd)
                raise
        except OSError as error:
            self.failed(error)
            return None
        file: JournalFile
        if area is not None:
            file = AreaFile(self, name, path, fd, level_class, size, area, len(head))
        else:
            file = FramesFile(self, name, path, fd, level_class, size)
        self._begun.append(file)
        return file

    def _reserve(self, fd: int, size: int) -> mmap | None:
        try:
            return self.disk.reserve(fd, size)
        except OSError as error:
            if error.errno != ENOTSUP:
                raise
            return None

    def adopt_begun(self) -> None:
        """Note the files that callers have begun."""
        while self._begun:
            self._files.append(self._begun.pop(0))

    def make_room_for_callers(self) -> None:
        """Give something up if a caller has found no room for a file."""
        if self._wanted is not None:
            level_class, size = self._wanted
            self._room.look_again()
            self._room.make(size, level_class)
            self._wanted = None

    # -- for `room` --------------------------------------------------------------------------------------------------

    @property
    def held(self) -> Sequence[File]:
        """See `room.Files.held`."""
        return self._files

    @property
    def written_to(self) -> Iterable[File]:
        """See `room.Files.written_to`."""
        return self._current.values()

    def finish(self, file: File) -> None:
        """See `room.Files.finish`."""
        file.is_full = True
        if self._current.get(file.level_class) is file:
            del self._current[file.level_class]
        if not file.left:
            self.touched(file)

    def give_up(self, file: File) -> int:
        """See `room.Files.give_up`."""
        before = self.ledger.pending
        for parcel in list(file.parcels):
            self.on_lost(parcel)
        self._remove(file)
        return before - self.ledger.pending

    # -- what becomes of events --------------------------------------------------------------------------------------

    def sent(self, batch: Batch) -> None:
        """Write that a request with this batch is about to be made, where its events lie on disk."""
        if self.journal is not None:
            self.journal.sent(batch.columns.numbers)
        for parcel in batch.stored:
            if isinstance(parcel.place, File) and parcel.left:
                parcel.place.mark_sent(parcel.ids_of(batch.columns.numbers))

    def missing(self, batch: Batch) -> Events | None:
        """Return the events of a batch in memory that no caller has written; None if there are none."""
        return batch.columns if self.journal is None else self.journal.missing(batch.columns)

    def settled(self, batch: Batch) -> None:
        """Note that a batch, or a part of one, needs no delivery any more."""
        batch.settle()
        if self.journal is not None:
            self.journal.settle(batch.columns.numbers)

    def gone(self, event: Gone) -> None:
        """Note that an event in memory was dropped."""
        if self.journal is not None:
            self._dropped.append(event.number)

    def failed(self, error: OSError) -> None:
        """See `files.Owner.failed`."""
        self.directory.failed(error)

    def touched(self, file: File) -> None:
        """See `files.Owner.touched`."""
        self._touched[file] = None

    def tidy(self) -> None:
        """Write what was settled, remove files in which nothing is left."""
        if self.journal is not None:
            self._tidy_journal(self.journal)
        if not (self._touched or self._unsynced):
            return
        touched, self._touched = self._touched, {}
        for file in touched:
            if file.is_gone:
                continue
            if file.left or not file.may_go:
                file.mark_settled()
                self._unsynced[file] = None
            else:
                self._remove(file)
        unsynced, self._unsynced = self._unsynced, {}
        for file in unsynced:
            if not file.is_gone:
                self.directory.sync(file.fd)

    def note_dropped(self) -> None:
        """Settle the events that were dropped from memory: until then they count as on disk."""
        if self.journal is not None and self._dropped:
            dropped, self._dropped = self._dropped, []
            self.journal.settle(array("Q", dropped))

    def _tidy_journal(self, journal: Journal) -> None:
        self.note_dropped()
        if len(journal.files) > 1:
            journal.retire_forgotten()
        for file in journal.files:
            file.settle_void()
            if file.is_retired:
                file.unmap()
            if file.left:
                continue
            if file.marks_bytes > MOST_MARKS_BYTES:
                journal.retire(file)
            if file.is_retired:
                self.touched(file)

    def put_away(self) -> None:
        """Remove the files in which nothing is left, also those that callers would still write to."""
        if self.journal is not None:
            self.adopt_begun()
            for file in self.journal.files:
                if not file.left:
                    self.journal.retire(file)
        self.tidy()

    def _remove(self, file: File) -> None:
        """Remove a file, or keep it aside if a part of it is broken."""
        if isinstance(file, JournalFile):
            # First of all: a record that a caller writes from now on goes to another file.
            file.is_retired = True
        self.ledger.store(-file.left)
        file.left = 0
        for parcel in file.parcels:
            parcel.abandon()
        # It may be one that a caller has begun in vain a moment ago, because another caller was faster.
        self.adopt_begun()
        self._files.remove(file)
        if self.journal is not None and isinstance(file, JournalFile):
            self.journal.files.remove(file)
        if self._current.get(file.level_class) is file:
            del self._current[file.level_class]
        self._room.written(-file.size_bytes)
        try:
            if file.has_broken:
                # Whoever looks into it later sees what was delivered.
                file.mark_settled()
                self.directory.keep_aside(file.path)
            else:
                self.disk.remove(file.path)
            self.directory.sync_names()
        except FileNotFoundError:
            pass
        except OSError as error:
            self.failed(error)
            # The next process finds it, and that nothing in it is to be delivered.
            file.mark_settled()
        # Last: until the name is gone, nobody else may take it over.
        file.release()

    # -- what others have left ---------------------------------------------------------------------------------------

    def look_for_others(self) -> None:
        """Look which files others may have left; `take_over` then tries them."""
        self._leftovers.look(file.name for file in self._files)

    @property
    def has_candidates(self) -> bool:
        """True if there are files that `take_over` has not tried yet."""
        return self._leftovers.has_candidates

    @property
    def _left_files(self) -> list[File]:
        return [file for file in self._files if not self.directory.is_own(file.name)]

    @property
    def count_left_files(self) -> int:
        """How many files of others are held."""
        return len(self._left_files)

    @property
    def left(self) -> int:
        """How many events of others are held and not settled."""
        return sum(file.left for file in self._left_files)

    def take_over(self, numbers: Numbers) -> Found | None:
        """Take over the next file that a process of the same destination has left; None if there is none."""
        found = self._leftovers.take_over(numbers)
        if found is not None:
            # What others have left is older than what is here.
            self._files.insert(0, found.file)
            if not found.file.left:
                self.touched(found.file)
        return found

    # -- the end -----------------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Let go of all files without a word: in a forked child they are the parent's."""
        for file in self._files:
            file.release()
        for begun in self._begun:
            begun.release()
        self._files, self._current, self._touched, self._unsynced, self._begun = [], {}, {}, {}, []
        self.directory.close_all()
        if self.journal is not None:
            self.journal.start_over()
