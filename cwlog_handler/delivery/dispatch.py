"""Whose turn it is: all streams of one handler, asked when something can have changed, and their calls.

Owns: the streams, the agenda, the connection, what is told to the operator about failures. Must not know: threads
(jobs are handed to `senders`), the inbox, the meaning of an outcome to a stream. The books of `rounds` are held by
whoever calls it, but not while a job runs.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final, Protocol

from ..core import outcomes
from ..core.batches import AgeLimit, Batch, Rules
from ..core.decisions import Send, Wait
from ..core.ledger import Ledger
from ..core.pacing import ARRIVED_AFTER_MOST, Overlap, SendInterval, shared_bucket
from ..core.retry import NO_DEADLINE, Deadline, Retry, time_for_an_answer
from ..core.stream import Stream
from ..system.primitives import Empty, SimpleQueue
from ..system.stderr import Notices
from .senders import MOST_SENDERS, Job, Senders

# Streams without work are forgotten after this long, their sequence token with them (the service tells it again).
FORGET_AFTER: Final = 300.0
# With more streams than this (a few MB) those without work are forgotten sooner.
CROWD: Final = 1000
FORGET_IN_A_CROWD_AFTER: Final = 2.0
# Requests of one stream on their way at the same time: at five a second, for answers that take up to 0.8 s. They take
# no more than half of the senders, so that a stream whose requests hang leaves some to others.
MOST_OVERLAPPING: Final = 4
# The agenda keeps dates that others have replaced; it is made anew with more than two for each stream, and these.
SPARE_DATES: Final = 16
# However near the deadline, a request gets so many seconds: on the calling thread, which makes no other meanwhile, and
# on a thread of its own, beside which another is made if it is presumed lost.
LEAST_PATIENCE_INLINE: Final = 1.0
LEAST_PATIENCE: Final = 0.5
# How often a stream whose request is to be presumed lost is asked again, while there are too many of these already.
WAIT_FOR_THREADS: Final = 0.1
# Failures in a row before a network fault is worth a line: single ones are everyday.
WORTH_A_LINE: Final = 3


class Client(Protocol):
    """What is needed of `client.Client` here; simulations bring their own."""

    def connect(self, patience: float | None) -> outcomes.Connection:
        """Make the boto3 client; say which endpoint it talks to. ``patience``: see `put`."""

    def put(
        self,
        stream_name: str,
        batch: Batch,
        token: str | None,
        on_progress: Callable[[], None],
        patience: float | None,
        is_fresh: bool,
    ) -> outcomes.Outcome:
        """Make one request; ``on_progress`` is called when it goes out, and may be again while it does.

        ``patience`` is how many seconds an answer may take, None for the usual; ``is_fresh`` asks for a new connection.
        """


class Dispatch:
    """Asks each stream for its decision when it is due, and carries decisions out."""

    def __init__(
        self,
        client: Client,
        notices: Notices,
        ledger: Ledger,
        senders: Senders,
        *,
        log_group_name: str,
        rules: Rules,
        send_interval: float,
        requests_per_second: float | None,
        clock: Callable[[], float],
        sleep_until: Callable[[float], None],
        jitter: Callable[[], float],
        ring: Callable[[], None],
    ) -> None:
        self.streams: dict[str, Stream] = {}
        self._client = client
        self._notices = notices
        self._ledger = ledger
        self._senders = senders
        self._group = log_group_name
        self._rules = rules
        self._interval = SendInterval(send_interval)
        self._age_limit = AgeLimit()
        # One call at a time: nothing need stand aside, where Ctrl-C could come in between.
        self._overlap = Overlap(1 if senders.inline else MOST_OVERLAPPING)
        self._rate = requests_per_second
        self._clock = clock
        self._sleep_until = sleep_until
        self._jitter = jitter
        self._ring = ring
        self._results: SimpleQueue[Callable[[float], None]] = SimpleQueue()
        self._agenda: list[tuple[float, int, Stream]] = []
        self._serial = itertools.count()
        self._ready: OrderedDict[Stream, None] = OrderedDict()
        self._endpoint: str | None = None
        # Requests under way that are presumed lost: their tokens are back already, and others run beside them.
        self._lost: list[Send] = []
        self._connecting = False
        self._connect_retry = Retry(jitter)
        self._swept_at = clock()

    def stream(self, name: str) -> Stream:
        """Return the stream of that name, new if it is not known (any more)."""
        stream = self.streams.get(name)
        if stream is None:
            stream = Stream(
                name, self._rules, self._age_limit, self._ledger, self._interval, self._overlap, self._jitter
            )
            self.streams[name] = stream
        return stream

    def plan(self, stream: Stream, at: float) -> None:
        """Ask this stream at that instant, if not before."""
        if at < stream.asked_at:
            heapq.heappush(self._agenda, (at, next(self._serial), stream))
            # Last: after Ctrl-C above, the next who plans it does so.
            stream.asked_at = at
            if len(self._agenda) > 2 * len(self.streams) + SPARE_DATES:
                self._agenda = [(s.asked_at, next(self._serial), s) for s in self.streams.values() if s.asked_at < inf]
                heapq.heapify(self._agenda)

    def hasten_all(self, now: float) -> list[Stream]:
        """Send all that waits as soon as may be; return the streams with something that is not settled."""
        busy = [stream for stream in self.streams.values() if not stream.is_forgettable]
        for stream in busy:
            stream.hasten(now)
            self.plan(stream, now)
        return busy

    def collect(self, now: float) -> None:
        """Take in what became of the calls made so far."""
        while True:
            try:
                settle = self._results.get_nowait()
            except Empty:
                return
            settle(now)

    def decide(self, now: float, *now_ms: int, deadline: Deadline = NO_DEADLINE) -> tuple[list[Job], float | None]:
        """Return the calls to make now, and when to ask again (None: when something has happened).

        ``deadline`` is until when somebody waits for what is here.
        """
        while self._agenda and self._agenda[0][0] <= now:
            at, _, stream = heapq.heappop(self._agenda)
            if at == stream.asked_at:
                stream.asked_at = inf
                self._ready[stream] = None
        if self._ready and self._endpoint is None:
            return self._connect(now, deadline)
        if deadline.at < inf and not self._senders.inline:
            self._presume_lost(now, deadline)
        jobs: list[Job] = []
        # Oldest first, each goes to the end of the line: with more streams than senders all get their turn.
        for _ in range(len(self._ready)):
            if len(jobs) >= self._senders.free:
                break
            stream, _ = self._ready.popitem(last=False)
            if (job := self._ask(stream, now, *now_ms, deadline=deadline)) is not None:
                jobs.append(job)
        return jobs, self._agenda[0][0] if self._agenda else None

    def sweep(self, now: float) -> None:
        """Forget streams that have had no work for long."""
        forget_after = FORGET_IN_A_CROWD_AFTER if len(self.streams) > CROWD else FORGET_AFTER
        if now - self._swept_at < forget_after / 4:
            return
        self._swept_at = now
        for stream in [s for s in self.streams.values() if now - s.last_used > forget_after and s.is_forgettable]:
            # Its bucket goes with it, and must not be needed any more.
            if stream.bucket is None or stream.bucket.is_full(now):
                del self.streams[stream.name]

    def _ask(self, stream: Stream, now: float, *now_ms: int, deadline: Deadline) -> Job | None:
        if stream.bucket is None:
            assert self._endpoint is not None
            stream.bucket = shared_bucket(self._endpoint, self._group, stream.name, self._rate)
        if stream.is_on_its_way and self._senders.free <= MOST_SENDERS // 2:
            # Asked again when its request is settled.
            return None
        match stream.decide(now, *now_ms, deadline=deadline):
            case Send() as send:
                self.plan(stream, now)
                return partial(self._call, stream, send, self._patience(now, deadline, stream))
            case Wait(until):
                self.plan(stream, until)
        return None

    def _presume_lost(self, now: float, deadline: Deadline) -> None:
        """Have requests that take too long for somebody's deadline made again, and plan to look at the others."""
        for stream in self._ready:
            while stream.lost_at(deadline) <= now and self._senders.presume_lost():
                # Until its answer has come, or its time-outs are over.
                self._lost.append(stream.presume_lost(now))
                if stream.bucket is not None:
                    # When it arrived, if it did, nobody knows: now at the latest.
                    stream.bucket.give_back(now)
            if (lost_at := stream.lost_at(deadline)) < inf:
                self.plan(stream, max(lost_at, now + WAIT_FOR_THREADS))

    def _patience(self, now: float, deadline: Deadline, stream: Stream | None = None) -> float | None:
        """Return how many seconds a request may take that starts now; None for as many as usual.

        Without a stream: one of a client that is being made, which knows nothing of the service yet.
        """
        if deadline.at == inf or not self._senders.is_crowded:
            return None
        least = LEAST_PATIENCE_INLINE if self._senders.inline else LEAST_PATIENCE
        if stream is None:
            return time_for_an_answer(now, 0.0, 0.0, deadline, least)
        return stream.time_for_an_answer(now, deadline, least)

    def _call(self, stream: Stream, send: Send, patience: float | None) -> None:
        """Make one request; runs on a sender's thread and touches nothing of ours but the bucket and the results."""
        under_way_at = send.start

        def on_progress() -> None:
            nonlocal under_way_at
            self._sleep_until(send.start)
            under_way_at = self._clock()

        outcome: outcomes.Outcome = outcomes.Unavailable("interrupted", ambiguous=True)
        try:
            outcome = self._client.put(stream.name, send.batch, send.token, on_progress, patience, send.doubts > 0)
        except Exception as error:
            outcome = outcomes.Unavailable(f"{type(error).__name__}: {error}", ambiguous=True)
        finally:
            # Also when Ctrl-C or SystemExit flies through a call on the application's own thread.
            arrived_at = min(self._clock(), under_way_at + ARRIVED_AFTER_MOST)
            self._results.put(partial(self._settle, stream, send, outcome, arrived_at))
            self._ring()

    def _settle(self, stream: Stream, send: Send, outcome: outcomes.Outcome, arrived_at: float, now: float) -> None:
        # Not what the stream awaits: of two requests with a batch, it awaits neither once one of them has settled it.
        was_lost = any(lost is send for lost in self._lost)
        if was_lost:
            self._lost = [lost for lost in self._lost if lost is not send]
        elif stream.bucket is not None:
            stream.bucket.give_back(arrived_at)
        self._senders.finished(was_lost)
        told = stream.settle(send, outcome, now)
        if isinstance(outcome, outcomes.Refused) and outcome.renew:
            self._endpoint = None
        self._tell(stream, told)
        self.plan(stream, now)

    def _tell(self, stream: Stream, outcome: outcomes.Outcome | None) -> None:
        where = f"log group {self._group!r}, stream {stream.name!r}"
        match outcome:
            case outcomes.Refused(code, advice):
                self._notices.say(code, f"{advice} ({self._ledger.pending} events wait and are kept)")
            case outcomes.Unavailable(cause) if stream.failures >= WORTH_A_LINE:
                self._notices.say("unavailable", f"{where}: no delivery, trying on: {cause}")
            case outcomes.Invalid(message):
                self._notices.say("invalid", f"{where}: the service refused an event: {message}")

    def _connect(self, now: float, deadline: Deadline) -> tuple[list[Job], float | None]:
        if self._connecting:
            return [], None
        if now < (at := self._connect_retry.at(deadline)):
            return [], at
        self._connecting = True
        return [partial(self._make_client, now, self._patience(now, deadline))], None

    def _make_client(self, started: float, patience: float | None) -> None:
        connection: outcomes.Connection = outcomes.Unavailable("interrupted", ambiguous=False)
        try:
            connection = self._client.connect(patience)
        except Exception as error:
            connection = outcomes.Unavailable(f"{type(error).__name__}: {error}", ambiguous=False)
        finally:
            self._results.put(partial(self._connected, started, connection))
            self._ring()

    def _connected(self, started: float, connection: outcomes.Connection, now: float) -> None:
        self._senders.finished()
        self._connecting = False
        match connection:
            case outcomes.Connected(endpoint):
                self._endpoint = endpoint
                self._connect_retry.worked()
                return
            case outcomes.Refused(code, advice):
                self._ledger.last_error = advice
                self._notices.say(code, advice)
            case outcomes.Unavailable(cause):
                self._ledger.last_error = cause
                if self._connect_retry.failures + 1 >= WORTH_A_LINE:
                    self._notices.say("connect", f"log group {self._group!r}: no client, trying on: {cause}")
        self._connect_retry.refused(started, now)
