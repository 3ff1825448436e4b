"""One stream's decisions: send, wait, create, give up.

Owns: which batch goes next, when, with which sequence token, and what an outcome means for it. Must not know: threads,
what a clock is, botocore, stderr. Not thread-safe: the lock of `rounds` is held by whoever calls it.

One request of a stream is on its way at a time, so its batches are settled in the order in which their events arrived.
Only where answers take long and full batches wait do further ones go out meanwhile, as long as all goes well and
nobody insists on sequence tokens (`pacing.Overlap`). No millisecond is in two of them: the service shows events by
timestamp, so whichever of them it stores first, they are read in their order. What a full batch leaves of its last
millisecond stands aside until that batch is settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from . import outcomes
from .backlog import Backlog
from .batches import AgeLimit, Rules
from .columns import Events
from .decisions import Send, Wait
from .inquiry import Verdict
from .ledger import Ledger
from .losses import Loss
from .pacing import Bucket, Overlap, SendInterval
from .resends import Resends
from .retry import NO_DEADLINE, Deadline, Retry
from .under_way import UnderWay

# A full batch is taken this many seconds before its token is free: to make a request of it takes some milliseconds,
# which would each time be missing from the second.
PREPARED_AHEAD: Final = 0.05


class Settled(NamedTuple):
    """What `Stream.settle` did."""

    to_tell: outcomes.Outcome | None
    """What it comes to: the outcome, unless a request is invalid. None: nothing that anybody need be told, or who is to
    blame is not known yet."""
    was_presumed_lost: bool
    failures: int
    """How many requests in a row have failed by now."""


class Stream:
    """The decisions for one log stream; a pure state machine over `add`, `decide` and `settle`."""

    __slots__ = (
        "_age_limit", "_backlog", "_due", "_flows", "_interval", "_ledger", "_loss", "_overlap", "_resends", "_retry",
        "_rules", "_token", "bucket", "last_used", "name", "under_way",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        rules: Rules,
        age_limit: AgeLimit,
        ledger: Ledger,
        bucket: Bucket,
        interval: SendInterval,
        overlap: Overlap,
        random: Callable[[], float],
    ) -> None:
        self.name = name
        self.bucket = bucket
        """Each `Send` has taken a token from it, which whoever makes the request gives back."""
        self.under_way = UnderWay()
        self.last_used = 0.0
        self._rules = rules
        self._age_limit = age_limit
        self._ledger = ledger
        self._interval = interval
        self._overlap = overlap
        self._backlog = Backlog(rules)
        self._resends = Resends(rules)
        self._retry = Retry(random)
        self._token: str | None = None
        # When what waits has waited long enough.
        self._due = 0.0
        self._loss: Loss | None = None
        # Something was accepted since the first event of the loss was lost.
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
        if not self._has_waiting:
            self._due = now + self._interval.seconds
        self._ledger.enter(len(events), events.size_bytes)
        self.last_used = now

    def hasten(self, now: float) -> None:
        """Send what is here as soon as pacing and back-off allow, without waiting for company."""
        if self._has_waiting:
            self._due = now

    @property
    def _has_waiting(self) -> bool:
        """True if an event waits for its first request, among the others or aside."""
        return not self._backlog.is_empty or any(send.rest for send in self.under_way.sent)

    def drop(self, level: float, newest: bool) -> None:
        """Drop the event of a level that has waited longest, or came last, for want of room, and take note of it."""
        event = self._backlog.drop(level, newest)
        self._ledger.drop(1, event.size_bytes, "overflow")
        if self._loss is not None:
            self._loss.add(event)
        else:
            self._loss = Loss(event)
            self._flows = False

    def take_loss(self) -> Loss | None:
        """Take out what an overflow cost, when something has been accepted since or nothing else is here."""
        if self._loss is None or not (self._flows or self.is_idle):
            return None
        loss, self._loss = self._loss, None
        return loss

    @property
    def is_idle(self) -> bool:
        """True if nothing waits and nothing is on its way."""
        return not self.under_way.sent and not self._resends.waiting and self._backlog.is_empty

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
        if any(send.first_number <= number for send in (*self._resends.waiting, *self.under_way.sent)):
            return False
        first = self._backlog.first_number
        return first is None or first > number

    def decide(self, now: float, *now_ms: int, deadline: Deadline = NO_DEADLINE) -> Send | Wait | None:
        """Say what to do at this instant; None means nothing until an event is added or a request settled.

        ``now_ms`` is the time of day by each clock that may be right: an event is too old, or too new, by all of them.
        ``deadline`` is until when somebody waits for what is here; the tries are spread over the time until then.
        """
        if self.is_idle:
            return None
        if self.under_way.has_any:
            if not self._may_overlap:
                return None
            # Closed now, it may have to wait for its turn all the same: until none of the others shares its time.
            batch = self._backlog.close_batch()
            if self.under_way.shares_time_with(batch):
                return None
        ready = self._resends.waiting or self._backlog.has_full_batch
        not_before = self._retry.at(deadline)
        if not ready:
            not_before = max(not_before, self._due)
        if now < not_before:
            return Wait(not_before)
        # The token comes first: while it is waited for, more events may join the batch, unless it is full.
        turn = self.bucket.take(now, PREPARED_AHEAD if ready else 0.0)
        if not turn.is_taken:
            return Wait(turn.at)
        send = self._next(turn.at, *now_ms)
        if send is None:
            self.bucket.cancel()
            return None
        self.under_way.sent.append(send)
        return send

    @property
    def _may_overlap(self) -> bool:
        """True if a full batch may go out beside those under way, should it share no millisecond with them."""
        under_way = self.under_way
        has_batch = not self._resends.waiting and self._backlog.has_full_batch
        if not (has_batch and under_way.is_well and under_way.is_slow and len(under_way.sent) < self._overlap.most):
            return False
        # Closed now, it would go before what stands aside, which may have come earlier.
        return not any(send.rest and self._backlog.would_close_at(send.batch.last_ms) for send in under_way.sent)

    def presume_lost(self, now: float) -> None:
        """Count no longer on an answer to the request that is under way for longest; its batch goes again, at once.

        Should the answer come all the same, `settle` still heeds it.
        """
        send = self.under_way.presume_lost()
        self._backlog.put_back(send.rest)
        self._ledger.retries += 1
        self._ledger.last_error = f"no answer to a request for {now - send.start:.1f} s"
        self._resends.put_back(send, send.batch, send.doubts + 1)

    def _next(self, start: float, *now_ms: int) -> Send | None:
        """Take out the batch to send, without what is outside the age window by now; None if that leaves nothing."""
        while self._resends.waiting or not self._backlog.is_empty:
            send = self._take(start)
            aged = send.batch.within_any(now_ms, self._age_limit.max_age_ms(start))
            if aged.too_old is not None:
                self._ledger.drop(len(aged.too_old), aged.too_old.size_bytes, "too_old")
            if aged.too_new is not None:
                self._ledger.drop(len(aged.too_new), aged.too_new.size_bytes, "too_new")
            if aged.batch is None:
                self._backlog.put_back(send.rest)
            # Of those that are on their way, only the first that waits was known to share no millisecond with them.
            if aged.batch is not None or self.under_way.has_any:
                break
        return send._replace(batch=aged.batch) if aged.batch is not None else None

    def _take(self, start: float) -> Send:
        if self._resends.waiting:
            return self._resends.take()._replace(token=self._token, start=start)
        self._resends.end_inquiry()
        batch = self._backlog.take()
        # Another one may be to overlap it.
        stands_aside = self.under_way.is_slow and self._overlap.most > 1
        rest = self._backlog.take_rest(batch.last_ms) if stands_aside else ()
        return Send(batch, self._token, start, batch.first_number, rest=rest)

    def settle(self, send: Send, outcome: outcomes.Outcome, now: float) -> Settled:
        """Draw the consequences of what became of a batch that was sent, and return what that was."""
        self._ledger.requests += 1
        self.last_used = now
        was_presumed_lost = self.under_way.end_lost(send)
        to_tell = None
        if self.under_way.end(send):
            self._backlog.put_back(send.rest)
            to_tell = self._heed(send, outcome, now)
        elif isinstance(outcome, outcomes.Accepted):
            self._accepted_late(send, outcome, now)
        return Settled(to_tell, was_presumed_lost, self._retry.failures)

    def _heed(self, send: Send, outcome: outcomes.Outcome, now: float) -> outcomes.Outcome | None:
        """Draw the consequences of an answer that was awaited; return what is to be told."""
        match outcome:
            case outcomes.Accepted():
                self._accepted(send, outcome, now)
            case outcomes.AlreadyAccepted(token):
                self._token = token
                self._ledger.deliver(len(send.batch), send.batch.size_bytes)
                self._worked(send, now)
            case outcomes.Invalid():
                return self._invalid(send, outcome, now)
            case _:
                is_in_doubt = isinstance(outcome, outcomes.Unavailable) and outcome.ambiguous
                self._ledger.retries += 1
                self._resends.put_back(send, send.batch, send.doubts + is_in_doubt)
                self._failed(outcome, send.start, now)
        return outcome

    def _accepted_late(self, send: Send, answer: outcomes.Accepted, now: float) -> None:
        """Heed the good answer to a request that was presumed lost: its batch need not go again.

        Of a batch that was settled meanwhile, or cut in two, nothing is left to be settled.
        """
        # This try is in doubt no more; another one that is under way is, for nobody will look at its answer.
        if (other := self._resends.find(send.batch)) is not None:
            self._resends.remove(other)
            doubts = other.doubts - 1
        elif (other := self.under_way.find(send.batch)) is not None:
            self.under_way.end(other)
            doubts = other.doubts
        else:
            return
        self._backlog.put_back(other.rest)
        self._accepted(send._replace(doubts=doubts), answer, now)

    def _accepted(self, send: Send, answer: outcomes.Accepted, now: float) -> None:
        batch = send.batch
        self._token = answer.token
        too_old, expired = answer.too_old, answer.too_old + answer.expired
        end = len(batch) - answer.too_new
        self._ledger.reject(too_old, batch.size_of(0, too_old), "too_old")
        self._ledger.reject(answer.expired, batch.size_of(too_old, expired), "expired")
        self._ledger.reject(answer.too_new, batch.size_of(end, len(batch)), "too_new")
        self._ledger.deliver(end - expired, batch.size_of(expired, end))
        if send.doubts:
            self._ledger.possibly_duplicated += end - expired
        self._interval.accepted()
        self._worked(send, now)

    def _worked(self, send: Send, now: float) -> None:
        self.under_way.answered(send, now)
        self._flows = True
        self._retry.worked()
        self._resends.accepted(send)

    def _invalid(self, send: Send, refused: outcomes.Invalid, now: float) -> outcomes.Outcome | None:
        """Bisect, if an event is to blame: the good ones go out, each once, and the bad one ends up alone.

        If it is the request, all is kept, as with any refusal that somebody has to put right.
        """
        self._ledger.last_error = refused.message
        self.under_way.failed()
        verdict = self._judge(send, refused)
        if verdict == "event":
            self._ledger.reject(1, send.batch.size_bytes, "invalid")
            return refused
        self._ledger.retries += 1
        for batch in send.batch.halves() if verdict == "halve" else (send.batch,):
            self._resends.put_back(send, batch, send.doubts if refused.refusal is not None else 0)
        if verdict == "request" and refused.refusal is not None:
            self._resends.rejoin()
            self._failed(refused.refusal, send.start, now)
            return refused.refusal
        return None

    def _judge(self, send: Send, refused: outcomes.Invalid) -> Verdict:
        """Find out what a refusal is about, as far as is known; more events may come to wait to be asked about."""
        if refused.refusal is None:
            return "event" if len(send.batch) == 1 else "halve"
        if not self._backlog.is_empty and self._resends.needs_witnesses(send):
            batch = self._backlog.take()
            self._resends.put_back(Send(batch, None, 0.0, batch.first_number), batch, doubts=0)
        return self._resends.judge(send, refused.words)

    def _failed(self, outcome: outcomes.Outcome, tried_at: float, now: float) -> None:
        self.under_way.failed()
        match outcome:
            case outcomes.StaleToken(expected):
                self._overlap.tokens_matter()
                self._token = expected
                self._retry.failed_quickly(tried_at, now)
            case outcomes.Created(retention_days):
                self._token = None
                self._age_limit.made(retention_days, now)
                self._retry.failed_quickly(tried_at, now)
            case outcomes.Throttled(code):
                self._ledger.throttled += 1
                self._ledger.last_error = code
                self._interval.throttled()
                self._retry.failed(tried_at, now)
            case outcomes.Unavailable(cause, ambiguous):
                self._ledger.last_error = cause
                if ambiguous:
                    self.under_way.waited_in_vain(now - tried_at)
                self._retry.failed(tried_at, now)
            case outcomes.Refused(_, advice):
                self._ledger.last_error = advice
                self._retry.refused(tried_at, now)
