"""What came to the sink in a run: counted at once, looked into when somebody asks.

Must not know: HTTP, time, who is measured.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from typing import Any, Final

from cwlog_handler.core.limits import EVENT_OVERHEAD_BYTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS

from .workload import FIRST_SERIAL, RUN_LENGTH, SERIAL_LENGTH

# Bodies are kept until somebody asks, but not more of them than memory is good for.
MAX_KEPT_BYTES: Final = 256 * 1024 * 1024


class Arrivals:
    """The requests of one run."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._kept: list[tuple[float, bytes]] = []
        self._kept_bytes = 0
        self._seen = bytearray()
        self._requests: list[tuple[float, int, int]] = []
        self._starts: defaultdict[str, list[float]] = defaultdict(list)
        self._doubled = self._foreign = self._disordered = self._over_limits = 0
        self._wire_bytes = 0
        self.events = 0

    def add(self, at: float, body: bytes, wire_bytes: int = 0) -> None:
        """Take a request that came at this time; ``wire_bytes`` is the size of its body as it was sent."""
        self._wire_bytes += wire_bytes
        self._kept.append((at, body))
        self._kept_bytes += len(body)
        self.events += body.count(b'"timestamp"')
        if self._kept_bytes > MAX_KEPT_BYTES:
            self._look()

    def report(self) -> dict[str, Any]:
        """What came: ``records`` are distinct ones of this run, ``requests`` are (time, events, bytes) in their order.

        ``doubled`` copies beyond the first, ``foreign`` messages that are not the run's; ``disordered`` requests whose
        events are not in order of time; ``over_limits`` requests that the service would not have taken;
        ``busiest_second`` the most requests for one stream within a second; ``wire_bytes`` the size of all bodies as
        they were sent.
        """
        self._look()
        return {
            "records": self._seen.count(1),
            "doubled": self._doubled,
            "foreign": self._foreign,
            "disordered": self._disordered,
            "over_limits": self._over_limits,
            "busiest_second": max((_busiest_second(sorted(starts)) for starts in self._starts.values()), default=0),
            "wire_bytes": self._wire_bytes,
            "requests": sorted(self._requests),
        }

    def _look(self) -> None:
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        for at, body in kept:
            request = json.loads(body)
            events = request["logEvents"]
            size = sum(map(self._note, [event["message"] for event in events])) + EVENT_OVERHEAD_BYTES * len(events)
            times = [event["timestamp"] for event in events]
            self._disordered += times != sorted(times)
            self._over_limits += size > MAX_BATCH_BYTES or not 1 <= len(events) <= MAX_BATCH_EVENTS
            self._starts[request["logStreamName"]].append(at)
            self._requests.append((at, len(events), size))

    def _note(self, message: str) -> int:
        """Tick a message off; return its size."""
        serial = message[-SERIAL_LENGTH:]
        if message[:RUN_LENGTH] != self._run or not serial.isdecimal() or int(serial) < FIRST_SERIAL:
            self._foreign += 1
        else:
            index = int(serial) - FIRST_SERIAL
            if index >= len(self._seen):
                self._seen.extend(bytes(index + 1 - len(self._seen) + 100_000))
            self._doubled += self._seen[index]
            self._seen[index] = 1
        return len(message) if message.isascii() else len(message.encode())


def _busiest_second(starts: list[float]) -> int:
    return max(bisect_left(starts, start + 1.0) - index for index, start in enumerate(starts))
