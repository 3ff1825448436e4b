"""What a case is, what a goal is, and how long they take. Must not know: how a case is run, or shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, Literal

from .peers import OURS

Figures = Mapping[str, float]
# What came of each case: for each peer, the figures of each round.
Results = Mapping[str, Mapping[str, Sequence[Figures]]]


@dataclass(frozen=True)
class Sizes:
    """How much is done. The more, the less other programs on the machine matter."""

    rounds: int = 5
    few_rounds: int = 3
    """Where one takes long, or says nearly the same each time."""
    records: int = 200_000
    """Logged in a burst, where the cost of a record is measured."""
    seconds: float = 10.0
    """Watched, where something goes on meanwhile."""
    repeats: int = 9
    """Fresh interpreters started within a round, where starting one is what is measured."""
    many_streams: int = 10_000
    long_records: int = 10_000_000
    buffer_mib: int = 64
    backlog_mib: int = 40
    is_short: bool = False


FULL: Final = Sizes()
# What fits into a minute and still tells a regression from noise.
SHORT: Final = Sizes(
    rounds=3, few_rounds=1, records=25_000, seconds=1.0, repeats=3, many_streams=500, long_records=200_000,
    buffer_mib=32, backlog_mib=10, is_short=True,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One thing that is measured with each of some peers: ``measure`` is the function, ``"module.function"``.

    ``rounds`` is the most there are, if not all.
    """

    name: str
    measure: str
    peers: Sequence[str]
    params: Mapping[str, Any] = field(default_factory=dict)
    rounds: int | None = None


@dataclass(frozen=True)
class Goal:
    """A figure of ours, and what it must be.

    ``how``: the figure itself ``is`` at most ``limit``, or so many ``times`` the figure that it is compared with, or so
    much ``beyond`` it. That is the same figure of the peer ``against``, in the case ``against_case`` if it is another.
    ``at_least`` turns the limit round. ``alternative`` is a goal that will do in its place. ``in_short`` says whether
    it can be told within a minute on a machine that does other things too, and then ``margin`` how many times worse
    than what was achieved is still no regression (see `guards`).
    """

    title: str
    case: str
    figure: str
    unit: str
    limit: float
    how: Literal["is", "times", "beyond"] = "is"
    against: str = ""
    against_case: str = ""
    at_least: bool = False
    alternative: Goal | None = None
    in_short: bool = True
    margin: float = 1.5
    of: str = OURS
    """Whose figure it is: ours, or ours with other options."""

    def cases(self) -> set[str]:
        """The names of the cases that it needs."""
        alternatives = self.alternative.cases() if self.alternative else set()
        return {self.case, *filter(None, [self.against_case]), *alternatives}

    def ours(self, results: Results) -> list[float]:
        """Our figure, round by round."""
        return figures(results, self.case, self.of, self.figure)

    def values(self, results: Results) -> list[float]:
        """What is held against the limit, round by round: each is of runs that followed each other."""
        ours = self.ours(results)
        if self.how == "is":
            return ours
        others = figures(results, self.against_case or self.case, self.against, self.figure)
        pairs = zip(ours, others, strict=False)
        if self.how == "beyond":
            return [our - other for our, other in pairs]
        return [our / other if other else float("inf") for our, other in pairs]

    def passes(self, results: Results, limit: float | None = None, in_any_round: bool = False) -> bool:
        """Whether the median keeps the limit, which is the goal's own unless another is given.

        ``in_any_round``: whether any round does. Where a processor is shared, its speed can halve from one process to
        the next; what became slower by itself is so in all rounds.
        """
        values = self.values(results)
        if not values:
            return False
        limit = self.limit if limit is None else limit
        best = max(values) if self.at_least else min(values)
        judged = best if in_any_round else median(values)
        if judged >= limit if self.at_least else judged <= limit:
            return True
        return self.alternative is not None and self.alternative.passes(results)


@dataclass(frozen=True)
class Group:
    """What one module of `goals` measures: one of the issue's headings."""

    name: str
    title: str
    cases: Sequence[Case]
    goals: Sequence[Goal]


def figures(results: Results, case: str, peer: str, figure: str) -> list[float]:
    """One figure of a peer, round by round."""
    return [figures[figure] for figures in results.get(case, {}).get(peer, ()) if figure in figures]
