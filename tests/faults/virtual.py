"""A world on a clock of its own: the real handler, flusher and client, a strict fake behind a real boto3 client.

No thread and no waiting: half a minute of outage takes some milliseconds, and the instant of each request is exact.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from botocore.config import Config

from cwlog_handler import CloudWatchLogsHandler, outcomes
from cwlog_handler.batches import Rules
from cwlog_handler.client import Client
from cwlog_handler.flusher import Flusher
from cwlog_handler.intake import Bounds
from cwlog_handler.notices import Notices

# Records are stamped half a day before now, so that hours may pass here without any coming from the future.
HALF_A_DAY = 12 * 3600.0
# More rounds than any test needs; only something that never ends is stopped by it.
ENDLESS = 200_000


class Call(NamedTuple):
    """One PutLogEvents request as the flusher made it."""

    stream: str
    started: float
    ended: float
    messages: list[str]
    outcome: outcomes.Outcome


class Service:
    """A service that takes all, or answers with ``fault``: where thousands of worlds need no boto3 client each."""

    def __init__(self):
        self.fault: outcomes.Outcome | None = None
        self.stored: dict[str, list[tuple[int, str]]] = {}

    def connect(self):
        return outcomes.Connected("service")

    def start_over(self):
        pass

    def put(self, stream_name, events, token, on_start):
        on_start()
        if self.fault is not None:
            return self.fault
        self.stored.setdefault(stream_name, []).extend((event.timestamp, event.message) for event in events)
        return outcomes.Accepted(None)

    def events(self, stream):
        """What a stream holds, (timestamp, message), as the service shows it: by timestamp, then by arrival."""
        return sorted(self.stored.get(stream, ()), key=lambda event: event[0])

    def messages(self, stream):
        return [message for _, message in self.events(stream)]


class World:
    """A handler whose time passes only in `log`, `run` and `drain`. ``latency`` is what each request takes, seconds.

    It logs to a strict fake through a real client, or to a `Service` of its own.
    """

    numbers = itertools.count()

    def __init__(
        self,
        fake=None,
        *,
        jitter: Callable[[], float] = lambda: 0.5,
        max_events=10,
        max_bytes=64 * 2**20,
        max_count=None,
        overflow="drop_oldest",
        send_interval=1.0,
        requests_per_second=5.0,
    ):
        self.now = 1000.0
        self.latency = 0.02
        self.calls: list[Call] = []
        self._epoch = time.time() - HALF_A_DAY - self.now
        # An endpoint of its own, so that no token bucket is shared with the world before.
        self._endpoint = f"world-{next(self.numbers)}"
        self.service = Service()
        self._client = self.service if fake is None else a_client(fake)
        self.flusher = Flusher(
            self,
            Notices(self.clock),
            log_group_name="g",
            rules=Rules(1_048_576, max_events),
            bounds=Bounds(max_bytes, max_count, overflow, 0.0),
            max_event_bytes=1_048_576,
            oversize="split",
            send_interval=send_interval,
            requests_per_second=requests_per_second,
            close_timeout=1.0,
            flush_level=logging.ERROR,
            driver="outside",
            clock=self.clock,
            jitter=jitter,
        )
        self.handler = CloudWatchLogsHandler("g", "{logger_name}", boto3_client=object())
        self.handler._flusher = self.flusher

    def clock(self):
        return self.now

    @property
    def stats(self):
        return self.handler.stats

    # -- what the flusher sees of the client -----------------------------------------------------------------------

    def start_over(self):
        self._client.start_over()

    def connect(self):
        connection = self._client.connect()
        is_connected = isinstance(connection, outcomes.Connected)
        return outcomes.Connected(self._endpoint) if is_connected else connection

    def put(self, stream_name, events, token, on_start):
        started = self.now
        outcome = self._client.put(stream_name, events, token, on_start)
        self.now += self.latency
        self.calls.append(Call(stream_name, started, self.now, [event.message for event in events], outcome))
        return outcome

    # -- what a test does ------------------------------------------------------------------------------------------

    def log(self, text, level=logging.INFO, stream="s"):
        """Log a record, a millisecond after the one before; return its timestamp as the service will have it."""
        self.now += 0.001
        created = self._epoch + self.now
        attributes = {"msg": text, "levelno": level, "levelname": logging.getLevelName(level), "name": stream}
        self.handler.handle(logging.makeLogRecord({**attributes, "created": created}))
        return int(created * 1000 + 0.0005)

    def run(self, seconds=0.0):
        """Let time pass, and the flusher do what is due meanwhile."""
        until = self.now + seconds
        for _ in range(ENDLESS):
            next_at = self.flusher.rounds.step()
            if next_at is None or next_at > until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, next_at)
        raise AssertionError("the flusher finds no rest")

    def drain(self):
        """Let time pass until nothing is pending."""
        for _ in range(ENDLESS):
            next_at = self.flusher.rounds.step()
            if not self.stats.pending:
                return
            assert next_at is not None, "records are pending, and nothing is planned"
            self.now = max(self.now, next_at)
        raise AssertionError(f"{self.stats.pending} records are never delivered")


def a_client(fake) -> Client:
    """The handler's own client, over a boto3 client that ends in the fake and waits for an answer for a moment only.

    The fake's clock is real, so its limit of requests a second is to be switched off.
    """
    return Client(
        log_group_name="g",
        region_name=None,
        endpoint_url=None,
        boto3_profile_name=None,
        boto3_client=fake.client(Config(read_timeout=0.01)),
        create_log_group=True,
        create_log_stream=True,
        log_group_retention_days=None,
        log_group_tags=None,
        log_group_kms_key_id=None,
        log_group_class=None,
        say=lambda cause, text: None,
    )


def busiest_second(starts):
    """The most of these instants in any window of one second."""
    starts = sorted(starts)
    return max(sum(first <= start < first + 1.0 for start in starts[index:]) for index, first in enumerate(starts))


class Spell(NamedTuple):
    """What `through_a_spell` saw: all that was logged, and when the fault began and ended."""

    sent: list[str]
    began: float
    ended: float


def through_a_spell(world, fake, fault, *, seconds=30, latency=0.02, operation="PutLogEvents", per_second=20):
    """Log so many records a second, two seconds before a fault, all through it and after it, until all is settled."""
    sent: list[str] = []

    def log_for(some_seconds):
        for _ in range(some_seconds * per_second):
            sent.append(f"record {len(sent)}")
            world.log(sent[-1])
            world.run(1 / per_second - 0.001)

    log_for(2)
    world.run(2.0)
    fake.fail(fault, operation=operation)
    began, usual, world.latency = world.now, world.latency, latency
    log_for(seconds)
    fake.clear_faults()
    ended, world.latency = world.now, usual
    log_for(2)
    world.drain()
    return Spell(sent, began, ended)


def assert_full_rate_after(world, spell, most_backoff):
    """The backlog is begun once the back-off is over, and drained at five requests a second: no fewer and no more."""
    starts = [call.started for call in world.calls if call.ended > spell.ended]
    assert starts[0] - spell.ended <= most_backoff
    # 30 s of 20 records a second, ten to a batch, but for what was under way and the batch that still fills.
    full = starts[1:56]
    assert full[-1] - full[0] <= (len(full) - 1) / 5 * 1.05
    assert busiest_second(starts) <= 5
