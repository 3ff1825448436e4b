"""Runs a plan: one queue of events on one virtual clock.

Must not know: what a process does in a round, what the figures mean.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import random
from collections.abc import Callable
from typing import NamedTuple

from cwlog_handler.core.ledger import Stats
from cwlog_handler.delivery.senders import Job
from cwlog_handler.system.clock import Clock

from .account import Account, Door
from .plan import Kind, Plan
from .process import Process
from .tally import EPOCH, Tally

# How many seconds a request without an answer takes.
SILENCE = 15.0


class Run(NamedTuple):
    """A plan, and what came of it."""

    plan: Plan
    tally: Tally
    kinds: list[Kind]
    """The kind of each process."""
    stats: list[Stats]
    """What each process counted at the end; of those that were replaced, too."""


class World:
    """The clock, and what happens when."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self._plan = plan
        rng = random.Random(seed)
        self.random: Callable[[], float] = rng.random
        self.now = 0.0
        self.clock = Clock(lambda: self.now, lambda: (int((EPOCH + self.now) * 1000),), lambda instant: None)
        self.tally = Tally(plan.seconds)
        self.account = Account(plan, self.tally)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._dates: dict[Process, float] = {}
        self._everybody: list[Process] = []
        self._kinds = [kind for kind in plan.kinds for _ in range(kind.processes)]
        # Kinds are spread evenly over the numbers, so that a part of the account has some of each.
        rng.shuffle(self._kinds)
        self._living: list[Process] = []

    def _at(self, instant: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (instant, next(self._serial), happens))

    # -- what a process sees -----------------------------------------------------------------------------------------

    def request(self, process: Process, job: Job) -> None:
        least, most = self._plan.latency
        latency = least + (most - least) * self.random()
        sent_at = self.now
        outage = self.account.outage(process.number, sent_at)
        is_answered = outage is None or outage.how != "silent"
        if not is_answered:
            latency = SILENCE

        def arrives() -> None:
            self.account.now, self.account.sent_at = self.now, sent_at
            job()

        # Without an answer, the job ends with its time-out.
        self._at(self.now + (latency / 2 if is_answered else latency), arrives)
        self._at(self.now + latency, lambda: self._step(process))

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _step(self, process: Process) -> None:
        if process.is_over:
            return
        date = process.step(self.now)
        self._dates[process] = date
        if date <= self._plan.seconds:
            self._at(date, lambda: self._step_if_due(process, date))

    def _step_if_due(self, process: Process, date: float) -> None:
        if self._dates[process] == date:
            self._step(process)

    def _deploy(self, generation: int) -> None:
        """Replace all processes by new ones."""
        for process in self._living:
            process.is_over = True
        self._living = []
        for number, kind in enumerate(self._kinds):
            stream = f"{generation}-{number}"
            if kind.has_stream and generation == 0:
                self.account.streams.add(stream)
            start = self.now + self._plan.starts_within * self.random()
            process = Process(self, number, Door(self.account, number), stream, kind, start, self._plan.send_interval)
            self._living.append(process)
            self._everybody.append(process)
            first = process.program.next_at
            self._dates[process] = first
            self._at(first, lambda process=process, first=first: self._step_if_due(process, first))
        # They stay until the end: the garbage collector need not look at them again and again.
        gc.collect()
        gc.freeze()

    def run(self) -> Run:
        for generation, at in enumerate((0.0, *self._plan.restarts)):
            self._at(at, lambda generation=generation: self._deploy(generation))
        events = self._events
        while events and events[0][0] <= self._plan.seconds:
            self.now, _, happens = heapq.heappop(events)
            happens()
        gc.unfreeze()
        return Run(self._plan, self.tally, self._kinds, [process.rounds.stats() for process in self._everybody])


def run(plan: Plan, seed: int = 1) -> Run:
    """Run a plan; with the same seed everything happens again."""
    return World(plan, seed).run()
