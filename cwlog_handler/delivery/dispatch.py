"""Asks all streams of one handler for their decisions, in turn, and turns these decisions into calls.

Owns: the streams, how many calls are made at the same time and how long each may take, the lines on stderr about
failures. Must not know: threads (jobs are handed to `senders`), the inbox, what an outcome means for a stream.
The caller holds the lock of `rounds`, except while a job runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from ..core import outcomes
from ..core.agenda import Agenda
from ..core.answers import Settled
from ..core.batches import AgeLimit, Batch
from ..core.decisions import Send, Wait
from ..core.interval import SendInterval
from ..core.ledger import Ledger
from ..core.pacing import Overlap
from ..core.retry import NO_DEADLINE, WORTH_A_LINE, Deadline, time_for_an_answer
from ..core.shared import Shared
from ..core.stream import Stream
from ..core.targets import Target
from ..core.terms import Terms
from ..system.clock import Clock
from ..system.stderr import Notices
from .buckets import Buckets
from .calls import GATHERED_WITHIN, Calls, Client, Results
from .connection import Connection
from .senders import Job, Senders
from .shares import ASKS_AGAIN

if TYPE_CHECKING:
    from ..core.lost import Reports
    from ..core.shelves import Shelves
    from ..spool.spool import Spool

# A stream without work is forgotten after this many seconds, and its sequence token too (the service gives it again).
FORGET_AFTER: Final = 300.0
# If there are more streams than this (they take a few MB), those without work are forgotten sooner.
CROWD: Final = 1000
FORGET_IN_A_CROWD_AFTER: Final = 2.0
# The most requests of one stream that are under way at the same time. Four are enough for 5 requests a second if an
# answer takes up to 0.8 s. They use at most half of the senders, so that a stream whose requests hang leaves the others
# to other streams.
MOST_OVERLAPPING: Final = 4
# However near the deadline is, a request gets at least this many seconds. Inline: it runs on the calling thread, which
# makes no other request meanwhile. Otherwise: it has its own thread, and a second request is made beside it if it is
# presumed lost.
LEAST_PATIENCE_INLINE: Final = 1.0
LEAST_PATIENCE: Final = 0.5
# Seconds until a stream whose request should be presumed lost is asked again, if too many are presumed lost already.
WAIT_FOR_THREADS: Final = 0.1
# Seconds after which a stream is asked again if asking it, or settling an answer, was broken off.
AFTER_A_MISHAP: Final = 1.0


def _shelves() -> type[Shelves]:
    # Imported only here: most programs have no spool.
    from ..core.shelves import Shelves

    return Shelves


class Dispatch:
    """Asks each stream for its decision when it is due, and returns the calls to make. Not thread-safe."""

    def __init__(
        self,
        client: Client,
        notices: Notices,
        ledger: Ledger,
        senders: Senders,
        terms: Terms,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        ring: Callable[[], None],
        spool: Spool | None = None,
        reports: Reports | None = None,
    ) -> None:
        self.streams: dict[Target, Stream] = {}
        self.lossy: dict[Stream, None] = {}
        """The streams that have lost events and have no loss event yet."""
        self._spool = spool
        self._notices = notices
        self._ledger = ledger
        self._senders = senders
        self._buckets = Buckets(terms.requests_per_second, self.streams)
        # Inline, only one call is made at a time. Then no events stand aside, so Ctrl-C cannot break that off.
        overlap = Overlap(1 if senders.inline else MOST_OVERLAPPING)
        self._shared = Shared(
            terms.rules,
            AgeLimit(),
            ledger,
            SendInterval(terms.send_interval),
            overlap,
            jitter,
            settled=Batch.settle if spool is None else spool.settled,
            lost=self._has_lost,
            shelves=None if spool is None else _shelves(),
            gone=None if spool is None else spool.gone,
            reports=reports,
        )
        # The group of the stream that was made last: `_shared` is what its streams share.
        self._group: str | None = None
        # The streams of a group hold its age limit: it is forgotten with the last of them, or when a stream of another
        # group is made after that.
        self._age_limits: WeakValueDictionary[str, AgeLimit] = WeakValueDictionary()
        self._agenda: Agenda[Stream] = Agenda()
        # The streams that have requests under way: a few, however many streams there are.
        # With each of them, the instant before which it need not be looked at again for the last deadline.
        self._asking: dict[Stream, float] = {}
        self._last_deadline = NO_DEADLINE
        # How many seconds the last answer took, whichever stream it was for.
        self._answer_took = inf
        # The streams that had no work when they were last asked, or when a request of theirs ended.
        self._resting: dict[Stream, None] = {}
        self._results = Results(ring)
        self._calls = Calls(client, self._results, clock)
        # Where the requests go: until there is a client, where they probably will.
        self._endpoint = terms.likely_endpoint
        self._connection = Connection(client, self._results, ledger, notices, terms.log_group_name, jitter)
        self._swept_at = clock.monotonic()

    def stream(self, target: Target) -> Stream:
        """Return the stream of these names. It is a new one if there is none, or none any more."""
        stream = self.streams.get(target)
        if stream is None:
            if target.group != self._group:
                self._group, self._shared = target.group, self._shared_in(target.group)
            stream = self.streams[target] = Stream(target, None, self._shared)
        return stream

    def _shared_in(self, group: str) -> Shared:
        """Return what the streams of a log group share: a retention is that of its group."""
        age_limit = self._age_limits.get(group)
        if age_limit is None:
            age_limit = self._age_limits[group] = AgeLimit()
        return self._shared.in_group(age_limit)

    def _has_lost(self, stream: Stream) -> None:
        self.lossy[stream] = None

    def plan(self, stream: Stream, at: float) -> None:
        """Have this stream asked at the instant ``at``, unless it is asked before."""
        self._agenda.plan(stream, at)

    def expect(self, stream: Stream, arrived: float, now: float) -> None:
        """Have this stream asked when events that arrive there have waited for company for long enough.

        If others wait there already, the stream has a date, or an answer is awaited: nothing is to be done.
        """
        if not stream.has_waiting:
            # As long as there is no client, a stream that is due has one made.
            has_client = self._connection.endpoint is not None
            self._agenda.plan(stream, arrived + self._shared.interval.seconds if has_client else now)

    def hasten_all(self, now: float) -> list[Stream]:
        """Have all that waits sent as soon as possible; return the streams that hold anything not settled."""
        busy = [stream for stream in self.streams.values() if not stream.is_forgettable]
        for stream in busy:
            stream.hasten(now)
        self._agenda.plan_all(busy, now)
        return busy

    def collect(self, now: float) -> None:
        """Take in the results of the calls that have ended."""
        self._results.collect(now)

    def decide(self, now: float, *now_ms: int, deadline: Deadline = NO_DEADLINE) -> tuple[list[Job], float | None]:
        """Return the calls to make now, and the instant at which to call this again.

        None instead of the instant: not before a record has arrived or a call has ended.

        ``deadline`` says until when a caller waits for the records of this handler to be delivered.
        """
        looks = deadline.at < inf and not self._senders.inline
        if looks:
            self._presume_lost(now, deadline)
        self._agenda.advance(now)
        # While the client is made again, the endpoint is that of the last one.
        self._endpoint = self._connection.endpoint or self._endpoint
        self._senders.belong_to(self._endpoint)
        if self._agenda.count_due and self._connection.endpoint is None:
            return self._connect(now, deadline)
        jobs: list[Job] = []
        # The stream that has waited longest comes first, and later joins the end of the line. So all get their turn
        # even if there are more streams than senders.
        may_start = self._senders.reserve(self._agenda.count_due)
        for _ in range(self._agenda.count_due):
            if len(jobs) >= may_start:
                break
            stream = self._agenda.pop_due()
            try:
                job = self._ask(stream, now, *now_ms, deadline=deadline)
            except BaseException:
                # Ctrl-C, or a mistake of ours: what waits in this stream has no other date any more.
                self.plan(stream, now + AFTER_A_MISHAP)
                raise
            if job is not None:
                jobs.append(job)
        self._senders.keep(len(jobs))
        gathered_at = inf
        if self._agenda.count_due and not self._senders.inline:
            # Streams wait for a sender: there are as many requests under way as may be.
            gathered_at = self._results.gather(self._likely_soon(now), self._answer_took, now)
        return jobs, self._next_at(now, looks, gathered_at)

    def _likely_soon(self, now: float) -> int:
        """Return how many requests under way may be answered soon: they have not taken much longer than the last."""
        since = now - 2 * self._answer_took - GATHERED_WITHIN
        return sum(send.start >= since for stream in self._asking for send in stream.under_way.sent)

    def _next_at(self, now: float, looks: bool, gathered_at: float) -> float | None:
        at = self._agenda.next_at
        dates = [] if at is None else [at]
        if gathered_at < inf:
            dates.append(gathered_at)
        if looks:
            dates += self._asking.values()
        if self._senders.is_waiting:
            dates.append(now + ASKS_AGAIN)
        return min(dates, default=None)

    def sweep(self, now: float) -> None:
        """Forget streams that have had no work for a long time."""
        forget_after = FORGET_IN_A_CROWD_AFTER if len(self.streams) > CROWD else FORGET_AFTER
        if now - self._swept_at < forget_after / 4:
            return
        self._swept_at = now
        for stream in [stream for stream in self._resting if now - stream.last_used > forget_after]:
            if not stream.is_idle:
                del self._resting[stream]
            # The bucket is forgotten with the stream. A new one would forget which requests still count.
            elif stream.is_forgettable and (stream.bucket is None or stream.bucket.is_full(now)):
                del self._resting[stream]
                # It may have been forgotten before, and then have got a late answer.
                if self.streams.get(stream.target) is stream:
                    del self.streams[stream.target]

    def _connect(self, now: float, deadline: Deadline) -> tuple[list[Job], float | None]:
        at = self._connection.next_try_at(deadline)
        if at is None or now < at:
            return [], at
        if not self._senders.reserve(1):
            return [], now + ASKS_AGAIN
        return [self._connection.job(now, self._patience(now, deadline), self._senders.finished)], None

    def _ask(self, stream: Stream, now: float, *now_ms: int, deadline: Deadline) -> Job | None:
        if stream.under_way.has_any and not self._senders.may_overlap:
            # This stream is asked again when its request is settled.
            return None
        if stream.bucket is None:
            assert self._connection.endpoint is not None
            self._buckets.join(self._connection.endpoint, stream)
        # Before it decides: see ARCHITECTURE, Ctrl-C, 2. A request that was never made is found by `find_unmade`.
        self._asking.setdefault(stream, -inf)
        match stream.decide(now, *now_ms, deadline=deadline):
            case Send() as send:
                if stream.has_fresh:
                    self.plan(stream, now)
                self._asking[stream] = self._next_look(stream, now, deadline)
                if self._spool is not None:
                    self._spool.sent(send.batch)
                patience = self._patience(now, deadline, stream)
                return self._calls.job(stream.target, send, patience, partial(self._settle, stream, send))
            case Wait(until):
                self.plan(stream, until)
        if not stream.under_way.has_any:
            del self._asking[stream]
        if stream.is_idle:
            self._resting[stream] = None
        return None

    def find_unmade(self, now: float) -> None:
        """Have requests made that Ctrl-C has kept from being made. The driver makes the requests, and none is left."""
        self._senders.forget_broken_off()
        if self._senders.is_busy:
            # Those of the time when there were threads.
            return
        for stream in list(self._asking):
            while stream.under_way.has_any:
                stream.presume_lost(now)
                stream.give_back(now)
                self.plan(stream, now)
            del self._asking[stream]

    def _presume_lost(self, now: float, deadline: Deadline) -> None:
        """Have requests that take too long for the deadline made again; find out when to look at the others."""
        is_new, self._last_deadline = deadline != self._last_deadline, deadline
        for stream, look_at in self._asking.items():
            if now < look_at and not is_new:
                continue
            while stream.under_way.lost_at(deadline) <= now and self._senders.presume_lost():
                stream.presume_lost(now)
                # Nobody knows whether the request has arrived, nor when. If it has, it was now at the latest. So its
                # token is free in one second, and not too early.
                stream.give_back(now)
                self.plan(stream, now)
            self._asking[stream] = self._next_look(stream, now, deadline)

    @staticmethod
    def _next_look(stream: Stream, now: float, deadline: Deadline) -> float:
        if deadline.at == inf:
            return inf
        return max(stream.under_way.lost_at(deadline), now + WAIT_FOR_THREADS)

    def _patience(self, now: float, deadline: Deadline, stream: Stream | None = None) -> float | None:
        """Return how many seconds a request that starts now may take; None: as many as usual.

        Without a stream it is a request made to create the client: then no answer of the service is known yet.
        """
        if deadline.at == inf or not self._senders.is_crowded:
            return None
        least = LEAST_PATIENCE_INLINE if self._senders.inline else LEAST_PATIENCE
        if stream is None:
            return time_for_an_answer(now, 0.0, 0.0, deadline, least)
        return stream.under_way.time_for_an_answer(now, deadline, least)

    def _settle(self, stream: Stream, send: Send, outcome: outcomes.Outcome, arrived_at: float, now: float) -> None:
        try:
            self._settle_with(stream, send, outcome, arrived_at, now)
        except BaseException:
            # Ctrl-C, or a mistake of ours: what waits in this stream has no other date any more.
            self.plan(stream, now + AFTER_A_MISHAP)
            raise

    def _settle_with(
        self, stream: Stream, send: Send, outcome: outcomes.Outcome, arrived_at: float, now: float
    ) -> None:
        was_presumed_lost = False
        try:
            settled = stream.settle(send, outcome, now)
            was_presumed_lost = settled.was_presumed_lost
        finally:
            # Otherwise a token, or a place among the senders, would be lost for ever: see ARCHITECTURE, Ctrl-C, 3.
            if not was_presumed_lost:
                stream.give_back(arrived_at)
            self._senders.finished(was_presumed_lost)
        self._answer_took = now - send.start
        if stream.under_way.has_any:
            self._asking[stream] = now
        else:
            self._asking.pop(stream, None)
        if isinstance(outcome, outcomes.Refused) and outcome.renew:
            self._connection.renew()
        self._tell(stream, settled)
        if stream.is_idle:
            self._resting[stream] = None
        else:
            self.plan(stream, now)

    def _tell(self, stream: Stream, settled: Settled) -> None:
        match settled.to_tell:
            case outcomes.Refused(code, advice, renew):
                # Credentials are those of all log groups.
                about = "" if renew else stream.target.group
                self._notices.say(code, f"{advice} ({self._ledger.pending} events wait and are kept)", about)
            case outcomes.Unavailable(cause) if settled.failures >= WORTH_A_LINE:
                where = stream.target.place
                self._notices.say("unavailable", f"{where}: no delivery, trying on: {cause}")
            case outcomes.Invalid(message):
                where = stream.target.place
                self._notices.say("invalid", f"{where}: the service refused an event: {message}", stream.target.group)
