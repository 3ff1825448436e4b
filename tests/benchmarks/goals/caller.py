"""The caller: what `logger.info` costs the thread that calls it, while the flusher is busy."""

from __future__ import annotations

import sys
from array import array
from statistics import median
from typing import Final

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import FILE, NULL, OURS, QUEUE, WATCHTOWER
from ..program import LOGGER, Setup
from ..workload import KINDS, in_threads, log_timed, serials

ALL: Final = (NULL, FILE, QUEUE, WATCHTOWER, OURS)
SWITCH_MS: Final = sys.getswitchinterval() * 1000


def measure(setup: Setup) -> Figures:
    """Time each call of a burst, on all threads; the clock's own cost is in all of them alike."""
    kind, records, threads = KINDS["120 B"], setup.params["records"], setup.params["threads"]
    setup.begin()
    target = setup.open(kind)
    took: list[array[int]] = []
    in_threads(
        lambda share: took.append(log_timed(LOGGER, kind.template, setup.run, share)), serials(1, records), threads
    )
    setup.settle(target, records)
    if target.delivers:
        setup.report(records + 1, kind)
    calls = sorted(ns for one in took for ns in one)
    return {"median_ns": median(calls), "p999_ms": calls[int(len(calls) * 0.999)] / 1e6, "longest_ms": calls[-1] / 1e6}


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    cases, goals = [], []
    for threads, limit in ((1, 1.25), (8, 1.35)):
        name = f"caller, {threads} thread{'s'[: threads > 1]}"
        cases.append(Case(name, "caller.measure", ALL, {"records": sizes.records, "threads": threads}))
        goals += [
            Goal(f"{name}: median call", name, "median_ns", "ns", limit, "times", NULL, in_short=threads == 1),
            Goal(f"{name}: p99.9", name, "p999_ms", "ms", SWITCH_MS, "beyond", NULL, in_short=False),
            Goal(f"{name}: longest stall", name, "longest_ms", "ms", SWITCH_MS, "beyond", NULL, in_short=False),
        ]
    return Group("caller", "Caller", cases, goals)
