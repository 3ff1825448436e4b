"""Many handlers in a process: thirty that live side by side, and thirty that are made and closed one after another."""

from __future__ import annotations

import gc
import logging
import os
from time import monotonic, process_time, sleep
from typing import Final

from tests.faults.memory import MIB, resident_bytes

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import OURS, PEERS, WATCHTOWER
from ..program import Setup, attach
from ..workload import KINDS, log, serials

HANDLERS: Final = 30
# The main thread, the one that drives, and those that make requests.
MOST_THREADS: Final = 2 + 8
# A second round shows what a handler costs while it goes on.
ROUNDS: Final = 3
RECORDS: Final = 10
# What ends by itself has ended by then.
ENDED: Final = 5.0


def alive(setup: Setup) -> Figures:
    """Make handlers, each with a logger and a stream of its own, and let each of them deliver some times."""
    setup.begin()
    before, cpu, most, sent = resident_bytes(), process_time(), 0, 0
    handlers = []
    for number in range(HANDLERS):
        target, logger = PEERS[setup.peer](log_stream_name=f"stream-{number}"), logging.getLogger(f"many.{number}")
        attach(target.handler, logger)
        handlers.append((target, logger))
    for _ in range(ROUNDS):
        for _, logger in handlers:
            log(logger, KINDS["120 B"].template, setup.run, serials(sent, RECORDS))
            sent += RECORDS
            most = max(most, _threads())
        for target, _ in handlers:
            target.settle()
            most = max(most, _threads())
    cpu = process_time() - cpu
    setup.report(sent, KINDS["120 B"])
    return {"rss_mib": (resident_bytes() - before) / MIB, "cpu_s": cpu, "threads": most}


def in_turn(setup: Setup) -> Figures:
    """Make a handler, let it deliver and close it, again and again; one was there before, and is gone."""
    setup.begin()
    cpu = process_time()
    _live_and_close(setup, 0)
    gc.collect()
    _until_ended(1)
    threads, descriptors, resident = _threads(), _descriptors(), resident_bytes()
    for number in range(1, HANDLERS):
        _live_and_close(setup, number)
    cpu = process_time() - cpu
    _until_ended(threads)
    figures = {
        "threads_left": _threads() - threads,
        "descriptors_left": _descriptors() - descriptors,
        "kept_mib": (resident_bytes() - resident) / MIB,
    }
    setup.report(HANDLERS * RECORDS, KINDS["120 B"])
    return {"cpu_s": cpu, **figures}


def _live_and_close(setup: Setup, number: int) -> None:
    target, logger = PEERS[setup.peer](log_stream_name=f"stream-{number}"), logging.getLogger(f"many.{number}")
    attach(target.handler, logger)
    log(logger, KINDS["120 B"].template, setup.run, serials(number * RECORDS, RECORDS))
    target.handler.close()
    logger.removeHandler(target.handler)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _until_ended(threads: int) -> None:
    give_up = monotonic() + ENDED
    while _threads() > threads and monotonic() < give_up:
        sleep(0.01)


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    side_by_side, turn = f"{HANDLERS} handlers", f"{HANDLERS} handlers made and closed in turn"
    cases = [
        Case(side_by_side, "many.alive", (WATCHTOWER, OURS), rounds=sizes.few_rounds),
        Case(turn, "many.in_turn", (WATCHTOWER, OURS), rounds=sizes.few_rounds),
    ]
    goals = [
        Goal(f"{side_by_side}: threads in the process", side_by_side, "threads", "", MOST_THREADS, margin=1.0),
        *(
            Goal(f"{case}: CPU, against {WATCHTOWER}", case, "cpu_s", "s", 1.0, "times", WATCHTOWER)
            for case in (side_by_side, turn)
        ),
    ]
    for case, figure, what in ((side_by_side, "rss_mib", "RSS"), (turn, "kept_mib", "RSS kept beyond the first one's")):
        title = f"{case}: {what}, against {WATCHTOWER}"
        goals.append(Goal(title, case, figure, "MiB", 1.0, "times", WATCHTOWER, margin=1.2))
    goals += [
        Goal(f"{turn}: threads left", turn, "threads_left", "", 0.0, margin=1.0),
        Goal(f"{turn}: file descriptors left", turn, "descriptors_left", "", 0.0, margin=1.0),
    ]
    return Group("many", "Many handlers", cases, goals)
