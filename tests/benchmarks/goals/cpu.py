"""Whole CPU: what all threads of the process spend on a record, from `logger.info` to accepted."""

from __future__ import annotations

from time import perf_counter, process_time

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import FILE, NULL, OURS, QUEUE, WATCHTOWER
from ..program import LOGGER, Setup
from ..workload import KINDS, in_threads, log, serials

ALL = (NULL, FILE, QUEUE, WATCHTOWER, OURS)
ONE, EIGHT, KILOBYTE, NON_ASCII = "CPU, 1 thread", "CPU, 8 threads", "CPU, 1 KB", "CPU, non-ASCII"


def measure(setup: Setup) -> Figures:
    """Log a burst, and wait until all of it has gone where the handler takes it."""
    kind, records, threads = KINDS[setup.params["kind"]], setup.params["records"], setup.params["threads"]
    setup.begin()
    target = setup.open(kind)
    began, cpu_began = perf_counter(), process_time()
    in_threads(lambda share: log(LOGGER, kind.template, setup.run, share), serials(1, records), threads)
    setup.settle(target, records)
    cpu, took = process_time() - cpu_began, perf_counter() - began
    if target.delivers:
        setup.report(records + 1, kind)
    # Microseconds for a record are seconds for a million.
    return {"cpu_s_per_million": cpu / records * 1e6, "records_per_s": records / took}


def case(
    name: str,
    records: int,
    *,
    threads: int = 1,
    kind: str = "120 B",
    peers: tuple[str, ...] = ALL,
    rounds: int | None = None,
) -> Case:
    """A case of this kind, here and where else the cost of a record matters."""
    return Case(name, "cpu.measure", peers, {"records": records, "threads": threads, "kind": kind}, rounds)


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    both, few = (WATCHTOWER, OURS), sizes.few_rounds if sizes.is_short else None
    cases = [
        case(ONE, sizes.records),
        case(EIGHT, sizes.records, threads=8),
        case(KILOBYTE, sizes.records // 2, kind="1 KB", peers=both, rounds=few),
        case(NON_ASCII, sizes.records // 2, kind="non-ASCII", peers=both, rounds=few),
    ]
    goals = [
        _goal(ONE, NULL, 1.6),
        _goal(ONE, FILE, 0.95),
        _goal(ONE, WATCHTOWER, 0.36),
        _goal(EIGHT, FILE, 0.5, in_short=False),
        _goal(EIGHT, WATCHTOWER, 0.17),
        _goal(KILOBYTE, WATCHTOWER, 0.5),
        _goal(NON_ASCII, WATCHTOWER, 0.5, in_short=False),
    ]
    return Group("cpu", "Whole CPU per million delivered", cases, goals)


def _goal(name: str, peer: str, limit: float, in_short: bool = True) -> Goal:
    title = f"{name}, against {peer}"
    return Goal(title, name, "cpu_s_per_million", "s per 1 M", limit, "times", peer, in_short=in_short)
