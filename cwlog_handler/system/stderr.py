"""Lines on stderr for the operator: for each cause at most one line a minute.

Owns: the form of a line, and how often a cause may be repeated. Must not know: AWS, threads, what a cause means.
``warnings`` is not used: it shows a text only once, and ``captureWarnings`` turns it into a log record, which would
come back to the handler. ``logging`` is not used for the same reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

REPEAT_AFTER: Final = 60.0


class Notices:
    """Writes lines to stderr, for each cause at most one a minute. Any thread may use it; it never raises."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._said: dict[str, float] = {}

    def say(self, cause: str, text: str) -> None:
        """Write one line, unless a line for the same cause was written within the last 60 seconds."""
        now = self._monotonic()
        if now - self._said.get(cause, -REPEAT_AFTER) < REPEAT_AFTER:
            return
        self._said[cause] = now
        # sys.stderr may be None, closed, or an object of the program that raises. There is no other place to report it.
        with suppress(Exception):
            if sys.stderr is not None:
                print(f"cwlog_handler: {' '.join(text.split())}", file=sys.stderr, flush=True)  # noqa: T201
