"""The spool's directory as one process uses it: names, heads and locks of its files, and what the disk refuses.

Owns: how a file is begun, whose it is, when nothing is written for a while, the lines on stderr about the directory.
Must not know: what is in a file, how much the directory may hold (`room`). Any thread may use it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import EAGAIN
from itertools import count
from typing import Final, NamedTuple

from ..core.events import Oversize, legal_text
from ..core.limits import LOG_STREAM_NAME, MAX_NAME_LENGTH
from ..core.targets import Target
from ..system.stderr import Notices
from ..system.stdlib import getpid, urandom
from . import frames
from .disk import Disk, Entry, NoLocks

# Seconds for which nothing is written after the disk has refused something.
PAUSE: Final = 20.0
# Somebody may take a file away just after it was made, and before it was locked: so often another one is made.
TRIES: Final = 8


# The stream of events whose file names none that the service would take.
UNKNOWN_STREAM: Final = "unknown"


class Identity(NamedTuple):
    """Whose records these are. Only a handler with the same destination takes them over."""

    group: str
    """The log group, or the template from which each record has its own."""
    region: str
    endpoint: str
    stream: str
    """The stream of the process, for records that name no other: as `name_of` returns it."""
    machine: str
    package: str = ""
    """The version of this package, for whoever looks into a file."""
    account: str = ""
    """The account of the role that is assumed; empty: there is none. It may have a group of the same name."""
    may_have_made: Callable[[str], bool] | None = None
    """Whether ``group``, which is a template then, could have made a name. None: it is the name of the only group."""

    def name_of(self, target: Target) -> str:
        """Return how a file names a stream: the group is left out if it is that of the file's head."""
        return target.stream if target.group == self.group else f"{target.group}:{target.stream}"

    def target_of(self, name: str, own: Target | None = None) -> Target | None:
        """Return the stream that a file means; None if it is in a group that this handler could not have named.

        A file may say anything. A stream that the service would not take becomes ``own``, the stream of the process.
        So does one without a name: where there is no shared memory, records of the process are written so.
        """
        own_stream = UNKNOWN_STREAM if own is None else own.stream
        if self.may_have_made is None:
            return Target(self.group, _legal(name, own_stream))
        if not name:
            return own
        # Neither of the two names may have a colon.
        group, _, stream = name.partition(":")
        return Target(group, _legal(stream, own_stream)) if self.may_have_made(group) else None

    def owns(self, head: frames.Head) -> bool:
        """True if a file with this head holds records of the same destination."""
        theirs = (head.group, head.region, head.endpoint, head.account)
        return theirs == (self.group, self.region, self.endpoint, self.account)


class Settings(NamedTuple):
    """The options of a spool, and those that say how a record becomes events."""

    directory: str
    mode: str
    max_bytes: int
    sync: bool
    max_event_bytes: int
    oversize: Oversize


class Directory:
    """A directory, and this process in it."""

    def __init__(
        self,
        settings: Settings,
        identity: Callable[[], Identity],
        notices: Notices,
        monotonic: Callable[[], float],
        disk: Disk,
    ) -> None:
        self.settings: Final = settings
        self.disk: Final = disk
        self.monotonic: Final = monotonic
        self._notices = notices
        self._find_identity = identity
        self._identity: Identity | None = None
        self._pid = getpid()
        # Made here, and not with the first file: several callers may begin their first files at the same time.
        self._random = urandom(4).hex()
        self._prefix: str | None = None
        self._numbers = count(1)
        self._paused_until = float("-inf")
        # The descriptors of all files that are open: a forked child closes them.
        self._opened: set[int] = set()

    @property
    def identity(self) -> Identity:
        """Whose records are written. Found out when it is first needed: it may take a look at files of boto3."""
        if self._identity is None:
            self._identity = self._find_identity()
        return self._identity

    @property
    def is_usable(self) -> bool:
        """True unless the disk has just refused something, or this is a forked child that must not write here."""
        return not self.is_paused and self._pid == getpid()

    @property
    def is_paused(self) -> bool:
        """True while nothing is written, because the disk has refused something."""
        return self.monotonic() < self._paused_until

    def failed(self, error: OSError) -> None:
        """Pause after the disk has refused something, and say so. The bounds of memory hold meanwhile."""
        self._paused_until = self.monotonic() + PAUSE
        reason = error.strerror or str(error)
        self.say("spool", f"spool_dir {self.name!r} cannot be used now, records wait in memory only: {reason}")

    def say(self, cause: str, text: str) -> None:
        """Write a line to stderr, for each cause at most one a minute."""
        self._notices.say(cause, text)

    def say_full(self, lost: int = 0) -> None:
        """Say that the directory is full, and how many records were given up for that."""
        dropped = f": {lost} records of the least severe level dropped" if lost else ""
        self.say("spool_full", f"spool_dir {self.name!r} is full (max_spool_size={self.settings.max_bytes}){dropped}")

    def say_no_locks(self, error: OSError) -> None:
        """Say that files cannot be locked here."""
        self.say(
            "no_locks",
            f"files in spool_dir {self.name!r} cannot be locked ({error.strerror}): what processes that ended have "
            "left there is not taken over",
        )

    @property
    def name(self) -> str:
        """The path of the directory."""
        return self.settings.directory

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return os.path.join(self.name, name)

    def entries(self) -> Sequence[Entry]:
        """Return the regular files in it; none if there is no such directory."""
        return self.disk.list(self.name)

    def is_own(self, name: str) -> bool:
        """True if this is the name of a file of this handler in this process."""
        return self._prefix is not None and name.startswith(self._prefix)

    # -- a file of its own -------------------------------------------------------------------------------------------

    def create(self) -> tuple[str, str, int]:
        """Make a new file and lock it; return its name, path and descriptor."""
        for _ in range(TRIES):
            self.disk.make_directory(self.name)
            name = f"{self._own_prefix()}{next(self._numbers):08}{frames.SUFFIX}"
            path = self.path(name)
            fd = self.disk.create(path)
            self._opened.add(fd)
            try:
                is_ours = self._lock(fd) and self.disk.is_still(fd, path)
                if is_ours:
                    self.sync_names()
            except OSError:
                with suppress(OSError):
                    self.disk.remove(path)
                self.close(fd)
                raise
            if is_ours:
                return name, path, fd
            # Somebody who looks for what others have left was faster, and removes the file.
            self.close(fd)
        raise OSError(EAGAIN, "files of this process are taken away as soon as they are made", self.name)

    def open(self, path: str) -> int:
        """Open a file that others may have left; see `Disk.open`."""
        fd = self.disk.open(path)
        self._opened.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """Close a file, whatever the disk says to it. Nothing is done if it is closed already."""
        # Otherwise the number may belong to a file of the program by now.
        if fd in self._opened:
            self._opened.discard(fd)
            with suppress(OSError):
                self.disk.close(fd)

    def close_all(self) -> None:
        """In a forked child: close what another thread of the parent had just opened, too, or its lock would stay."""
        for fd in list(self._opened):
            self.close(fd)

    def _own_prefix(self) -> str:
        if self._prefix is None:
            machine = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in self.identity.machine)
            self._prefix = f"{machine[:60]}-{self._pid}-{self._random}."
        return self._prefix

    def _lock(self, fd: int) -> bool:
        try:
            return self.disk.lock(fd)
        except NoLocks as error:
            self.say_no_locks(error)
            return True

    def head(self, level_class: int, area: int) -> bytes:
        """Return the head of a file of this process."""
        to = self.identity
        return frames.head(
            frames.Head(
                to.group,
                to.region,
                to.endpoint,
                to.machine,
                self._pid,
                to.package,
                level_class,
                area,
                to.stream,
                to.account,
            )
        )

    def sync(self, fd: int) -> None:
        """Have the content of a file reach the disk itself, if that is asked for."""
        if self.settings.sync:
            try:
                self.disk.sync(fd)
            except OSError as error:
                self.failed(error)

    def sync_names(self) -> None:
        """Have the names in the directory reach the disk itself, if that is asked for. Raises OSError."""
        if self.settings.sync:
            self.disk.sync_directory(self.name)

    def keep_aside(self, path: str) -> None:
        """Rename a damaged file, so that it is not tried again. Raises OSError."""
        bad = path[: -len(frames.SUFFIX)] + frames.BAD_SUFFIX
        self.disk.rename(path, bad)
        self.say("corrupt", f"the spool file {path!r} is damaged in part; it is kept as {bad!r}")


def _legal(stream_name: str, otherwise: str) -> str:
    """Return the name of a stream if the service takes it."""
    is_legal = 1 <= len(stream_name) <= MAX_NAME_LENGTH and LOG_STREAM_NAME.fullmatch(stream_name)
    return stream_name if is_legal and legal_text(stream_name) == stream_name else otherwise
