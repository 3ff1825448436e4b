"""The ways to CloudWatch Logs that people have beside a handler: what each costs the program itself.

What an agent or a platform spends outside the program is not measured here.
"""

from __future__ import annotations

from ..case import Case, Goal, Group, Sizes
from ..peers import FILE, NULL, OPENTELEMETRY, OURS, STDOUT, WATCHTOWER
from . import cpu

ALL = (NULL, FILE, STDOUT, OPENTELEMETRY, WATCHTOWER, OURS)


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    called, spent = "ways, caller, 1 thread", "ways, CPU, 1 thread"
    cases = [
        Case(called, "caller.measure", ALL, {"records": sizes.records, "threads": 1}),
        cpu.case(spent, sizes.records, peers=ALL),
    ]
    goals = [
        _goal(f"{called}: median call, against {peer}", called, "median_ns", "ns", peer)
        for peer in (STDOUT, OPENTELEMETRY)
    ] + [
        _goal(f"{spent}, against {peer}", spent, "cpu_s_per_million", "s per 1 M", peer)
        for peer in (STDOUT, OPENTELEMETRY)
    ]
    return Group("ways", "Other ways", cases, goals)


def _goal(title: str, case: str, figure: str, unit: str, peer: str) -> Goal:
    return Goal(title, case, figure, unit, 1.0, "times", peer, in_short=False)
