"""The events that a stream lost, and the loss event in which the stream itself says so.

Owns: what is counted of a loss, the text of the loss event, the level of records that must cause no further loss. Must
not know: why there was no room, when the loss event is sent.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Final

from .ledger import DropReason

UNTOLD: Final = -1e300
"""The level, while it waits, of what the program logs while it is told of lost events. The loss of that is not told.

It is below every level that a record has. So where there is no room, such a record goes first, and takes no other's
place. Otherwise one loss might cause the next, without end: what is logged of it would push something else out. A file
on disk does not say it. So such a record goes to disk only when the process ends."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_WORDS: Final[dict[DropReason, str]] = {
    "overflow": "overflow (the buffer was full)",
    "spool_full": "spool_full (the spool on disk was full)",
    "corrupt": "corrupt (the spool on disk could not be read)",
}


class Loss:
    """The events that a stream has lost since its last loss event. Times are in milliseconds since the epoch."""

    def __init__(self) -> None:
        self._counts: Counter[DropReason] = Counter()
        self.first_ms = self.last_ms = 0
        self.last_number = 0
        """The highest number of a lost event. The loss event takes its place among the other events."""

    def add(self, count: int, first_ms: int, last_ms: int, last_number: int, reason: DropReason) -> None:
        """Count more lost events, of these times."""
        is_first = not self._counts
        self.first_ms = first_ms if is_first else min(self.first_ms, first_ms)
        self.last_ms = last_ms if is_first else max(self.last_ms, last_ms)
        self.last_number = max(self.last_number, last_number)
        self._counts[reason] += count

    @property
    def count(self) -> int:
        """How many events were lost."""
        return sum(self._counts.values())

    @property
    def text(self) -> str:
        """The message of the loss event."""
        records = "record" if self.count == 1 else "records"
        between = f"between {_iso(self.first_ms)} and {_iso(self.last_ms)}"
        return f"cwlog_handler: {self.count} {records} lost {between}: {self._why}"

    @property
    def _why(self) -> str:
        if len(self._counts) == 1:
            (reason,) = self._counts
            return _WORDS[reason]
        return ", ".join(f"{count} {_WORDS[reason]}" for reason, count in self._counts.items())


def _iso(timestamp: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=timestamp)
    except OverflowError:
        # A record may carry any time, also one that `datetime` cannot represent.
        return f"{timestamp} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
