"""What an event is, and how a record's text becomes events that the service accepts.

Owns: legal text, sizes, cutting long text. Must not know: clocks, threads, logging, boto3, batches.
"""

from typing import Final, Literal, NamedTuple, get_args

from .ledger import DropReason
from .limits import EVENT_OVERHEAD_BYTES

Oversize = Literal["split", "truncate", "drop"]
OVERSIZE: Final[tuple[Oversize, ...]] = get_args(Oversize)

# A code point has at most four bytes in UTF-8. With less room than this, cutting might make no progress.
MIN_TEXT_BYTES: Final = 4
# In milliseconds: later than any time that the service accepts. Sums with it still fit into 64 bits.
_FAR_MS: Final = 2**62
TRUNCATION_MARKER: Final = " [truncated, {} bytes]"


class Event(NamedTuple):
    """One log event as PutLogEvents accepts it: legal text in UTF-8, not longer than one event may be."""

    timestamp: int
    """Milliseconds since the epoch."""
    data: bytes
    """The message in UTF-8: the form in which the service counts its size."""
    number: int = 0
    """The order of arrival. Of two events with the same timestamp, the one with the lower number is sent first."""

    @property
    def message(self) -> str:
        """The message as text."""
        return self.data.decode()

    @property
    def size_bytes(self) -> int:
        """The size as the service counts it: the bytes in UTF-8 plus 26."""
        return len(self.data) + EVENT_OVERHEAD_BYTES


class NotAnEvent(Exception):
    """The text cannot become an event. ``reason`` says why; ``error`` is the exception's text, if any."""

    def __init__(self, reason: DropReason, error: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


def timestamp_ms(created: float) -> int:
    """Return ``created`` (seconds since the epoch) in whole milliseconds, rounded down.

    Half a microsecond is added first. A float such as 1.7e9 seconds, times 1,000, is often a little less than the whole
    number of milliseconds that was meant. A time before the epoch becomes 0, one beyond 64 bits the greatest allowed:
    the service accepts neither.
    """
    return max(0, min(int(created * 1000 + 0.0005), _FAR_MS))


def make_events(created: float, text: str, max_event_bytes: int, oversize: Oversize, number: int = 0) -> list[Event]:
    """Return the events for one record's text: one event, or several if the text is too long and is split.

    ``max_event_bytes`` includes the 26 bytes that the service adds to each event. ``number`` is that of the first
    event. Raises NotAnEvent for empty text, for a time that is not a number, and for too long a text if ``oversize`` is
    "drop".
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
    """Return ``text`` in a form that UTF-8 can encode: surrogate pairs are joined, lone surrogates become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def split(data: bytes, max_bytes: int) -> list[bytes]:
    """Cut UTF-8 between code points into pieces of at most ``max_bytes``. Joined, the pieces are the text again."""
    pieces = []
    start = 0
    while start < len(data):
        end = _code_point_start(data, start + max_bytes)
        pieces.append(data[start:end])
        start = end
    return pieces


def truncate(data: bytes, max_bytes: int) -> bytes:
    """Cut UTF-8 between code points to at most ``max_bytes``; a marker at the end tells the original size in bytes.

    If ``max_bytes`` has no room for the marker, the marker is left out.
    """
    if len(data) <= max_bytes:
        return data
    marker = TRUNCATION_MARKER.format(len(data)).encode()
    if len(marker) >= max_bytes:
        marker = b""
    return data[: _code_point_start(data, max_bytes - len(marker))] + marker


def _code_point_start(data: bytes, position: int) -> int:
    """Return the last index at or before ``position`` at which a code point begins; at most the end of ``data``."""
    if position >= len(data):
        return len(data)
    while data[position] & 0b1100_0000 == 0b1000_0000:
        position -= 1
    return position
