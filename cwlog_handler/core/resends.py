"""The batches that one stream has to send again, and the inquiry about refusals that name no event.

Owns: the order in which batches are sent again, whole or in pieces. Must not know: when they are sent (`retry`), what
is written to stderr, the ledger.
"""

from __future__ import annotations

from bisect import insort_left
from collections.abc import Sequence
from operator import attrgetter

from .batches import Batch, Rules
from .decisions import Send
from .inquiry import Inquiry, Verdict, rejoined
from .parcels import sole_parcel

_order = attrgetter("order")


class Resends:
    """The batches that wait to be sent again, in order of arrival. Not thread-safe."""

    __slots__ = ("_inquiry", "_rules", "_waiting")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._waiting: list[Send] = []
        # None until a refusal names no event, and again when all that had to be sent again has been sent.
        self._inquiry: Inquiry | None = None

    @property
    def waiting(self) -> Sequence[Send]:
        """What waits to be sent again, in order."""
        return self._waiting

    def put_back(self, send: Send, batch: Batch, doubts: int) -> None:
        """Have ``batch`` sent again: the batch of ``send``, or a piece of it."""
        insort_left(self._waiting, send._replace(batch=batch, doubts=doubts, rest=()), key=_order)

    def take(self) -> Send:
        """Take out what is sent next. Something must wait."""
        return self._waiting.pop(0) if self._inquiry is None else self._inquiry.pick(self._waiting)

    def take_whole(self) -> list[Send]:
        """Take out the batches that are on disk as they are, last one first; none during an inquiry."""
        if self._inquiry is not None:
            return []
        whole = [send for send in self._waiting if sole_parcel(send.batch) is not None]
        self._waiting = [send for send in self._waiting if send not in whole]
        return whole[::-1]

    def find(self, batch: Batch) -> Send | None:
        """Return the entry with this very batch, or None."""
        return next((send for send in self._waiting if send.batch is batch), None)

    def remove(self, send: Send) -> None:
        """Take out an entry that need not be sent again."""
        self._waiting.remove(send)

    def rejoin(self) -> None:
        """Join the pieces again, because the request was to blame for the refusals, and no event."""
        self._waiting = rejoined(self._waiting, self._rules)

    def accepted(self, send: Send) -> None:
        """Have the inquiry, if there is one, learn from a request that was accepted."""
        if self._inquiry is not None:
            self._inquiry.accepted(send)

    def end_inquiry(self) -> None:
        """Forget what earlier refusals were about, because all that had to be sent again has been sent."""
        self._inquiry = None

    def needs_witnesses(self, send: Send) -> bool:
        """True if more events should wait here, so that the inquiry can ask about one beside the refused event."""
        # Only a batch or two may wait here: what waits to be sent again is never dropped when the buffer is full.
        has_room = sum(waiting.batch.size_bytes for waiting in self._waiting) < self._rules.max_bytes
        return has_room and (self._inquiry or Inquiry()).needs_more(send, self._waiting)

    def judge(self, send: Send, words: str) -> Verdict:
        """Have the inquiry learn from a refusal that names no event; ``words``: see `Inquiry.refused`."""
        if self._inquiry is None:
            self._inquiry = Inquiry()
        return self._inquiry.refused(send, words, self._waiting)
