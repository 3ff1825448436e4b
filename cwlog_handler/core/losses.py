"""What an overflow cost a stream, and how the stream itself says so.

Must not know: why there was no room, when the stream flows again.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

from .columns import Gone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Loss:
    """Events that were lost in a row, however many survived between them; times in milliseconds since the epoch."""

    def __init__(self, event: Gone) -> None:
        self.count = 1
        self.first_ms = self.last_ms = event.timestamp
        self.last_number = event.number
        """The number of the one that had come last, whose place among the others is free now."""

    def add(self, event: Gone) -> None:
        """Count one more."""
        self.count += 1
        self.first_ms = min(self.first_ms, event.timestamp)
        self.last_ms = max(self.last_ms, event.timestamp)
        self.last_number = max(self.last_number, event.number)

    @property
    def text(self) -> str:
        """The message of the event that tells it."""
        records = "record" if self.count == 1 else "records"
        between = f"between {_iso(self.first_ms)} and {_iso(self.last_ms)}"
        return f"cwlog_handler: {self.count} {records} lost {between}: overflow (the buffer was full)"


def _iso(timestamp: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=timestamp)
    except OverflowError:
        # A record may carry any time.
        return f"{timestamp} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
