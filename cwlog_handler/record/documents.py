"""Messages that have to arrive whole, as those in the embedded metric format: half a document yields no metrics.

Owns: noticing one that is too long for an event, and having it said. Must not know: formatting, who cuts it, AWS calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..core import advice
from ..core.events import Oversize
from ..core.limits import EVENT_OVERHEAD_BYTES

# A code point is at most four bytes in UTF-8: shorter text need not be encoded to know that it fits.
_MAX_CODE_POINT_BYTES: Final = 4


class Documents:
    """Looks at the text of each message; any thread. ``say(cause, text)`` takes what the operator should know."""

    def __init__(
        self, log_group: str, max_event_bytes: int, oversize: Oversize, say: Callable[[str, str], None]
    ) -> None:
        self._log_group = log_group
        self._room = max_event_bytes - EVENT_OVERHEAD_BYTES
        self._oversize = oversize
        self._say = say

    def look_at(self, text: str) -> None:
        """Say so if the message is too long for one event."""
        if len(text) * _MAX_CODE_POINT_BYTES <= self._room:
            return
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._room:
            details = {"size": str(size), "room": str(self._room), "oversize": repr(self._oversize)}
            self._say("document", advice.LONG_DOCUMENT.sentence(self._log_group, "", **details))
