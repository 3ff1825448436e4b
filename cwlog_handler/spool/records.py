"""The record area of a spool file: records that callers write one by one.

Owns: a record as bytes, and which records of a damaged area can still be read. Must not know: frames, the disk.
"""

from __future__ import annotations

import struct
from math import inf
from typing import Final, NamedTuple
from zlib import crc32

from ..core.events import timestamp_ms
from .damage import Broken, Checks

# In a file these two bytes are C1 A7. No text in UTF-8 has a byte C1, so that no text can look like a record.
MAGIC: Final = 0xA7C1
_MAGIC_BYTES: Final = MAGIC.to_bytes(2, "little")
# Magic, length of the name, length of the text, id, time in seconds. Name, text and checksum follow.
BEGIN: Final = struct.Struct("<HHIId")
_BEGIN_BYTES: Final = BEGIN.size
_NUL_PAGE: Final = bytes(4096)
CRC: Final = struct.Struct("<I")
_CRC_BYTES: Final = CRC.size
# The CRC-32 of any bytes that their own CRC-32 follows.
_RIGHT: Final = 0x2144DF1C
RECORD_COST_BYTES: Final = _BEGIN_BYTES + _CRC_BYTES
"""How many bytes a record takes in addition to its name and its text."""
_FAR: Final = 1e300
# Looked up once, because every record that is logged needs them.
pack_begin: Final = BEGIN.pack
pack_crc: Final = CRC.pack


class Record(NamedTuple):
    """A record of the record area."""

    id: int
    created: float
    """Seconds since the epoch: not negative, and finite."""
    stream: str | None
    """None: the stream that the file's head names."""
    text: str
    """May hold lone surrogates."""

    @property
    def timestamp_ms(self) -> int:
        """When it was logged, as `core.events.timestamp_ms` says it; but no time raises."""
        # Of the largest floats, a thousand times as much would be infinite.
        return timestamp_ms(min(self.created, _FAR))


def record(id: int, created: float, name: bytes, text: bytes) -> bytes:  # noqa: A002
    """Return a record for the record area. Name and text are UTF-8, in which lone surrogates are allowed.

    Raises struct.error or OverflowError if a number does not fit: an id beyond 32 bits, a name beyond 65,535 bytes.
    """
    # Runs in the thread of whoever logs. Adding up bytes is faster than join, % or a checksum for each part.
    body = pack_begin(MAGIC, len(name), len(text), id, created) + name + text
    return body + pack_crc(crc32(body))


def read_records(data: bytes, start: int, end: int, checks: Checks) -> tuple[list[Record], list[Broken]]:
    """Return the records between the bytes ``start`` and ``end``, and what is broken there.

    A record that was being written when its process ended is neither: its call has not returned. It can only be the
    last one.
    """
    records: list[Record] = []
    broken: list[Broken] = []
    used = _end_of_data(data, start, end)
    place = start
    while place < used:
        found = _record_at(data, place, end, checks)
        if found is None:
            damaged, following = _search(data, place, end, checks)
            if following is None and damaged <= 1 and _is_torn(data, place, used, end):
                break
            broken.append(_broken(damaged, records[-1] if records else None, following))
            if following is None:
                break
            found = following
        record, place = found
        records.append(record)
    return records, broken


def _end_of_data(data: bytes, start: int, end: int) -> int:
    """Return the place behind which there are only NUL bytes: the unused rest of the area."""
    # Page by page, and without copies: the unused rest may have megabytes.
    while data.endswith(_NUL_PAGE, start, end):
        end -= len(_NUL_PAGE)
    last_page = max(start, end - len(_NUL_PAGE))
    return last_page + len(data[last_page:end].rstrip(b"\0"))


_Found = tuple[Record, int]
"""A record, and where it ends."""


def _record_at(data: bytes, place: int, end: int, checks: Checks) -> _Found | None:
    """Return the undamaged record at ``place``, if there is one."""
    if end - place < RECORD_COST_BYTES:
        return None
    magic, name_length, text_length, id_, created = BEGIN.unpack_from(data, place)
    name_end = place + _BEGIN_BYTES + name_length
    text_end = name_end + text_length
    record_end = text_end + _CRC_BYTES
    if magic != MAGIC or record_end > end:
        return None
    if crc32(data[place:record_end]) != _RIGHT:
        checks.failed(record_end - place)
        return None
    try:
        text = data[name_end:text_end].decode("utf-8", "surrogatepass")
        stream = data[place + _BEGIN_BYTES : name_end].decode("utf-8", "surrogatepass") if name_length else None
    except UnicodeDecodeError:
        return None
    if not 0 <= created < inf:
        return None
    return Record(id_, created, stream, text), record_end


def _search(data: bytes, place: int, end: int, checks: Checks) -> tuple[int, _Found | None]:
    """Return how many damaged records begin between ``place`` and the next undamaged one, and that one."""
    damaged = 0
    place = data.find(_MAGIC_BYTES, place, end)
    while place >= 0 and not checks.is_over:
        found = _record_at(data, place, end, checks)
        if found is not None:
            return damaged, found
        damaged += 1
        place = data.find(_MAGIC_BYTES, place + 1, end)
    return damaged, None


def _is_torn(data: bytes, place: int, used: int, end: int) -> bool:
    """Return whether the bytes from ``place`` to ``used`` are the beginning of a record, and only NUL bytes follow."""
    if used - place < _BEGIN_BYTES:
        return True
    magic, name_length, text_length, _, _ = BEGIN.unpack_from(data, place)
    text_end = place + _BEGIN_BYTES + name_length + text_length
    if magic != MAGIC:
        return False
    if text_end + _CRC_BYTES > end:
        return True
    # The checksum is written last: whatever is missing, its own end is NUL, and what is there of it may be right.
    written = data[text_end : text_end + _CRC_BYTES]
    right = pack_crc(crc32(data[place:text_end]))
    return written != right and right.startswith(written.rstrip(b"\0"))


def _broken(damaged: int, before: Record | None, following: _Found | None) -> Broken:
    """Return what is broken between two undamaged records. Their times tell when it was logged."""
    times = [record.timestamp_ms for record in (before, following and following[0]) if record]
    return Broken(damaged, min(times, default=0), max(times, default=0))
