"""Reads what is left in one file of a spool: the events that are not settled.

Owns: the order of events in a file, and which of them are left. Must not know: whose the file is, the directory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ...core.events import legal_text, timestamp_ms
from ...spool import frames
from ...spool.disk import Disk
from ...spool.ranges import Range, minus

# While a process writes, a reader may see a later byte and not an earlier one. So what looks broken is read again.
_TRIES: Final = 3

_disk: Final = Disk()


class CannotRead(Exception):
    """A file cannot be read any more. The text says why."""


class Event(NamedTuple):
    """An event that is left in a file."""

    stream: str
    timestamp_ms: int
    message: str


@dataclass(frozen=True)
class Remains:
    """What is left in a file, summed up."""

    contents: frames.Contents
    streams: dict[str, int]
    """How many events are left for each stream."""
    oldest_ms: int | None
    newest_ms: int | None


def remains_of(fd: int, *, is_written: bool) -> Remains:
    """Sum up what is left in an open file. ``is_written``: a process may be writing to it.

    Raises OSError, and Foreign or Unreadable of `frames`.
    """
    contents = _contents(fd, is_written)
    streams: dict[str, int] = {}
    times: list[int] = []
    for stream, count, oldest, newest in _parts(contents):
        streams[stream] = streams.get(stream, 0) + count
        times += (oldest, newest)
    return Remains(contents, streams, min(times, default=None), max(times, default=None))


def _contents(fd: int, is_written: bool) -> frames.Contents:
    for _ in range(_TRIES if is_written else 1):
        contents = frames.read(_disk.read(fd, 0, _disk.size(fd)))
        if not contents.broken:
            break
    return contents


def _parts(contents: frames.Contents) -> Iterator[tuple[str, int, int, int]]:
    """Yield stream, count, first and last time of what is left. The times are those of a whole frame."""
    for block in contents.blocks:
        if count := sum(last - first + 1 for first, last in _left(block, contents)):
            yield block.stream or contents.head.stream, count, block.first_ms, block.last_ms
    for record in contents.records:
        if not _is_settled(record.id, contents):
            moment = timestamp_ms(record.created)
            yield _stream_of(record, contents.head), 1, moment, moment


def _left(block: frames.Block, contents: frames.Contents) -> list[Range]:
    return minus(block.first_id, block.first_id + block.count - 1, contents.settled)


def _is_settled(number: int, contents: frames.Contents) -> bool:
    place = bisect_right(contents.settled, number, key=lambda ids: ids[0]) - 1
    return place >= 0 and number <= contents.settled[place][1]


def _stream_of(record: frames.Record, head: frames.Head) -> str:
    return head.stream if record.stream is None else record.stream


def events_in(path: str, *, is_written: bool) -> Iterator[Event]:
    """Yield the events that are left in a file, in their order. Raises CannotRead."""
    try:
        yield from _events_in(path, is_written)
    except FileNotFoundError:
        raise CannotRead("it has gone meanwhile: its events were delivered, or are being delivered") from None
    except OSError as error:
        raise CannotRead(error.strerror or str(error)) from None
    except (frames.Unreadable, frames.Foreign):
        raise CannotRead("it has changed while it was read") from None


def _events_in(path: str, is_written: bool) -> Iterator[Event]:
    fd = _disk.open_to_read(path)
    try:
        contents = _contents(fd, is_written)
        # The ids of frames and of the record area are one numbering.
        places: list[tuple[int, frames.Block | frames.Record]] = [
            *((block.first_id, block) for block in contents.blocks),
            *((record.id, record) for record in contents.records),
        ]
        for _, place in sorted(places, key=lambda entry: entry[0]):
            if isinstance(place, frames.Record):
                if not _is_settled(place.id, contents):
                    stream = _stream_of(place, contents.head)
                    yield Event(stream, timestamp_ms(place.created), legal_text(place.text))
                continue
            events = list(frames.block_events(_disk.read(fd, place.offset, place.length), place, 0))
            for first, last in _left(place, contents):
                for number in range(first - place.first_id, last - place.first_id + 1):
                    event = events[number]
                    yield Event(place.stream or contents.head.stream, event.timestamp, event.message)
    finally:
        _disk.close(fd)
