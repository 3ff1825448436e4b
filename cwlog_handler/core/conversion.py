"""Turns records, as callers handed them over, into events in columns, one set of columns for each kind.

Owns: the way from records to events, with a fast path for many ordinary records. Must not know: streams, the bounds of
the buffer, waiting callers. Pure functions.
"""

from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from .columns import DENSE, Events, encoded
from .events import Event, NotAnEvent, Oversize, make_events
from .ledger import DropReason
from .limits import EVENT_OVERHEAD_BYTES
from .targets import Target

Key = TypeVar("Key", bound=Hashable)

FIELDS: Final = 7
"""The number of values that a caller hands over for each record: those of `Records`."""


# If there are on average fewer events than this for each target, it is faster to enter events one by one than to make
# columns for each target first.
FEW: Final = 8


class Records(NamedTuple):
    """Records as callers handed them over, in order of arrival: one list for each attribute."""

    created: list[float]
    """Seconds since the epoch."""
    texts: list[str]
    targets: list[Target | None]
    """None means the stream of the process."""
    levels: list[float]
    are_surplus: list[bool]
    """True if the caller waited for room in the buffer until its time was over."""
    files: Sequence[Any] = ()
    """The file in which the caller has written the record already, or None; see `spool.journal`."""
    ids: Sequence[int] = ()
    """The record's number in that file."""

    @classmethod
    def of(cls, fields: list[Any]) -> "Records":
        """Return the records from a flat list: the seven values of the first record, then those of the second, …"""
        return cls._make(fields[place::FIELDS] for place in range(FIELDS))


class Kind(NamedTuple):
    """What events must have in common to be taken into the buffer together."""

    target: Target | None
    level: float
    is_surplus: bool


class Scattered:
    """Events of many kinds in order of arrival, few of each kind. Nobody has waited for room with any of them."""

    __slots__ = ("events", "levels", "targets")

    def __init__(self, events: Events, targets: Sequence[Target | None], levels: Sequence[float]) -> None:
        self.events: Final = events
        self.targets: Final = targets
        self.levels: Final = levels

    def by_kind(self) -> dict[Kind, Events]:
        """Return them in columns, one set of columns for each kind."""
        places = _places_by_kind(self.targets, self.levels, [False] * len(self.targets))
        return dict(zip(places, self.events.picked([*places.values()]), strict=True))

    def behind(self, number: int) -> "Scattered | None":
        """Return those with a higher number; None if there are none."""
        start = max(0, number + 1 - self.events.numbers[0])
        if not start:
            return self
        if start >= len(self.events):
            return None
        return Scattered(self.events.part(start, len(self.events)), self.targets[start:], self.levels[start:])


class Converted:
    """Events by kind, the number of the last event, and, by reason, how many records did not become events."""

    __slots__ = ("error", "events", "last_number", "numbers", "refused", "scattered", "turned_away")

    def __init__(
        self,
        events: dict[Kind, Events],
        last_number: int,
        refused: Counter[DropReason],
        error: str | None = None,
        numbers: list[range] | None = None,
        turned_away: Sequence[tuple[int, DropReason]] = (),
        scattered: Scattered | None = None,
    ) -> None:
        self.events: Final = events
        """Empty if they are ``scattered``."""
        self.last_number: Final = last_number
        self.refused: Final = refused
        self.error: Final = error
        """The exception, as text, if a reason is "error"."""
        self.numbers: Final = numbers
        """The numbers of each record's events, in order. None: each record became one event."""
        self.turned_away: Final = turned_away
        """The places of the records that did not become events, with the reason."""
        self.scattered: Final = scattered
        """All events, if they are of so many kinds that columns for each kind cost more than they save."""


def convert(records: Records, first_number: int, max_event_bytes: int, oversize: Oversize) -> Converted:
    """Turn records into events, numbered in order from ``first_number`` on. Never raises, whatever they contain."""
    try:
        events = _all_at_once(records, first_number, max_event_bytes)
    except Exception:
        # A text has a lone surrogate, a time is not a number, or the memory does not suffice for all at once.
        events = None
    if events is None:
        return _one_by_one(records, first_number, max_event_bytes, oversize)
    last_number = first_number + len(records.texts) - 1
    if isinstance(events, Scattered):
        return Converted({}, last_number, Counter(), scattered=events)
    return Converted(events, last_number, Counter())


def _all_at_once(records: Records, first_number: int, max_event_bytes: int) -> dict[Kind, Events] | Scattered | None:
    """Return one event for each record; None if a text is empty or too long. Raises if a record cannot be converted."""
    texts, timestamps = records.texts, _timestamps(records.created)
    numbers = range(first_number, first_number + len(texts))
    targets, levels, are_surplus = records.targets, records.levels, records.are_surplus
    if _are_alike(targets) and _are_alike(levels) and _are_alike(are_surplus):
        events = _encoded(numbers, timestamps, texts, max_event_bytes)
        return None if events is None else {Kind(targets[0], levels[0], are_surplus[0]): events}
    if len(set(targets)) * FEW > len(texts) and True not in are_surplus:
        events = _encoded(numbers, timestamps, texts, max_event_bytes)
        return None if events is None else Scattered(events, targets, levels)
    places = _places_by_kind(targets, levels, are_surplus)
    # Put in order before they are encoded: to take the encoded texts apart again would take longer.
    pick = itemgetter(*chain.from_iterable(places.values()))
    events = _encoded(pick(numbers), pick(timestamps), pick(texts), max_event_bytes)
    if events is None:
        return None
    return dict(zip(places, events.cut([*map(len, places.values())]), strict=True))


def _encoded(
    numbers: Iterable[int], timestamps: Iterable[int], texts: Sequence[str], max_event_bytes: int
) -> Events | None:
    """Return one event for each text; None if a text is empty or too long. Raises for a lone surrogate."""
    data, lengths = encoded(texts)
    # The total length is checked first: all texts together are seldom longer than one event may be.
    if 0 in lengths or (len(data) > (most := max_event_bytes - EVENT_OVERHEAD_BYTES) and max(lengths) > most):
        return None
    return Events(numbers, timestamps, lengths, data)


def _are_alike(values: Sequence[object]) -> bool:
    # The last value is looked at first: to compare all of many targets takes as long as to sort their events.
    return values[0] == values[-1] and values.count(values[0]) == len(values)


def _places_by_kind(
    targets: Sequence[Target | None], levels: Sequence[float], are_surplus: Sequence[bool]
) -> dict[Kind, list[int]]:
    """Return at which places, in order, each kind is found."""
    if _are_alike(levels) and _are_alike(are_surplus):
        # The usual case. A target as the key takes half of the time of a key that is made for each record.
        return {Kind(target, levels[0], are_surplus[0]): places for target, places in _places(targets).items()}
    return _places(map(Kind, targets, levels, are_surplus))


def _places(keys: Iterable[Key]) -> dict[Key, list[int]]:
    places: defaultdict[Key, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return places


def _timestamps(created: list[float]) -> Sequence[int]:
    """Return `events.timestamp_ms` of each time, but without its bounds. Raises if a time is not a number."""
    if (created[-1] - created[0]) * 1000 * DENSE > len(created) or not _rises(created):
        # The expression of `_timestamp` is repeated here: calling it for each record would take 50 % longer.
        return [int(seconds * 1000 + 0.0005) for seconds in created]
    # Many records in each millisecond: searching for the end of each millisecond takes a quarter of the time of a call
    # for each record.
    timestamps = array("Q")
    while (start := len(timestamps)) < len(created):
        timestamp = _timestamp(created[start])
        end = bisect_right(created, timestamp, start, key=_timestamp)
        timestamps += array("Q", [timestamp]) * (end - start)
    return timestamps


def _timestamp(created: float) -> int:
    # The bounds of `events.timestamp_ms` are left out: the service accepts no time beyond them anyway.
    return int(created * 1000 + 0.0005)


def _rises(created: list[float]) -> bool:
    # Sorting does not detect a NaN, because every comparison with it is false; the sum does.
    return sorted(created) == created and isfinite(sum(created))


def _one_by_one(records: Records, first_number: int, max_event_bytes: int, oversize: Oversize) -> Converted:
    found: dict[Kind, list[Event]] = {}
    refused: Counter[DropReason] = Counter()
    error = None
    number = first_number
    numbers: list[range] = []
    turned_away: list[tuple[int, DropReason]] = []
    for created, text, *kind in zip(*records[:5], strict=True):
        events = _made(created, text, max_event_bytes, oversize, number)
        if isinstance(events, NotAnEvent):
            refused[events.reason] += 1
            turned_away.append((len(numbers), events.reason))
            numbers.append(range(0))
            error = events.error or error
        else:
            numbers.append(range(number, number + len(events)))
            number += len(events)
            found.setdefault(Kind._make(kind), []).extend(events)
    by_kind = {kind: Events.of(events) for kind, events in found.items()}
    return Converted(by_kind, number - 1, refused, error, numbers, turned_away)


def _made(created: float, text: str, max_event_bytes: int, oversize: Oversize, number: int) -> list[Event] | NotAnEvent:
    """Return a record's events, or the reason why it has none."""
    try:
        return make_events(created, text, max_event_bytes, oversize, number)
    except NotAnEvent as refusal:
        return refusal
    except Exception as error:
        # Only MemoryError is known to occur here. One record must not prevent the others from being counted.
        return NotAnEvent("error", f"{type(error).__name__}: {error}")
