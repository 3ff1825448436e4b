"""The directory of the spool: every call of the system that touches it, one method for each.

Owns: the modes and flags of files, and the checks of what is found under a name. Must not know: what files are called,
what is in them, what an error means for the events.

Each method raises OSError as the system does. Nothing is logged here, and nothing is tried twice. Whoever may write
beside us in the directory is not trusted: no link is followed, no pipe is waited for, nobody else's file is opened.

The functions come from the C module from which `os` itself takes them (see `system.stdlib`). So a program's tests
that replace ``os.write`` or ``open`` neither change what is written nor see it.
"""

from __future__ import annotations

import errno
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from mmap import mmap
from typing import Any, Final, NamedTuple, TypeAlias

if sys.platform == "win32":
    import nt as system
    from shutil import disk_usage
else:
    import posix as system
    from fcntl import LOCK_EX, LOCK_NB, flock

__all__ = ["UNKNOWN_FREE_BYTES", "Disk", "Entry", "NoLocks", "check_directory", "is_without_locks"]

_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


def _flags(*names: str) -> int:
    # A flag that a system lacks counts as 0. Windows has neither O_NOFOLLOW nor O_NONBLOCK, only Windows has O_BINARY.
    flags = 0
    for name in names:
        flags |= getattr(system, name, 0)
    return flags


_ALWAYS: Final = ("O_CLOEXEC", "O_NOINHERIT", "O_BINARY", "O_NOFOLLOW")
_CREATE: Final = _flags("O_RDWR", "O_CREAT", "O_EXCL", "O_APPEND", *_ALWAYS)
_OPEN: Final = _flags("O_RDWR", "O_APPEND", "O_NONBLOCK", *_ALWAYS)
_OPEN_TO_READ: Final = _flags("O_RDONLY", "O_NONBLOCK", *_ALWAYS)
_OPEN_DIRECTORY: Final = _flags("O_RDONLY", "O_DIRECTORY", "O_CLOEXEC")

# macOS has neither. Its fsync does not empty the cache of the drive either.
_fdatasync: Final[Callable[[int], None]] = getattr(system, "fdatasync", system.fsync)
_fallocate: Final[Callable[[int, int, int], None] | None] = getattr(system, "posix_fallocate", None)

# Somebody else holds the lock.
_LOCKED: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN})
# The file system, its server or a sandbox refuses locks. EBADF, EIO and the like say something else.
_WITHOUT_LOCKS: Final = frozenset(
    {
        errno.EACCES,
        errno.EINVAL,
        errno.ENOLCK,
        errno.ENOSYS,
        errno.ENOTSUP,
        errno.ENOTTY,
        errno.EOPNOTSUPP,
        errno.EPERM,
    }
)
# glibc's posix_fallocate answers EBADF for a descriptor with O_APPEND if the file system cannot allocate: it would
# have to write by itself then, which O_APPEND sends to the end. musl answers EOPNOTSUPP. A file system in user space
# that cannot map a file answers ENODEV.
_CANNOT_RESERVE: Final = frozenset(
    {errno.EBADF, errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
)

_BELOW: Final = "; name a directory in it that does not exist yet: it is made, and belongs to this process's user then"

UNKNOWN_FREE_BYTES: Final = 1 << 62
"""What `Disk.free_bytes` returns if the file system does not say how much is free."""


class NoLocks(OSError):
    """Files cannot be locked here, so nobody can know whose they are. Writing works all the same."""


class Entry(NamedTuple):
    """A regular file of a directory. A link is none."""

    name: str
    size_bytes: int


_Entries: TypeAlias = list[Entry]


def is_without_locks(number: int | None) -> bool:
    """Return True if an attempt to lock that fails with this errno says that locks do not work here."""
    return number in _WITHOUT_LOCKS


def check_directory(path: str) -> None:
    """Raise OSError unless there is a directory of this user, under a name that is no link.

    :raises FileNotFoundError: there is nothing of this name.
    :raises NotADirectoryError: the name belongs to something else, be it a link to a directory.
    :raises PermissionError: it belongs to another user, who could take away or replace all that is in it.
    """
    # With a slash at the end, a link would be followed.
    path = path.rstrip("/") or path
    found = system.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENOTDIR, f"must be a directory, but is {_kind(found)}", path)
    # A volume's mount point belongs to root as a rule, also where a group may write to it.
    _check_owner(found, path, _BELOW)


class Disk:
    """What can be done to the spool's directory and its files. It holds no state, so any thread may use it.

    A file is a descriptor: whoever got it from `create` or `open` passes it to `close` once.
    """

    def make_directory(self, path: str) -> None:
        """Make a directory that only its owner may use, unless it is there; its parent must be there.

        The umask may take rights away, never add some. A directory that exists keeps its mode.

        :raises NotADirectoryError: the name belongs to something else, be it a link to a directory.
        :raises PermissionError: it belongs to another user, who could take away or replace all that is in it.
        """
        try:
            check_directory(path)
        except FileNotFoundError:
            # Another process may be faster.
            with suppress(FileExistsError):
                system.mkdir(path.rstrip("/") or path, _DIRECTORY_MODE)
            check_directory(path)

    def create(self, path: str) -> int:
        """Make an empty file that only its owner may read and write, and return its descriptor.

        :raises FileExistsError: the name is taken, be it by a link that leads nowhere.
        """
        fd = system.open(path, _CREATE, _FILE_MODE)
        try:
            if sys.platform != "win32" and stat.S_IMODE(system.fstat(fd).st_mode) & _FILE_MODE != _FILE_MODE:
                # The umask took rights of the owner away. The next process could not open what this one leaves.
                system.fchmod(fd, _FILE_MODE)
        except BaseException:
            system.close(fd)
            raise
        return fd

    def open(self, path: str) -> int:
        """Open a file to read it and to append to it, and return its descriptor. It never waits.

        :raises PermissionError: it is no regular file, belongs to another user, or has a second name. A file with a
            second name may be anything that its owner has elsewhere on this disk.
        """
        return _opened(path, _OPEN)

    def open_to_read(self, path: str) -> int:
        """Open a file only to read it. The checks are those of `open`."""
        return _opened(path, _OPEN_TO_READ)

    def lock(self, fd: int) -> bool:
        """Lock a file, and return True; return False if it is locked already. It never waits.

        The lock ends when the last descriptor that stems from this one is closed, at the latest with the process. A
        forked child has one, and so has a mapping of `reserve`, until it is closed.

        :raises NoLocks: locks do not work here. NFS without a lock server is an example.
        """
        try:
            _flock(fd)
        except OSError as error:
            if error.errno in _LOCKED:
                return False
            if is_without_locks(error.errno):
                raise NoLocks(error.errno, error.strerror) from error
            raise
        return True

    def is_still(self, fd: int, path: str) -> bool:
        """Return True if the name still belongs to the open file, so that a lock on the file is a lock on the name."""
        opened = system.fstat(fd)
        try:
            named = system.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        same = (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
        return same and opened.st_nlink > 0

    def write(self, fd: int, data: bytes) -> int:
        """Append to a file, and return how many bytes were written: fewer than asked for if the disk is full."""
        return system.write(fd, data)

    def read(self, fd: int, offset: int, length: int) -> bytes:
        """Return that many bytes of a file from an offset on. There are fewer only if the file ends before.

        On Windows the position of the descriptor moves, so two threads may not read from the same one there.
        """
        # Memory is taken for all that is asked for. The length may come from a broken file.
        length = min(length, self.size(fd) - offset)
        parts = []
        while length > 0:
            part = _pread(fd, length, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def size(self, fd: int) -> int:
        """Return the size of an open file in bytes."""
        return system.fstat(fd).st_size

    def cut(self, fd: int, size_bytes: int) -> None:
        """Cut an open file to that many bytes, to take back a short write.

        What is mapped must stay: whoever touches a mapping behind the end of its file is killed by SIGBUS.
        """
        system.ftruncate(fd, size_bytes)

    def reserve(self, fd: int, size_bytes: int) -> mmap:
        """Make a file that many bytes long, and return them as shared memory. The new ones are NUL.

        The blocks belong to the file before anything is mapped. So a full disk raises OSError here, and no SIGBUS comes
        later. File systems that copy on write (Btrfs) need new blocks for a second write to the same place: they may
        still run out of them.

        The mapping has a descriptor of its own, which keeps the file open and locked until the mapping is closed.

        :raises OSError: with ENOSPC the disk is full, and the file has its former size again. With ENOTSUP the system
            or the file system cannot reserve or map.
        """
        former_size = self.size(fd)
        if _fallocate is None:
            raise OSError(errno.ENOTSUP, "this system cannot reserve blocks for a file")
        try:
            _fallocate(fd, 0, size_bytes)
            return mmap(fd, size_bytes)
        except OSError as error:
            # Some file systems keep what they found before they ran out of blocks.
            with suppress(OSError):
                system.ftruncate(fd, former_size)
            if error.errno in _CANNOT_RESERVE:
                raise OSError(errno.ENOTSUP, "this file system cannot reserve blocks for a file, or map it") from error
            raise

    def sync(self, fd: int) -> None:
        """Wait until the content of a file, a mapping's too, is where it survives a power cut."""
        _fdatasync(fd)

    def sync_directory(self, path: str) -> None:
        """Wait until the names of a directory are where they survive a power cut. Windows has no such call."""
        if sys.platform == "win32":
            return
        fd = system.open(path, _OPEN_DIRECTORY)
        try:
            system.fsync(fd)
        finally:
            system.close(fd)

    def close(self, fd: int) -> None:
        """Close a descriptor. It is closed even if this raises."""
        system.close(fd)

    def remove(self, path: str) -> None:
        """Remove a name. Whoever has the file open keeps it; Windows refuses while somebody has."""
        system.unlink(path)

    def rename(self, path: str, new: str) -> None:
        """Give a file another name. Whoever has it open keeps it.

        The new name must not be taken. Two processes that choose the same new name at the same time may overwrite each
        other's file, so names must be unique by themselves.

        :raises FileExistsError: the new name is taken.
        """
        with suppress(FileNotFoundError):
            system.lstat(new)
            raise OSError(errno.EEXIST, "there is a file of this name already", new)
        system.rename(path, new)

    def list(self, path: str) -> _Entries:
        """Return the regular files of a directory, in order of their names; none if there is no such directory."""
        entries = []
        try:
            found = system.scandir(path)
        except FileNotFoundError:
            return []
        with found:
            for entry in found:
                # Another process may just have removed it. Only lstat knows the size of an open file on Windows.
                with suppress(FileNotFoundError):
                    state = system.lstat(entry.path)
                    if stat.S_ISREG(state.st_mode):
                        entries.append(Entry(entry.name, state.st_size))
        return sorted(entries)

    def modified_at(self, path: str) -> float:
        """Return when a file was last written to, by the clock of the file system; 0 if it is not there any more."""
        try:
            return system.lstat(path).st_mtime
        except OSError:
            return 0.0

    def free_bytes(self, path: str) -> int:
        """Return how many bytes are free for this user on the disk of a directory.

        It is `UNKNOWN_FREE_BYTES` if the file system does not say.
        """
        if sys.platform == "win32":
            return disk_usage(path).free
        state = system.statvfs(path)
        # Some file systems in user space report zeros only.
        return state.f_bavail * state.f_frsize if state.f_blocks else UNKNOWN_FREE_BYTES


def _opened(path: str, flags: int) -> int:
    # Asked before, because to open a device or a pipe may have an effect, and because ELOOP would be an odd word for a
    # link. Asked again of the descriptor, because somebody may have changed what is there in between.
    _check_file(system.lstat(path), path)
    fd = system.open(path, flags)
    try:
        _check_file(system.fstat(fd), path)
    except BaseException:
        system.close(fd)
        raise
    return fd


def _check_file(found: Any, path: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EPERM, f"must be a regular file, but is {_kind(found)}", path)
    _check_owner(found, path)
    if found.st_nlink == 0:
        raise OSError(errno.ENOENT, "was removed while it was opened", path)
    if found.st_nlink != 1:
        raise OSError(errno.EPERM, f"must have one name, but has {found.st_nlink} (hard links)", path)


def _check_owner(found: Any, path: str, way_out: str = "") -> None:
    if sys.platform == "win32":
        # Owners are not numbers there.
        return
    own = system.geteuid()
    if found.st_uid != own:
        cause = f"belongs to user {found.st_uid}, but this process runs as user {own}"
        raise OSError(errno.EPERM, f"{cause}{way_out}", path)


def _kind(found: Any) -> str:
    for is_kind, name in (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISREG, "a regular file"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if is_kind(found.st_mode):
            return name
    return "a device"


if sys.platform == "win32":

    def _flock(fd: int) -> None:  # noqa: ARG001
        raise OSError(errno.ENOSYS, "this system has no flock")

    def _pread(fd: int, length: int, offset: int) -> bytes:
        system.lseek(fd, offset, 0)
        return system.read(fd, length)

else:

    def _flock(fd: int) -> None:
        flock(fd, LOCK_EX | LOCK_NB)

    def _pread(fd: int, length: int, offset: int) -> bytes:
        return system.pread(fd, length, offset)
