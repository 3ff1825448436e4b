"""The requests of one stream that are under way, and what is known of how long answers take.

Owns: which requests are awaited, which are presumed lost, for how long an answer is waited for. Must not know: what an
answer means, when the next request goes, what a clock is. Instants are seconds of one monotonic clock, handed in.
"""

from __future__ import annotations

from math import inf
from operator import attrgetter

from .batches import Batch
from .decisions import Send
from .retry import Deadline, presumed_lost_at, time_for_an_answer

# Whoever answers sooner than that takes ten requests a second one by one, twice what is allowed by default.
SLOW_ANSWER = 0.1

_start = attrgetter("start")


class UnderWay:
    """The requests under way. Not thread-safe."""

    __slots__ = ("_answer_took", "_lost", "_silence", "is_well", "sent")

    def __init__(self) -> None:
        self.sent: list[Send] = []
        """Those whose answers are awaited."""
        # Those presumed lost: others have been made instead, and they still may be answered.
        self._lost: list[Send] = []
        self.is_well = False
        """The last answer was good, and none was waited for in vain since."""
        # How many seconds the last good answer took, and how many one was waited for in vain since then.
        self._answer_took = 0.0
        self._silence = 0.0

    @property
    def has_any(self) -> bool:
        """True if an answer is awaited: a further request would overlap another."""
        return bool(self.sent)

    @property
    def is_slow(self) -> bool:
        """True if answers take so long that it pays to make requests side by side."""
        return self._answer_took > SLOW_ANSWER

    def shares_time_with(self, batch: Batch) -> bool:
        """True if a batch has a millisecond in common with one that is under way."""
        return any(send.batch.shares_time_with(batch) for send in self.sent)

    def lost_at(self, deadline: Deadline) -> float:
        """Return when the first of the requests is to be presumed lost; ``inf`` for never."""
        return min([presumed_lost_at(send.start, self._answer_took, deadline) for send in self.sent], default=inf)

    def time_for_an_answer(self, now: float, deadline: Deadline, least: float) -> float:
        """Return how many seconds a request may take that starts now, if no other can be made beside it."""
        return time_for_an_answer(now, self._answer_took, self._silence, deadline, least)

    def presume_lost(self) -> Send:
        """Wait no longer for the answer to the request that is under way for longest, and return it."""
        send = min(self.sent, key=_start)
        self.sent.remove(send)
        self._lost.append(send)
        self.is_well = False
        return send

    def end(self, send: Send) -> bool:
        """Note that a request has ended; return whether its answer was awaited."""
        if is_awaited := send in self.sent:
            self.sent.remove(send)
        return is_awaited

    def end_lost(self, send: Send) -> bool:
        """Note that a request has ended; return whether it was presumed lost.

        It may be neither that nor awaited: of two requests with one batch, the answer to the first settles both.
        """
        before = len(self._lost)
        self._lost = [lost for lost in self._lost if lost is not send]
        return len(self._lost) < before

    def find(self, batch: Batch) -> Send | None:
        """Return the request with this very batch whose answer is awaited, if there is one."""
        return next((send for send in self.sent if send.batch is batch), None)

    def answered(self, send: Send, now: float) -> None:
        """Take note of a good answer."""
        self._answer_took = now - send.start
        self._silence = 0.0
        self.is_well = True

    def failed(self) -> None:
        """Take note of an answer that was not good."""
        self.is_well = False

    def waited_in_vain(self, seconds: float) -> None:
        """Take note that no answer has come in so many seconds."""
        self._silence = max(self._silence, seconds)
