"""Lines on stderr for the operator: for each cause at most one line a minute.

Owns: the form of a line, and how often a cause may be repeated. Must not know: AWS, threads, what a cause means.
``warnings`` is not used: it shows a text only once, and ``captureWarnings`` turns it into a log record, which would
come back to the handler. ``logging`` is not used for the same reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

REPEAT_AFTER: Final = 60.0
# Where each record names its log group, thousands of groups may be refused at the same time.
MOST_ABOUT: Final = 5
# With more entries than this, those that are over are removed.
_MOST_KEPT: Final = 100
# No log group has this name.
_OTHERS: Final = "*"


class Say(Protocol):
    """`Notices.say`, for code that is to know no more of it."""

    def __call__(self, cause: str, text: str, about: str = "", /) -> None:
        """See `Notices.say`."""


class Notices:
    """Writes lines to stderr, for each cause at most one a minute. Any thread may use it; it never raises."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        # When a line was last written, for each cause and what the line was about.
        self._said: dict[tuple[str, str], float] = {}

    def say(self, cause: str, text: str, about: str = "", /) -> None:
        """Write one line, unless a line for the same cause was written within the last 60 seconds.

        ``about`` is what the cause is limited to, such as the name of a log group: the same cause elsewhere has a line
        of its own. At most `MOST_ABOUT` of these are named in 60 seconds; one more line says that there are others.
        """
        now = self._monotonic()
        if self._is_recent(now, cause, about):
            return
        if about and self._count_recent(now, cause) >= MOST_ABOUT:
            about = _OTHERS
            if self._is_recent(now, cause, about):
                return
            text = f"{text} The same happens elsewhere: this is the last one named for {REPEAT_AFTER:g} s."
        if len(self._said) >= _MOST_KEPT:
            self._said = {key: at for key, at in list(self._said.items()) if now - at < REPEAT_AFTER}
        self._said[cause, about] = now
        # sys.stderr may be None, closed, or an object of the program that raises. There is no other place to report it.
        with suppress(Exception):
            if sys.stderr is not None:
                # In one piece: print() would write the end of the line apart, and where stderr has no buffer, as with
                # PYTHONUNBUFFERED, lines of other threads and processes would get in between.
                sys.stderr.write(f"cwlog_handler: {' '.join(text.split())}\n")
                sys.stderr.flush()

    def _is_recent(self, now: float, cause: str, about: str) -> bool:
        return now - self._said.get((cause, about), -REPEAT_AFTER) < REPEAT_AFTER

    def _count_recent(self, now: float, cause: str) -> int:
        return sum(of == cause and now - at < REPEAT_AFTER for (of, _), at in list(self._said.items()))
