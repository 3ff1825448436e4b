"""Rounds on a clock of the test's own, and a service without a network: no thread, no waiting, every instant exact."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from functools import partial

from cwlog_handler.core import outcomes
from cwlog_handler.core.batches import Rules
from cwlog_handler.core.shedding import Bounds
from cwlog_handler.core.targets import Target
from cwlog_handler.core.terms import Terms
from cwlog_handler.delivery.pool import Pool
from cwlog_handler.delivery.reporting import Reporter
from cwlog_handler.delivery.rounds import Rounds
from cwlog_handler.delivery.senders import Job, Senders
from cwlog_handler.system.clock import Clock
from cwlog_handler.system.stderr import Notices

_numbers = itertools.count()


def to(stream: str, group: str = "g") -> Target:
    """The target of a record, in the group to which all log unless a test says otherwise."""
    return Target(group, stream)


class VirtualTime:
    """Time that passes only when the test says so: monotonic seconds, and a time of day that goes along with them."""

    def __init__(self):
        self.now = 1000.0
        # In whole seconds: near the edge of a millisecond, two instants a millisecond apart may round to the same one.
        self._began = int(time.time()) - self.now

    def monotonic(self) -> float:
        return self.now

    def time_of_day(self) -> float:
        """Epoch seconds."""
        return self._began + self.now

    def sleep_until(self, instant: float) -> None:
        self.now = max(self.now, instant)

    def clock(self, sleep_until: Callable[[float], None] | None = None) -> Clock:
        """The clock to hand in; ``sleep_until`` waits in another way."""
        return Clock(self.monotonic, lambda: (int(self.time_of_day() * 1000),), sleep_until or self.sleep_until)


def terms(
    *,
    max_bytes=10**9,
    max_count=None,
    overflow="drop_oldest",
    batch_bytes=1_048_576,
    batch_events=10_000,
    event_bytes=1_048_576,
    send_interval=1.0,
    requests_per_second=None,
    flush_level=logging.ERROR,
    likely_endpoint=None,
) -> Terms:
    """What a handler was asked for; whoever asks for room does not wait for it."""
    return Terms(
        "g",
        Rules(batch_bytes, batch_events),
        Bounds(max_bytes, max_count, overflow, 0.0),
        event_bytes,
        "split",
        send_interval,
        requests_per_second,
        flush_level,
        likely_endpoint,
    )


def simulated(
    client,
    clock: Clock,
    *,
    wake=lambda: None,
    jitter=lambda: 1.0,
    own_target=lambda: to("s"),
    senders: Senders | None = None,
    on_lost=None,
    report_bytes=10**9,
    notices: Notices | None = None,
    **options,
) -> Rounds:
    """Rounds that nobody drives but the test, by calling `step`. What else is given goes to `terms`.

    ``on_lost`` is told of lost events; so many bytes may wait for it.
    """
    notices = notices or Notices(clock.monotonic)
    make_reporter = partial(Reporter, on_lost, notices, clock, log_group_name="g", most_bytes=report_bytes)
    return Rounds(
        client,
        notices,
        terms(**options),
        wake=wake,
        inline=senders is None,
        clock=clock,
        jitter=jitter,
        own_target=own_target,
        senders=senders,
        make_reporter=make_reporter if on_lost is not None else None,
    )


class Held(Senders):
    """Senders whose jobs wait until the test ends them. Several may share a pool, as the handlers of a process do."""

    def __init__(self, pool: Pool | None = None) -> None:
        # A pool without threads: only its arithmetic is used.
        self.pool = pool or Pool(lambda run: None)
        super().__init__(pool=self.pool)
        self.jobs: list[Job] = []

    def run(self, job: Job) -> None:
        self._busy += 1
        has_place = self._reserved > 0
        self._reserved -= has_place
        self.pool.shares.add(self._share, 0 if has_place else 1)
        self.jobs.append(job)

    def end(self, place: int = 0) -> None:
        """Do a job; the next round collects its result."""
        self.jobs.pop(place)()
        self.pool.give_back(self._share, 1)

    def end_all(self) -> None:
        """Do all jobs."""
        while self.jobs:
            self.end()


class Elsewhere(Senders):
    """Senders whose jobs somebody else runs: a world with a clock of its own. They have no threads to wait for."""

    def __init__(self, start: Callable[[Job], None]) -> None:
        super().__init__(pool=Pool(lambda run: None))
        self._start = start

    def run(self, job: Job) -> None:
        self._busy += 1
        self._start(job)

    def reserve(self, wanted: int) -> int:
        return min(wanted, self.free)

    def keep(self, jobs: int) -> None:
        pass


def an_endpoint():
    """An endpoint of its own, so that no token bucket is shared with the simulation before."""
    return f"simulated-{next(_numbers)}"


class Service:
    """A client of a service that takes all, or answers with ``fault``, or to a stream with its own in ``faults``."""

    def __init__(self):
        self.fault: outcomes.Outcome | None = None
        self.faults: dict[str, outcomes.Outcome] = {}
        self._stored: dict[Target, list[tuple[int, str]]] = {}
        self._endpoint = an_endpoint()

    def connect(self, patience=None):
        return outcomes.Connected(self._endpoint)

    def put(self, target, events, token, on_progress, patience=None, is_fresh=False):
        on_progress()
        fault = self.faults.get(target.stream, self.fault)
        if fault is not None:
            return fault
        self._stored.setdefault(target, []).extend((event.timestamp, event.message) for event in events)
        return outcomes.Accepted(None)

    def events(self, stream="s", group="g"):
        """What a stream holds, (timestamp, message), as the service shows it: by timestamp, then by arrival."""
        return sorted(self._stored.get(to(stream, group), ()), key=lambda event: event[0])

    def messages(self, stream="s", group="g"):
        return [message for _, message in self.events(stream, group)]

    def forget(self):
        """Hold nothing any more."""
        self._stored.clear()
