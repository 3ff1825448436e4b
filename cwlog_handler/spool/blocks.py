"""The events of an EVENTS frame: columns as they lie in memory.

Owns: the payload of an EVENTS frame, and whether what a file has there can be events. Must not know: the other frames,
the disk.
"""

from __future__ import annotations

import sys
from array import array
from typing import Final, NamedTuple
from zlib import crc32

from ..core.columns import END, Events
from ..core.limits import EVENT_OVERHEAD_BYTES, MAX_EVENT_BYTES
from .damage import Unreadable

_TIMESTAMP_BYTES: Final = 8
_LENGTH_BYTES: Final = 4
# An event has a timestamp, a length, a text of at least one byte, and the byte that ends it.
MIN_EVENT_BYTES: Final = _TIMESTAMP_BYTES + _LENGTH_BYTES + 1 + len(END)
_MAX_TEXT_BYTES: Final = MAX_EVENT_BYTES - EVENT_OVERHEAD_BYTES


class Block(NamedTuple):
    """The events of one EVENTS frame, and where the frame's payload lies in the file."""

    stream: str
    first_id: int
    """The ids of the events rise by 1."""
    count: int  # type: ignore[assignment]
    offset: int
    length: int
    first_ms: int
    last_ms: int
    size_bytes: int
    """As the service counts: the texts in UTF-8 plus 26 bytes for each."""
    crc: int
    """The checksum of the payload."""


def payload_parts(stream_name: str, events: Events) -> tuple[bytes, array[int], array[int], bytearray]:
    """Return what, joined, is the payload."""
    name = stream_name.encode("utf-8", "surrogatepass")
    return name, _little_endian(events.timestamps), _little_endian(events.lengths), events.texts


def text_bytes(length: int, name_length: int, count: int) -> int:
    """Return how many bytes of a payload are texts, each with its `END`."""
    return length - name_length - (_TIMESTAMP_BYTES + _LENGTH_BYTES) * count


def block_events(payload: bytes, block: Block, first_number: int) -> Events:
    """Return the events of a block, numbered from ``first_number`` on. ``payload`` is what the file has in its place.

    Raises Unreadable if it is not what was written there, or no events that the package could have written.
    """
    if len(payload) != block.length or crc32(payload) != block.crc:
        raise Unreadable
    timestamps_start = len(block.stream.encode("utf-8", "surrogatepass"))
    lengths_start = timestamps_start + _TIMESTAMP_BYTES * block.count
    texts_start = lengths_start + _LENGTH_BYTES * block.count
    timestamps = _little_endian(array("Q", payload[timestamps_start:lengths_start]))
    lengths = _little_endian(array("I", payload[lengths_start:texts_start]))
    texts = payload[texts_start:]
    pieces = texts.split(END)
    if pieces.pop() or list(map(len, pieces)) != lengths.tolist():
        raise Unreadable
    # The service refuses a whole batch for one event that is empty or too long.
    if not all(pieces) or (len(texts) > _MAX_TEXT_BYTES and max(lengths) > _MAX_TEXT_BYTES):
        raise Unreadable
    if not _is_utf8(texts):
        raise Unreadable
    return Events(range(first_number, first_number + block.count), timestamps, lengths, texts)


def _is_utf8(texts: bytes) -> bool:
    # A character stands in place of each END. Otherwise two halves of a character, at the end of one text and at the
    # beginning of the next, would pass for a whole one.
    legible = texts.replace(END, b"\n")
    if legible.isascii():
        return True
    try:
        legible.decode()
    except UnicodeDecodeError:
        return False
    return True


def _little_endian(column: array[int]) -> array[int]:
    """Return the column in the byte order of files. The same call turns one of a file into this machine's order."""
    if sys.byteorder == "little":
        return column
    swapped = column[:]
    swapped.byteswap()
    return swapped
