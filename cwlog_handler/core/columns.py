"""Many events in columns: one array for each attribute, so that an event takes little more memory than its text.

Owns: the form in which events wait and are sent. Must not know: batches, which events are dropped, clocks.

One object for each event would take 190 bytes in addition to its text, and each step about 1 µs an event. In columns an
event takes 21 bytes in addition to its text, and most steps are one call of C code for all events.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, compress, count, islice, pairwise, repeat
from operator import add, itemgetter, ne
from typing import Final

from .events import Event
from .limits import EVENT_OVERHEAD_BYTES
from .values import Value

END: Final = b"\xff"
"""Ends each text in `Events.texts`. No byte of UTF-8 has this value, whatever the text."""

# If there are on average at least this many events in a millisecond, it is faster to handle the events of each
# millisecond together than one by one.
DENSE: Final = 10

# `_sorted` moves whole stretches of events. If they have fewer events than this on average, it moves single events.
_SHORT: Final = 8


class Gone(Value):
    """An event that was taken out of its columns to be dropped."""

    __slots__ = __match_args__ = ("number", "timestamp", "size_bytes")

    def __init__(self, number: int, timestamp: int, size_bytes: int) -> None:
        self.number: Final = number
        self.timestamp: Final = timestamp
        self.size_bytes: Final = size_bytes


class Events:
    """Columns of events in order of arrival. Not thread-safe."""

    __slots__ = ("lengths", "numbers", "texts", "timestamps")

    def __init__(
        self, numbers: Iterable[int], timestamps: Iterable[int], lengths: Iterable[int], texts: bytes | bytearray
    ) -> None:
        # The unsigned types Q and I convert Python's numbers twice as fast as q and i.
        self.numbers = array("Q", numbers)
        """The number of each event, rising in order of arrival."""
        self.timestamps = array("Q", timestamps)
        """Milliseconds since the epoch."""
        self.lengths = array("I", lengths)
        """The length of each text in bytes of UTF-8, without its `END`."""
        self.texts = bytearray(texts)
        """All texts in UTF-8, one after another, each followed by `END`."""

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
    def _owning(cls, numbers: array[int], timestamps: array[int], lengths: array[int], texts: bytearray) -> Events:
        """Return columns that consist of these very objects."""
        events = cls.__new__(cls)
        events.numbers, events.timestamps, events.lengths, events.texts = numbers, timestamps, lengths, texts
        return events

    @classmethod
    def joined(cls, parts: Sequence[Events]) -> Events:
        """Return the events of all parts in order of arrival. The parts must not be used afterwards."""
        rising = all(earlier.numbers[-1] < later.numbers[0] for earlier, later in pairwise(parts))
        whole = parts[0]
        for part in parts[1:]:
            whole.extend(part)
        return whole if rising else whole._sorted(whole.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def size_bytes(self) -> int:
        """The size as the service counts it: the bytes in UTF-8 plus 26 for each event."""
        # Not len(self), which is a method of Python: it takes as long as all the rest.
        return len(self.texts) + (EVENT_OVERHEAD_BYTES - len(END)) * len(self.numbers)

    def __iter__(self) -> Iterator[Event]:
        return map(Event, self.timestamps, bytes(self.texts).split(END), self.numbers)

    def rows(self) -> Iterator[tuple[int, int, bytes]]:
        """Return the number, the timestamp and the text of each event."""
        return zip(self.numbers, self.timestamps, bytes(self.texts).split(END), strict=False)

    def extend(self, other: Events) -> None:
        """Add events that came later."""
        # No Python function is called here, or columns could be left with different lengths: see ARCHITECTURE,
        # Ctrl-C, 1.
        self.numbers += other.numbers
        self.timestamps += other.timestamps
        self.lengths += other.lengths
        self.texts += other.texts

    def first_text(self) -> bytes:
        """Return the text of the event that came first."""
        return bytes(self.texts[: self.lengths[0]])

    def last_text(self) -> bytes:
        """Return the text of the event that came last."""
        return bytes(self.texts[len(self.texts) - self.lengths[-1] - 1 : -1])

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
        """Return a copy of the events from index ``start`` up to, but without, ``end``."""
        lengths = self.lengths[start:end]
        head = room_for(self.lengths[:start])
        # No memoryview is used. After Ctrl-C a traceback might keep it alive, and as long as a memoryview exists,
        # `texts` cannot grow.
        texts = self.texts[head : head + room_for(lengths)]
        return Events._owning(self.numbers[start:end], self.timestamps[start:end], lengths, texts)

    def take_first(self, count: int) -> Events:
        """Remove the first ``count`` events and return them as columns of their own."""
        taken = self.part(0, count)
        # No call in between, for the reason given in `extend`.
        room = len(taken.texts)
        del self.numbers[:count], self.timestamps[:count], self.lengths[:count], self.texts[:room]
        return taken

    def in_order(self) -> Events:
        """Return the events sorted by timestamp, and by arrival within one timestamp; ``self`` if already in order."""
        # The events are nearly always in order already, and then sorted() needs only one pass.
        timestamps = self.timestamps.tolist()
        return self if sorted(timestamps) == timestamps else self._sorted(timestamps)

    def _sorted(self, keys: Sequence[int]) -> Events:
        order = sorted(range(len(self)), key=keys.__getitem__)
        stretches = _stretches(order)
        if len(stretches) * _SHORT > len(order):
            return self._at(order)
        # The events are nearly in order. A record is out of place if its thread was paused between making it and
        # handing it over. Copying whole stretches then takes a third of the time.
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
        """Return, for each group of indexes, a copy of the events at these indexes."""
        return self._at([*chain.from_iterable(groups)]).cut([*map(len, groups)])

    def cut(self, sizes: Sequence[int]) -> list[Events]:
        """Return copies of consecutive pieces: the first has ``sizes[0]`` events, the next ``sizes[1]``, and so on."""
        pieces = []
        start = room = 0
        for size in sizes:
            end = start + size
            lengths = self.lengths[start:end]
            texts_end = room + room_for(lengths)
            texts = self.texts[room:texts_end]
            pieces.append(Events._owning(self.numbers[start:end], self.timestamps[start:end], lengths, texts))
            start, room = end, texts_end
        return pieces

    def _at(self, places: Sequence[int]) -> Events:
        """Return a copy of the events at these indexes."""
        # Two indexes more than needed, which are left out again: for a single index there would be no tuple.
        pick = itemgetter(*places, 0, 0)
        numbers, timestamps, lengths = self.numbers.tolist(), self.timestamps.tolist(), self.lengths.tolist()
        data = END.join((*pick(bytes(self.texts).split(END))[:-2], b""))
        return Events(pick(numbers)[:-2], pick(timestamps)[:-2], pick(lengths)[:-2], data)


def _stretches(places: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches in which each place is the previous one plus 1, as (first, last plus 1)."""
    successors = map(add, places, repeat(1))
    starts = [0, *compress(count(1), map(ne, islice(places, 1, None), successors)), len(places)]
    return [(places[start], places[end - 1] + 1) for start, end in pairwise(starts)]


def room_for(lengths: Sequence[int]) -> int:
    """Return how many bytes texts of these lengths occupy in `Events.texts`, their `END` included."""
    return sum(lengths) + len(END) * len(lengths)


def fitting(lengths: Sequence[int], max_bytes: int, max_events: int) -> int:
    """Return how many of the first events fit into ``max_bytes`` as the service counts them; at most ``max_events``."""
    ends = list(accumulate(lengths[:max_events]))
    return bisect_right(range(len(ends)), max_bytes, key=lambda place: ends[place] + EVENT_OVERHEAD_BYTES * (place + 1))


def encoded(texts: Sequence[str]) -> tuple[bytes, list[int]]:
    """Return the texts in UTF-8, each followed by `END`, and their lengths in bytes.

    Raises UnicodeEncodeError for a lone surrogate. ASCII texts are encoded all at once: one call for each text would
    take twice the time.
    """
    if "".join(texts).isascii():
        # In Latin-1 each character is one byte: ASCII has the same bytes as in UTF-8, and END is the character U+00FF.
        return END.decode("latin-1").join((*texts, "")).encode("latin-1"), [*map(len, texts)]
    data = [text.encode() for text in texts]
    return END.join((*data, b"")), [*map(len, data)]
