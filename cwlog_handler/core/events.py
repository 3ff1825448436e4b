"""What an event is, and how text becomes events that the service takes.

Owns: legal text, sizes, cutting long text. Must not know: time, threads, logging, boto3, what travels together.
"""

from typing import Final, Literal, NamedTuple, get_args

from .limits import EVENT_OVERHEAD_BYTES
from .reasons import DropReason

Oversize = Literal["split", "truncate", "drop"]
OVERSIZE: Final[tuple[Oversize, ...]] = get_args(Oversize)

# A code point is at most four bytes in UTF-8: the smallest room in which cutting always makes progress.
MIN_TEXT_BYTES: Final = 4
# Later than any time that the service takes, and such that 64 bits hold what is added to it.
_FAR_MS: Final = 2**62
TRUNCATION_MARKER: Final = " [truncated, {} bytes]"


class Event(NamedTuple):
    """One log event as PutLogEvents takes it: legal text that fits, in UTF-8."""

    timestamp: int
    """Milliseconds since the epoch."""
    data: bytes
    """The message in UTF-8, as the service counts it."""
    number: int = 0
    """Numbered in order of arrival: of two events with one timestamp the lower number comes first."""

    @property
    def message(self) -> str:
        """The message as text."""
        return self.data.decode()

    @property
    def size_bytes(self) -> int:
        """The size as the service counts it: UTF-8 plus its 26."""
        return len(self.data) + EVENT_OVERHEAD_BYTES


class NotAnEvent(Exception):
    """The text cannot become an event; ``reason`` says why, ``error`` what was raised."""

    def __init__(self, reason: DropReason, error: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


def timestamp_ms(created: float) -> int:
    """Return ``created`` (seconds since the epoch) in whole milliseconds, rounded down.

    Half a microsecond is added because 1.7e9 seconds times 1,000 lands just below the whole number as often as on it.
    What is before the epoch or beyond 64 bits becomes the nearest that is not: the service takes neither.
    """
    return max(0, min(int(created * 1000 + 0.0005), _FAR_MS))


def make_events(created: float, text: str, max_event_bytes: int, oversize: Oversize, number: int = 0) -> list[Event]:
    """Turn one record's text into the events that carry it: one, or as many as it needs when split.

    ``max_event_bytes`` includes the service's 26; ``number`` is that of the first event. Raises NotAnEvent for empty
    text, for text over the limit when ``oversize`` is "drop", and for a time that is not a number.
    """
    if not text:
        raise NotAnEvent("empty")
    try:
        timestamp = timestamp_ms(created)
    except (TypeError, ValueError, OverflowError):
        raise NotAnEvent("invalid_time") from None
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = legal_text(text).encode()
    room = max_event_bytes - EVENT_OVERHEAD_BYTES
    if len(data) <= room:
        return [Event(timestamp, data, number)]
    if oversize == "drop":
        raise NotAnEvent("oversize")
    parts = split(data, room) if oversize == "split" else [truncate(data, room)]
    return [Event(timestamp, part, number + place) for place, part in enumerate(parts)]


def legal_text(text: str) -> str:
    """Return ``text`` with surrogate pairs joined and lone surrogates replaced by U+FFFD: always encodable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def split(data: bytes, max_bytes: int) -> list[bytes]:
    """Cut UTF-8 into pieces of at most ``max_bytes``, at code points; joined, they are the text again."""
    pieces = []
    start = 0
    while start < len(data):
        end = _code_point_start(data, start + max_bytes)
        pieces.append(data[start:end])
        start = end
    return pieces


def truncate(data: bytes, max_bytes: int) -> bytes:
    """Cut UTF-8 to ``max_bytes``, at a code point, ending in a marker with the size it had.

    The marker itself is left out where there is no room for it.
    """
    if len(data) <= max_bytes:
        return data
    marker = TRUNCATION_MARKER.format(len(data)).encode()
    if len(marker) >= max_bytes:
        marker = b""
    return data[: _code_point_start(data, max_bytes - len(marker))] + marker


def _code_point_start(data: bytes, position: int) -> int:
    """Return the last place at or before ``position`` where a code point begins (or the end of ``data``)."""
    if position >= len(data):
        return len(data)
    while data[position] & 0b1100_0000 == 0b1000_0000:
        position -= 1
    return position
