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

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from . import outcomes
from .answers import Answers, Settled
from .backlog import Backlog
from .batches import Batch
from .columns import Events
from .decisions import Send, Wait
from .ledger import EVENT_COST_BYTES, DropReason
from .limits import EVENT_OVERHEAD_BYTES
from .losses import Loss
from .pacing import Bucket
from .retry import NO_DEADLINE, Deadline
from .shared import Shared
from .targets import Target

if TYPE_CHECKING:
    from .parcels import Numbers, Parcel, Shelf
    from .shelves import Shelves

# A full batch is taken this many seconds before its token is free. It takes some milliseconds to make a request of it,
# and without a head start each request would be late by them.
PREPARED_AHEAD: Final = 0.05
# Requests with events that another process has left take turns with those of this process: of the tokens for each
# second they leave this many.
LEFT_FOR_FRESH: Final = 1
# Added up here, because each event would do it again.
_COST_BESIDE_TEXT: Final = EVENT_OVERHEAD_BYTES + EVENT_COST_BYTES


class Stream:
    """The decisions for one log stream; a pure state machine over `add`, `decide` and `settle`."""

    __slots__ = (
        "_answers", "_due", "_flows", "_loss", "_shared", "backlog", "bucket", "last_used", "shelves", "target",
        "under_way",
    )  # fmt: skip

    def __init__(self, target: Target, bucket: Bucket | None, shared: Shared) -> None:
        self.target = target
        self.bucket = bucket
        """Each `Send` has taken a token from it, which `give_back` returns.

        None until the service is known, because other handlers may share it. `decide` needs it.
        """
        self.last_used = 0.0
        self._shared = shared
        self.backlog = Backlog(shared.rules, keeps_levels=shared.reports is not None)
        """The events that wait for their first request, for callers to look at."""
        self._answers = Answers(target, shared, self.backlog)
        self.under_way = self._answers.under_way
        """The requests under way, for callers to look at."""
        # The instant at which the events that wait for company have waited long enough.
        self._due = 0.0
        self._loss: Loss | None = None
        # True if the service has accepted something since the first event of the loss was lost.
        self._flows = False
        make = shared.shelves
        self.shelves = None if make is None else make(target, shared, self.backlog, self._answers)
        """What is on disk, for who writes and reads it; None: there is no disk."""

    def add(self, events: Events, level: float, now: float) -> bool:
        """Add events. They are sent when their batch is full, or when the send interval is over.

        Return True if a batch is full.
        """
        self._enter(events, now)
        if self.shelves is not None:
            self.shelves.note_arrival(now, events.numbers[0])
        return self.backlog.append(events, level)

    def add_one(self, number: int, timestamp: int, data: bytes, level: float, now: float) -> bool:
        """Add one event that arrived after all others; ``data`` is its text. Otherwise the same as `add`."""
        # If something waits in the backlog, looking there saves the call.
        if not self.backlog.count and not self.has_waiting:
            self._due = now + self._shared.interval.seconds
            if self._due < self._answers.rests_until:
                self._due = self._answers.rests_until
            self.last_used = now
        if self.shelves is not None:
            self.shelves.note_arrival(now, number)
        ledger, cost = self._shared.ledger, len(data) + _COST_BESIDE_TEXT
        is_full = self.backlog.append_one(number, timestamp, data, level)
        # `Ledger.enter` without a call: the event is here now, and must be counted. See ARCHITECTURE, Ctrl-C, 1.
        ledger.emitted += 1
        ledger.pending += 1
        ledger.pending_bytes += cost
        return is_full

    def insert(self, event: Events, level: float, now: float) -> None:
        """Add one event before all events of its level with a higher number."""
        self._enter(event, now)
        self.backlog.insert(event, level)

    def _enter(self, events: Events, now: float) -> None:
        if not self.has_waiting:
            self._due = now + self._shared.interval.seconds
            if self._due < self._answers.rests_until:
                self._due = self._answers.rests_until
        self._shared.ledger.enter(len(events.numbers), events.size_bytes)
        self.last_used = now

    def inherit(self, parcel: Parcel, numbers: Numbers, now: float) -> None:
        """Add events that a process which has ended left on disk. There must be `shelves`."""
        assert self.shelves is not None
        self.shelves.inherit(parcel, numbers)
        self.last_used = now

    def lose(self, parcel: Parcel, reason: DropReason) -> None:
        """Count the events of a parcel as lost that are on disk only. There must be `shelves`."""
        assert self.shelves is not None
        self.shelves.lose(parcel, reason)
        self._note_losses(self.shelves)

    def miss(self, count: int, first_ms: int, last_ms: int) -> None:
        """Count events as lost that another process has left and that cannot be read. There must be `shelves`."""
        assert self.shelves is not None
        self.shelves.miss(count, first_ms, last_ms)
        self._note_losses(self.shelves)

    def _note_losses(self, shelves: Shelves) -> None:
        for loss in shelves.take_losses():
            self._lost(*loss)

    def hasten(self, now: float) -> None:
        """Have all that waits sent as soon as pacing and back-off allow, without waiting for more events."""
        if self.has_waiting:
            self._due = now

    @property
    def has_waiting(self) -> bool:
        """True if an event waits for its first request, in the backlog or aside (`Send.rest`)."""
        if not self.backlog.is_empty or self._has_shelf:
            return True
        return bool(self.under_way.sent) and any(send.rest for send in self.under_way.sent)

    @property
    def _has_shelf(self) -> bool:
        return self.shelves is not None and self.shelves.has_own

    def drop(self, level: float, newest: bool) -> None:
        """Drop an event of a level because the buffer is full: the one that arrived last (``newest``) or first."""
        reports = self._shared.reports
        text = None
        if reports is not None and reports.has_room(0):
            text = self.backlog.next_to_drop(level, newest)
        event = self.backlog.drop(level, newest)
        self._shared.ledger.drop(1, event.size_bytes, "overflow")
        if reports is not None:
            reports.event(self.target, level, event.timestamp, text, "overflow")
        if self._shared.gone is not None:
            self._shared.gone(event)
        self._lost(1, event.timestamp, event.timestamp, event.number, "overflow")

    def _lost(self, count: int, first_ms: int, last_ms: int, last_number: int, reason: DropReason) -> None:
        if self._loss is None:
            self._loss = Loss()
            self._flows = False
        self._loss.add(count, first_ms, last_ms, last_number, reason)
        if self._shared.lost is not None:
            self._shared.lost(self)

    def take_loss(self) -> Loss | None:
        """Take out the loss if something has been accepted since, or nothing else is here; else return None."""
        if self._loss is None or not (self._flows or self.is_idle):
            return None
        loss, self._loss = self._loss, None
        return loss

    @property
    def is_idle(self) -> bool:
        """True if nothing waits and no request is under way."""
        # What is most often true comes first: all streams are asked this again and again.
        if self.under_way.sent or not self.backlog.is_empty:
            return False
        if self.shelves is not None and (self.shelves.has_own or self.shelves.has_left):
            return False
        return not self._answers.resends.waiting

    @property
    def has_fresh(self) -> bool:
        """True if an event waits that was in no request yet, in the backlog or on disk."""
        return not self.backlog.is_empty or self._has_shelf

    @property
    def is_forgettable(self) -> bool:
        """True if the stream holds nothing but its sequence token, which the service can give again."""
        return self.is_idle and self._loss is None

    @property
    def lowest_level(self) -> float | None:
        """The least severe level of the events that could be dropped here; None if there are none."""
        return self.backlog.lowest_level

    def count_of(self, level: float) -> int:
        """Return how many events of a level could be dropped here."""
        return self.backlog.count_of(level)

    def is_settled_up_to(self, number: int) -> bool:
        """True if no event up to this number waits or is in a request, and none is part of a loss not reported yet."""
        if self._loss is not None and self._loss.last_number <= number:
            return False
        shelf = None if self.shelves is None else self.shelves.own
        for first in (self.backlog.first_number, None if shelf is None else shelf.first_number):
            if first is not None and first <= number:
                return False
        sends = (*self._answers.resends.waiting, *self.under_way.sent)
        return not sends or min(send.first_number for send in sends) > number

    def decide(self, now: float, *now_ms: int, deadline: Deadline = NO_DEADLINE) -> Send | Wait | None:
        """Return what to do at the instant ``now``; None: nothing until an event is added or a request is settled.

        ``now_ms`` is the time of day by each clock that may be right; the one by which most events may be sent is used.
        ``deadline`` says until when a caller waits for the events here. Retries are spread over the time until then.
        """
        # Each is looked up once: with thousands of streams, deciding takes a good part of all CPU time.
        sends_again, shelves = bool(self._answers.resends.waiting), self.shelves
        has_shelf, has_left = (False, False) if shelves is None else (shelves.has_own, shelves.has_left)
        has_fresh = has_shelf or not self.backlog.is_empty
        if not (has_fresh or sends_again or has_left):
            return None
        if self.under_way.sent:
            if has_shelf or not self._may_overlap:
                return None
            # The batch is closed now even if it must still wait, until no request under way shares a timestamp with it.
            batch = self.backlog.close_batch()
            if self.under_way.shares_time_with(batch):
                return None
        is_fresh_due = has_fresh and now >= self._due
        is_ready = sends_again or (has_shelf and is_fresh_due) or self.backlog.has_full_batch
        takes_left = has_left and not (is_ready or is_fresh_due or self.under_way.has_any)
        not_before = self._answers.next_try_at(deadline)
        if not is_ready and not takes_left:
            not_before = max(not_before, self._due)
        if now < not_before:
            return Wait(not_before)
        # The batch is taken only after the token: during the wait for a token more events may join it.
        spare = LEFT_FOR_FRESH if takes_left else 0
        assert self.bucket is not None
        turn = self.bucket.take(now, PREPARED_AHEAD if is_ready else 0.0, spare)
        if not turn.is_taken:
            # Fresh events may be due before a token is free for those that another process has left.
            return Wait(min(turn.at, self._due) if takes_left and has_fresh else turn.at)
        send = self._next(turn.at, takes_left, *now_ms)
        if send is None:
            self.bucket.cancel()
            # If all that another process has left was too old, fresh events may wait here that are not due yet.
            return None if self.under_way.has_any or self.is_idle else Wait(now)
        self.under_way.sent.append(send)
        return send

    @property
    def _may_overlap(self) -> bool:
        """True if a full batch may be sent beside the requests under way, if it shares no timestamp with them."""
        under_way = self.under_way
        if self._answers.resends.waiting or not self.backlog.has_full_batch:
            return False
        pays = under_way.is_well and under_way.is_slow
        if not pays or len(under_way.sent) >= self._shared.overlap.most:
            return False
        # The next batch must not be closed now if it would be sent before events that stand aside and may be older.
        return not any(send.rest and self.backlog.would_close_at(send.batch.last_ms) for send in under_way.sent)

    def _next(self, start: float, takes_left: bool, *now_ms: int) -> Send | None:
        """Take out the batch to send, without events that are too old or too new now; None if nothing is left."""
        take = self._take_left if takes_left else self._take
        while (send := take(start)) is not None:
            max_age_ms = self._shared.age_limit.max_age_ms(start)
            if send.batch.is_within(now_ms[0], max_age_ms):
                return send
            aged = send.batch.within_any(now_ms, max_age_ms)
            if aged.too_old is not None:
                self._drop(aged.too_old, "too_old", send.doubts)
            if aged.too_new is not None:
                self._drop(aged.too_new, "too_new", send.doubts)
            if aged.batch is None:
                self.backlog.put_back(send.rest)
            # Beside requests under way, only this batch was found to share no timestamp with them: try no other one.
            if aged.batch is not None or self.under_way.has_any:
                break
        if send is None or aged.batch is None:
            return None
        return send if aged.batch is send.batch else send._replace(batch=aged.batch)

    def _drop(self, batch: Batch, reason: DropReason, doubts: int) -> None:
        self._shared.ledger.drop(len(batch), batch.size_bytes, reason)
        if self._shared.reports is not None:
            self._shared.reports.batch(self.target, batch, "dropped", reason, may_be_stored=doubts > 0)
        self._shared.settled(batch)

    def _take(self, start: float) -> Send | None:
        if self._answers.resends.waiting:
            again = self._answers.resends.take()
            if self._answers.may_grow and not again.doubts and not self._has_shelf:
                again = again._replace(batch=self._grown(again.batch))
            return again._replace(token=self._answers.token, start=start, creates=self._answers.is_missing)
        self._answers.resends.end_inquiry()
        if self.shelves is not None and (send := self._read(self.shelves, self.shelves.own, start)) is not None:
            return send
        if self.backlog.is_empty:
            return None
        batch = self.backlog.take()
        # While this request is under way, another one may be sent. It must hold no event with the same timestamp.
        stands_aside = self.under_way.is_slow and self._shared.overlap.most > 1
        rest = self.backlog.take_rest(batch.last_ms) if stands_aside else ()
        return Send(batch, self._answers.token, start, batch.first_number, rest=rest)

    def _grown(self, batch: Batch) -> Batch:
        """Join a batch that was throttled with the events that have come since: one request less for the quota."""
        if batch.stored or self._answers.resends.waiting or self.under_way.has_any:
            return batch
        if not self.backlog.fits_with(batch):
            return batch
        fresh = self.backlog.take()
        if batch.fits_with(fresh, self._shared.rules):
            return batch.joined_with(fresh)
        self.backlog.give_back(fresh)
        return batch

    def _take_left(self, start: float) -> Send | None:
        assert self.shelves is not None
        self._answers.resends.end_inquiry()
        return self._read(self.shelves, self.shelves.left, start)

    def _read(self, shelves: Shelves, shelf: Shelf | None, start: float) -> Send | None:
        if shelf is None:
            return None
        taken = shelf.take()
        # Some of it may have turned out to be unreadable.
        self._note_losses(shelves)
        if taken is None:
            return None
        batch, doubts = taken
        return Send(batch, self._answers.token, start, batch.first_number, doubts)

    @property
    def is_failing(self) -> bool:
        """True if the last request failed, and its cause was not removed at once."""
        return self._answers.is_in_trouble

    def in_memory(self, above: int = -1) -> Iterator[tuple[Batch, bool]]:
        """Yield the events in memory, in batches, and whether the service may have stored them. Take nothing out.

        ``above``: see `Backlog.in_batches`.
        """
        for send in self.under_way.sent:
            yield send.batch, send.may_be_stored
            for level, events in send.rest:
                yield Batch(events.part(0, len(events)), levels=((level, None),)), False
        for send in self._answers.resends.waiting:
            yield send.batch, send.doubts > 0
        for batch in () if self.shelves is None else self.shelves.read:
            yield batch, any(parcel.doubts for parcel in batch.stored)
        for batch in self.backlog.in_batches(above):
            yield batch, False

    def settle(self, send: Send, outcome: outcomes.Outcome, now: float) -> Settled:
        """Apply the outcome of a request to its batch and to the stream; return what that changed."""
        self.last_used = now
        settled = self._answers.settle(send, outcome, now)
        self._flows = self._flows or settled.has_delivered
        return settled

    def use(self, bucket: Bucket) -> None:
        """Take the tokens from this bucket from now on."""
        self.bucket = bucket

    def give_back(self, used_at: float) -> None:
        """Give back the token of a request that has ended, and reached the service at the instant ``used_at``."""
        if self.bucket is not None:
            self.bucket.give_back(used_at)

    def presume_lost(self, now: float) -> None:
        """Stop waiting for the answer to the oldest request under way; its batch is sent again without back-off.

        If the answer comes all the same, `settle` still uses it.
        """
        self._answers.presume_lost(now)
