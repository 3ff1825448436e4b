"""How much the spool's directory may hold, all processes together, and what is given up when it is full.

Owns: the sum of all files, the space that is left to others, which file is given up. Must not know: what is in a file,
what becomes of its events. The caller holds the lock of `rounds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from errno import ENOSPC
from typing import Final, Protocol

from . import frames
from .directory import Directory
from .files import File

# The directory is looked at anew after so many seconds, and before each write once it is three quarters full.
LOOK_AGAIN: Final = 1.0
# This part of what was free on the disk is left to others, but not more than that many bytes.
LEFT_FREE: Final = 1 / 64
LEFT_FREE_MOST: Final = 64 * 1024 * 1024


class Files(Protocol):
    """The files that this process holds."""

    @property
    def held(self) -> Sequence[File]:
        """All of them, oldest first."""

    @property
    def written_to(self) -> Iterable[File]:
        """Those that more events may be written to."""

    def give_up(self, file: File) -> int:
        """Remove a file with events that are not settled; return how many were lost."""

    def finish(self, file: File) -> None:
        """Write no more events to a file."""


class Room:
    """The bounds of one directory. Not thread-safe."""

    def __init__(self, directory: Directory, files: Files, *, gives_up_newest: bool) -> None:
        self._directory = directory
        self._files = files
        self._most = directory.settings.max_bytes
        self._gives_up_newest = gives_up_newest
        self._looked_at = float("-inf")
        self._total_bytes = 0
        self._floor_bytes = 0
        # Names of damaged files that were kept.
        self._aside: list[str] = []

    def make(self, size: int, level_class: int) -> bool:
        """Make room for so many bytes of events of a class; False if that cannot be had."""
        while not self._has(size):
            if self._aside:
                # Nobody will deliver what is in it.
                with suppress(OSError):
                    self._directory.disk.remove(self._directory.path(self._aside.pop(0)))
                self._look()
                continue
            victim = self._victim(size, level_class)
            if victim is None:
                self._directory.say_full()
                return False
            lost = self._files.give_up(victim)
            self._look()
            # Also if nothing is lost, because all of it is still in memory: a kill would cost it now.
            self._directory.say_full(lost)
        return True

    def look_again(self) -> None:
        """Have the directory looked at before the next write: other processes may have written meanwhile."""
        self._looked_at = float("-inf")

    def written(self, size: int) -> None:
        """Note that so many bytes were written; negative: removed."""
        self._total_bytes = max(0, self._total_bytes + size)

    def fits_now(self, size: int) -> bool:
        """True if so many bytes fit at this moment. Any thread may ask. Raises OSError."""
        return sum(entry.size_bytes for entry in self._directory.entries()) + size <= self._most

    def _has(self, size: int) -> bool:
        is_near = self._total_bytes + size > self._most * 3 // 4
        if is_near or self._directory.monotonic() - self._looked_at > LOOK_AGAIN:
            self._look()
        return self._total_bytes + size <= self._most

    def _look(self) -> None:
        self._looked_at = self._directory.monotonic()
        held = self._files.held
        try:
            entries = self._directory.entries()
            self._total_bytes = sum(entry.size_bytes for entry in entries)
            self._aside = [entry.name for entry in entries if entry.name.endswith(frames.BAD_SUFFIX)]
            self._notice_removed({entry.name for entry in entries})
            free = self._directory.disk.free_bytes(self._directory.name) if held else None
        except OSError:
            # What cannot be looked at cannot be written to either, and that says why.
            return
        if free is not None:
            self._floor_bytes = self._floor_bytes or min(LEFT_FREE_MOST, int(free * LEFT_FREE))
            if free < self._floor_bytes:
                self._directory.failed(OSError(ENOSPC, f"only {free} bytes are free on this disk"))

    def _notice_removed(self, names: set[str]) -> None:
        """Write no more to files that somebody has removed: no other process would find them."""
        removed = [file for file in self._files.written_to if file.name not in names]
        for file in removed:
            self._files.finish(file)
        if removed:
            self._directory.say(
                "spool_removed",
                f"files in spool_dir {self._directory.name!r} were removed while in use: what was in them does not "
                "survive this process",
            )

    def _victim(self, size: int, level_class: int) -> File | None:
        """Return the file to give up for events of a class: of the lowest class, and none above theirs.

        None if giving up all such files would not make room either.
        """
        candidates = [file for file in self._files.held if file.left and file.level_class <= level_class]
        least = self._total_bytes - sum(file.size_bytes for file in candidates) + size
        if not candidates or least > self._most:
            return None
        lowest = min(file.level_class for file in candidates)
        of_lowest = [file for file in candidates if file.level_class == lowest]
        if not self._gives_up_newest:
            return of_lowest[0]
        return None if lowest == level_class else of_lowest[-1]
