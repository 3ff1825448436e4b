"""What other processes have left in the directory: which files are tried, and what is found in them.

Owns: the candidates, whose file may be taken over, how its content becomes parcels. Must not know: where the events are
sent, when a file is taken over (`delivery.storing`). The caller holds the lock of `rounds`.

A file's own words decide nothing: its head is compared with this process's own destination, a stream's name must be one
that the service takes, and a group's name one that this process could have given (`groups`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import NamedTuple

from ..core.ledger import DropReason, Ledger
from ..core.parcels import Numbers, Parcel
from ..core.targets import Target
from . import frames
from .directory import Directory
from .disk import NoLocks
from .files import File, Owner
from .groups import TargetOf, name_of, of_this_handler
from .ranges import in_order, merged, minus
from .reading import Reading


class Refused(NamedTuple):
    """Records of one stream that were written by callers, and do not become events."""

    target: Target
    reason: DropReason
    count: int  # type: ignore[assignment]
    first_ms: int
    """When the first of them was logged."""


class Found(NamedTuple):
    """What was taken over with one file."""

    file: File
    parcels: list[Parcel]
    broken: list[frames.Broken]
    target: Target | None
    """The stream that is told of what is broken. None: nobody knows which it was in."""
    refused: list[Refused]


class Leftovers:
    """The files of processes that have ended. Not thread-safe; any thread may ask `has_candidates`."""

    def __init__(self, directory: Directory, owner: Owner, ledger: Ledger, reading: Reading) -> None:
        self._directory = directory
        self._owner = owner
        self._ledger = ledger
        self._reading = reading
        # The next one is last.
        self._candidates: list[str] = []
        self._not_ours: set[str] = set()

    @property
    def has_candidates(self) -> bool:
        """True if there are files that `take_over` has not tried yet."""
        return bool(self._candidates)

    def look(self, held: Iterable[str]) -> None:
        """Look which files others may have left; ``held`` are the names of those that this process has."""
        try:
            entries = self._directory.entries()
        except OSError:
            return
        # Files of its own are among them if they could not be removed.
        not_candidates = {*held, *self._not_ours}
        names = [entry.name for entry in entries if entry.name.endswith(frames.SUFFIX)]
        self._candidates = self._by_age([name for name in names if name not in not_candidates])[::-1]

    def _by_age(self, names: list[str]) -> list[str]:
        """Return the names with the process first that wrote to its files first; those of one process in order."""
        # Only a hint, which file is tried first: a clock that was wrong does no harm.
        ages = {name: self._directory.disk.modified_at(self._directory.path(name)) for name in names}
        first: dict[str, float] = {}
        for name in names:
            owner = _owner(name)
            first[owner] = min(ages[name], first.get(owner, ages[name]))
        return sorted(names, key=lambda name: (first[_owner(name)], name))

    def take_over(self, numbers: Numbers) -> Found | None:
        """Take over the next file that a process of the same destination has left; None if there is none."""
        while self._candidates:
            # Taken out only when the file is held or left alone: who asks meanwhile must see that something is left.
            name = self._candidates[-1]
            try:
                found = self._try(name, numbers)
            except NoLocks as error:
                self._directory.say_no_locks(error)
                self._candidates.clear()
                return None
            except FileNotFoundError:
                self._candidates.pop()
                continue
            except OSError as error:
                if isinstance(error, PermissionError):
                    self._not_ours.add(name)
                self._directory.say("spool_other", f"the spool file {name!r} cannot be taken over: {error.strerror}")
                found = None
            self._candidates.pop()
            if found is not None:
                return found
        return None

    def _try(self, name: str, numbers: Numbers) -> Found | None:
        path = self._directory.path(name)
        fd = self._directory.open(path)
        found = None
        try:
            if self._directory.disk.lock(fd) and self._directory.disk.is_still(fd, path):
                found = self._read(name, path, fd, numbers)
        finally:
            if found is None:
                self._directory.close(fd)
        return found

    def _read(self, name: str, path: str, fd: int, numbers: Numbers) -> Found | None:
        size = self._directory.disk.size(fd)
        try:
            head = frames.read_head(self._directory.disk.read(fd, 0, frames.MAX_HEAD_BYTES))
            if not self._directory.identity.owns(head):
                self._not_ours.add(name)
                return None
            contents = frames.read(self._directory.disk.read(fd, 0, size))
        except frames.Foreign as foreign:
            self._not_ours.add(name)
            self._directory.say(
                "spool_version", f"the spool file {name!r} is of a later version ({foreign.version}): it is left alone"
            )
            return None
        except frames.Unreadable:
            data = self._directory.disk.read(fd, 0, size)
            if frames.is_torn_head(data):
                # Its process was killed before it had written anything.
                self._directory.disk.remove(path)
            else:
                self._directory.keep_aside(path)
            return None
        if contents.end < size:
            # Marks behind a torn frame would make it seem damaged.
            self._directory.disk.cut(fd, contents.end)
        file = File(self._owner, name, path, fd, head.level_class, contents.end)
        file.is_full = True
        identity = self._directory.identity
        own = identity.target_of(head.stream)
        target_of = cache(partial(identity.target_of, own=own))
        if identity.may_have_made is not None:
            contents = self._of_this_handler(name, contents, target_of)
        file.has_broken = bool(contents.broken)
        parcels = self._parcels(file, contents, numbers, target_of)
        refused: list[Refused] = []
        parcels += self._parcels_of_records(file, contents, numbers, target_of, refused)
        file.left = sum(parcel.count for parcel in parcels)
        self._ledger.recover(file.left)
        return Found(file, parcels, contents.broken, own, refused)

    def _parcels(self, file: File, contents: frames.Contents, numbers: Numbers, target_of: TargetOf) -> list[Parcel]:
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
                        _sure(target_of(block.stream)),
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

    def _of_this_handler(self, name: str, contents: frames.Contents, target_of: TargetOf) -> frames.Contents:
        ours = of_this_handler(contents, target_of)
        if ours.broken != contents.broken:
            group = self._directory.identity.group
            self._directory.say(
                "spool_group",
                f"the spool file {name!r} names log groups that {group!r} could not: what is for them is not sent",
            )
        return ours

    def _parcels_of_records(
        self,
        file: File,
        contents: frames.Contents,
        numbers: Numbers,
        target_of: TargetOf,
        refused: list[Refused],
    ) -> list[Parcel]:
        """Return the parcels of what callers have written one by one; note what becomes no event in ``refused``.

        Their events stay in memory until they are sent: such a file is not large.
        """
        groups: dict[tuple[Target, int], list[frames.Record]] = {}
        settled, sent = _members(contents.settled), _members(contents.sent)
        for record in contents.records:
            if not settled(record.id):
                target = _sure(target_of(name_of(record, contents.head)))
                groups.setdefault((target, int(sent(record.id))), []).append(record)
        parcels = []
        for (target, doubts), records in groups.items():
            first_number = numbers.take(len(records))
            events, converted = self._reading.converted(records, first_number)
            for reason, count in converted.refused.items():
                self._ledger.recover_in_vain(count, reason)
                times = [records[place].timestamp_ms for place, why in converted.turned_away if why == reason]
                refused.append(Refused(target, reason, count, min(times)))
            ranges = converted.numbers
            ids = [record.id for record in records]
            if ranges is not None:
                file.pieces.update(
                    (number, len(some)) for number, some in zip(ids, ranges, strict=True) if len(some) > 1
                )
                ids = [number for number, some in zip(ids, ranges, strict=True) for _ in some]
            if events is None or not len(events):
                continue
            parcel = Parcel(
                file,
                target,
                file.level_class,
                tuple((number, number) for number in ids) if ranges is not None else in_order(array("Q", ids)),
                size_bytes=events.size_bytes,
                span_ms=(min(events.timestamps), max(events.timestamps)),
                span=(first_number, first_number + len(events) - 1),
                doubts=doubts,
            )
            file.parcels[parcel] = None
            file.kept[parcel] = events
            parcels.append(parcel)
        return parcels


def _sure(target: Target | None) -> Target:
    # What is for another group has been set aside.
    assert target is not None
    return target


def _members(ranges: Sequence[tuple[int, int]]) -> Callable[[int], bool]:
    """Return whether a number is in one of these ranges, which rise."""
    starts = [first for first, _ in ranges]

    def is_member(number: int) -> bool:
        place = bisect_right(starts, number) - 1
        return place >= 0 and number <= ranges[place][1]

    return is_member


def _owner(name: str) -> str:
    return name.removesuffix(frames.SUFFIX).rpartition(".")[0]
