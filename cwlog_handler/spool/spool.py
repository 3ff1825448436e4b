"""The spool of one handler in one process: its files in the directory, and what others have left there.

Owns: which file an event goes to, how much the directory may hold, what is given up when it is full, taking over. Must
not know: which events are to be stored and when (`delivery.storing`), the format (`frames`), how a file is locked
(`disk`). The caller holds the lock of `rounds`.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from errno import ENOSPC, ENOTSUP
from itertools import count
from mmap import mmap
from typing import Final, NamedTuple

from ..core.batches import Batch
from ..core.columns import Events, Gone
from ..core.conversion import Records, convert
from ..core.events import Oversize, legal_text
from ..core.ledger import Ledger
from ..core.limits import LOG_STREAM_NAME, MAX_NAME_LENGTH
from ..core.parcels import Numbers, Parcel
from ..system.stderr import Notices
from ..system.stdlib import getpid, urandom
from . import frames
from .disk import Disk, NoLocks
from .files import File
from .journal import Journal, JournalFile
from .journal import ranges_of as merged_in_order
from .ranges import merged, minus

# The directory is seldom more than this many files for each process, however large it may become.
FILES: Final = 64
LEAST_FILE_BYTES: Final = 64 * 1024
# Seconds for which nothing is written after the disk has refused something.
PAUSE: Final = 20.0
# The directory is looked at anew after so many seconds, and before each write once it is three quarters full.
LOOK_AGAIN: Final = 1.0
# This part of what was free on the disk is left to others, but not more than that many bytes.
LEFT_FREE: Final = 1 / 64
LEFT_FREE_MOST: Final = 64 * 1024 * 1024
HIGHEST_CLASS: Final = 5
# What callers write is read one file at a time: see `_parcels_of_records`.
MOST_AREA_BYTES: Final = 4 * 1024 * 1024
# The stream of events whose file names none that the service would take.
UNKNOWN_STREAM: Final = "unknown"
# A file for callers in which nothing is left is given up when so many bytes of marks stand in it.
MOST_MARKS_BYTES: Final = 64 * 1024


def class_of(level: float | None) -> int:
    """Return the class of a level: what is given up first has the lowest. None: a batch of events of any level."""
    if level is None:
        return HIGHEST_CLASS
    return int(min(max(level, 0), HIGHEST_CLASS * 10) // 10)


class Identity(NamedTuple):
    """Whose records these are. Only a handler with the same group, region and endpoint takes them over."""

    group: str
    region: str
    endpoint: str
    stream: str
    """The stream of the process, for records that name no other."""
    machine: str
    package: str = ""
    """The version of this package, for whoever looks into a file."""


class Settings(NamedTuple):
    """The options of a spool."""

    directory: str
    mode: str
    max_bytes: int
    sync: bool
    max_event_bytes: int
    oversize: Oversize


class Found(NamedTuple):
    """What was taken over with one file."""

    parcels: list[Parcel]
    broken: list[frames.Broken]
    stream: str
    """The stream that is told of what is broken."""


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
        self.on_lost: Callable[[Parcel], None] = lambda _parcel: None
        """Called with each parcel that was given up because the directory is full."""
        self._settings = settings
        self._find_identity = identity
        self._identity: Identity | None = None
        self._notices = notices
        self._monotonic = monotonic
        self._gives_up_newest = gives_up_newest
        self._pid = getpid()
        self._prefix: str | None = None
        self._numbers = count(1)
        self.file_bytes = max(LEAST_FILE_BYTES, settings.max_bytes // FILES)
        # Files of this process, oldest first, and of processes that have ended.
        self._files: list[File] = []
        self._current: dict[int, File] = {}
        self._touched: dict[File, None] = {}
        self._unsynced: dict[File, None] = {}
        self._paused_until = float("-inf")
        self._looked_at = float("-inf")
        self._total_bytes = 0
        self._floor_bytes = 0
        self.journal: Journal | None = None
        """The files into which callers write, in mode "always"."""
        # In a process that forks without Python's hooks, a child would write into its parent's memory; and it is the
        # child that sends the parent's records.
        if settings.mode == "always" and not is_forked_from_c:
            self.journal = Journal(
                self._begin_journal,
                class_of,
                sync=self._sync if settings.sync else None,
            )
        # Files that callers have begun, and those for which they had no room: class and bytes.
        self._begun: list[JournalFile] = []
        self._wanted: tuple[int, int] | None = None
        self._dropped: list[int] = []
        self._parsed: tuple[File, Mapping[int, frames.Record]] | None = None
        # Names of damaged files that were kept.
        self._aside: list[str] = []
        self._candidates: list[str] = []
        self._not_ours: set[str] = set()

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """True while nothing is written, because the disk has refused something."""
        return self._monotonic() < self._paused_until

    @property
    def is_empty(self) -> bool:
        """True if no file is held."""
        return not self._files

    def store(
        self, stream_name: str, level: float | None, events: Events, *, is_closed: bool = False, is_sent: bool = False
    ) -> Parcel | None:
        """Write events; None if there is no room or the disk refuses them. ``level`` None: a closed batch.

        ``is_sent``: a request with them was made, and nobody knows whether it arrived.
        """
        level_class = class_of(level)
        size = len(events.texts) + 12 * len(events) + frames.FRAME_HEAD_BYTES + 4 * len(stream_name)
        file = self._file_for(level_class, size)
        if file is None:
            return None
        parcel = file.add(stream_name, level_class, events, is_closed=is_closed, is_sent=is_sent)
        if parcel is not None:
            self._total_bytes += size
            self._unsynced[file] = None
        elif not file.left:
            # Nothing is in it, and nothing will be.
            self.touched(file)
        return parcel

    def _file_for(self, level_class: int, size: int) -> File | None:
        if self.is_paused or self._pid != getpid():
            return None
        if not self._make_room(size, level_class):
            return None
        file = self._current.get(level_class)
        if file is not None and (file.is_full or file.is_gone or file.size_bytes + size > self.file_bytes):
            self._finish(file)
            file = None
        return file or self._begin(level_class)

    def _finish(self, file: File) -> None:
        file.is_full = True
        if self._current.get(file.level_class) is file:
            del self._current[file.level_class]
        if not file.left:
            self.touched(file)

    def _begin(self, level_class: int) -> File | None:
        try:
            name, path, fd = self._create()
        except OSError as error:
            self.failed(error)
            return None
        file = File(self, name, path, fd, level_class)
        self._files.append(file)
        if file.append(self._head(level_class, 0)) is None:
            self._remove(file)
            return None
        self._current[level_class] = file
        # What other processes have written meanwhile counts, too.
        self._looked_at = float("-inf")
        return file

    def _head(self, level_class: int, area: int) -> bytes:
        to = self.identity
        head = frames.Head(
            to.group, to.region, to.endpoint, to.machine, self._pid, to.package, level_class, area, to.stream
        )
        return frames.head(head)

    def _create(self) -> tuple[str, str, int]:
        """Make a new file, and return its name, path and descriptor. Any thread may call this."""
        for _ in range(8):
            self.disk.make_directory(self._settings.directory)
            name = f"{self.prefix}{next(self._numbers):08}{frames.SUFFIX}"
            path = os.path.join(self._settings.directory, name)
            fd = self.disk.create(path)
            try:
                is_ours = self._lock(fd) and self.disk.is_still(fd, path)
                if is_ours and self._settings.sync:
                    self.disk.sync_directory(self._settings.directory)
            except OSError:
                with suppress(OSError):
                    self.disk.remove(path)
                self.disk.close(fd)
                raise
            if is_ours:
                return name, path, fd
            # Somebody who looks for what others have left was faster, and removes the file.
            self.disk.close(fd)
        raise OSError(11, "files of this process are taken away as soon as they are made", self._settings.directory)

    def _lock(self, fd: int) -> bool:
        try:
            return self.disk.lock(fd)
        except NoLocks as error:
            self._tell_no_locks(error)
            return True

    @property
    def prefix(self) -> str:
        """How the names of all files of this handler in this process begin."""
        if self._prefix is None:
            machine = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in self.identity.machine)
            self._prefix = f"{machine[:60]}-{self._pid}-{urandom(4).hex()}."
        return self._prefix

    @property
    def identity(self) -> Identity:
        """Whose records are written. Found out when it is first needed: it may take a look at files of boto3."""
        if self._identity is None:
            self._identity = self._find_identity()
        return self._identity

    def failed(self, error: OSError) -> None:
        """Pause after the disk has refused something, and say so. The bounds of memory hold meanwhile."""
        self._paused_until = self._monotonic() + PAUSE
        reason = error.strerror or str(error)
        self._notices.say(
            "spool",
            f"spool_dir {self._settings.directory!r} cannot be used now, records wait in memory only: {reason}",
        )

    # -- mode "always" -----------------------------------------------------------------------------------------------

    def _begin_journal(self, level_class: int, area_bytes: int, least_bytes: int) -> JournalFile | None:
        """Begin a file for callers, on the thread of one of them; None if there is no room or the disk refuses."""
        if self.is_paused or self._wanted is not None:
            return None
        area_bytes = max(min(area_bytes, self.file_bytes, MOST_AREA_BYTES), least_bytes)
        try:
            head = self._head(level_class, area_bytes)
            size = len(head) + area_bytes
            if (
                sum(entry.size_bytes for entry in self.disk.list(self._settings.directory)) + size
                > self._settings.max_bytes
            ):
                # The driver gives something up.
                self._wanted = level_class, size
                return None
            name, path, fd = self._create()
            try:
                area = self._reserve(fd, size)
                if area is not None:
                    area.write(head)
                else:
                    head = self._head(level_class, 0)
                    if self.disk.write(fd, head) < len(head):
                        raise OSError(ENOSPC, "the disk is full")
                    size = len(head)
            except BaseException:
                self.disk.remove(path)
                self.disk.close(fd)
                raise
        except OSError as error:
            self.failed(error)
            return None
        file = JournalFile(self, name, path, fd, level_class, size, area, len(head))
        self._begun.append(file)
        return file

    def _reserve(self, fd: int, size: int) -> mmap | None:
        try:
            return self.disk.reserve(fd, size)
        except OSError as error:
            if error.errno != ENOTSUP:
                raise
            return None

    def _sync(self, file: File) -> None:
        try:
            self.disk.sync(file.fd)
        except OSError as error:
            self.failed(error)

    def adopt_begun(self) -> None:
        """Note the files that callers have begun."""
        while self._begun:
            self._files.append(self._begun.pop(0))

    def make_room_for_callers(self) -> None:
        """Give something up if a caller has found no room for a file."""
        if self._wanted is not None:
            level_class, size = self._wanted
            self._looked_at = float("-inf")
            self._make_room(size, level_class)
            self._wanted = None

    def records_of(self, file: File, area: Callable[[], bytes], number: int) -> Mapping[int, frames.Record]:
        """See `files.Owner.records_of`."""
        if self._parsed is None or self._parsed[0] is not file or number not in self._parsed[1]:
            self._parsed = None
            self._parsed = file, {record.id: record for record in frames.read_area(area())}
        return self._parsed[1]

    def events_of(self, records: Sequence[frames.Record], first_number: int) -> Events | None:
        """See `files.Owner.events_of`."""
        found, numbers = self._converted(records, first_number)
        return found if numbers is None else None

    def _converted(
        self, records: Sequence[frames.Record], first_number: int
    ) -> tuple[Events | None, Sequence[range] | None]:
        """Return the events of records, and the numbers of each record's events; None: one event each."""
        count = len(records)
        fields = Records(
            [record.created for record in records],
            [record.text for record in records],
            [None] * count,
            [0] * count,
            [False] * count,
        )
        converted = convert(fields, first_number, self._settings.max_event_bytes, self._settings.oversize)
        return next(iter(converted.events.values()), None), converted.numbers

    # -- room --------------------------------------------------------------------------------------------------------

    def _make_room(self, size: int, level_class: int) -> bool:
        while not self._has_room(size):
            if self._aside:
                # Nobody will deliver what is in it.
                with suppress(OSError):
                    self.disk.remove(os.path.join(self._settings.directory, self._aside.pop(0)))
                self._look()
                continue
            victim = self._victim(size, level_class)
            if victim is None:
                self._notices.say(
                    "spool_full",
                    f"spool_dir {self._settings.directory!r} is full (max_spool_size={self._settings.max_bytes})",
                )
                return False
            self._give_up(victim)
        return True

    def _has_room(self, size: int) -> bool:
        now = self._monotonic()
        is_near = self._total_bytes + size > self._settings.max_bytes * 3 // 4
        if is_near or now - self._looked_at > LOOK_AGAIN:
            self._look()
        return self._total_bytes + size <= self._settings.max_bytes

    def _look(self) -> None:
        self._looked_at = self._monotonic()
        try:
            entries = self.disk.list(self._settings.directory)
            self._total_bytes = sum(entry.size_bytes for entry in entries)
            self._notice_removed({entry.name for entry in entries})
            self._aside = [entry.name for entry in entries if entry.name.endswith(frames.BAD_SUFFIX)]
            free = self.disk.free_bytes(self._settings.directory) if self._files else None
        except OSError:
            # What cannot be looked at cannot be written to either, and that says why.
            return
        if free is not None:
            self._floor_bytes = self._floor_bytes or min(LEFT_FREE_MOST, int(free * LEFT_FREE))
            if free < self._floor_bytes:
                self.failed(OSError(28, f"only {free} bytes are free on this disk"))

    def _notice_removed(self, names: set[str]) -> None:
        """Write no more to files that somebody has removed: no other process would find them."""
        removed = [file for file in self._current.values() if file.name not in names]
        for file in removed:
            self._finish(file)
        if removed:
            self._notices.say(
                "spool_removed",
                f"files in spool_dir {self._settings.directory!r} were removed while in use: what was in them does not "
                "survive this process",
            )

    def _victim(self, size: int, level_class: int) -> File | None:
        """Return the file to give up for events of a class: of the lowest class, and none above theirs.

        None if giving up all such files would not make room either.
        """
        candidates = [file for file in self._files if file.left and file.level_class <= level_class]
        least = self._total_bytes - sum(file.size_bytes for file in candidates) + size
        if not candidates or least > self._settings.max_bytes:
            return None
        lowest = min(file.level_class for file in candidates)
        if self._gives_up_newest:
            return None if lowest == level_class else [f for f in candidates if f.level_class == lowest][-1]
        return next(file for file in candidates if file.level_class == lowest)

    def _give_up(self, file: File) -> None:
        lost = 0
        before = self.ledger.pending
        for parcel in list(file.parcels):
            self.on_lost(parcel)
        lost = before - self.ledger.pending
        self._remove(file)
        self._look()
        if lost:
            self._notices.say(
                "spool_full",
                f"spool_dir {self._settings.directory!r} is full (max_spool_size={self._settings.max_bytes}): "
                f"{lost} records of the least severe level dropped",
            )

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
        if self._settings.sync:
            for file in unsynced:
                if not file.is_gone:
                    try:
                        self.disk.sync(file.fd)
                    except OSError as error:
                        self.failed(error)

    def _tidy_journal(self, journal: Journal) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, []
            journal.settle(array("Q", dropped))
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
                    journal_file = file
                    self.journal.retire(journal_file)
        self.tidy()

    def _remove(self, file: File) -> None:
        """Remove a file, or keep it aside if a part of it is broken."""
        self.ledger.store(-file.left)
        file.left = 0
        for parcel in file.parcels:
            parcel.abandon()
        self._files.remove(file)
        if self.journal is not None and isinstance(file, JournalFile):
            self.journal.files.remove(file)
        if self._current.get(file.level_class) is file:
            del self._current[file.level_class]
        self._total_bytes = max(0, self._total_bytes - file.size_bytes)
        try:
            if file.has_broken:
                # Whoever looks into it later sees what was delivered.
                file.mark_settled()
                self._keep_aside(file.path)
            else:
                self.disk.remove(file.path)
            if self._settings.sync:
                self.disk.sync_directory(self._settings.directory)
        except FileNotFoundError:
            pass
        except OSError as error:
            self.failed(error)
            # The next process finds it, and that nothing in it is to be delivered.
            file.mark_settled()
        # Last: until the name is gone, nobody else may take it over.
        file.release()

    def _keep_aside(self, path: str) -> None:
        bad = path[: -len(frames.SUFFIX)] + frames.BAD_SUFFIX
        self.disk.rename(path, bad)
        self._notices.say("corrupt", f"the spool file {path!r} is damaged in part; it is kept as {bad!r}")

    # -- what others have left ---------------------------------------------------------------------------------------

    def look_for_others(self) -> None:
        """Look which files others may have left; `take_over` then tries them."""
        try:
            entries = self.disk.list(self._settings.directory)
        except OSError:
            return
        # Files of its own are among them if they could not be removed.
        not_candidates = {file.name for file in self._files} | self._not_ours
        names = [entry.name for entry in entries if entry.name.endswith(frames.SUFFIX)]
        self._candidates = self._by_age([name for name in names if name not in not_candidates])
        self._candidates.reverse()

    def _by_age(self, names: list[str]) -> list[str]:
        """Return the names with the process first that wrote to its files first; those of one process in order."""
        # Only a hint, which file is tried first: a clock that was wrong does no harm.
        ages = {name: self.disk.modified_at(os.path.join(self._settings.directory, name)) for name in names}
        first: dict[str, float] = {}
        for name in names:
            owner = _owner(name)
            first[owner] = min(ages[name], first.get(owner, ages[name]))
        return sorted(names, key=lambda name: (first[_owner(name)], name))

    @property
    def has_candidates(self) -> bool:
        """True if there are files that `take_over` has not tried yet."""
        return bool(self._candidates)

    @property
    def _left_files(self) -> list[File]:
        return [file for file in self._files if self._prefix is None or not file.name.startswith(self._prefix)]

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
        while self._candidates:
            # Taken out only when the file is held or left alone: who asks meanwhile must see that something is left.
            name = self._candidates[-1]
            try:
                found = self._try(name, numbers)
            except NoLocks as error:
                self._tell_no_locks(error)
                self._candidates.clear()
                return None
            except FileNotFoundError:
                self._candidates.pop()
                continue
            except OSError as error:
                if isinstance(error, PermissionError):
                    self._not_ours.add(name)
                self._notices.say("spool_other", f"the spool file {name!r} cannot be taken over: {error.strerror}")
                found = None
            self._candidates.pop()
            if found is not None:
                return found
        return None

    def _tell_no_locks(self, error: OSError) -> None:
        self._notices.say(
            "no_locks",
            f"files in spool_dir {self._settings.directory!r} cannot be locked ({error.strerror}): what processes that "
            "ended have left there is not taken over",
        )

    def _try(self, name: str, numbers: Numbers) -> Found | None:
        path = os.path.join(self._settings.directory, name)
        fd = self.disk.open(path)
        found = None
        try:
            if self.disk.lock(fd) and self.disk.is_still(fd, path):
                found = self._read(name, path, fd, numbers)
        finally:
            if found is None:
                self.disk.close(fd)
        return found

    def _read(self, name: str, path: str, fd: int, numbers: Numbers) -> Found | None:
        size = self.disk.size(fd)
        try:
            head = frames.read_head(self.disk.read(fd, 0, frames.MAX_HEAD_BYTES))
            if not self._is_ours(head):
                self._not_ours.add(name)
                return None
            contents = frames.read(self.disk.read(fd, 0, size))
        except frames.Foreign as foreign:
            self._not_ours.add(name)
            self._notices.say(
                "spool_version", f"the spool file {name!r} is of a later version ({foreign.version}): it is left alone"
            )
            return None
        except frames.Unreadable:
            data = self.disk.read(fd, 0, size)
            if frames.is_torn_head(data):
                # Its process was killed before it had written anything.
                self.disk.remove(path)
            else:
                self._keep_aside(path)
            return None
        if contents.end < size:
            # Marks behind a torn frame would make it seem damaged.
            self.disk.cut(fd, contents.end)
        file = File(self, name, path, fd, head.level_class, contents.end)
        file.is_full = True
        file.has_broken = bool(contents.broken)
        own_stream = _legal(head.stream, UNKNOWN_STREAM)
        parcels = self._parcels(file, contents, numbers, own_stream)
        parcels += self._parcels_of_records(file, contents, numbers, own_stream)
        file.left = sum(parcel.count for parcel in parcels)
        self.ledger.recover(file.left)
        # What others have left is older than what is here.
        self._files.insert(0, file)
        if not file.left:
            self.touched(file)
        return Found(parcels, contents.broken, own_stream)

    def _is_ours(self, head: frames.Head) -> bool:
        mine = self.identity
        return (head.group, head.region, head.endpoint) == (mine.group, mine.region, mine.endpoint)

    def _parcels(self, file: File, contents: frames.Contents, numbers: Numbers, own_stream: str) -> list[Parcel]:
        parcels = []
        for block in contents.blocks:
            last = block.first_id + block.count - 1
            left = minus(block.first_id, last, contents.settled)
            sure = [part for first, last in left for part in minus(first, last, contents.sent)]
            doubtful = [part for first, last in left for part in minus(first, last, sure)]
            for ids, doubts in ((doubtful, 1), (sure, 0)):
                if ids:
                    count = sum(last - first + 1 for first, last in ids)
                    first_number = numbers.take(count)
                    parcel = Parcel(
                        file,
                        _legal(block.stream, own_stream),
                        file.level_class,
                        tuple(merged(ids)),
                        size_bytes=block.size_bytes * count // block.count,
                        span_ms=(block.first_ms, block.last_ms),
                        span=(first_number, first_number + count - 1),
                        doubts=doubts,
                    )
                    file.parcels[parcel] = block
                    parcels.append(parcel)
        return parcels

    def _parcels_of_records(
        self, file: File, contents: frames.Contents, numbers: Numbers, own_stream: str
    ) -> list[Parcel]:
        """Return the parcels of what callers have written one by one.

        Their events stay in memory until they are sent: such a file is not large.
        """
        groups: dict[tuple[str, int], list[frames.Record]] = {}
        settled, sent = _members(contents.settled), _members(contents.sent)
        for record in contents.records:
            if not settled(record.id):
                stream_name = _legal(record.stream or own_stream, own_stream)
                groups.setdefault((stream_name, int(sent(record.id))), []).append(record)
        parcels = []
        for (stream_name, doubts), records in groups.items():
            first_number = numbers.take(len(records))
            events, ranges = self._converted(records, first_number)
            ids = [record.id for record in records]
            if ranges is not None:
                refused = sum(not some for some in ranges)
                self.ledger.recovered += refused
                self.ledger.dropped["empty"] += refused
                ids = [number for number, some in zip(ids, ranges, strict=True) for _ in some]
            if events is None or not len(events):
                continue
            parcel = Parcel(
                file,
                stream_name,
                file.level_class,
                tuple((number, number) for number in ids) if ranges is not None else merged_in_order(array("Q", ids)),
                size_bytes=events.size_bytes,
                span_ms=(min(events.timestamps), max(events.timestamps)),
                span=(first_number, first_number + len(events) - 1),
                doubts=doubts,
            )
            file.parcels[parcel] = None
            file.kept[parcel] = events
            parcels.append(parcel)
        return parcels

    # -- the end -----------------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Let go of all files without a word: in a forked child they are the parent's."""
        for file in self._files:
            file.release()
        for begun in self._begun:
            begun.release()
        self._files, self._current, self._touched, self._unsynced, self._begun = [], {}, {}, {}, []
        if self.journal is not None:
            self.journal.start_over()


def _members(ranges: Sequence[tuple[int, int]]) -> Callable[[int], bool]:
    """Return whether a number is in one of these ranges, which rise."""
    starts = [first for first, _ in ranges]

    def is_member(number: int) -> bool:
        place = bisect_right(starts, number) - 1
        return place >= 0 and number <= ranges[place][1]

    return is_member


def _owner(name: str) -> str:
    return name.removesuffix(frames.SUFFIX).rpartition(".")[0]


def _legal(stream_name: str, otherwise: str) -> str:
    """Return the name of a stream if the service takes it: a file may say anything."""
    is_legal = 1 <= len(stream_name) <= MAX_NAME_LENGTH and LOG_STREAM_NAME.fullmatch(stream_name)
    return stream_name if is_legal and legal_text(stream_name) == stream_name else otherwise
