"""The decisions of one stream: what to send now, or until when to wait.

Owns: which batch is sent next, and when; what the stream lost by an overflow, and the text of the loss event that says
so in the stream. Must not know: threads, what a clock is, botocore, stderr, what an answer means (`answers`), why there
was no room (`shedding`). Not thread-safe: the caller holds the lock of `rounds`.

Usually one request of a stream is under way at a time, so its batches are settled in the order in which their events
arrived. Several are under way only if answers take long, full batches wait, the last answers were good, and the
endpoint does not insist on sequence tokens (`pacing.Overlap`). Then no two of these requests hold events with the same
timestamp. The service shows events by timestamp, so users read them in order, whichever request is stored first. If a
full batch has no room for all events with its last timestamp, the others stand aside until that batch is settled.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

from . import outcomes
from .answers import Answers, Settled, Shared
from .backlog import Backlog
from .columns import Events, Gone
from .decisions import Send, Wait
from .pacing import Bucket
from .retry import NO_DEADLINE, Deadline

# A full batch is taken this many seconds before its token is free. It takes some milliseconds to make a request of it,
# and without a head start each request would be late by them.
PREPARED_AHEAD: Final = 0.05

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Loss:
    """The events that a stream has lost since its last loss event. Times are in milliseconds since the epoch."""

    def __init__(self, event: Gone) -> None:
        self.count = 1
        self.first_ms = self.last_ms = event.timestamp
        self.last_number = event.number
        """The highest number of a lost event. The loss event takes its place among the other events."""

    def add(self, event: Gone) -> None:
        """Count one more lost event."""
        self.count += 1
        self.first_ms = min(self.first_ms, event.timestamp)
        self.last_ms = max(self.last_ms, event.timestamp)
        self.last_number = max(self.last_number, event.number)

    @property
    def text(self) -> str:
        """The message of the loss event."""
        records = "record" if self.count == 1 else "records"
        between = f"between {_iso(self.first_ms)} and {_iso(self.last_ms)}"
        return f"cwlog_handler: {self.count} {records} lost {between}: overflow (the buffer was full)"


class Stream:
    """The decisions for one log stream; a pure state machine over `add`, `decide` and `settle`."""

    __slots__ = (
        "_answers", "_backlog", "_due", "_flows", "_loss", "_shared", "bucket", "last_used", "name", "under_way",
    )  # fmt: skip

    def __init__(self, name: str, bucket: Bucket, shared: Shared) -> None:
        self.name = name
        self.bucket = bucket
        """Each `Send` has taken a token from it. The code that makes the request gives the token back."""
        self.last_used = 0.0
        self._shared = shared
        self._backlog = Backlog(shared.rules)
        self._answers = Answers(shared, self._backlog)
        self.under_way = self._answers.under_way
        """The requests under way, for callers to look at."""
        # The instant at which the events that wait for company have waited long enough.
        self._due = 0.0
        self._loss: Loss | None = None
        # True if the service has accepted something since the first event of the loss was lost.
        self._flows = False

    def add(self, events: Events, level: float, now: float) -> None:
        """Add events. They are sent when their batch is full, or when the send interval is over."""
        self._enter(events, now)
        self._backlog.append(events, level)

    def insert(self, event: Events, level: float, now: float) -> None:
        """Add one event before all events of its level with a higher number."""
        self._enter(event, now)
        self._backlog.insert(event, level)

    def _enter(self, events: Events, now: float) -> None:
        if not self._has_waiting:
            self._due = now + self._shared.interval.seconds
        self._shared.ledger.enter(len(events), events.size_bytes)
        self.last_used = now

    def hasten(self, now: float) -> None:
        """Have all that waits sent as soon as pacing and back-off allow, without waiting for more events."""
        if self._has_waiting:
            self._due = now

    @property
    def _has_waiting(self) -> bool:
        """True if an event waits for its first request, in the backlog or aside (`Send.rest`)."""
        return not self._backlog.is_empty or any(send.rest for send in self.under_way.sent)

    def drop(self, level: float, newest: bool) -> None:
        """Drop an event of a level because the buffer is full: the one that arrived last (``newest``) or first."""
        event = self._backlog.drop(level, newest)
        self._shared.ledger.drop(1, event.size_bytes, "overflow")
        if self._loss is not None:
            self._loss.add(event)
        else:
            self._loss = Loss(event)
            self._flows = False

    def take_loss(self) -> Loss | None:
        """Take out the loss if something has been accepted since, or nothing else is here; else return None."""
        if self._loss is None or not (self._flows or self.is_idle):
            return None
        loss, self._loss = self._loss, None
        return loss

    @property
    def is_idle(self) -> bool:
        """True if nothing waits and no request is under way."""
        return not self.under_way.sent and not self._answers.resends.waiting and self._backlog.is_empty

    @property
    def is_forgettable(self) -> bool:
        """True if the stream holds nothing but its sequence token, which the service can give again."""
        return self.is_idle and self._loss is None

    @property
    def lowest_level(self) -> float | None:
        """The least severe level of the events that could be dropped here; None if there are none."""
        return self._backlog.lowest_level

    def count_of(self, level: float) -> int:
        """Return how many events of a level could be dropped here."""
        return self._backlog.count_of(level)

    def is_settled_up_to(self, number: int) -> bool:
        """True if no event up to this number waits or is in a request, and none is part of a loss not reported yet."""
        if self._loss is not None and self._loss.last_number <= number:
            return False
        if any(send.first_number <= number for send in (*self._answers.resends.waiting, *self.under_way.sent)):
            return False
        first = self._backlog.first_number
        return first is None or first > number

    def decide(self, now: float, *now_ms: int, deadline: Deadline = NO_DEADLINE) -> Send | Wait | None:
        """Return what to do at the instant ``now``; None: nothing until an event is added or a request is settled.

        ``now_ms`` is the time of day by each clock that may be right; the one by which most events may be sent is used.
        ``deadline`` says until when a caller waits for the events here. Retries are spread over the time until then.
        """
        if self.is_idle:
            return None
        if self.under_way.has_any:
            if not self._may_overlap:
                return None
            # The batch is closed now even if it must still wait, until no request under way shares a timestamp with it.
            batch = self._backlog.close_batch()
            if self.under_way.shares_time_with(batch):
                return None
        is_ready = bool(self._answers.resends.waiting) or self._backlog.has_full_batch
        not_before = self._answers.retry.at(deadline)
        if not is_ready:
            not_before = max(not_before, self._due)
        if now < not_before:
            return Wait(not_before)
        # The batch is taken only after the token: during the wait for a token more events may join it.
        turn = self.bucket.take(now, PREPARED_AHEAD if is_ready else 0.0)
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
        """True if a full batch may be sent beside the requests under way, if it shares no timestamp with them."""
        under_way = self.under_way
        if self._answers.resends.waiting or not self._backlog.has_full_batch:
            return False
        pays = under_way.is_well and under_way.is_slow
        if not pays or len(under_way.sent) >= self._shared.overlap.most:
            return False
        # The next batch must not be closed now if it would be sent before events that stand aside and may be older.
        return not any(send.rest and self._backlog.would_close_at(send.batch.last_ms) for send in under_way.sent)

    def _next(self, start: float, *now_ms: int) -> Send | None:
        """Take out the batch to send, without events that are too old or too new now; None if nothing is left."""
        while self._answers.resends.waiting or not self._backlog.is_empty:
            send = self._take(start)
            aged = send.batch.within_any(now_ms, self._shared.age_limit.max_age_ms(start))
            if aged.too_old is not None:
                self._shared.ledger.drop(len(aged.too_old), aged.too_old.size_bytes, "too_old")
            if aged.too_new is not None:
                self._shared.ledger.drop(len(aged.too_new), aged.too_new.size_bytes, "too_new")
            if aged.batch is None:
                self._backlog.put_back(send.rest)
            # Beside requests under way, only this batch was found to share no timestamp with them: try no other one.
            if aged.batch is not None or self.under_way.has_any:
                break
        return send._replace(batch=aged.batch) if aged.batch is not None else None

    def _take(self, start: float) -> Send:
        if self._answers.resends.waiting:
            return self._answers.resends.take()._replace(token=self._answers.token, start=start)
        self._answers.resends.end_inquiry()
        batch = self._backlog.take()
        # While this request is under way, another one may be sent. It must hold no event with the same timestamp.
        stands_aside = self.under_way.is_slow and self._shared.overlap.most > 1
        rest = self._backlog.take_rest(batch.last_ms) if stands_aside else ()
        return Send(batch, self._answers.token, start, batch.first_number, rest=rest)

    def settle(self, send: Send, outcome: outcomes.Outcome, now: float) -> Settled:
        """Apply the outcome of a request to its batch and to the stream; return what that changed."""
        self.last_used = now
        settled = self._answers.settle(send, outcome, now)
        self._flows = self._flows or settled.has_delivered
        return settled

    def presume_lost(self, now: float) -> None:
        """Stop waiting for the answer to the oldest request under way; its batch is sent again without back-off.

        If the answer comes all the same, `settle` still uses it.
        """
        self._answers.presume_lost(now)


def _iso(timestamp: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=timestamp)
    except OverflowError:
        # A record may carry any time, also one that `datetime` cannot represent.
        return f"{timestamp} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
