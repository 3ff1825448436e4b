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

from ..core import outcomes
from ..core.agenda import Agenda
from ..core.answers import Settled, Shared
from ..core.batches import AgeLimit, Batch
from ..core.decisions import Send, Wait
from ..core.ledger import Ledger
from ..core.pacing import Overlap, SendInterval
from ..core.retry import NO_DEADLINE, WORTH_A_LINE, Deadline, time_for_an_answer
from ..core.stream import Stream
from ..core.terms import Terms
from ..system.clock import Clock
from ..system.stderr import Notices
from .buckets import SharedBucket, StreamBucket, shared_bucket
from .calls import Calls, Client, Results
from .connection import Connection
from .senders import MOST_SENDERS, Job, Senders

if TYPE_CHECKING:
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
    ) -> None:
        self.streams: dict[str, Stream] = {}
        self.lossy: dict[Stream, None] = {}
        """The streams that have lost events and have no loss event yet."""
        self._spool = spool
        self._notices = notices
        self._ledger = ledger
        self._senders = senders
        self._group = terms.log_group_name
        self._rate = terms.requests_per_second
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
            has_spool=spool is not None,
            gone=None if spool is None else spool.gone,
        )
        self._agenda: Agenda[Stream] = Agenda()
        self._results = Results(ring)
        self._calls = Calls(client, self._results, clock)
        self._connection = Connection(client, self._results, ledger, notices, terms.log_group_name, jitter)
        self._swept_at = clock.monotonic()

    def stream(self, name: str) -> Stream:
        """Return the stream of this name. It is a new one if there is none, or none any more."""
        stream = self.streams.get(name)
        if stream is None:
            bucket = StreamBucket(partial(self._shared_bucket, name))
            stream = self.streams[name] = Stream(name, bucket, self._shared)
        return stream

    def _has_lost(self, stream: Stream) -> None:
        self.lossy[stream] = None

    def _shared_bucket(self, stream_name: str) -> SharedBucket:
        assert self._connection.endpoint is not None
        return shared_bucket(self._connection.endpoint, self._group, stream_name, self._rate)

    def plan(self, stream: Stream, at: float) -> None:
        """Have this stream asked at the instant ``at``, unless it is asked before."""
        self._agenda.plan(stream, at)

    def hasten_all(self, now: float) -> list[Stream]:
        """Have all that waits sent as soon as possible; return the streams that hold anything not settled."""
        busy = [stream for stream in self.streams.values() if not stream.is_forgettable]
        for stream in busy:
            stream.hasten(now)
            self.plan(stream, now)
        return busy

    def collect(self, now: float) -> None:
        """Take in the results of the calls that have ended."""
        self._results.collect(now)

    def decide(self, now: float, *now_ms: int, deadline: Deadline = NO_DEADLINE) -> tuple[list[Job], float | None]:
        """Return the calls to make now, and the instant at which to call this again.

        None instead of the instant: not before a record has arrived or a call has ended.

        ``deadline`` says until when a caller waits for the records of this handler to be delivered.
        """
        self._agenda.advance(now)
        if self._agenda.count_due and self._connection.endpoint is None:
            return self._connect(now, deadline)
        if deadline.at < inf and not self._senders.inline:
            self._presume_lost(now, deadline)
        jobs: list[Job] = []
        # The stream that has waited longest comes first, and later joins the end of the line. So all get their turn
        # even if there are more streams than senders.
        for _ in range(self._agenda.count_due):
            if len(jobs) >= self._senders.free:
                break
            stream = self._agenda.pop_due()
            if (job := self._ask(stream, now, *now_ms, deadline=deadline)) is not None:
                jobs.append(job)
        return jobs, self._agenda.next_at

    def sweep(self, now: float) -> None:
        """Forget streams that have had no work for a long time."""
        forget_after = FORGET_IN_A_CROWD_AFTER if len(self.streams) > CROWD else FORGET_AFTER
        if now - self._swept_at < forget_after / 4:
            return
        self._swept_at = now
        for stream in [s for s in self.streams.values() if now - s.last_used > forget_after and s.is_forgettable]:
            # The bucket is forgotten with the stream. A new one would forget which requests still count.
            if stream.bucket.is_full(now):
                del self.streams[stream.name]

    def _connect(self, now: float, deadline: Deadline) -> tuple[list[Job], float | None]:
        at = self._connection.next_try_at(deadline)
        if at is None or now < at:
            return [], at
        return [self._connection.job(now, self._patience(now, deadline), self._senders.finished)], None

    def _ask(self, stream: Stream, now: float, *now_ms: int, deadline: Deadline) -> Job | None:
        if stream.under_way.has_any and self._senders.free <= MOST_SENDERS // 2:
            # This stream is asked again when its request is settled.
            return None
        match stream.decide(now, *now_ms, deadline=deadline):
            case Send() as send:
                self.plan(stream, now)
                if self._spool is not None:
                    self._spool.sent(send.batch)
                patience = self._patience(now, deadline, stream)
                return self._calls.job(stream.name, send, patience, partial(self._settle, stream, send))
            case Wait(until):
                self.plan(stream, until)
        return None

    def _presume_lost(self, now: float, deadline: Deadline) -> None:
        """Have requests that take too long for the deadline made again; plan when to look at the others."""
        for stream in self._agenda.due:
            while stream.under_way.lost_at(deadline) <= now and self._senders.presume_lost():
                stream.presume_lost(now)
                # Nobody knows whether the request has arrived, nor when. If it has, it was now at the latest. So its
                # token is free in one second, and not too early.
                stream.bucket.give_back(now)
            if (lost_at := stream.under_way.lost_at(deadline)) < inf:
                self.plan(stream, max(lost_at, now + WAIT_FOR_THREADS))

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
        was_presumed_lost = False
        try:
            settled = stream.settle(send, outcome, now)
            was_presumed_lost = settled.was_presumed_lost
        finally:
            # Otherwise a token, or a place among the senders, would be lost for ever: see ARCHITECTURE, Ctrl-C, 3.
            if not was_presumed_lost:
                stream.bucket.give_back(arrived_at)
            self._senders.finished(was_presumed_lost)
        if isinstance(outcome, outcomes.Refused) and outcome.renew:
            self._connection.renew()
        self._tell(stream, settled)
        self.plan(stream, now)

    def _tell(self, stream: Stream, settled: Settled) -> None:
        where = f"log group {self._group!r}, stream {stream.name!r}"
        match settled.to_tell:
            case outcomes.Refused(code, advice):
                self._notices.say(code, f"{advice} ({self._ledger.pending} events wait and are kept)")
            case outcomes.Unavailable(cause) if settled.failures >= WORTH_A_LINE:
                self._notices.say("unavailable", f"{where}: no delivery, trying on: {cause}")
            case outcomes.Invalid(message):
                self._notices.say("invalid", f"{where}: the service refused an event: {message}")
