"""What of a spool file cannot be read.

Owns: how damage is told, and the limit of what reading a damaged file may cost. Must not know: the format, the disk.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# How many bytes may be checked in vain, as a multiple of the file's size.
_VAIN_CHECKS: Final = 8


class Foreign(Exception):
    """The file's head is undamaged and names another ``version`` of the format than ours."""

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version} of the format")
        self.version = version


class Unreadable(Exception):
    """These bytes are torn, damaged or not ours."""


class Broken(NamedTuple):
    """A damaged place in a file."""

    count: int  # type: ignore[assignment]
    """How many events were there, as far as is known; 0: unknown how many, or whether any."""
    first_ms: int
    """When they were logged, from this time to `last_ms`; both 0: unknown."""
    last_ms: int


UNKNOWN: Final = Broken(0, 0, 0)


class Checks:
    """How many more bytes may be checked in vain while a file is read.

    A forged file can claim every few bytes that megabytes follow. Their checksums would take hours.
    """

    def __init__(self, size_bytes: int) -> None:
        self._left = _VAIN_CHECKS * size_bytes

    @property
    def is_over(self) -> bool:
        """Whether the rest of the file is given up."""
        return self._left < 0

    def failed(self, size_bytes: int) -> None:
        """Count a check of this many bytes."""
        self._left -= size_bytes
