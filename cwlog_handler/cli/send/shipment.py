"""Hands lines to the handler, no faster than it delivers, until all are settled or waiting has become pointless.

Owns: making records of lines; when to wait, and when to give up. Must not know: arguments, signals, the display.
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

# In bytes: `Shipment` waits while the handler has more than this in its buffer. It is enough for seconds of sending.
# Even with one more block of lines the buffer stays half empty. So the handler itself never makes us wait: a signal
# would not be noticed there.
BACKLOG_BYTES: Final = DEFAULT_BUFFER_BYTES // 4
_ROOM_POLL: Final = 0.02
_FLUSH_SLICE: Final = 0.2
# Seconds to deliver the rest after the first signal: enough for the requests under way, and for the backlog at five
# requests a second.
INTERRUPTED_PATIENCE: Final = 10.0
# Characters shown of a line without a timestamp: enough to see its format.
_SHOWN_CHARS: Final = 60
# Joined lines have at most this many characters, as many as one event has bytes: it is better to cut between two lines
# than inside one. Text that is not ASCII has more bytes, and the handler may cut it again.
_LONGEST_JOINED: Final = MAX_EVENT_BYTES - EVENT_OVERHEAD_BYTES


class Shipment:
    """One input on its way to the service. `ship` is for one thread; any thread may read the counts meanwhile.

    ``is_interrupted()`` is true after the user has asked for an end. ``say(text)`` shows the user a message at once.
    ``patience`` is how many seconds may pass without any event being settled. With ``joins``, a line without a
    timestamp is added to the line before.
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
        """How many lines were read so far, empty ones included."""
        self.empty = 0
        """How many empty lines were left out: the service accepts no empty event."""
        self.undated = 0
        """How many lines came before the first one with a timestamp: they have the present time."""
        self.has_read_all = False
        self.reading_problem = ""
        """Why reading failed before the end of the input; empty if it did not."""
        self.gave_up = False
        self._settled, self._settled_at = -1, time.monotonic()

    @property
    def has_times(self) -> bool:
        """False if timestamps were asked for and no line had one."""
        return self._created is not None or not self.undated

    @property
    def progress(self) -> int:
        """How many bytes of the input were read so far."""
        return self.lines.read_bytes

    @property
    def told(self) -> str:
        """How many lines were read so far, in words."""
        return f"{self.taken:,} lines read"

    @property
    def stats(self) -> Stats:
        """The handler's counts of the events made of the lines so far."""
        return self._handler.stats

    def ship(self) -> None:
        """Send all lines, and wait until the last one is settled or there is no use in waiting."""
        try:
            self._take_all()
        except OSError as error:
            self.reading_problem = f"standard input cannot be read: {error}"
        self._hand_over_joined()
        self._wait_for_the_rest()

    def _take_all(self) -> None:
        for lines in self.lines.blocks():
            if self._is_interrupted():
                # The last block may end in the middle of a line, so it counts as not read.
                return
            if not lines:
                self._hand_over_joined()
            for line in lines:
                self.taken += 1
                self._take(line)
            if not self._has_room():
                return
        # After an interruption the loop ends in the same way as at the end of the input.
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
        """Wait until the handler has room for another block; False after an interruption or after giving up."""
        while not self._is_interrupted():
            stats = self.stats
            if stats.pending_bytes < BACKLOG_BYTES:
                # Patience starts anew with the next wait: time spent reading input is not the service's fault.
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
