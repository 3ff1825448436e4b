"""The requests of one stream, and what each answer of the service means for the stream.

Owns: the retries, the sequence token, what has to be sent again, what an answer adds to the ledger. Must not know: when
a request is made (`stream`), what an error code is, stderr, what a clock is. Not thread-safe.
"""

from math import inf
from typing import Final

from . import outcomes
from .backlog import Backlog
from .decisions import Send
from .inquiry import Verdict
from .ledger import RejectReason
from .requests import Resends, UnderWay
from .retry import Deadline, Retry
from .shared import Shared
from .targets import Target
from .values import Value


class Settled(Value):
    """The result of settling a request."""

    __slots__ = __match_args__ = ("to_tell", "was_presumed_lost", "has_delivered", "failures")

    def __init__(
        self, to_tell: outcomes.Outcome | None, was_presumed_lost: bool, has_delivered: bool, failures: int
    ) -> None:
        self.to_tell: Final = to_tell
        """What may be written to stderr: the outcome, or what a refusal turned out to be. None: nothing (yet)."""
        self.was_presumed_lost: Final = was_presumed_lost
        self.has_delivered: Final = has_delivered
        """The service has accepted the batch, in this request or (as its answer says) in an earlier one."""
        self.failures: Final = failures
        """How many requests of the stream have failed since one was accepted."""


class Answers:
    """The requests of one stream: those under way, those to be made again, and what answers change. Not thread-safe."""

    __slots__ = (
        "_back_at", "_backlog", "_is_new", "_retry", "_shared", "_target", "_throttled", "is_missing", "may_grow",
        "resends", "rests_until", "token", "under_way",
    )  # fmt: skip

    def __init__(self, target: Target, shared: Shared, backlog: Backlog) -> None:
        self._target = target
        self._shared = shared
        self._backlog = backlog
        self.under_way = UnderWay()
        self.resends = shared.no_resends
        """What has to be sent again, to look at and take from."""
        # The failures since the last success; None: there are none. There may be many streams, and most never fail.
        self._retry: Retry | None = None
        self.token: str | None = None
        """The sequence token for the next request."""
        self.may_grow = False
        """True if others use the same quota, and what has to be sent again was throttled: it is not stored.

        So it may take with it what has come since, which saves a request.
        """
        # True from when the stream was created until it has its first events.
        self._is_new = False
        # When the put was first tried that has been throttled and has no other answer yet, and how many times it was
        # throttled; None: there is none.
        self._throttled: tuple[float, int] | None = None
        # Since when the service is back after failures, if since then only the batch that failed was taken, and nothing
        # of what has come meanwhile; else None.
        self._back_at: float | None = None
        self.rests_until = -inf
        """The instant before which events that come now are not sent, unless they are urgent: others come first."""
        self.is_missing = False
        """True if the stream is missing and the service has just refused to create it for now.

        The next request tries to create it again. A put would only learn once more that it is missing, at the cost of
        the quota of puts.
        """

    @property
    def _own_resends(self) -> Resends:
        """`resends`, to put something in."""
        # Made only now: most streams never have anything to send again.
        if self.resends is self._shared.no_resends:
            self.resends = Resends(self._shared.rules)
        return self.resends

    def next_try_at(self, deadline: Deadline) -> float:
        """Return the instant before which no request may be made; ``deadline`` is that of `Retry.at`."""
        return -inf if self._retry is None else self._retry.at(deadline)

    @property
    def is_in_trouble(self) -> bool:
        """True if the last request has failed, and its cause was not removed at once."""
        return self._retry is not None and self._retry.is_in_trouble

    def presume_lost(self, now: float) -> None:
        """Stop waiting for the answer to the oldest request under way; its batch is sent again without back-off.

        If the answer comes all the same, `settle` still uses it.
        """
        send = self.under_way.presume_lost()
        self._backlog.put_back(send.rest)
        ledger = self._shared.ledger
        ledger.send_again()
        ledger.fail(f"no answer to a request for {now - send.start:.1f} s")
        self._own_resends.put_back(send, send.batch, send.doubts + (not send.creates))

    def settle(self, send: Send, outcome: outcomes.Outcome, now: float) -> Settled:
        """Apply the outcome of a request to its batch and to the stream; return what that changed."""
        if not send.creates:
            self._shared.ledger.end_request()
        was_presumed_lost = self.under_way.end_lost(send)
        to_tell: outcomes.Outcome | None = None
        has_delivered = False
        if self.under_way.end(send):
            self._backlog.put_back(send.rest)
            to_tell = self._heed(send, outcome, now)
            has_delivered = isinstance(outcome, (outcomes.Accepted, outcomes.AlreadyAccepted))
        elif isinstance(outcome, outcomes.Accepted):
            has_delivered = self._heed_late(send, outcome, now)
        failures = 0 if self._retry is None else self._retry.failures
        return Settled(to_tell, was_presumed_lost, has_delivered, failures)

    def _heed(self, send: Send, outcome: outcomes.Outcome, now: float) -> outcomes.Outcome | None:
        """Apply the outcome of a request whose answer was awaited; return what `Settled.to_tell` says."""
        match outcome:
            case outcomes.Accepted():
                self._accepted(send, outcome, now)
            case outcomes.AlreadyAccepted(token):
                self.token = token
                self._shared.ledger.deliver(len(send.batch), send.batch.size_bytes)
                self._shared.settled(send.batch)
                self._worked(send, now)
            case outcomes.Invalid():
                return self._invalid(send, outcome, now)
            case _:
                is_in_doubt = isinstance(outcome, outcomes.Unavailable) and outcome.ambiguous and not send.creates
                self._shared.ledger.send_again()
                self._own_resends.put_back(send, send.batch, send.doubts + is_in_doubt)
                if not send.creates and _is_about_creation(outcome):
                    # The put itself was not throttled: it has learned that the stream is missing.
                    self._taken(send.start, now)
                self._failed(outcome, send.start, now)
        return outcome

    def _heed_late(self, send: Send, answer: outcomes.Accepted, now: float) -> bool:
        """Use the good answer to a request that was presumed lost: its batch need not be sent again.

        Return False if nothing is left to settle, because the batch was settled meanwhile or cut in two.
        """
        # `other` counts this request as one of its doubts, and that doubt is resolved now. If `other` is under way, it
        # is a new doubt itself, because its answer will not be looked at.
        if (other := self.resends.find(send.batch)) is not None:
            self.resends.remove(other)
            doubts = other.doubts - 1
        elif (other := self.under_way.find(send.batch)) is not None:
            self.under_way.end(other)
            doubts = other.doubts
        else:
            return False
        self._backlog.put_back(other.rest)
        self._accepted(send._replace(doubts=doubts), answer, now)
        return True

    def _accepted(self, send: Send, answer: outcomes.Accepted, now: float) -> None:
        batch, ledger = send.batch, self._shared.ledger
        self.token = answer.token
        too_old, expired = answer.too_old, answer.too_old + answer.expired
        end = len(batch) - answer.too_new
        if expired or answer.too_new:
            self._reject(send, 0, too_old, "too_old")
            self._reject(send, too_old, expired, "expired")
            self._reject(send, end, len(batch), "too_new")
        ledger.deliver(end - expired, batch.size_of(expired, end), is_in_doubt=send.doubts > 0)
        if answer.entity_rejected:
            ledger.reject_entity()
        self._shared.settled(batch)
        self._worked(send, now)

    def _reject(self, send: Send, start: int, end: int, reason: RejectReason) -> None:
        batch, reports = send.batch, self._shared.reports
        self._shared.ledger.reject(end - start, batch.size_of(start, end), reason)
        if reports is not None and (part := batch.part(start, end)) is not None:
            reports.batch(self._target, part, "rejected", reason, may_be_stored=send.doubts > 0)

    def _worked(self, send: Send, now: float) -> None:
        answered_at = self._throttled[0] if self._throttled is not None else send.start
        self._taken(send.start, now)
        if self._retry is not None and self._retry.has_failed:
            self._back_at = answered_at
        elif self._back_at is not None:
            self.rests_until = self._shared.interval.caught_up(self._back_at, now)
            self._back_at = None
        self._is_new = False
        self.under_way.answered(send, now)
        self._retry = None
        self.resends.accepted(send)

    def _taken(self, tried_at: float, now: float) -> None:
        """Have the send interval learn from a put that was not throttled, or not any more."""
        since, times = self._throttled or (tried_at, 0)
        self._throttled = None
        self._shared.interval.taken(since, now, times)

    def _invalid(self, send: Send, refused: outcomes.Invalid, now: float) -> outcomes.Outcome | None:
        """Reject the event that is to blame for a refusal; have all others sent again.

        The batch is halved until the bad event is alone in its request: so each good event is delivered once. If the
        request as a whole is to blame, all events are kept, as after any refusal that somebody has to put right.
        """
        self._shared.ledger.fail(refused.message)
        self.under_way.failed()
        self.may_grow = False
        verdict = self._judge(send, refused)
        if verdict == "event":
            self._reject(send, 0, 1, "invalid")
            self._shared.settled(send.batch)
            return refused
        self._shared.ledger.send_again()
        # An earlier request with this very batch was refused, too. But what was read from disk may have been sent in
        # another batch, by another process.
        doubts = send.doubts if refused.refusal is not None or send.batch.stored else 0
        for batch in send.batch.halves() if verdict == "halve" else (send.batch,):
            self._own_resends.put_back(send, batch, doubts)
        if verdict == "request" and refused.refusal is not None:
            self.resends.rejoin()
            self._failed(refused.refusal, send.start, now)
            return refused.refusal
        return None

    def _judge(self, send: Send, refused: outcomes.Invalid) -> Verdict:
        """Return what a refusal is about, as far as is known.

        May first move a batch from the backlog to `resends`, so that the inquiry has more events to ask about.
        """
        if refused.refusal is None:
            return "event" if len(send.batch) == 1 else "halve"
        if not self._backlog.is_empty and self.resends.needs_witnesses(send):
            batch = self._backlog.take()
            self._own_resends.put_back(Send(batch, None, 0.0, batch.first_number), batch, doubts=0)
        return self._own_resends.judge(send, refused.words)

    def _failed(self, outcome: outcomes.Outcome, tried_at: float, now: float) -> None:
        self.under_way.failed()
        self.may_grow = False
        self.is_missing = isinstance(outcome, outcomes.Throttled) and outcome.is_creation
        throttled, self._throttled = self._throttled, None
        retry = self._retry = self._retry or Retry(self._shared.random)
        match outcome:
            case outcomes.StaleToken(expected):
                self._shared.overlap.tokens_matter()
                self.token = expected
                retry.failed_quickly(tried_at, now)
            case outcomes.Created(retention_days):
                self.token = None
                self._is_new = True
                self._shared.age_limit.made(retention_days, now)
                retry.failed_quickly(tried_at, now)
            case outcomes.AskAgain(cause):
                self._shared.ledger.fail(cause)
                retry.asked_again(tried_at, now)
            case outcomes.Throttled(code, is_creation=True):
                self._shared.ledger.throttle(code)
                self.may_grow = True
                retry.not_created(tried_at, now)
            case outcomes.Throttled(code):
                self._shared.ledger.throttle(code)
                since, times = throttled or (tried_at, 0)
                self._throttled = since, times + 1
                share = self._shared.interval.share(times + 1)
                self.may_grow = share > 0
                retry.throttled(tried_at, now, share, self._is_new, is_behind=self._back_at is not None)
            case outcomes.Unavailable(cause, ambiguous):
                self._shared.ledger.fail(cause)
                if ambiguous:
                    self.under_way.waited_in_vain(now - tried_at)
                retry.failed(tried_at, now)
            case outcomes.Refused(_, advice):
                self._shared.ledger.fail(advice)
                retry.refused(tried_at, now)


def _is_about_creation(outcome: outcomes.Outcome) -> bool:
    return isinstance(outcome, outcomes.Created) or (isinstance(outcome, outcomes.Throttled) and outcome.is_creation)
