"""What an account has taken and refused, second by second, and how late each record came.

Must not know: quotas, plans, what is made of the figures.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, Final, Literal

What = Literal["taken", "missing", "throttled puts", "created", "throttled creations", "outage"]
WHATS: Final[tuple[What, ...]] = ("taken", "missing", "throttled puts", "created", "throttled creations", "outage")
REFUSED: Final[tuple[What, ...]] = ("missing", "throttled puts", "throttled creations", "outage")
# The time of day at which a run begins, in seconds since the epoch.
EPOCH: Final = 1_700_000_000.0


class Tally:
    """Counts, and one entry for each put and for each record that was taken."""

    def __init__(self, seconds: float) -> None:
        self.per_second: Mapping[What, array[int]] = {what: array("l", [0] * (int(seconds) + 1)) for what in WHATS}
        self.first: dict[int, float] = {}
        """When the first put of each process was taken."""
        # One entry for each put: when it was taken, and whose it was.
        self.put_at, self.put_by = array("f"), array("l")
        # One entry for each record: when it was made, how many seconds later it was taken, whose it was, its level.
        self.made, self.late, self.by, self.is_error = array("f"), array("f"), array("l"), array("b")

    def count(self, what: What, now: float) -> None:
        """Count one request."""
        counts = self.per_second[what]
        if now < len(counts):
            counts[int(now)] += 1

    def took(self, now: float, number: int, events: list[dict[str, Any]]) -> None:
        """Count a put that was taken, and its events."""
        self.count("taken", now)
        self.first.setdefault(number, now)
        self.put_at.append(now)
        self.put_by.append(number)
        for event in events:
            made = event["timestamp"] / 1000 - EPOCH
            self.made.append(made)
            self.late.append(now - made)
            self.by.append(number)
            self.is_error.append(event["message"][0] == "E")
