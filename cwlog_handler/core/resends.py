"""What one stream has to send again, and the inquiry about refusals that name no event.

Owns: the order in which batches go again, in whole or in pieces. Must not know: when they go (`retry`), what is told to
anybody, the ledger.
"""

from __future__ import annotations

from bisect import insort_left
from collections.abc import Sequence
from operator import attrgetter

from .batches import Batch, Rules
from .decisions import Send
from .inquiry import Inquiry, Verdict, rejoined

_order = attrgetter("order")


class Resends:
    """Batches that wait to go again, in order of arrival. Not thread-safe."""

    __slots__ = ("_inquiry", "_rules", "_waiting")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._waiting: list[Send] = []
        # None: no refusal since all that had to go again has gone was without the name of an event.
        self._inquiry: Inquiry | None = None

    @property
    def waiting(self) -> Sequence[Send]:
        """What waits, in its order."""
        return self._waiting

    def put_back(self, send: Send, batch: Batch, doubts: int) -> None:
        """Have a batch go again: the one that was sent, or a piece of it."""
        insort_left(self._waiting, send._replace(batch=batch, doubts=doubts, rest=()), key=_order)

    def take(self) -> Send:
        """Take out what goes next; there must be something."""
        return self._waiting.pop(0) if self._inquiry is None else self._inquiry.pick(self._waiting)

    def find(self, batch: Batch) -> Send | None:
        """Return what waits with this very batch, if anything does."""
        return next((send for send in self._waiting if send.batch is batch), None)

    def remove(self, send: Send) -> None:
        """Take out what need not go again."""
        self._waiting.remove(send)

    def rejoin(self) -> None:
        """Put the pieces together again: the request was to blame for the refusals, and no event."""
        self._waiting = rejoined(self._waiting, self._rules)

    def accepted(self, send: Send) -> None:
        """Have the inquiry learn from a request that was taken."""
        if self._inquiry is not None:
            self._inquiry.accepted(send)

    def end_inquiry(self) -> None:
        """Forget what earlier refusals were about: all that had to go again has gone."""
        self._inquiry = None

    def needs_witnesses(self, send: Send) -> bool:
        """True if more events should wait here, so that a refusal can be told apart from one of the whole request."""
        # No more than a batch or two: what waits to go again is not dropped for want of room.
        has_room = sum(waiting.batch.size_bytes for waiting in self._waiting) < self._rules.max_bytes
        return has_room and (self._inquiry or Inquiry()).needs_more(send, self._waiting)

    def judge(self, send: Send, words: str) -> Verdict:
        """Draw the consequences of a refusal that names no event; ``words``: see `Inquiry.refused`."""
        if self._inquiry is None:
            self._inquiry = Inquiry()
        return self._inquiry.refused(send, words, self._waiting)
