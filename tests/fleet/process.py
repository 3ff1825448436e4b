"""One process of the fleet: the package's own rounds and client, a program that logs, and threads that are events.

Must not know: the account, other processes, when an event happens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf, log1p
from typing import Protocol

from cwlog_handler.aws.client import Client
from cwlog_handler.aws.creation import Group
from cwlog_handler.aws.making import Access
from cwlog_handler.delivery.senders import Job
from cwlog_handler.system.clock import Clock
from cwlog_handler.system.stderr import Notices

from ..simulation import Elsewhere, simulated, to
from .account import Door
from .plan import Kind
from .tally import EPOCH

# A round begins so many seconds after the instant that it was planned for, as a thread's would: never at once.
WAKE_UP = 0.001


class Muted(Notices):
    """Ten thousand processes would write the same lines."""

    def say(self, *_: object) -> None:
        pass


class Program:
    """Says when a process logs what: records at equal distances, of which some are ERRORs."""

    def __init__(self, kind: Kind, start: float, random: Callable[[], float]) -> None:
        self._kind = kind
        self._random = random
        self._gap = 1 / kind.per_second
        self._first = start + self._gap * random()
        self._text = "." * kind.size
        self._next_error = self._errors_after(-1)
        self.logged = 0
        """How many records there were so far."""

    def _errors_after(self, number: int) -> float:
        share = self._kind.error_share
        return inf if share <= 0 else number + 1 + int(log1p(-self._random()) / log1p(-share))

    @property
    def next_at(self) -> float:
        """When the next record comes."""
        return self._first + self.logged * self._gap

    @property
    def next_error_at(self) -> float:
        """When the next ERROR comes."""
        return self._first + self._next_error * self._gap

    def log_until(self, now: float, put: Callable[[float, str, str | None, int], None]) -> None:
        """Put all records that are made up to an instant."""
        while (at := self.next_at) <= now:
            number = self.logged
            is_error = number == self._next_error
            if is_error:
                self._next_error = self._errors_after(number)
            put(
                EPOCH + at,
                f"{'E' if is_error else 'I'} {number} {self._text}",
                None,
                logging.ERROR if is_error else logging.INFO,
            )
            self.logged += 1


class World(Protocol):
    """What a process needs of the world."""

    clock: Clock
    random: Callable[[], float]

    def request(self, process: Process, job: Job) -> None:
        """Have a job run when its request arrives at the account, and the process stepped when its answer comes."""


class Process:
    """A process, which is asked to do a round now and then."""

    def __init__(
        self, world: World, number: int, door: Door, stream: str, kind: Kind, start: float, send_interval: float
    ) -> None:
        self.number = number
        self._clock = world.clock
        self._door = door
        self._send_interval = send_interval
        self.program = Program(kind, start, world.random)
        self.is_over = False
        notices = Muted(world.clock.monotonic)
        self.rounds = simulated(
            Client(Access(boto3_client=door), Group("g"), say=notices.say),
            world.clock,
            jitter=world.random,
            own_target=lambda: to(stream),
            notices=notices,
            senders=Elsewhere(lambda job: world.request(self, job)),
            send_interval=send_interval,
            requests_per_second=5.0,
        )

    def step(self, now: float) -> float:
        """Do a round; return when the next one is due, if no answer comes before."""
        program = self.program
        program.log_until(now, self.rounds.put)
        next_at = self.rounds.step()
        is_far = next_at is None or next_at - now > self._send_interval
        # If nothing waits for company, the next record wakes the driver. It would do so too if others wait already, but
        # nothing would come of it.
        is_waited_for = is_far and program.logged <= self._door.sent
        wakes_at = program.next_at if is_waited_for else program.next_error_at
        return min(inf if next_at is None else max(next_at, now + WAKE_UP), wakes_at)
