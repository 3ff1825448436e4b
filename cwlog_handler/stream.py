"""One stream's decisions: send, wait, create, give up.

Owns: which batch goes next, when, with which sequence token, and what an outcome means for it. Must not know: threads,
what a clock is, botocore, stderr. One request of a stream is on its way at a time, so its batches are settled in the
order in which their events arrived. Not thread-safe: the books of `rounds` are held by whoever calls it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from . import outcomes
from .backlog import Backlog
from .batches import Batch, Rules
from .columns import Events
from .ledger import Ledger
from .losses import Loss
from .pacing import SLOW_LANE_MOST, Backoff, SendInterval, TokenBucket

# A fresh stream may be unknown for a moment after it was made, and a token may be stale twice where two writers race.
# Up to here another try follows at once; beyond, it backs off like any failure.
QUICK_RETRIES = 2


@dataclass(frozen=True, eq=False)
class Send:
    """Send this batch now, with this sequence token; ``taken`` is when its bucket token was taken."""

    batch: Batch
    token: str | None
    taken: float


@dataclass(frozen=True)
class Wait:
    """Nothing to do before this instant."""

    until: float


class Stream:
    """The decisions for one log stream; a pure state machine over `add`, `decide` and `settle`."""

    __slots__ = (
        "_again", "_backlog", "_backoff", "_due", "_flows", "_interval", "_ledger", "_loss", "_maybe_stored",
        "_not_before", "_quick_retries", "_rules", "_sent", "_slow_lane", "_token",
        "asked_at", "bucket", "failures", "last_used", "name",
    )  # fmt: skip

    def __init__(
        self, name: str, rules: Rules, ledger: Ledger, interval: SendInterval, random: Callable[[], float]
    ) -> None:
        self.name = name
        self.bucket: TokenBucket | None = None
        self.last_used = 0.0
        self.asked_at = inf
        self.failures = 0
        self._rules = rules
        self._ledger = ledger
        self._interval = interval
        self._backlog = Backlog(rules)
        self._again: deque[Batch] = deque()
        self._sent: Send | None = None
        self._token: str | None = None
        self._due: float | None = None
        self._not_before = 0.0
        self._backoff = Backoff(random)
        self._slow_lane = Backoff(random, SLOW_LANE_MOST)
        self._quick_retries = 0
        self._maybe_stored = False
        self._loss: Loss | None = None
        self._flows = False

    def add(self, events: Events, level: float, now: float) -> None:
        """Take events over; they are sent when their batch is full, or the send interval is over."""
        self._enter(events, now)
        self._backlog.append(events, level)

    def insert(self, event: Events, level: float, now: float) -> None:
        """Take one event over that goes before those with a higher number."""
        self._enter(event, now)
        self._backlog.insert(event, level)

    def _enter(self, events: Events, now: float) -> None:
        if self._backlog.is_empty:
            self._due = now + self._interval.seconds
        self._ledger.enter(len(events), events.size_bytes)
        self.last_used = now

    def hasten(self, now: float) -> None:
        """Send what is here as soon as pacing and back-off allow, without waiting for company."""
        if not self._backlog.is_empty:
            self._due = now

    def drop(self, level: float, newest: bool) -> None:
        """Drop the event of a level that has waited longest, or came last, for want of room, and take note of it."""
        event = self._backlog.drop(level, newest)
        self._ledger.drop(1, event.size_bytes, "overflow")
        if self._loss is not None:
            self._loss.add(event)
        else:
            self._loss = Loss.of(event)
            self._flows = False

    def loss_to_tell(self) -> Loss | None:
        """Return what an overflow cost, once, when something has been accepted since or nothing else is here."""
        if self._loss is None or not (self._flows or self.is_idle):
            return None
        loss, self._loss = self._loss, None
        return loss

    @property
    def is_idle(self) -> bool:
        """True if nothing waits and nothing is on its way."""
        return self._sent is None and not self._again and self._backlog.is_empty

    @property
    def is_forgettable(self) -> bool:
        """True if nothing would be lost with it but its sequence token, which the service tells again."""
        return self.is_idle and self._loss is None

    @property
    def lowest_level(self) -> float | None:
        """The least severe level of which an event could be dropped here; None if none could."""
        return self._backlog.lowest_level

    def count_of(self, level: float) -> int:
        """How many events of a level could be dropped here."""
        return self._backlog.count_of(level)

    def is_settled_up_to(self, number: int) -> bool:
        """True if no event with this number or a lower one waits or is on its way, nor what tells of its loss."""
        if self._loss is not None and self._loss.last_number <= number:
            return False
        batches = [*self._again, self._sent.batch] if self._sent is not None else self._again
        if any(batch.first_number <= number for batch in batches):
            return False
        first = self._backlog.first_number
        return first is None or first > number

    def decide(self, now: float, now_ms: int) -> Send | Wait | None:
        """Say what to do at this instant; None means nothing until an event is added or a request settled."""
        if self._sent is not None or self.is_idle:
            return None
        ready = self._again or self._backlog.has_full_batch
        not_before = self._not_before if ready else max(self._not_before, self._due or 0.0)
        if now < not_before:
            return Wait(not_before)
        # The token comes first: while it is waited for, more events may join the batch.
        wait_until = self.bucket.take(now) if self.bucket is not None else None
        if wait_until is not None:
            return Wait(wait_until)
        batch = self._next_batch(now, now_ms)
        if batch is None:
            if self.bucket is not None:
                self.bucket.cancel()
            return None
        self._sent = Send(batch, self._token, now)
        return self._sent

    def _next_batch(self, now: float, now_ms: int) -> Batch | None:
        """Take out the batch to send, without what is outside the age window by now; None if that leaves nothing."""
        while batch := self._again.popleft() if self._again else self._backlog.take():
            aged = batch.within(now_ms, self._rules)
            for outside, reason in ((aged.too_old, "too_old"), (aged.too_new, "too_new")):
                if outside is not None:
                    self._ledger.drop(len(outside), outside.size_bytes, reason)
            if aged.batch is not None:
                break
        self._due = None if self._backlog.is_empty else (self._due or now + self._interval.seconds)
        return aged.batch if batch else None

    def settle(self, outcome: outcomes.Outcome, now: float) -> None:
        """Draw the consequences of what became of the batch that was sent."""
        assert self._sent is not None
        batch, self._sent = self._sent.batch, None
        self.last_used = now
        self._ledger.requests += 1
        match outcome:
            case outcomes.Accepted():
                self._accepted(batch, outcome)
            case outcomes.AlreadyAccepted(token):
                self._token = token
                self._ledger.deliver(len(batch), batch.size_bytes)
                self._flows = True
                self._worked()
            case outcomes.Invalid(message):
                self._invalid(batch, message)
            case _:
                self._ledger.retries += 1
                self._again.appendleft(batch)
                self._failed(outcome, now)

    def _accepted(self, batch: Batch, answer: outcomes.Accepted) -> None:
        self._token = answer.token
        too_old, expired = answer.too_old, answer.too_old + answer.expired
        end = len(batch) - answer.too_new
        lost = ((0, too_old, "too_old"), (too_old, expired, "expired"), (end, len(batch), "too_new"))
        for first, last, reason in lost:
            self._ledger.reject(last - first, batch.size_of(first, last), reason)
        self._ledger.deliver(end - expired, batch.size_of(expired, end))
        if self._maybe_stored:
            self._ledger.possibly_duplicated += end - expired
        self._flows = True
        self._interval.accepted()
        self._worked()

    def _worked(self) -> None:
        self.failures = 0
        self._backoff.worked()
        self._slow_lane.worked()
        self._quick_retries = 0
        self._maybe_stored = False

    def _invalid(self, batch: Batch, message: str) -> None:
        """Bisect: the good events go out, each once, and the bad one ends up alone."""
        self._ledger.last_error = message
        if len(batch) == 1:
            self._ledger.reject(1, batch.size_bytes, "invalid")
        else:
            self._ledger.retries += 1
            self._again.extendleft(reversed(batch.halves()))
        self._maybe_stored = False

    def _failed(self, outcome: outcomes.Outcome, now: float) -> None:
        delay = 0.0
        self.failures += 1
        match outcome:
            case outcomes.StaleToken(expected):
                self._token = expected
                delay = self._quickly()
            case outcomes.Created():
                self._token = None
                delay = self._quickly()
            case outcomes.Throttled(code):
                self._ledger.throttled += 1
                self._ledger.last_error = code
                self._interval.throttled()
                delay = self._backoff.failed()
            case outcomes.Unavailable(cause, ambiguous):
                self._ledger.last_error = cause
                self._maybe_stored |= ambiguous
                delay = self._backoff.failed()
            case outcomes.Refused(_, advice):
                self._ledger.last_error = advice
                delay = self._slow_lane.failed()
        self._not_before = now + delay

    def _quickly(self) -> float:
        self._quick_retries += 1
        return 0.0 if self._quick_retries <= QUICK_RETRIES else self._backoff.failed()
