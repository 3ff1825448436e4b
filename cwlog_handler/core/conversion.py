"""Records as callers handed them over become events, each kind of them in columns.

Owns: the way from a record to events, all at once where nothing is odd about any of them. Must not know: streams,
bounds, who waits for what. Pure.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from math import isfinite
from typing import Any, Final, NamedTuple

from .columns import DENSE, Events, encoded
from .events import Event, NotAnEvent, Oversize, make_events
from .limits import EVENT_OVERHEAD_BYTES
from .reasons import DropReason

FIELDS: Final = 5
"""What callers hand over for each record, see `Records`."""


class Records(NamedTuple):
    """Records as callers handed them over, in order of arrival, side by side."""

    created: list[float]
    """Seconds since the epoch."""
    texts: list[str]
    stream_names: list[str | None]
    """None: that of the process."""
    levels: list[int]
    are_surplus: list[bool]
    """The caller waited for room in vain."""

    @classmethod
    def of(cls, fields: list[Any]) -> "Records":
        """Return the records whose fields these are, one behind the other."""
        return cls._make(fields[place::FIELDS] for place in range(FIELDS))


class Kind(NamedTuple):
    """What events have in common that are taken in together."""

    stream_name: str | None
    level: int
    is_surplus: bool


class Converted(NamedTuple):
    """Events by kind, the number of the last of them, and why records became none."""

    events: dict[Kind, Events]
    last_number: int
    refused: Counter[DropReason]
    error: str | None = None
    """What was raised, where the reason is "error"."""


def convert(records: Records, first_number: int, max_event_bytes: int, oversize: Oversize) -> Converted:
    """Turn records into events, numbered from ``first_number`` on in their order. Never raises for what is in one."""
    try:
        events = _all_at_once(records, first_number, max_event_bytes)
    except Exception:
        # A lone surrogate, a time that is not a number; or no memory for all of them.
        events = None
    if events is None:
        return _one_by_one(records, first_number, max_event_bytes, oversize)
    return Converted(events, first_number + len(records.texts) - 1, Counter())


def _all_at_once(records: Records, first_number: int, max_event_bytes: int) -> dict[Kind, Events] | None:
    """Return one event for each record; None if one is empty or too long. Raises for one that is odd."""
    texts, count = records.texts, len(records.texts)
    timestamps = _timestamps(records.created)
    data, lengths = encoded(texts)
    # All of them together are rarely as long as one may be.
    if 0 in lengths or (len(data) > (most := max_event_bytes - EVENT_OVERHEAD_BYTES) and max(lengths) > most):
        return None
    events = Events(range(first_number, first_number + count), timestamps, lengths, data)
    kinds: tuple[list[Any], ...] = records[2:]
    if all(column.count(column[0]) == count for column in kinds):
        return {Kind._make(column[0] for column in kinds): events}
    places: dict[Kind, list[int]] = {}
    for place, kind in enumerate(map(Kind._make, zip(*kinds, strict=True))):
        places.setdefault(kind, []).append(place)
    return dict(zip(places, events.picked(list(places.values())), strict=True))


def _timestamps(created: list[float]) -> Iterable[int]:
    """Return what `events.timestamp_ms` returns for each, but for its bounds. Raises for what is not a number."""
    if (created[-1] - created[0]) * 1000 * DENSE > len(created) or not _rises(created):
        # As _timestamp does it: a call for each would cost half as much again.
        return [int(seconds * 1000 + 0.0005) for seconds in created]
    # A burst: a search for the end of each millisecond takes a quarter of the time of a call for each record.
    timestamps = array("Q")
    while (start := len(timestamps)) < len(created):
        timestamp = _timestamp(created[start])
        end = bisect_right(created, timestamp, start, key=_timestamp)
        timestamps += array("Q", [timestamp]) * (end - start)
    return timestamps


def _timestamp(created: float) -> int:
    # Without the bounds of `events.timestamp_ms`, beyond which the service takes none in any case.
    return int(created * 1000 + 0.0005)


def _rises(created: list[float]) -> bool:
    # A NaN compares as anything.
    return sorted(created) == created and isfinite(sum(created))


def _one_by_one(records: Records, first_number: int, max_event_bytes: int, oversize: Oversize) -> Converted:
    found: dict[Kind, list[Event]] = {}
    refused: Counter[DropReason] = Counter()
    error = None
    number = first_number
    for created, text, *kind in zip(*records, strict=True):
        events = _made(created, text, max_event_bytes, oversize, number)
        if isinstance(events, NotAnEvent):
            refused[events.reason] += 1
            error = events.error or error
        else:
            number += len(events)
            found.setdefault(Kind._make(kind), []).extend(events)
    return Converted({kind: Events.of(events) for kind, events in found.items()}, number - 1, refused, error)


def _made(created: float, text: str, max_event_bytes: int, oversize: Oversize, number: int) -> list[Event] | NotAnEvent:
    """Return a record's events, or why it has none."""
    try:
        return make_events(created, text, max_event_bytes, oversize, number)
    except NotAnEvent as refusal:
        return refusal
    except Exception as error:
        # Nothing is known to raise here but MemoryError; one record must not take the others along uncounted.
        return NotAnEvent("error", f"{type(error).__name__}: {error}")
