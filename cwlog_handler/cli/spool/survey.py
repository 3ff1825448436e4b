"""Looks at a spool's directory without changing it: whose each file is, and which events in it are left.

Owns: telling owners that are alive from those that are gone, and what each name in the directory is. Must not know:
commands, how anything is shown or sent.

A file's lock is held by the process that writes it. Whether it is held can only be found out by taking it: it is given
back at once. An empty file is not tried, because its process may be about to lock it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

from ...aws import destination
from ...aws.roles import Role
from ...record.names import DEFAULT_LOG_STREAM_NAME
from ...record.naming import Naming
from ...spool import frames
from ...spool.disk import Disk, check_directory
from .remains import remains_of

# A head has 64 KiB at most.
_HEAD_BYTES: Final = 2**16 + frames.FRAME_HEAD_BYTES

_disk: Final = Disk()


class Unusable(Exception):
    """The directory cannot be looked at. The text says why."""


class Owner(Enum):
    """Whether the process that a file belongs to is there."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"
    """Locks do not work here, or the file could not be opened."""


class Kind(Enum):
    """What a file in the directory is."""

    SPOOL = "spool"
    EMPTY = "empty"
    BAD = "bad"
    """Kept aside, because a part of it was broken. What was not broken in it has been taken over."""
    LATER = "later version"
    UNREADABLE = "unreadable"
    NOT_OURS = "not ours"


class Destination(NamedTuple):
    """Where the events of a file belong, by its own words."""

    group: str
    region: str
    """Empty: unknown to the process that wrote it."""
    endpoint: str
    """Empty: the region's own."""
    account: str = ""
    """The account of the role that was assumed; empty: there was none."""


def destination_of(options: Mapping[str, Any]) -> Destination:
    """Return where a handler with these options delivers, as its files in a spool say it. Makes no request."""
    given = options.get
    role_arn, config = given("role_arn"), given("boto3_config") or {}
    region, endpoint = destination.region_and_endpoint(
        given("region_name"),
        given("endpoint_url"),
        given("boto3_profile_name"),
        given("boto3_client"),
        bool(config.get("ignore_configured_endpoint_urls")),
    )
    account = Role(role_arn, "").account if isinstance(role_arn, str) else ""
    return Destination(group_of(str(given("log_group_name") or "")), region, endpoint, account)


def group_of(log_group_name: str) -> str:
    """Return a handler's log group as its files say it: with the environment's variables put into a template."""
    try:
        return Naming(log_group_name, DEFAULT_LOG_STREAM_NAME).groups.text
    except ValueError:
        return log_group_name


@dataclass(frozen=True)
class SpoolFile:
    """A file of the directory, and what was in it when it was looked at."""

    name: str
    path: str
    size_bytes: int
    kind: Kind
    owner: Owner = Owner.UNKNOWN
    head: frames.Head | None = None
    streams: dict[str, int] = field(default_factory=dict)
    """How many events are left for each stream, by its name in the file."""
    oldest_ms: int | None = None
    newest_ms: int | None = None
    broken: list[frames.Broken] = field(default_factory=list)
    note: str = ""

    @property
    def events(self) -> int:
        """How many events are left in it."""
        return sum(self.streams.values())

    @property
    def groups(self) -> dict[str, int]:
        """How many events are left for each log group."""
        groups: dict[str, int] = {}
        for name, count in self.streams.items():
            group, _ = self.names_of(name)
            groups[group] = groups.get(group, 0) + count
        return groups

    def names_of(self, name: str) -> tuple[str, str]:
        """Return the log group and the stream that a name in this file stands for."""
        group = self.head.group if self.head is not None else ""
        if "{" not in group:
            return group, name
        # The file's group is a template, so each stream's name has its own group in front.
        own, colon, stream = name.partition(":")
        return (own, stream) if colon else (group, name)

    @property
    def destination(self) -> Destination | None:
        """Where its events belong, if that can be read."""
        head = self.head
        return None if head is None else Destination(head.group, head.region, head.endpoint, head.account)

    @property
    def is_deliverable(self) -> bool:
        """True if a handler for its destination takes it over."""
        return self.kind is Kind.SPOOL and self.owner is Owner.GONE


def absolute(directory: str) -> str:
    """Return the path as the handler's option ``spool_dir`` takes it."""
    return os.path.abspath(os.path.expanduser(directory))


def survey(directory: str) -> list[SpoolFile]:
    """Return what is in the directory, in order of the names. Raises Unusable."""
    try:
        check_directory(directory)
        names = sorted(os.listdir(directory))
        sizes = dict(_disk.list(directory))
    except OSError as error:
        raise Unusable(f"{directory}: {_reason(error)}") from None
    return [found for name in names if (found := _look_at(name, os.path.join(directory, name), sizes.get(name)))]


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such directory"
    if error.errno == errno.EPERM:
        # The system's own word for a directory that may not be read is EACCES: this one is about the owner.
        return f"{(error.strerror or '').partition('; ')[0]}: run this as that user"
    return error.strerror or str(error)


def _look_at(name: str, path: str, size: int | None) -> SpoolFile | None:
    """Return what is known of a file; None if it has gone meanwhile."""
    if not os.path.lexists(path):
        return None
    if size is None:
        return SpoolFile(name, path, 0, Kind.NOT_OURS, note="no regular file")
    if not name.endswith((frames.SUFFIX, frames.BAD_SUFFIX)):
        return SpoolFile(name, path, size, Kind.NOT_OURS)
    if size == 0:
        return SpoolFile(name, path, 0, Kind.EMPTY)
    try:
        fd = _disk.open_to_read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return SpoolFile(name, path, size, Kind.NOT_OURS, note=error.strerror or str(error))
    try:
        found = _read(name, path, fd)
    except OSError as error:
        found = SpoolFile(name, path, size, Kind.UNREADABLE, note=error.strerror or str(error))
    finally:
        _disk.close(fd)
    return found


def _owner_of(path: str) -> Owner:
    """Find out whether somebody holds the lock. Nothing is held when this returns."""
    try:
        fd = _opened_to_lock(path)
    except OSError:
        return Owner.UNKNOWN
    try:
        return Owner.GONE if _disk.lock(fd) else Owner.ALIVE
    except OSError:
        return Owner.UNKNOWN
    finally:
        _disk.close(fd)


def _opened_to_lock(path: str) -> int:
    # NFS locks only what is open to be written. A read-only file system can be locked, too.
    try:
        return _disk.open(path)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return _disk.open_to_read(path)


def _read(name: str, path: str, fd: int) -> SpoolFile:
    # First, because an owner that is gone writes nothing after that.
    owner = _owner_of(path)
    size = _disk.size(fd)
    bad = name.endswith(frames.BAD_SUFFIX)
    try:
        head = frames.read_head(_disk.read(fd, 0, _HEAD_BYTES))
        if bad:
            return SpoolFile(name, path, size, Kind.BAD, owner, head)
        remains = remains_of(fd, is_written=owner is not Owner.GONE)
    except frames.Foreign as foreign:
        note = f"version {foreign.version} of the format"
        return SpoolFile(name, path, size, Kind.BAD if bad else Kind.LATER, owner, note=note)
    except frames.Unreadable:
        # A process that was killed before it had written anything may leave NUL bytes, or half of a head.
        data = _disk.read(fd, 0, size)
        is_empty = not data.strip(b"\0") or frames.is_torn_head(data)
        return SpoolFile(name, path, size, Kind.BAD if bad else Kind.EMPTY if is_empty else Kind.UNREADABLE, owner)
    return SpoolFile(
        name,
        path,
        size,
        Kind.SPOOL,
        owner,
        head,
        remains.streams,
        remains.oldest_ms,
        remains.newest_ms,
        remains.contents.broken,
    )


def take_away(file: SpoolFile) -> bool:
    """Remove a file that nobody holds; False if somebody does, or has written to it since. Raises OSError."""
    fd = _disk.open(file.path)
    try:
        if not (_disk.lock(fd) and _disk.is_still(fd, file.path)) or _disk.size(fd) != file.size_bytes:
            return False
        # While the lock is held: nobody takes over what is being removed.
        _disk.remove(file.path)
    finally:
        _disk.close(fd)
    return True
