"""The events that a stream lost by an overflow, and the loss event in which the stream itself says so.

Owns: what is counted of a loss, and the text of the loss event. Must not know: why there was no room, when the loss
event is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

from .columns import Gone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Loss:
    """The events that a stream has lost since its last loss event. Times are in milliseconds since the epoch."""

    def __init__(self, event: Gone) -> None:
        self.count = 1
        self.first_ms = self.last_ms = event.timestamp
        self.last_number = event.number
        """The highest number of a lost event. The loss event takes its place among the other events."""

    def add(self, event: Gone) -> None:
        """Count one more lost event."""
        self.count += 1
        self.first_ms = min(self.first_ms, event.timestamp)
        self.last_ms = max(self.last_ms, event.timestamp)
        self.last_number = max(self.last_number, event.number)

    @property
    def text(self) -> str:
        """The message of the loss event."""
        records = "record" if self.count == 1 else "records"
        between = f"between {_iso(self.first_ms)} and {_iso(self.last_ms)}"
        return f"cwlog_handler: {self.count} {records} lost {between}: overflow (the buffer was full)"


def _iso(timestamp: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=timestamp)
    except OverflowError:
        # A record may carry any time, also one that `datetime` cannot represent.
        return f"{timestamp} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
