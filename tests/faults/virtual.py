"""A world on a clock of its own: simulated rounds that talk to a strict fake through the handler's own client.

Half a minute of outage takes some milliseconds.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from botocore.config import Config

from cwlog_handler.aws.additions import Additions
from cwlog_handler.aws.client import Client
from cwlog_handler.aws.creation import Group
from cwlog_handler.aws.making import Access
from cwlog_handler.core import outcomes
from cwlog_handler.core.events import timestamp_ms
from cwlog_handler.system.stderr import Notices
from cwlog_handler.testing import FakeCloudWatchLogs

from ..simulation import Service, VirtualTime, an_endpoint, simulated, to

# More rounds than any test needs; only something that never ends is stopped by it.
ENDLESS = 200_000
GROUP = Group("g")


class Call(NamedTuple):
    """One PutLogEvents request as it was made."""

    group: str
    stream: str
    started: float
    ended: float
    messages: list[str]
    outcome: outcomes.Outcome


class VirtualFake(FakeCloudWatchLogs):
    """A strict fake whose time of day is that of the world which talks to it.

    Its limit of requests a second goes by the real clock, so there is none.
    """

    def __init__(self, **options):
        self.time = VirtualTime()
        super().__init__(clock=self.time.time_of_day, requests_per_second=None, **options)


class World:
    """Rounds whose time passes only in `log`, `run` and `drain`. ``latency`` is what each request takes, seconds.

    They log to a `VirtualFake`, whose time passes along with theirs, or to a `Service` of their own. Groups that are
    missing get what ``made`` says. ``carries`` is the entity and the compression of the handler's own client.
    """

    def __init__(
        self,
        fake=None,
        *,
        batch_events=10,
        requests_per_second=5.0,
        jitter=lambda: 0.5,
        made=GROUP,
        carries=None,
        **options,
    ):
        self._time = VirtualTime() if fake is None else fake.time
        self.latency = 0.02
        self.calls: list[Call] = []
        self._endpoint = an_endpoint()
        self.service = Service()
        self._client = self.service if fake is None else a_client(fake, made, carries)
        self._rounds = simulated(
            self,
            self._time.clock(),
            batch_events=batch_events,
            requests_per_second=requests_per_second,
            jitter=jitter,
            **options,
        )

    @property
    def now(self):
        return self._time.now

    @now.setter
    def now(self, instant):
        self._time.now = instant

    @property
    def stats(self):
        return self._rounds.stats()

    # -- what the rounds see of the client -------------------------------------------------------------------------

    def connect(self, patience=None):
        connection = self._client.connect()
        is_connected = isinstance(connection, outcomes.Connected)
        return outcomes.Connected(self._endpoint) if is_connected else connection

    def put(self, target, events, token, on_progress, patience=None, is_fresh=False):
        outcome = self._client.put(target, events, token, on_progress)
        started = self.now
        self.now += self.latency
        self.calls.append(Call(*target, started, self.now, [event.message for event in events], outcome))
        return outcome

    # -- what a test does ------------------------------------------------------------------------------------------

    def log(self, text, level=logging.INFO, stream="s", group="g", age=0.0):
        """Log a record, a millisecond after the one before; return its timestamp as the service will have it.

        ``age`` is how many seconds ago it was made.
        """
        self.now += 0.001
        created = self._time.time_of_day() - age
        self._rounds.put(created, text, to(stream, group), level)
        return timestamp_ms(created)

    def run(self, seconds=0.0):
        """Let time pass, and do what is due meanwhile."""
        until = self.now + seconds
        for _ in range(ENDLESS):
            next_at = self._rounds.step()
            if next_at is None or next_at > until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, next_at)
        raise AssertionError("there is no end of it")

    def drain(self):
        """Let time pass until nothing is pending."""
        for _ in range(ENDLESS):
            next_at = self._rounds.step()
            if not self.stats.pending:
                return
            assert next_at is not None, "records are pending, and nothing is planned"
            self.now = max(self.now, next_at)
        raise AssertionError(f"{self.stats.pending} records are never delivered")


def a_client(fake, made: Group, carries=None) -> Client:
    """The handler's own client, over a boto3 client that ends in the fake and waits for an answer for a moment only."""
    access = Access(boto3_client=fake.client(Config(read_timeout=0.01)))
    say = Notices(fake.time.monotonic).say
    additions = Additions("g", say, **carries, monotonic=fake.time.monotonic) if carries else None
    return Client(access, made, additions=additions, say=say)


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
