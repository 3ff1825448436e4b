"""Runs written by hand, in which all is as it should be: what the oracle must notice is broken into copies of them.

What a real program gets done in two seconds depends on the machine, so it is no sample.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from cwlog_handler.testing import Request

from . import diary
from .check import Observation
from .diary import Life, Taken
from .history import GROUP
from .plan import Plan
from .world import World

# The plan of the first seed has no spool. That of the others has one, in one mode each.
CALM, ALWAYS, OUTAGE = 43, 53, 38
PID, SUCCESSOR = 1000, 1001
BEGAN = 100.0
DIED = 110.0


def _taken(name: str, number: int) -> Taken:
    return Taken(f"{name}/t0/{number}", 1, diary.TEXT, True, f"{PID}/0", 1_000_000.0 + number, 20)


def _request(number: int, started: float, taken: list[Taken]) -> Request:
    batch = tuple((int(one.created * 1000), f"{one.id} text") for one in taken)
    return Request(
        *(number, "PutLogEvents", GROUP, taken[0].stream, started, len(batch), 1000, 1000, batch, None, {}),
        answer="accepted",
        stored=len(batch),
    )


def _stats(**counts: int) -> dict[str, Any]:
    names = "emitted recovered delivered pending spooled loss_notices possibly_duplicated"
    return {**dict.fromkeys(names.split(), 0), "dropped_by_reason": {}, "rejected_by_reason": {}, **counts}


def _observed(seed: int, requests: list[Request], lives: list[Life]) -> Observation:
    world = World(seed, 2.0)
    world.end()
    world.tokens = False
    return Observation(world, requests, lives, "", Plan(seed, 2.0), [])


def calm() -> Observation:
    """A program without a spool that logs twenty records, all of them delivered by two requests."""
    taken = [_taken("p", number) for number in range(20)]
    requests = [_request(1, BEGAN, taken[:10]), _request(2, BEGAN + 1.0, taken[10:])]
    life = Life("p", PID, taken, stats={"1": _stats(emitted=20, delivered=20)}, ending="return", ended_at=DIED)
    return _observed(CALM, requests, [life])


def killed(seed: int) -> Observation:
    """A program with a spool that is killed when ten of its twenty records are delivered; a successor delivers ten."""
    taken = [_taken("p", number) for number in range(20)]
    returned = {one.id: BEGAN + number / 100 for number, one in enumerate(taken)}
    life = Life("p", PID, taken, returned=returned, handlers={1: (0.2, False)})
    life.kill(DIED)
    successor = Life("z", SUCCESSOR, stats={"1": _stats(recovered=10, delivered=10)}, ended_at=DIED + 10.0)
    requests = [_request(1, BEGAN + 1.0, taken[:10]), _request(2, DIED + 5.0, taken[10:])]
    return _observed(seed, requests, [life, successor])


def changeable(seen: Observation) -> Observation:
    """A copy whose lives and requests may be changed."""
    return replace(seen, lives=copy.deepcopy(seen.lives), requests=list(seen.requests))
