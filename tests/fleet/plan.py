"""What a fleet does and what its account allows, as values; and the scenarios that have a name.

Must not know: how it is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Final, Literal

How = Literal["throttled", "503", "silent"]


@dataclass(frozen=True)
class Kind:
    """Processes that log alike."""

    name: str
    processes: int
    per_second: float = 1.0
    """Records in a second."""
    size: int = 120
    """Characters of a record."""
    error_share: float = 0.0
    """The share of ERRORs among the records: they do not wait for the send interval."""
    has_stream: bool = False
    """Its stream exists before it starts."""


@dataclass(frozen=True)
class Outage:
    """A time in which the account, or a part of it, takes nothing."""

    start: float
    seconds: float
    how: How
    part: float = 1.0
    """The share of the processes that it concerns."""

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True)
class Plan:
    """A run: instants are seconds since its beginning."""

    kinds: tuple[Kind, ...]
    seconds: float
    puts: float
    """The account's quota of PutLogEvents, and of CreateLogStream below, in requests per second."""
    creations: float
    starts_within: float = 1.0
    """All processes start within so many seconds."""
    outages: tuple[Outage, ...] = ()
    restarts: tuple[float, ...] = ()
    """At these instants all processes are replaced by new ones, whose streams are new as well: deploys."""
    latency: tuple[float, float] = (0.02, 0.08)
    """How long an answer takes, in seconds: at least and at most."""
    send_interval: float = 1.0
    is_fake: bool = False
    """The quotas are those of the strict fake, which counts requests in windows of one second."""

    @property
    def processes(self) -> int:
        return sum(kind.processes for kind in self.kinds)


# The figures of the issue: 10,000 processes, 800 puts and 50 new streams a second.
PUTS_PER_PROCESS: Final = 0.08
CREATIONS_PER_PROCESS: Final = 0.005


def named(name: str, processes: int, seconds: float, puts: float | None, creations: float | None) -> Plan:
    """Return a scenario by its name. Quotas that are None are to the processes as 800 and 50 are to 10,000."""
    puts = processes * PUTS_PER_PROCESS if puts is None else puts
    creations = processes * CREATIONS_PER_PROCESS if creations is None else creations
    plan = Plan((Kind("usual", processes),), seconds, puts, creations)
    settled = (replace(plan.kinds[0], has_stream=True),)
    half = seconds / 2
    few = ceil(processes / 10)
    loud = Kind("loud", few, per_second=100 * puts / processes, size=1000, has_stream=True)
    quiet = Kind("quiet", processes - few, per_second=1 / 30, has_stream=True)
    scenarios = {
        "deploy": plan,
        "restart": replace(plan, kinds=settled),
        "throttled": replace(plan, kinds=settled, outages=(Outage(half, 60.0, "throttled"),)),
        "outage": replace(plan, kinds=settled, outages=(Outage(half, 60.0, "503"),)),
        "silent": replace(plan, kinds=settled, outages=(Outage(half, 60.0, "silent"),)),
        "part": replace(plan, kinds=settled, outages=(Outage(half, 60.0, "503", part=0.3),)),
        "deploys": replace(plan, kinds=settled, restarts=(half,)),
        "loud": replace(plan, kinds=(loud, quiet)),
        "errors": replace(plan, kinds=(replace(settled[0], error_share=0.01),)),
        "many-errors": replace(plan, kinds=(replace(settled[0], error_share=0.1),)),
    }
    return scenarios[name]


SCENARIOS: Final = (
    "deploy",
    "restart",
    "throttled",
    "outage",
    "silent",
    "part",
    "deploys",
    "loud",
    "errors",
    "many-errors",
)
