"""Warns of documents that do not fit into one event. In the embedded metric format, a cut document yields no metrics.

Owns: the check of a message's size, and the warning. Must not know: formatting, how a text is cut, AWS calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..core import advice
from ..core.events import Oversize
from ..core.limits import EVENT_OVERHEAD_BYTES

# A code point has at most four bytes in UTF-8. So a text of few enough characters fits, and need not be encoded.
_MAX_CODE_POINT_BYTES: Final = 4


class Documents:
    """Checks the text of each message; any thread may use it. ``say(cause, text)`` is called with each warning."""

    def __init__(
        self, log_group: str, max_event_bytes: int, oversize: Oversize, say: Callable[[str, str], None]
    ) -> None:
        self._log_group = log_group
        self._room = max_event_bytes - EVENT_OVERHEAD_BYTES
        self._oversize = oversize
        self._say = say

    def look_at(self, text: str) -> None:
        """Warn if the message is too long for one event."""
        if len(text) * _MAX_CODE_POINT_BYTES <= self._room:
            return
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._room:
            details = {"size": str(size), "room": str(self._room), "oversize": repr(self._oversize)}
            self._say("document", advice.LONG_DOCUMENT.sentence(self._log_group, "", **details))
