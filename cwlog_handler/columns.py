"""Several events side by side, in columns: what waits costs little more memory than its text.

Owns: the form in which events wait and travel. Must not know: what may travel together, who is dropped, time.

An object for each event would cost 190 bytes beyond its text, and every step about a microsecond for each of them. In
columns an event costs 21 bytes, and most steps are one call of C code for all.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from .events import Event
from .limits import EVENT_OVERHEAD_BYTES

# Ends each text in `Events.texts`. DEL needs no escape in JSON, so it would be taken for an end where a text has one:
# there it is escaped all the same.
END: Final = "\x7f"
_END: Final = END.encode()
_ESCAPED_END: Final = "\\u007f"
# The backslash first: the others bring more of them.
_ESCAPES: Final = [(char, json.dumps(char)[1:-1]) for char in ("\\", '"', *map(chr, range(0x20)))]


class Gone(NamedTuple):
    """An event that was taken out of its columns to be dropped."""

    number: int
    timestamp: int
    size_bytes: int


class Events:
    """Columns of events in order of arrival. Not thread-safe."""

    __slots__ = ("lengths", "numbers", "size_bytes", "texts", "timestamps")

    def __init__(
        self, numbers: Iterable[int], timestamps: Iterable[int], lengths: Iterable[int], texts: bytes | bytearray
    ) -> None:
        # Q and I are made of Python's numbers twice as fast as q and i.
        self.numbers = array("Q", numbers)
        """In order of arrival, rising."""
        self.timestamps = array("Q", timestamps)
        """Milliseconds since the epoch."""
        self.lengths = array("I", lengths)
        """Of the texts in UTF-8, before they were escaped."""
        self.texts = bytearray(texts)
        """Escaped for JSON, each followed by `END`."""
        self.size_bytes = sum(self.lengths) + EVENT_OVERHEAD_BYTES * len(self.lengths)
        """The size as the service counts it: UTF-8 plus its 26 for each event."""

    @classmethod
    def of(cls, events: Sequence[Event]) -> Events:
        """Return the columns of single events."""
        return cls(
            [event.number for event in events],
            [event.timestamp for event in events],
            [len(event.data) for event in events],
            escaped([event.message for event in events]),
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

    def __iter__(self) -> Iterator[Event]:
        # What JSON escaped, JSON reads.
        messages = json.loads(f'["{self.texts[:-1].decode()}"]'.replace(END, '","')) if self.numbers else []
        return map(Event, self.timestamps, map(str.encode, messages), self.numbers)

    def extend(self, other: Events) -> None:
        """Add events that came later."""
        # Without a call: Python looks for signals at each, and Ctrl-C would leave columns of several lengths.
        self.numbers += other.numbers
        self.timestamps += other.timestamps
        self.lengths += other.lengths
        self.texts += other.texts
        self.size_bytes += other.size_bytes

    def pop_first(self) -> Gone:
        """Take out the event that came first."""
        return self._pop(0, slice(self.texts.index(_END) + 1))

    def pop_last(self) -> Gone:
        """Take out the event that came last."""
        return self._pop(-1, slice(self.texts.rfind(_END, 0, -1) + 1, None))

    def _pop(self, place: int, text: slice) -> Gone:
        gone = Gone(self.numbers[place], self.timestamps[place], self.lengths[place] + EVENT_OVERHEAD_BYTES)
        del self.numbers[place], self.timestamps[place], self.lengths[place], self.texts[text]
        self.size_bytes -= gone.size_bytes
        return gone

    def part(self, start: int, end: int) -> Events:
        """Return some of the events, as columns of their own."""
        texts = self.texts
        head = len(texts) - len(texts.split(_END, start)[-1]) if start else 0
        tail = len(texts) if end >= len(self) else len(texts) - len(texts.split(_END, end)[-1])
        return Events(self.numbers[start:end], self.timestamps[start:end], self.lengths[start:end], texts[head:tail])

    def take_first(self, count: int) -> Events:
        """Take out the events that came first, as columns of their own."""
        taken = self.part(0, count)
        del self.numbers[:count], self.timestamps[:count], self.lengths[:count], self.texts[: len(taken.texts)]
        self.size_bytes -= taken.size_bytes
        return taken

    def in_order(self) -> Events:
        """Return the events by timestamp, and in order of arrival where it is the same; themselves if they are so."""
        # sorted() needs one pass where all is in order already, as it nearly always is.
        timestamps = self.timestamps.tolist()
        return self if sorted(timestamps) == timestamps else self._sorted(timestamps)

    def _sorted(self, keys: Sequence[int]) -> Events:
        (events,) = self.picked([sorted(range(len(self)), key=keys.__getitem__)])
        return events

    def picked(self, groups: Sequence[Sequence[int]]) -> list[Events]:
        """Return the events at these places, each group as columns of its own."""
        texts = self.texts.split(_END)
        return [
            Events(
                [self.numbers[place] for place in places],
                [self.timestamps[place] for place in places],
                [self.lengths[place] for place in places],
                _END.join([texts[place] for place in places]) + _END,
            )
            for places in groups
        ]


def fitting(lengths: Sequence[int], max_bytes: int, max_events: int) -> int:
    """Return how many of the events with texts of such lengths, from the first on, fit into so many bytes."""
    ends = list(accumulate(lengths[:max_events]))
    return bisect_right(range(len(ends)), max_bytes, key=lambda place: ends[place] + EVENT_OVERHEAD_BYTES * (place + 1))


def escaped(texts: Sequence[str]) -> bytes:
    """Escape texts for JSON, each followed by `END`; UnicodeEncodeError if one has a lone surrogate.

    Looking in all of them for what needs an escape costs a sixth of json's own escaping, character by character.
    """
    joined = END.join(texts) + END
    if joined.count(END) == len(texts):
        return _escape(joined).encode()
    return "".join([_escape(text).replace(END, _ESCAPED_END) + END for text in texts]).encode()


def _escape(text: str) -> str:
    for char, escape in _ESCAPES:
        if char in text:
            text = text.replace(char, escape)
    return text
