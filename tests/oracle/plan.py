"""Which spool the programs of a run have, what goes with their events, and when and how they are killed: by the seed.

Owns: the options of the handlers that concern the world, the deaths and their order. Must not know: what the programs
do, what befalls the service.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .world import Outage

# What `os._exit` is called with.
EXIT_STATUS = 9
NAMES = "pqrs"
# What goes with the events in some runs.
CARRIES: dict[str, Any] = {
    "entity": {"keyAttributes": {"Type": "Service", "Name": "oracle", "Environment": "test"}},
    "compression": "gzip",
}
LAST = "z"
"""The name of the successor that comes when all is calm and all others have ended."""


@dataclass(frozen=True)
class Death:
    """How a program ends before its time, and how many seconds after it has begun."""

    after: float
    how: Literal["SIGKILL", "os._exit"]


class Plan:
    """The spool of a run, and the programs that are started one after another when the one before was killed."""

    def __init__(self, seed: int, seconds: float) -> None:
        # Not the generators of the world and the program: what they do stays the same for a seed.
        rng = random.Random(f"plan {seed}")
        self.mode: str | None = rng.choice([None, "outage", "outage", "always", "always"])
        self.is_small = rng.random() < 0.15
        """True if the spool may be too small for what has to be kept."""
        self._kills = rng.choice([0, 0, 1, 1, 2, 3])
        if self.mode is None:
            self._kills = min(self._kills, 1)
        hows: list[Literal["SIGKILL", "os._exit"]] = ["SIGKILL", "SIGKILL", "os._exit"]
        # The last instants are those in which the service is well again.
        self._deaths = [Death(seconds * rng.uniform(0.1, 1.1), rng.choice(hows))]
        self._deaths += [Death(seconds * rng.uniform(0.0, 0.6), rng.choice(hows)) for _ in NAMES[2:]]
        self._ends_killed = rng.random() < 0.4
        lasts = seconds * rng.uniform(0.5, 0.95)
        outage = Outage(rng.uniform(0.0, seconds - lasts), lasts, rng.choice(["503", "throttle", "stall"]))
        self.outage = outage if self.mode is not None and rng.random() < 0.5 else None
        """Besides what befalls the service in each run: so that there is something on disk."""
        rng = random.Random(f"carries {seed}")
        self._carries = {name: value for name, value in CARRIES.items() if rng.random() < 0.4}

    def programs(self) -> Iterator[tuple[str, Death | None]]:
        """The programs by name, in order, and how each dies; one that does not die early is the last."""
        yield from zip(NAMES, self._deaths[: self._kills], strict=False)
        if not (self._kills and self._ends_killed):
            yield NAMES[self._kills], None

    def options(self, directory: str) -> dict[str, Any]:
        """The options of each handler."""
        if self.mode is None:
            return self._carries
        small = {"max_spool_size": 1024 * 1024} if self.is_small else {}
        return {"spool_dir": directory, "spool_mode": self.mode, **small, **self._carries}

    def __str__(self) -> str:
        outage = [f"no service for {self.outage.lasts:.1f} s"] if self.outage is not None else []
        spool = f"{self.mode or 'no'} spool{' (small)' if self.mode and self.is_small else ''}"
        deaths = [f"{name} {death.how} after {death.after:.1f} s" for name, death in self.programs() if death]
        return ", ".join([spool, *self._carries, *outage, *deaths])
