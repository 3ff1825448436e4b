"""The check of the spool: its directory, whether files can be locked there, and what ended processes have left in it.

Owns: what a directory needs so that records survive in it. Must not know: the service, how files are written.

The handler makes the directory with the first record that has to be written. If it is missing, this check makes it,
tries it, and removes it again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ...spool.disk import UNKNOWN_FREE_BYTES, Disk, NoLocks
from ...system.stdlib import getpid, urandom
from ..send.display import size
from ..spool.survey import Destination, Kind, Owner, SpoolFile, Unusable, absolute, destination_of, survey
from ..spool.wording import counted, place, shown
from .case import Case
from .findings import Finding, failed, passed

_OTHERS_MAY_WRITE: Final = 0o022
_OWNER_NEEDS: Final = 0o700
# File systems that hold a container's own changes: they are thrown away with it.
_OF_CONTAINERS: Final = frozenset({"overlay", "aufs", "fuse-overlayfs", "fuse.fuse-overlayfs"})
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")

_LOCAL_DISK: Final = "name a directory on a local disk, or on a file system that has locks"
_ELSEWHERE: Final = "name a directory in which this user may write"
_MAKE_ROOM: Final = "make room there, give a smaller max_spool_size, or another directory"

_disk: Final = Disk()


def spool(case: Case) -> Finding:
    """Check the directory of ``spool_dir``. Nothing of it is changed."""
    directory = absolute(os.fspath(case.known["spool_dir"]))
    try:
        with _made(directory) as was_there:
            return _examined(directory, case.known, was_there)
    except OSError as error:
        return _unusable(directory, error)
    except Unusable as problem:
        return failed(str(problem), _ELSEWHERE)


@contextmanager
def _made(directory: str) -> Iterator[bool]:
    """Have the directory there, as the handler makes it; yield whether it was there. What was made is removed again."""
    was_there = os.path.lexists(directory)
    _disk.make_directory(directory)
    try:
        yield was_there
    finally:
        if not was_there:
            # It stays if a program has put something into it in the meantime.
            with suppress(OSError):
                os.rmdir(directory)


def _unusable(directory: str, error: OSError) -> Finding:
    reason = error.strerror or str(error)
    cause, _, way_out = reason.partition("; ")
    if isinstance(error, FileNotFoundError):
        cause, way_out = f"{os.path.dirname(directory)} is missing", "make it: only the directory itself is made"
    else:
        way_out = f"run this as the program's user; if that is so, {way_out}" if way_out else _ELSEWHERE
    return failed(f"{directory}: {cause}", way_out)


def _examined(directory: str, options: dict[str, Any], was_there: bool) -> Finding:
    found = os.stat(directory)
    mode = stat.S_IMODE(found.st_mode)
    # Windows has no such modes.
    if os.name != "nt" and mode & _OTHERS_MAY_WRITE:
        return failed(f"{directory}: mode {mode:04o}, so others may write there", f"chmod 700 {directory}")
    if os.name != "nt" and mode & _OWNER_NEEDS != _OWNER_NEEDS:
        return failed(f"{directory}: mode {mode:04o}, so its own user may not use it", f"chmod 700 {directory}")
    files = survey(directory)
    most = int(options["max_spool_size"])
    used = sum(file.size_bytes for file in files)
    free = _disk.free_bytes(directory)
    if free < most - used:
        cause = f"{size(free)} free, and max_spool_size may take {size(most - used)} more"
        return failed(f"{directory}: {cause}", _MAKE_ROOM)
    try:
        _try_locks(directory)
    except NoLocks as error:
        cause = f"files cannot be locked ({error.strerror}): what ended processes leave is never taken over"
        return failed(f"{directory}: {cause}", _LOCAL_DISK)
    notes = [
        directory if was_there else f"{directory}, which the handler makes when it needs it",
        f"user {found.st_uid}, mode {mode:04o}" if os.name != "nt" else "",
        f"{size(free)} free" if free != UNKNOWN_FREE_BYTES else "",
        "locks work",
        _fate_of(directory),
        *_told(files, options),
    ]
    return passed("; ".join(filter(None, notes)))


def _try_locks(directory: str) -> None:
    """Lock a file of our own and see that nobody else can lock it meanwhile. Raises OSError, NoLocks in particular."""
    # No name of a spool file: no handler looks at it.
    path = os.path.join(directory, f"doctor-{getpid()}-{urandom(4).hex()}.tmp")
    first = _disk.create(path)
    try:
        _disk.write(first, b"\n")
        second = _disk.open(path)
        try:
            if not _disk.lock(first) or _disk.lock(second):
                raise NoLocks(0, "a lock keeps nobody out")
        finally:
            _disk.close(second)
    finally:
        _disk.close(first)
        _disk.remove(path)


def _told(files: Iterable[SpoolFile], options: dict[str, Any]) -> Iterator[str]:
    """Say what ended processes have left: for this handler, for others, and what nobody can read."""
    ours = destination_of(options)
    others: dict[Destination, int] = {}
    left = 0
    for file in files:
        if file.kind is Kind.SPOOL and file.owner is Owner.GONE and file.destination is not None:
            if file.destination == ours:
                left += file.events
            else:
                others[file.destination] = others.get(file.destination, 0) + file.events
    if left:
        yield f"{counted(left, 'event')} of ended processes will be delivered after this handler's first record"
    for target, count in others.items():
        yield f"{counted(count, 'event')} for {place(target)} wait for another handler"
    if odd := [file for file in files if file.kind in (Kind.BAD, Kind.LATER, Kind.UNREADABLE)]:
        kinds = ", ".join(sorted({file.kind.value for file in odd}))
        yield f"{counted(len(odd), 'file')} that cannot be delivered ({kinds}), such as {shown(odd[0].name)}"


def _fate_of(directory: str) -> str:
    try:
        kind = kind_of_file_system(os.path.realpath(directory), _MOUNTS.read_text(errors="surrogateescape"))
    except OSError:
        return ""
    if kind in _OF_CONTAINERS:
        return f"it goes with the container ({kind}): mount a volume if records have to survive that"
    return f"it is in memory ({kind}) and goes with the machine" if kind in _IN_MEMORY else ""


def kind_of_file_system(path: str, mounts: str) -> str:
    """Return the type of the file system that a path is on; ``mounts`` is Linux' mountinfo, see proc(5)."""
    found, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        # A blank is written \040 there.
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = point == "/" or path == point or path.startswith(f"{point}/")
        # Of two mounts on the same point, the later one is seen.
        if inside and len(point) >= len(found):
            found, kind = point, after.split()[0]
    return kind
