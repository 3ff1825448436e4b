"""What we tell the operator on stderr: one line a cause, once a minute.

Must not know: AWS, threads. Not ``warnings``: it shows a text once for ever, and ``captureWarnings`` turns it into a
record that would come back in. Not ``logging``, for the same reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

REPEAT_AFTER: Final = 60.0


class Notices:
    """Says things on stderr, each cause at most once a minute. Any thread may call it; it never raises."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._said: dict[str, float] = {}

    def say(self, cause: str, text: str) -> None:
        """Write one line, unless this cause was written about within the last minute."""
        now = self._monotonic()
        if now - self._said.get(cause, -REPEAT_AFTER) < REPEAT_AFTER:
            return
        self._said[cause] = now
        # stderr may be None, closed, or an object of the program's own; there is nowhere else to complain.
        with suppress(Exception):
            if sys.stderr is not None:
                print(f"cwlog_handler: {' '.join(text.split())}", file=sys.stderr, flush=True)  # noqa: T201
