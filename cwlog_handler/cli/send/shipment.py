"""Lines into the handler, no faster than it delivers, until all are settled or there is no use in waiting.

Owns: lines become records; when to wait and when to give up. Must not know: arguments, signals, what is displayed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from ...core.ledger import Stats
from ...core.limits import EVENT_OVERHEAD_BYTES, MAX_EVENT_BYTES
from ...handler import DEFAULT_BUFFER_BYTES, CloudWatchLogsHandler
from .lines import Lines
from .timestamps import Timestamps

# Up to this much waits in the handler: enough for seconds of sending, and what one more block of lines adds leaves its
# buffer half empty, so that it never has to hold us up itself, where no signal would be noticed.
BACKLOG_BYTES: Final = DEFAULT_BUFFER_BYTES // 4
_ROOM_POLL: Final = 0.02
_FLUSH_SLICE: Final = 0.2
# After a first signal: what is on its way, and a backlog at five requests a second.
INTERRUPTED_PATIENCE: Final = 10.0
# Of a line without a timestamp: enough of it to see what its format is.
_SHOWN_CHARS: Final = 60
# One event: what is beyond it is cut anyway, and better between two lines. Text beyond ASCII is cut again.
_LONGEST_JOINED: Final = MAX_EVENT_BYTES - EVENT_OVERHEAD_BYTES


class Shipment:
    """One input on its way to the service. `ship` is for one thread; any may read the counts meanwhile.

    ``is_interrupted`` tells when somebody wants an end, ``say`` what they should know at once; ``patience`` is
    how many seconds may pass without anything being settled. With ``joins``, lines without a timestamp are added to the
    line before.
    """

    def __init__(
        self,
        handler: CloudWatchLogsHandler,
        lines: Lines,
        timestamps: Timestamps | None,
        *,
        joins: bool,
        patience: float,
        is_interrupted: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self._handler = handler
        self.lines = lines
        self._timestamps = timestamps
        self._joins = joins
        self._patience = patience
        self._is_interrupted = is_interrupted
        self._say = say
        self._created: float | None = None
        self._joined: list[str] = []
        self._joined_chars = 0
        self.taken = 0
        """Lines read so far, each of them handed over or counted below."""
        self.empty = 0
        """Lines with nothing in them, of which the service takes none."""
        self.undated = 0
        """Lines before the first with a timestamp: they have the present time."""
        self.has_read_all = False
        self.reading_problem = ""
        """Why the reading ended before its end, if it was not somebody's wish."""
        self.gave_up = False
        self._settled, self._settled_at = -1, time.monotonic()

    @property
    def has_times(self) -> bool:
        """False where no line at all had a timestamp of the format that was asked for."""
        return self._created is not None or not self.undated

    @property
    def stats(self) -> Stats:
        """What became of the lines so far, as events."""
        return self._handler.stats

    def ship(self) -> None:
        """Send all lines, and wait for the last of them."""
        try:
            self._take_all()
        except OSError as error:
            self.reading_problem = f"standard input cannot be read: {error}"
        self._hand_over_joined()
        self._wait_for_the_rest()

    def _take_all(self) -> None:
        for lines in self.lines.blocks():
            if self._is_interrupted():
                # What was read last ends in the middle of a line: it counts as not read.
                return
            if not lines:
                self._hand_over_joined()
            for line in lines:
                self.taken += 1
                self._take(line)
            if not self._has_room():
                return
        # Interrupted between two lines, the reading ends as it does at the end of the input.
        self.has_read_all = not self._is_interrupted()

    def _take(self, line: str) -> None:
        created = None
        if self._timestamps is not None:
            created = self._timestamps.created(line)
            if created is None and self._joined and self._joined_chars + len(line) <= _LONGEST_JOINED:
                self._join(line)
                return
        self._hand_over_joined()
        if created is not None:
            self._created = created
        elif self._timestamps is not None and self._created is None and line:
            if not self.undated:
                wanted = f"a time of the format {self._timestamps.strptime_format!r}"
                self._say(
                    f"line {self.taken:,} does not begin with {wanted}: {line[:_SHOWN_CHARS]!r}; "
                    "until one does, the present time is taken"
                )
            self.undated += 1
        if not line:
            self.empty += 1
        elif self._joins:
            self._join(line)
        else:
            self._hand_over(line)

    def _join(self, line: str) -> None:
        self._joined.append(line)
        self._joined_chars += len(line) + 1

    def _hand_over_joined(self) -> None:
        if self._joined:
            self._hand_over("\n".join(self._joined).rstrip("\n"))
            self._joined, self._joined_chars = [], 0

    def _hand_over(self, text: str) -> None:
        record = logging.LogRecord("cwlog_handler.send", logging.INFO, "", 0, text, None, None)
        if self._created is not None:
            record.created = self._created
        self._handler.handle(record)

    def _has_room(self) -> bool:
        """Wait until the handler has room for another block; False if there is no use in waiting."""
        while not self._is_interrupted():
            stats = self.stats
            if stats.pending_bytes < BACKLOG_BYTES:
                # Whatever time has passed until the next wait, it is not the service's fault.
                self._settled = -1
                return True
            if self._is_stuck(stats):
                return False
            time.sleep(_ROOM_POLL)
        return False

    def _wait_for_the_rest(self) -> None:
        interrupted_until: float | None = None
        while not self._handler.flush(_FLUSH_SLICE):
            if self._is_interrupted():
                if interrupted_until is None:
                    interrupted_until = time.monotonic() + INTERRUPTED_PATIENCE
                    self._say(f"interrupted: {self.stats.pending:,} events to deliver; once more ends that at once")
                if time.monotonic() > interrupted_until:
                    return
            if self._is_stuck(self.stats):
                return

    def _is_stuck(self, stats: Stats) -> bool:
        settled, now = stats.emitted - stats.pending, time.monotonic()
        if settled != self._settled:
            self._settled, self._settled_at = settled, now
        self.gave_up = now - self._settled_at > self._patience
        return self.gave_up
