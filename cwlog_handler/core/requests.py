"""The requests of one stream: those under way, and how long answers took; and those that have to be made again.

Owns: which answers are awaited, which requests are presumed lost, how long an answer is waited for, the order in which
batches are sent again (whole or in pieces). Must not know: what an answer means, when the next request is made
(`retry`), what is written to stderr, the ledger, what a clock is. Instants are seconds of one monotonic clock, handed
in.
"""

from __future__ import annotations

from bisect import insort_left
from collections.abc import Callable, Sequence
from math import inf
from operator import attrgetter

from .batches import Batch, Rules
from .decisions import Send
from .inquiry import Inquiry, Verdict, rejoined
from .retry import Deadline, presumed_lost_at, time_for_an_answer

# A service that answers within this many seconds takes 10 requests a second one after another. That is twice the rate
# that is allowed by default, so requests need not overlap.
SLOW_ANSWER = 0.1

_start = attrgetter("start")
_order = attrgetter("order")


class UnderWay:
    """The requests under way. Not thread-safe."""

    __slots__ = ("_answer_took", "_lost", "_silence", "is_well", "sent")

    def __init__(self) -> None:
        self.sent: list[Send] = []
        """The requests whose answers are awaited."""
        # The requests presumed lost. Their batches are sent again, but they may still be answered.
        self._lost: Sequence[Send] = ()
        self.is_well = False
        """True if the last answer was good and no request has been presumed lost since."""
        # How many seconds the last good answer took, and for how many an answer was waited for in vain since then.
        self._answer_took = 0.0
        self._silence = 0.0

    @property
    def has_any(self) -> bool:
        """True if an answer is awaited, so that a further request would overlap another."""
        return bool(self.sent)

    @property
    def is_slow(self) -> bool:
        """True if answers take so long that it pays to make requests side by side."""
        return self._answer_took > SLOW_ANSWER

    def shares_time_with(self, batch: Batch) -> bool:
        """True if a batch has a timestamp in common with one that is under way."""
        return any(send.batch.shares_time_with(batch) for send in self.sent)

    def lost_at(self, deadline: Deadline) -> float:
        """Return the instant at which the first of the requests is presumed lost; ``inf`` for never."""
        return min([presumed_lost_at(send.start, self._answer_took, deadline) for send in self.sent], default=inf)

    def time_for_an_answer(self, now: float, deadline: Deadline, least: float) -> float:
        """Return how many seconds a request that starts now may take if no other can be made beside it."""
        return time_for_an_answer(now, self._answer_took, self._silence, deadline, least)

    def presume_lost(self) -> Send:
        """Stop waiting for the answer to the oldest request under way, and return that request."""
        send = min(self.sent, key=_start)
        self.sent.remove(send)
        self._lost = [*self._lost, send]
        self.is_well = False
        return send

    def end(self, send: Send) -> bool:
        """Note that a request has ended; return whether its answer was awaited."""
        if is_awaited := send in self.sent:
            self.sent.remove(send)
        return is_awaited

    def end_lost(self, send: Send) -> bool:
        """Note that a request has ended; return whether it was presumed lost.

        A request may be neither presumed lost nor awaited: of two requests with one batch, the answer to the first
        settles both.
        """
        if not self._lost:
            return False
        before = len(self._lost)
        self._lost = [lost for lost in self._lost if lost is not send]
        return len(self._lost) < before

    def is_presumed_lost(self, batch: Batch) -> bool:
        """True if a request with this very batch was presumed lost, and has not ended."""
        return any(send.batch is batch for send in self._lost)

    def find(self, batch: Batch) -> Send | None:
        """Return the awaited request with this very batch, or None."""
        return next((send for send in self.sent if send.batch is batch), None)

    def answered(self, send: Send, now: float) -> None:
        """Note a good answer."""
        self._answer_took = now - send.start
        self._silence = 0.0
        self.is_well = True

    def failed(self) -> None:
        """Note an answer that was not good."""
        self.is_well = False

    def waited_in_vain(self, seconds: float) -> None:
        """Note that an answer was waited for in vain for this many seconds."""
        self._silence = max(self._silence, seconds)


class Resends:
    """The batches that wait to be sent again, in order of arrival. Not thread-safe."""

    __slots__ = ("_inquiry", "_rules", "waiting")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.waiting: list[Send] = []
        """What waits to be sent again, in order. Only methods of this class change it."""
        # None until a refusal names no event, and again when all that had to be sent again has been sent.
        self._inquiry: Inquiry | None = None

    def put_back(self, send: Send, batch: Batch, doubts: int) -> None:
        """Have ``batch`` sent again: the batch of ``send``, or a piece of it."""
        insort_left(self.waiting, send._replace(batch=batch, doubts=doubts, rest=(), creates=False), key=_order)

    def take(self) -> Send:
        """Take out what is sent next. Something must wait."""
        return self.waiting.pop(0) if self._inquiry is None else self._inquiry.pick(self.waiting)

    def take_all(self, may_go: Callable[[Send], bool]) -> list[Send]:
        """Take out all for which ``may_go`` returns True, last one first; none during an inquiry."""
        if self._inquiry is not None:
            return []
        taken = [send for send in self.waiting if may_go(send)]
        self.waiting = [send for send in self.waiting if send not in taken]
        return taken[::-1]

    def find(self, batch: Batch) -> Send | None:
        """Return the entry with this very batch, or None."""
        return next((send for send in self.waiting if send.batch is batch), None)

    def remove(self, send: Send) -> None:
        """Take out an entry that need not be sent again."""
        self.waiting.remove(send)

    def rejoin(self) -> None:
        """Join the pieces again, because the request was to blame for the refusals, and no event."""
        self.waiting = rejoined(self.waiting, self._rules)

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
        has_room = sum(waiting.batch.size_bytes for waiting in self.waiting) < self._rules.max_bytes
        return has_room and (self._inquiry or Inquiry()).needs_more(send, self.waiting)

    def judge(self, send: Send, words: str) -> Verdict:
        """Have the inquiry learn from a refusal that names no event; ``words``: see `Inquiry.refused`."""
        if self._inquiry is None:
            self._inquiry = Inquiry()
        return self._inquiry.refused(send, words, self.waiting)
