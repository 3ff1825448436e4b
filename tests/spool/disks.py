"""A disk in memory, for tests of what stands on `cwlog_handler.spool.disk.Disk`.

It has the same methods. `test_disk` holds both to the same contract. Several processes may use it, each through a view
of its own (`FakeDisk.process`). They can be killed between any two calls, or in the middle of a write. The disk can be
full, refuse a call, write half of what it was given, and lose what was not synced.

Not here: links, pipes, other users, modes.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest

from cwlog_handler.spool.disk import UNKNOWN_FREE_BYTES, Disk, Entry, NoLocks, is_without_locks

FIRST_PROCESS = "first"
# The first number of a descriptor: far from those of the system, so that one cannot be taken for the other.
FIRST_FD = 1_000_000
FOR_EVER = sys.maxsize


class Died(BaseException):
    """The process has died. What it would do from here on must not happen, so nothing should catch this."""


def refused(*numbers: int) -> Any:
    """Expect an OSError with one of these errnos."""
    return pytest.raises(OSError, match=rf"^\[Errno ({'|'.join(map(str, numbers))})\]")


@dataclass(eq=False)
class _File:
    data: bytearray = field(default_factory=bytearray)
    names: int = 1
    # How many opened ones there are of it. Only when they and all names are gone is its space free again.
    opened: int = 0
    holder: _Opened | None = None
    synced: bytes = b""


@dataclass(eq=False)
class _Opened:
    """What the system has for each call of open. Its lock goes when the last reference does."""

    file: _File
    may_write: bool
    references: int = 0

    def refer(self) -> None:
        self.references += 1
        self.file.opened += self.references == 1

    def release(self) -> None:
        self.references -= 1
        if not self.references:
            self.file.opened -= 1
            if self.file.holder is self:
                self.file.holder = None


@dataclass
class _Fault:
    method: str
    after: int
    times: int
    errno: int


@dataclass
class _Machine:
    """What all processes share. A call holds its lock, so threads may use the disk."""

    names: dict[str, _File] = field(default_factory=dict)
    files: list[_File] = field(default_factory=list)
    directories: set[str] = field(default_factory=lambda: {"", "/"})
    processes: dict[str, FakeDisk] = field(default_factory=dict)
    faults: list[_Fault] = field(default_factory=list)
    short_write_in: int = 0
    limit_bytes: int | None = None
    next_fd: int = FIRST_FD
    lock: Any = field(default_factory=threading.RLock)

    def free_bytes(self) -> int:
        if self.limit_bytes is None:
            return UNKNOWN_FREE_BYTES
        self.files = [file for file in self.files if file.names or file.opened]
        return max(self.limit_bytes - sum(len(file.data) for file in self.files), 0)


class FakeDisk(Disk):
    """One process's view of a disk in memory. The first one makes the disk; `process` gives others of the same.

    ``calls`` is how many calls this process has made, a mapping's writes included. ``called`` counts each method.
    """

    def __init__(self, name: str = FIRST_PROCESS, *, machine: _Machine | None = None) -> None:
        self.name = name
        self.calls = 0
        self.called: Counter[str] = Counter()
        self._machine = machine or _Machine()
        self._machine.processes[name] = self
        self._opened: dict[int, _Opened] = {}
        self._mappings: list[FakeMapping] = []
        self._is_dead = False
        self._dies_in = 0
        self._is_torn = False

    # What a test does to the disk.

    def process(self, name: str) -> FakeDisk:
        """Return the view of another process of this disk; a new one if there is none, or if it was killed."""
        with self._machine.lock:
            found = self._machine.processes.get(name)
            return FakeDisk(name, machine=self._machine) if found is None else found

    def kill(self, name: str = FIRST_PROCESS) -> None:
        """End a process like SIGKILL: its descriptors, mappings and locks go, and all that it has written stays.

        Whatever it does afterwards raises `Died`.
        """
        with self._machine.lock:
            killed = self._machine.processes.pop(name, None)
            if killed is None:
                return
            killed._is_dead = True
            for opened in killed._opened.values():
                opened.release()
            killed._opened.clear()
            for mapping in list(killed._mappings):
                mapping.close()

    def power_cut(self, *, nul: bool = False) -> None:
        """Kill all processes and lose what was not synced: it is cut off, or with ``nul`` it is NUL.

        Names stay as they are, whether their directory was synced or not.
        """
        with self._machine.lock:
            for name in list(self._machine.processes):
                self.kill(name)
            for file in self._machine.names.values():
                size_bytes = max(len(file.data), len(file.synced)) if nul else len(file.synced)
                file.data[:] = file.synced.ljust(size_bytes, b"\0")

    def fail(self, method: str, number: int, *, after: int = 1, times: int = 1) -> None:
        """Let the ``after``-th call from now of a method fail with this errno, and ``times`` - 1 calls behind it.

        The calls of all processes count. ``times`` may be `FOR_EVER`.
        """
        with self._machine.lock:
            self._machine.faults.append(_Fault(method, after, times, number))

    def heal(self) -> None:
        """Forget all faults that were asked for, the full disk too."""
        with self._machine.lock:
            self._machine.faults.clear()
            self._machine.short_write_in = 0
            self._machine.limit_bytes = None

    def short_write(self, after: int = 1) -> None:
        """Let the ``after``-th call of `write` from now write half of its bytes."""
        self._machine.short_write_in = after

    def full_at(self, size_bytes: int | None) -> None:
        """Let the disk hold that many bytes in all its files. As on Linux, what fits of a write is written first."""
        self._machine.limit_bytes = size_bytes

    def die_at(self, number: int, *, torn: bool = False) -> None:
        """Let this process die before its ``number``-th call from now, whichever method it is.

        With ``torn``, half of the bytes are there if the call is a write, be it to a mapping.
        """
        self._dies_in = number
        self._is_torn = torn

    def contents(self) -> dict[str, bytes]:
        """Return what each file holds, by its path."""
        with self._machine.lock:
            return {path: bytes(file.data) for path, file in sorted(self._machine.names.items())}

    def put(self, path: str, data: bytes) -> None:
        """Put a file there, or replace its content, as no process of this disk would do it. It counts as synced."""
        with self._machine.lock:
            file = self._machine.names.get(path) or self._new_file(path)
            file.data[:] = data
            file.synced = bytes(data)

    def open_files(self) -> int:
        """Return how many descriptors and mappings this process has not closed."""
        return len(self._opened) + len(self._mappings)

    # What `Disk` promises.

    def make_directory(self, path: str) -> None:
        with self._call("make_directory"):
            path = _plain(path)
            if path in self._machine.names:
                raise OSError(errno.ENOTDIR, "must be a directory, but is a regular file", path)
            if path not in self._machine.directories:
                self._check_parent(path)
                self._machine.directories.add(path)

    def create(self, path: str) -> int:
        with self._call("create"):
            self._check_parent(path)
            if path in self._machine.names or path in self._machine.directories:
                raise _error(errno.EEXIST, path)
            return self._new_fd(_Opened(self._new_file(path), may_write=True))

    def open(self, path: str) -> int:
        with self._call("open"):
            return self._open(path, may_write=True)

    def open_to_read(self, path: str) -> int:
        with self._call("open_to_read"):
            return self._open(path, may_write=False)

    def lock(self, fd: int) -> bool:
        try:
            with self._call("lock"):
                opened = self._get(fd)
                if opened.file.holder is None:
                    opened.file.holder = opened
                return opened.file.holder is opened
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                return False
            if is_without_locks(error.errno):
                raise NoLocks(error.errno, error.strerror) from error
            raise

    def is_still(self, fd: int, path: str) -> bool:
        with self._call("is_still"):
            return self._machine.names.get(path) is self._get(fd).file

    def write(self, fd: int, data: bytes) -> int:
        with self._call("write", torn=lambda: self._append(fd, data[: len(data) // 2])):
            if self._machine.short_write_in:
                self._machine.short_write_in -= 1
                if not self._machine.short_write_in:
                    return self._append(fd, data[: len(data) // 2])
            return self._append(fd, data)

    def read(self, fd: int, offset: int, length: int) -> bytes:
        with self._call("read"):
            return bytes(self._get(fd).file.data[offset : offset + max(length, 0)])

    def size(self, fd: int) -> int:
        with self._call("size"):
            return len(self._get(fd).file.data)

    def cut(self, fd: int, size_bytes: int) -> None:
        with self._call("cut"):
            _resize(self._get(fd, EBADF_is=errno.EINVAL, to_write=True).file, size_bytes)

    def reserve(self, fd: int, size_bytes: int) -> FakeMapping:  # type: ignore[override]
        with self._call("reserve"):
            opened = self._get(fd, EBADF_is=errno.ENOTSUP, to_write=True)
            more = size_bytes - len(opened.file.data)
            if more > self._machine.free_bytes():
                raise _error(errno.ENOSPC)
            if more > 0:
                _resize(opened.file, size_bytes)
            return FakeMapping(self, opened, size_bytes)

    def sync(self, fd: int) -> None:
        with self._call("sync"):
            file = self._get(fd).file
            file.synced = bytes(file.data)

    def sync_directory(self, path: str) -> None:
        with self._call("sync_directory"):
            if _plain(path) not in self._machine.directories:
                raise _error(errno.ENOTDIR if path in self._machine.names else errno.ENOENT, path)

    def close(self, fd: int) -> None:
        with self._call("close", always=lambda: self._close(fd)):
            pass

    def remove(self, path: str) -> None:
        with self._call("remove"):
            self._forget(path)

    def rename(self, path: str, new: str) -> None:
        with self._call("rename"):
            if new in self._machine.names or new in self._machine.directories:
                raise _error(errno.EEXIST, new)
            self._check_parent(new)
            file = self._forget(path)
            file.names += 1
            self._machine.names[new] = file

    def list(self, path: str) -> _Entries:
        with self._call("list"):
            path = _plain(path)
            if path in self._machine.names:
                raise _error(errno.ENOTDIR, path)
            # A directory that is not there has no files either.
            return sorted(
                Entry(os.path.basename(name), len(file.data))
                for name, file in self._machine.names.items()
                if _plain(os.path.dirname(name)) == path
            )

    def modified_at(self, path: str) -> float:
        with self._call("modified_at"):
            # Names are kept in the order in which they were made.
            return float(list(self._machine.names).index(path)) if path in self._machine.names else 0.0

    def free_bytes(self, path: str) -> int:
        with self._call("free_bytes"):
            if _plain(path) not in self._machine.directories:
                raise _error(errno.ENOENT, path)
            return self._machine.free_bytes()

    # How it is done.

    @contextmanager
    def _call(
        self,
        method: str,
        *,
        torn: Callable[[], object] = lambda: None,
        always: Callable[[], object] = lambda: None,
    ) -> Iterator[None]:
        # ``torn`` is what a call has done when its process dies in it, ``always`` what it does even if it fails.
        with self._machine.lock:
            if self._is_dead:
                raise Died(f"{method}: {self.name} is dead")
            self.calls += 1
            self.called[method] += 1
            if self._dies_in:
                self._dies_in -= 1
                if not self._dies_in:
                    if self._is_torn:
                        torn()
                    self.die(method)
            always()
            self._raise_fault(method)
            yield

    def die(self, reason: str) -> None:
        """Kill this process, and raise `Died`."""
        self.kill(self.name)
        raise Died(f"{reason}: {self.name} dies")

    def _raise_fault(self, method: str) -> None:
        number = None
        for fault in self._machine.faults:
            if fault.method == method:
                if fault.after > 1:
                    fault.after -= 1
                elif fault.times:
                    fault.times -= 1
                    number = number or fault.errno
        if number is not None:
            raise _error(number)

    def _get(self, fd: int, *, EBADF_is: int = errno.EBADF, to_write: bool = False) -> _Opened:  # noqa: N803
        # Calls of the system differ in what they answer about a descriptor that is only for reading.
        opened = self._opened.get(fd)
        if opened is None:
            raise _error(errno.EBADF)
        if to_write and not opened.may_write:
            raise _error(EBADF_is)
        return opened

    def _open(self, path: str, *, may_write: bool) -> int:
        if path in self._machine.directories:
            raise OSError(errno.EPERM, "must be a regular file, but is a directory", path)
        if path not in self._machine.names:
            raise _error(errno.ENOENT, path)
        return self._new_fd(_Opened(self._machine.names[path], may_write))

    def _new_fd(self, opened: _Opened) -> int:
        opened.refer()
        fd = self._machine.next_fd
        self._machine.next_fd += 1
        self._opened[fd] = opened
        return fd

    def _new_file(self, path: str) -> _File:
        file = _File()
        self._machine.names[path] = file
        self._machine.files.append(file)
        return file

    def _append(self, fd: int, data: bytes) -> int:
        file = self._get(fd, to_write=True).file
        free_bytes = self._machine.free_bytes()
        if data and not free_bytes:
            raise _error(errno.ENOSPC)
        file.data += data[:free_bytes]
        return min(len(data), free_bytes)

    def _close(self, fd: int) -> None:
        self._get(fd)
        self._opened.pop(fd).release()

    def _forget(self, path: str) -> _File:
        if path not in self._machine.names:
            is_directory = path in self._machine.directories
            raise _error(errno.EISDIR if is_directory else errno.ENOENT, path)
        file = self._machine.names.pop(path)
        file.names -= 1
        return file

    def _check_parent(self, path: str) -> None:
        parent = _plain(os.path.dirname(path))
        if parent in self._machine.names:
            raise _error(errno.ENOTDIR, path)
        if parent not in self._machine.directories:
            raise _error(errno.ENOENT, path)


class FakeMapping:
    """What `FakeDisk.reserve` returns. It behaves as far as it goes as `mmap.mmap` does."""

    def __init__(self, disk: FakeDisk, opened: _Opened, size_bytes: int) -> None:
        opened.refer()
        disk._mappings.append(self)
        self._disk = disk
        self._opened = opened
        self._size_bytes = size_bytes
        self._position = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Copy bytes to the position and move it behind them; raise ValueError if they do not fit."""
        data = bytes(data)
        with self._disk._call("mapping.write", torn=lambda: self._copy(data[: len(data) // 2])):
            self._check_open()
            if self._position + len(data) > self._size_bytes:
                raise ValueError("data out of range")
            self._copy(data)
            self._position += len(data)
            return len(data)

    def read(self, length: int | None = None) -> bytes:
        """Return bytes from the position on and move it behind them."""
        self._check_open()
        end = self._size_bytes if length is None or length < 0 else min(self._position + length, self._size_bytes)
        found = self[self._position : end]
        self._position = end
        return found

    def seek(self, position: int) -> None:
        """Move the position."""
        self._check_open()
        if not 0 <= position <= self._size_bytes:
            raise ValueError("seek out of range")
        self._position = position

    def tell(self) -> int:
        """Return the position."""
        self._check_open()
        return self._position

    def __len__(self) -> int:
        self._check_open()
        return self._size_bytes

    def __getitem__(self, index: Any) -> Any:
        self._check_open()
        found = self._touched()[: self._size_bytes][index]
        return bytes(found) if isinstance(index, slice) else found

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check_open()
        data = self._touched()
        changed = bytearray(data[: self._size_bytes])
        changed[index] = value
        if len(changed) != self._size_bytes:
            raise IndexError("mmap slice assignment is wrong size")
        data[: self._size_bytes] = changed

    def close(self) -> None:
        """Let go of the file, and of its lock if nothing else holds it."""
        if not self.closed:
            self.closed = True
            self._disk._mappings.remove(self)
            self._opened.release()

    def __enter__(self) -> FakeMapping:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _copy(self, data: bytes) -> None:
        if self._position + len(data) <= self._size_bytes:
            self._touched()[self._position : self._position + len(data)] = data

    def _touched(self) -> bytearray:
        # Whoever touches a page behind the end of its file is killed. Here all of a mapping is one page.
        data = self._opened.file.data
        if len(data) < self._size_bytes:
            self._disk.die("SIGBUS")
        return data

    def _check_open(self) -> None:
        if self._disk._is_dead:
            raise Died(f"mapping: {self._disk.name} is dead")
        if self.closed:
            raise ValueError("mmap closed or invalid")


_Entries: TypeAlias = list[Entry]


def _error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number)) if path is None else OSError(number, os.strerror(number), path)


def _plain(path: str) -> str:
    return path.rstrip("/") or path[:1]


def _resize(file: _File, size_bytes: int) -> None:
    del file.data[size_bytes:]
    file.data.extend(bytes(size_bytes - len(file.data)))
