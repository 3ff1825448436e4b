"""Several events side by side, in columns: what waits costs little more memory than its text.

Owns: the form in which events wait and travel. Must not know: what may travel together, who is dropped, time.

An object for each event would cost 190 bytes beyond its text, and every step about a microsecond for each of them. In
columns an event costs 21 bytes, and most steps are one call of C code for all.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, compress, count, islice, pairwise, repeat
from operator import add, ne
from typing import Final, NamedTuple

from .events import Event
from .limits import EVENT_OVERHEAD_BYTES

END: Final = b"\xff"
"""Ends each text in `Events.texts`. No byte of UTF-8 has this value, whatever the text."""

# From so many events in a millisecond on, on average, it pays to look for those of each and treat them as one.
DENSE: Final = 10

# The character that stands for `END` while texts are joined, where none of them has it.
_MARK: Final = "\x7f"
# With stretches of fewer events than this, on average, each event is picked by itself.
_SHORT: Final = 8


class Gone(NamedTuple):
    """An event that was taken out of its columns to be dropped."""

    number: int
    timestamp: int
    size_bytes: int


class Events:
    """Columns of events in order of arrival. Not thread-safe."""

    __slots__ = ("lengths", "numbers", "texts", "timestamps")

    def __init__(
        self, numbers: Iterable[int], timestamps: Iterable[int], lengths: Iterable[int], texts: bytes | bytearray
    ) -> None:
        # Q and I are made of Python's numbers twice as fast as q and i.
        self.numbers = array("Q", numbers)
        """In order of arrival, rising."""
        self.timestamps = array("Q", timestamps)
        """Milliseconds since the epoch."""
        self.lengths = array("I", lengths)
        """Of the texts in UTF-8."""
        self.texts = bytearray(texts)
        """In UTF-8, each followed by `END`."""

    @classmethod
    def of(cls, events: Sequence[Event]) -> Events:
        """Return the columns of single events."""
        return cls(
            [event.number for event in events],
            [event.timestamp for event in events],
            [len(event.data) for event in events],
            END.join([*(event.data for event in events), b""]),
        )

    @classmethod
    def joined(cls, parts: Sequence[Events]) -> Events:
        """Return all parts in one, in order of arrival; they are used up."""
        rising = all(earlier.numbers[-1] < later.numbers[0] for earlier, later in pairwise(parts))
        whole = parts[0]
        for part in parts[1:]:
            whole.extend(part)
        return whole if rising else whole._sorted(whole.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def size_bytes(self) -> int:
        """The size as the service counts it: UTF-8 plus its 26 for each event."""
        return len(self.texts) + (EVENT_OVERHEAD_BYTES - len(END)) * len(self)

    def __iter__(self) -> Iterator[Event]:
        return map(Event, self.timestamps, bytes(self.texts).split(END), self.numbers)

    def extend(self, other: Events) -> None:
        """Add events that came later."""
        # Without a call: Python looks for signals at each, and Ctrl-C would leave columns of several lengths.
        self.numbers += other.numbers
        self.timestamps += other.timestamps
        self.lengths += other.lengths
        self.texts += other.texts

    def pop_first(self) -> Gone:
        """Take out the event that came first."""
        return self._pop(0, slice(self.lengths[0] + 1))

    def pop_last(self) -> Gone:
        """Take out the event that came last."""
        return self._pop(-1, slice(len(self.texts) - self.lengths[-1] - 1, None))

    def _pop(self, place: int, text: slice) -> Gone:
        gone = Gone(self.numbers[place], self.timestamps[place], self.lengths[place] + EVENT_OVERHEAD_BYTES)
        del self.numbers[place], self.timestamps[place], self.lengths[place], self.texts[text]
        return gone

    def part(self, start: int, end: int) -> Events:
        """Return some of the events, as columns of their own."""
        lengths = self.lengths[start:end]
        head = room_for(self.lengths[:start])
        # Not by a memoryview: one that Ctrl-C leaves in a traceback would keep these columns from ever growing.
        texts = self.texts[head : head + room_for(lengths)]
        return Events(self.numbers[start:end], self.timestamps[start:end], lengths, texts)

    def take_first(self, count: int) -> Events:
        """Take out the events that came first, as columns of their own."""
        taken = self.part(0, count)
        # Without a call in between, for the reason given in `extend`.
        room = len(taken.texts)
        del self.numbers[:count], self.timestamps[:count], self.lengths[:count], self.texts[:room]
        return taken

    def in_order(self) -> Events:
        """Return the events by timestamp, and in order of arrival where it is the same; themselves if they are so."""
        # sorted() needs one pass where all is in order already, as it nearly always is.
        timestamps = self.timestamps.tolist()
        return self if sorted(timestamps) == timestamps else self._sorted(timestamps)

    def _sorted(self, keys: Sequence[int]) -> Events:
        order = sorted(range(len(self)), key=keys.__getitem__)
        stretches = _stretches(order)
        if len(stretches) * _SHORT > len(order):
            (events,) = self.picked([order])
            return events
        # Nearly in order: threads that log side by side have a record out of place whenever one is put off between its
        # making and its handing over. Stretch by stretch it takes a third of the time.
        ends = [0, *accumulate(self.lengths)]
        all_texts = memoryview(self.texts)
        texts = [all_texts[ends[start] + start : ends[end] + end] for start, end in stretches]
        events = Events((), (), (), b"".join(texts))
        for start, end in stretches:
            events.numbers += self.numbers[start:end]
            events.timestamps += self.timestamps[start:end]
            events.lengths += self.lengths[start:end]
        return events

    def picked(self, groups: Sequence[Sequence[int]]) -> list[Events]:
        """Return the events at these places, each group as columns of its own."""
        texts = self.texts.split(END)
        return [
            Events(
                [self.numbers[place] for place in places],
                [self.timestamps[place] for place in places],
                [self.lengths[place] for place in places],
                END.join([*(texts[place] for place in places), b""]),
            )
            for places in groups
        ]


def _stretches(places: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches in which places follow one another: the first of each, and the one after its last."""
    successors = map(add, places, repeat(1))
    starts = [0, *compress(count(1), map(ne, islice(places, 1, None), successors)), len(places)]
    return [(places[start], places[end - 1] + 1) for start, end in pairwise(starts)]


def room_for(lengths: Sequence[int]) -> int:
    """Return how many bytes of `Events.texts` texts of such lengths take."""
    return sum(lengths) + len(END) * len(lengths)


def fitting(lengths: Sequence[int], max_bytes: int, max_events: int) -> int:
    """Return how many of the events with texts of such lengths, from the first on, fit into so many bytes."""
    ends = list(accumulate(lengths[:max_events]))
    return bisect_right(range(len(ends)), max_bytes, key=lambda place: ends[place] + EVENT_OVERHEAD_BYTES * (place + 1))


def encoded(texts: Sequence[str]) -> tuple[bytes, list[int]]:
    """Return texts in UTF-8, each followed by `END`, and their lengths; UnicodeEncodeError for a lone surrogate.

    ASCII all at once: a call for each would cost twice as much.
    """
    plain = "".join(texts)
    if not plain.isascii() or _MARK in plain:
        data = [text.encode() for text in texts]
        return END.join((*data, b"")), list(map(len, data))
    return _MARK.join((*texts, "")).encode().replace(_MARK.encode(), END), list(map(len, texts))
