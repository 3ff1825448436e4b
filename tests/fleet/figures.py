"""What a run comes to, in figures: the table's rows, and the guard's.

Must not know: how a run is made or drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .plan import Outage
from .tally import REFUSED, WHATS
from .world import Run


class Lateness(NamedTuple):
    """How many seconds after they were made records were taken: half of them, 99 of 100, all."""

    median: float
    most: float
    last: float

    def __str__(self) -> str:
        return f"{self.median:5.1f} {self.most:6.1f} {self.last:6.1f}"


class Figures:
    """The figures of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        plan, tally = run.plan, run.tally
        self.counts = {what: sum(tally.per_second[what]) for what in WHATS}
        self._made, self._late = np.array(tally.made), np.array(tally.late)
        self._by, self._is_error = np.array(tally.by), np.array(tally.is_error, dtype=bool)
        self._put_at, self._put_by = np.array(tally.put_at), np.array(tally.put_by)
        self.last_first = max(tally.first.values(), default=0.0) if len(tally.first) == plan.processes else float("inf")
        """When the first record of the last process was taken."""
        new = sum(kind.processes for kind in plan.kinds if not kind.has_stream)
        self.bound = max(new / plan.creations, plan.processes / plan.puts)
        """When it would be at best: as soon as the quotas let all streams be created, and a put of each be taken."""

    @property
    def requests(self) -> int:
        return sum(self.counts.values())

    @property
    def refused(self) -> float:
        """The share of all requests that were refused, whatever they asked for."""
        return sum(self.counts[what] for what in REFUSED) / max(1, self.requests)

    @property
    def refused_puts(self) -> float:
        """The share of puts that were refused: throttled, or the stream was missing."""
        refused = self.counts["missing"] + self.counts["throttled puts"]
        return refused / max(1, refused + self.counts["taken"])

    @property
    def demand_from(self) -> float:
        """From when on the processes that are there would use the whole quota, each as often as it does by itself."""
        first = np.sort(np.fromiter(self.run.tally.first.values(), float))
        kinds = self.run.plan.kinds
        gap = sum(kind.processes / kind.per_second for kind in kinds) / self.run.plan.processes
        enough = int(self.run.plan.puts * (self.run.plan.send_interval + gap))
        return float(first[enough]) if enough < len(first) else float("inf")

    def used(self, start: float, end: float) -> float:
        """The share of the account's quota of puts that was used between two instants."""
        if start >= end:
            return float("nan")
        seconds = range(int(np.ceil(start)), int(end))
        counts = self.run.tally.per_second
        return sum(counts["taken"][second] + counts["missing"][second] for second in seconds) / (
            max(1, len(seconds)) * self.run.plan.puts
        )

    def late(self, start: float, end: float, is_error: bool | None = None, kind: str | None = None) -> Lateness:
        """How late records came that were made between two instants; of a level and a kind, if that is said."""
        chosen = (self._made >= start) & (self._made < end)
        if is_error is not None:
            chosen &= self._is_error == is_error
        if kind is not None:
            numbers = [number for number, each in enumerate(self.run.kinds) if each.name == kind]
            chosen &= np.isin(self._by, numbers)
        late = self._late[chosen]
        return Lateness(*(np.percentile(late, (50, 99, 100)) if len(late) else (np.nan,) * 3))

    def fairness(self, start: float, end: float) -> float:
        """Jain's index of how many records of each process of the first kind were taken, of those made meanwhile."""
        return self._jain(self._by[(self._made >= start) & (self._made < end)])

    def fairness_of_puts(self, start: float, end: float) -> float:
        """Jain's index of how many puts of each process of the first kind were taken between two instants."""
        return self._jain(self._put_by[(self._put_at >= start) & (self._put_at < end)])

    def _jain(self, numbers: np.ndarray) -> float:
        counts = np.bincount(numbers, minlength=self.run.plan.processes)
        first = self.run.plan.kinds[0].name
        counts = counts[[number for number, kind in enumerate(self.run.kinds) if kind.name == first]].astype(float)
        return float(counts.sum() ** 2 / (len(counts) * (counts**2).sum())) if counts.any() else float("nan")

    def settled_after(self, instant: float) -> float:
        """How many seconds after an instant the last record was taken that was made before it."""
        old = self._made < instant
        taken = (self._made + self._late)[old]
        return float(taken.max() - instant) if len(taken) else 0.0

    def allowed_after(self, outage: Outage) -> float:
        """How many seconds the quota takes at best for what has come up to the end of an outage.

        A throttled batch takes with it what has come since. What failed in another way may have been stored: it is sent
        again as it was, and each process needs a second put. If only a part of the processes had an outage, the others
        go on to use their share.
        """
        puts = 1 if outage.how == "throttled" else 2
        return puts * self.run.plan.processes / self.run.plan.puts

    @property
    def lost(self) -> int:
        """How many records were dropped or rejected."""
        return sum(stats.dropped + stats.rejected for stats in self.run.stats)
