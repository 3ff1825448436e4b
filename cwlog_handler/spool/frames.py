"""The format of a spool file, version 1: what its bytes mean.

Owns: frames as bytes, and what of a damaged file can still be read. Must not know: the disk, clocks, threads, which
events are written when.

A file begins with a HEAD frame. If the head gives the size of a record area, that area follows, and records are written
into it one by one. Frames follow until the end of the file. All numbers are little-endian.

A file may be damaged or forged: its words are checked, and never obeyed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from itertools import chain
from typing import Final, NamedTuple
from zlib import crc32

from ..core.columns import END, Events
from ..core.limits import EVENT_OVERHEAD_BYTES
from .blocks import MIN_EVENT_BYTES, payload_parts, text_bytes
from .blocks import Block as Block
from .blocks import block_events as block_events
from .damage import UNKNOWN, Checks
from .damage import Broken as Broken
from .damage import Foreign as Foreign
from .damage import Unreadable as Unreadable
from .heads import MAX_PAYLOAD_BYTES, head_payload, parsed_head
from .heads import Head as Head
from .ranges import Range, merged
from .records import RECORD_COST_BYTES as RECORD_COST_BYTES
from .records import Record as Record
from .records import read_records
from .records import record as record

SUFFIX: Final = ".cwl"
BAD_SUFFIX: Final = ".bad"
"""The suffix of a file that was kept aside because it could not be read."""
VERSION: Final = 1

# After C7, UTF-8 never has the letter c: no text that was logged can look like a frame.
_MAGIC: Final = b"\xc7cwl"
# Magic, kind, version, length of the name, count, length of the payload, first id, first and last time in ms, checksum
# of the payload. The checksum of these 44 bytes follows.
_BEGIN: Final = struct.Struct("<4sBBHIIQQQI")
_CRC: Final = struct.Struct("<I")
FRAME_HEAD_BYTES: Final = _BEGIN.size + _CRC.size
MAX_HEAD_BYTES: Final = FRAME_HEAD_BYTES + MAX_PAYLOAD_BYTES
"""The HEAD frame is not longer than this."""
# First and last id.
_RANGE: Final = struct.Struct("<QQ")


class Kind(IntEnum):
    """What a frame is for."""

    HEAD = 1
    EVENTS = 2
    SETTLED = 3
    """These ids need no delivery any more."""
    SENT = 4
    """These ids were about to be sent. Unless they are settled too, nobody knows whether they arrived."""


class Contents(NamedTuple):
    """What is in a file. Both lists of ranges are merged and in rising order."""

    head: Head
    blocks: list[Block]
    records: list[Record]
    settled: list[Range]
    sent: list[Range]
    broken: list[Broken]
    end: int = 0
    """Where a frame begins that was being written when its process ended; the end of the file if there is none."""


class _Frame(NamedTuple):
    """The head of a frame."""

    kind: int
    version: int
    name_length: int
    entries: int
    """How many events or ranges."""
    length: int
    first_id: int
    first_ms: int
    last_ms: int
    crc: int


def head(head: Head) -> bytes:
    """Return the frame that begins a file."""
    payload = head_payload(head)
    return _begin(Kind.HEAD, 0, len(payload), crc32(payload)) + payload


def events(stream_name: str, events: Events, first_id: int) -> bytes:
    """Return a frame with these events, at least one, whose ids rise by 1. Their numbers are not written."""
    name, timestamps, lengths, texts = payload_parts(stream_name, events)
    # The timestamps are nearly always in order already: then sorted() takes half the time of min() and max().
    in_order = sorted(events.timestamps)
    begin = _begin(
        Kind.EVENTS,
        len(events),
        len(name) + len(timestamps) * timestamps.itemsize + len(lengths) * lengths.itemsize + len(texts),
        crc32(texts, crc32(lengths, crc32(timestamps, crc32(name)))),
        len(name),
        first_id,
        in_order[0],
        in_order[-1],
    )
    return b"".join((begin, name, timestamps, lengths, texts))


def marks(kind: Kind, ranges: Sequence[Range]) -> bytes:
    """Return a frame that says SETTLED or SENT of ids: pairs of the first and the last, both inclusive."""
    payload = struct.pack(f"<{2 * len(ranges)}Q", *chain.from_iterable(ranges))
    return _begin(kind, len(ranges), len(payload), crc32(payload)) + payload


def _begin(
    kind: Kind,
    count: int,
    length: int,
    crc: int,
    name_length: int = 0,
    first_id: int = 0,
    first_ms: int = 0,
    last_ms: int = 0,
) -> bytes:
    begin = _BEGIN.pack(_MAGIC, kind, VERSION, name_length, count, length, first_id, first_ms, last_ms, crc)
    return begin + _CRC.pack(crc32(begin))


def block(frame: bytes, start: int) -> Block:
    """Return what an EVENTS frame holds that begins at byte ``start`` of its file.

    Raises Unreadable if it is none.
    """
    found = _frame_at(frame, 0)
    if found is None or found.kind != Kind.EVENTS:
        raise Unreadable
    return _block(found, frame[FRAME_HEAD_BYTES : FRAME_HEAD_BYTES + found.name_length], start + FRAME_HEAD_BYTES)


def read_head(data: bytes) -> Head:
    """Return the head of a file that begins with ``data``: 4 KiB suffice.

    Raises Foreign or Unreadable.
    """
    return _head(data)[0]


def read(data: bytes | memoryview) -> Contents:
    """Return all that can be read of a whole file, in linear time whatever its bytes are.

    Raises Foreign or Unreadable. A frame or record at the end that is not whole does not count as broken: it was being
    written when its process ended.
    """
    data = bytes(data)
    head, start = _head(data)
    checks = Checks(len(data))
    end = min(start + head.area, len(data))
    records, broken = read_records(data, start, end, checks)
    contents = Contents(head, [], records, [], [], broken)
    whole = _read_frames(data, end, contents, checks)
    return contents._replace(settled=merged(contents.settled), sent=merged(contents.sent), end=whole)


def is_torn_head(data: bytes) -> bool:
    """Return whether a whole file is the beginning of a head: its process ended before there was anything in it."""
    # The rest of an area that was reserved is NUL.
    data = data.rstrip(b"\0")
    if len(data) < FRAME_HEAD_BYTES:
        return data[: len(_MAGIC)] == _MAGIC[: len(data)]
    found = _frame_at(data, 0)
    return found is not None and found.kind == Kind.HEAD and len(data) < FRAME_HEAD_BYTES + found.length


def read_area(area: bytes) -> list[Record]:
    """Return all records that can be read of a record area."""
    return read_records(area, 0, len(area), Checks(len(area)))[0]


def _head(data: bytes) -> tuple[Head, int]:
    """Return the head of a file, and where its frame ends."""
    found = _frame_at(data, 0)
    if found is None or found.kind != Kind.HEAD:
        raise Unreadable
    if found.version != VERSION:
        raise Foreign(found.version)
    end = FRAME_HEAD_BYTES + found.length
    payload = data[FRAME_HEAD_BYTES:end]
    if len(payload) != found.length or crc32(payload) != found.crc:
        raise Unreadable
    return parsed_head(payload), end


def _frame_at(data: bytes, place: int) -> _Frame | None:
    """Return the head of a frame at ``place`` if it is undamaged."""
    if len(data) - place < FRAME_HEAD_BYTES:
        return None
    magic, *fields = _BEGIN.unpack_from(data, place)
    end = place + _BEGIN.size
    if magic != _MAGIC or _CRC.unpack_from(data, end) != (crc32(data[place:end]),):
        return None
    return _Frame(*fields)


def _next_frame(data: bytes, place: int) -> int:
    """Return where the next frame begins that has an undamaged head; the end of the file if there is none."""
    while (place := data.find(_MAGIC, place)) >= 0:
        if _frame_at(data, place):
            return place
        place += 1
    return len(data)


def _read_frames(data: bytes, place: int, contents: Contents, checks: Checks) -> int:
    """Add to ``contents`` what the frames from ``place`` on say; return `Contents.end`."""
    while place < len(data):
        frame = _frame_at(data, place)
        if frame is None:
            following = _next_frame(data, place + 1)
            # With fewer bytes than a head has, and perhaps NUL bytes, the last frame is torn.
            if following < len(data) or len(data[place:].rstrip(b"\0")) >= FRAME_HEAD_BYTES:
                contents.broken.append(UNKNOWN)
            elif following == len(data):
                return place
            place = following
            continue
        start = place + FRAME_HEAD_BYTES
        end = start + frame.length
        payload = data[start:end]
        if len(payload) == frame.length and crc32(payload) == frame.crc:
            _take(frame, payload, start, contents)
            place = end
            continue
        checks.failed(len(payload))
        if end <= len(data):
            contents.broken.append(_loss(frame))
        if checks.is_over:
            contents.broken.append(UNKNOWN)
            return len(data)
        # The next frame may begin before the end of this one: whoever took over a file with a torn frame at its end
        # went on writing behind the torn one.
        following = min(_next_frame(data, start), end)
        if following >= len(data) and end > len(data):
            return place
        place = following
    return len(data)


def _take(frame: _Frame, payload: bytes, start: int, contents: Contents) -> None:
    """Add to ``contents`` what an undamaged frame says. What cannot have been meant counts as broken."""
    try:
        if frame.version != VERSION:
            raise Unreadable
        if frame.kind == Kind.EVENTS:
            block = _block(frame, payload[: frame.name_length], start)
            block_events(payload, block, 0)
            contents.blocks.append(block)
        elif frame.kind in (Kind.SETTLED, Kind.SENT):
            ranges = contents.settled if frame.kind == Kind.SETTLED else contents.sent
            ranges += _ranges(frame, payload)
        else:
            raise Unreadable
    except Unreadable:
        contents.broken.append(_loss(frame))


def _block(frame: _Frame, name: bytes, offset: int) -> Block:
    if not _has_room(frame) or frame.first_id + frame.entries > 2**64:
        raise Unreadable
    try:
        stream = name.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Unreadable from None
    texts = text_bytes(frame.length, frame.name_length, frame.entries)
    size_bytes = texts + (EVENT_OVERHEAD_BYTES - len(END)) * frame.entries
    return Block(
        stream,
        frame.first_id,
        frame.entries,
        offset,
        frame.length,
        frame.first_ms,
        frame.last_ms,
        size_bytes,
        frame.crc,
    )


def _ranges(frame: _Frame, payload: bytes) -> list[Range]:
    if frame.length != frame.entries * _RANGE.size:
        raise Unreadable
    ranges = list(_RANGE.iter_unpack(payload))
    if not all(first <= last for first, last in ranges):
        raise Unreadable
    return ranges


def _has_room(frame: _Frame) -> bool:
    """Return whether so many events fit into the frame's payload."""
    return 0 < frame.entries * MIN_EVENT_BYTES <= frame.length - frame.name_length


def _loss(frame: _Frame) -> Broken:
    """Return what is broken if a frame's payload is. Its head is undamaged, and says how many events there were."""
    if frame.kind == Kind.EVENTS and _has_room(frame):
        return Broken(frame.entries, frame.first_ms, frame.last_ms)
    return UNKNOWN
