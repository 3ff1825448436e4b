"""The oracle: what must hold after a program has ended and its world is well again.

Owns the rules between what the processes wrote down and what the service got.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cwlog_handler.testing import Request
from tests.programs import python, started

from . import diary
from .diary import Life, Taken
from .history import History
from .world import World

# All that a run may take beyond its time; a program that hangs says where, before that.
PATIENCE = 90.0
# Why a record of each kind may be dropped or rejected, besides overflow.
REASONS = {"empty": diary.EMPTY, "too_old": diary.OLD, "too_new": diary.AHEAD}


@dataclass
class Verdict:
    """What became of one run."""

    seed: int
    seconds: float
    violations: list[str] = field(default_factory=list)
    faults: int = 0
    requests: int = 0
    processes: int = 0
    taken: int = 0
    stored: int = 0
    doubled: int = 0
    dropped: int = 0
    left: int = 0
    output: str = ""

    @property
    def numbers(self) -> str:
        """One line."""
        return (
            f"seed {self.seed}: {self.faults} faults, {self.requests} requests, {self.processes} processes, "
            f"{self.taken} records, {self.stored} delivered, {self.doubled} doubled, {self.dropped} dropped, "
            f"{self.left} left at exit"
        )

    def __str__(self) -> str:
        lines = [self.numbers, *(f"  VIOLATION: {violation}" for violation in self.violations)]
        lines.append(f"  replay: python -m tests.oracle --seed {self.seed} --seconds {self.seconds:g} --runs 10")
        if self.violations and self.output:
            lines.append("  the program wrote:\n" + "\n".join(f"    {line}" for line in self.output.splitlines()[-60:]))
        return "\n".join(lines)


@dataclass(frozen=True)
class Observation:
    """What there is to judge after a run."""

    world: World
    requests: list[Request]
    lives: list[Life]
    output: str
    ended: int | None


def observe(seed: int, seconds: float) -> Observation:
    """Run the program of a seed in the world of that seed, to the end."""
    world = World(seed, seconds)
    with tempfile.TemporaryDirectory() as diaries:
        command = python("-m", "tests.oracle.program", f"--seed={seed}", f"--diaries={diaries}", f"--seconds={seconds}")
        ended = None
        try:
            with started(command, url=world.url) as program:
                program.wait_for("ready")
                world.begin()
                world.calm()
                Path(diaries, "calm").touch()
                try:
                    ended = program.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    program.signal(signal.SIGUSR2)
                    with suppress(AssertionError):
                        program.wait_for("<module>", 5.0)
        finally:
            world.end()
        return Observation(world, world.fake.requests, list(diary.read(diaries)), program.output, ended)


def run(seed: int, seconds: float) -> Verdict:
    """Run the program of a seed in the world of that seed, and judge."""
    verdict = judge(observe(seed, seconds))
    verdict.seed, verdict.seconds = seed, seconds
    return verdict


def judge(seen: Observation) -> Verdict:
    """Hold what the processes say against what the service saw."""
    lives, output, ended = seen.lives, seen.output, seen.ended
    history = History(seen.world, seen.requests)
    verdict = Verdict(0, 0.0, output=output, faults=seen.world.faults, requests=len(seen.requests))
    violations = verdict.violations
    if ended != 0:
        violations.append(f"the program ended with {ended}")
    for word in ("Traceback", "please report it", "--- Logging error ---"):
        if word in output:
            violations.append(f"the program wrote {word!r}")
    violations += history.problems
    everything = [taken for life in lives for taken in life.taken]
    known = {taken.id for taken in everything}
    if invented := [record_id for record_id in history.copies if record_id not in known]:
        violations.append(f"{len(invented)} records were invented: {invented[:5]}")
    violations += history.doubles()
    violations += history.disorder(everything)
    violations += history.haste()
    for life in lives:
        violations += [f"process {life.name}: {problem}" for problem in (*life.wrongs, *account(life, history, output))]
    violations += told(lives, history)
    verdict.processes = len(lives)
    verdict.taken = len(everything)
    verdict.stored = len(history.copies)
    verdict.doubled = sum(len(copies) > 1 for copies in history.copies.values())
    books = [stats for life in lives for stats in (life.stats or {}).values()]
    verdict.dropped = sum(sum(stats["dropped_by_reason"].values()) for stats in books)
    verdict.left = sum(stats["pending"] for stats in books)
    return verdict


def account(life: Life, history: History, output: str) -> Iterator[str]:
    """Every record that a handler of this process took was delivered, or its handlers tell what became of it."""
    if life.stats is None:
        yield "it never reported"
        return
    if foreign := [taken.id for taken in life.taken if taken.kind == "foreign"]:
        yield f"handlers took {len(foreign)} records of their own tools: {foreign[:5]}"
    silent = [taken.id for taken in life.taken if not taken.reports and taken.kind not in REASONS.values()]
    if lost := [record_id for record_id in silent if record_id not in history.copies]:
        yield f"{len(lost)} records of collected handlers were lost: {lost[:5]}"
    reporting: dict[str, list[Taken]] = defaultdict(list)
    for taken in filter(lambda taken: taken.reports, life.taken):
        reporting[str(taken.serial)].append(taken)
    for serial, stats in life.stats.items():
        for problem in _books(reporting.pop(serial, []), stats, history):
            yield f"handler {serial}: {problem}"
    if reporting:
        yield f"handlers {sorted(reporting)} took records and did not report"
    left = sum(stats["pending"] for stats in life.stats.values())
    if left and life.ending != "os._exit" and "not delivered at exit" not in output:
        yield f"{left} records were left at exit, and nobody said so"


def told(lives: list[Life], history: History) -> Iterator[str]:
    """What handlers tell in a stream about their losses is in their books, and nothing but that is in them."""
    books = [stats for life in lives for stats in (life.stats or {}).values()]
    notices = sum(stats["loss_notices"] for stats in books)
    # A handler that gave up at the end has reported, and its thread may tell of a loss in the moment that it still has.
    notices += sum(stats["pending"] > 0 for stats in books)
    if len(history.notices) > notices:
        yield f"{len(history.notices)} notices of losses were stored, {notices} counted"
    gone = sum(sum(stats[which].values()) for stats in books for which in ("dropped_by_reason", "rejected_by_reason"))
    lost = sum(taken.reports and taken.id not in history.copies for life in lives for taken in life.taken)
    if lost < gone - (notices - len(history.notices)):
        yield f"{gone} are counted as dropped or rejected, and only {lost} records and some notices are not there"


def _books(taken: list[Taken], stats: dict[str, Any], history: History) -> Iterator[str]:
    """The books of one handler against what it took and what the service got of it."""
    pending, notices = stats["pending"], stats["loss_notices"]
    dropped, rejected = Counter(stats["dropped_by_reason"]), Counter(stats["rejected_by_reason"])
    gone = sum(dropped.values()) + sum(rejected.values())
    if stats["emitted"] != stats["delivered"] + gone + pending:
        yield f"the books do not balance: {stats}"
    if stats["emitted"] != len(taken) + notices:
        yield f"it took {len(taken)} records and counted {stats['emitted']}, {notices} notices"
    lost = [one.id for one in taken if one.id not in history.copies]
    # What is pending at the end may have been stored although its answer was lost.
    # Notices of ours may be among the dropped ones; `told` sees to it that they are no excuse.
    if not gone - notices <= len(lost) <= gone + pending:
        yield (
            f"{len(lost)} of {len(taken)} records were never stored, counted are {dict(dropped)} dropped, "
            f"{dict(rejected)} rejected, {pending} pending; such as {lost[:5]}"
        )
    kinds = Counter(one.kind for one in taken)
    for reason, count in (dropped + rejected).items():
        if reason != "overflow" and count > kinds[REASONS.get(reason, "")]:
            yield f"{count} lost as {reason!r}, with {dict(kinds)}"
    doubled = sum(len(history.copies.get(one.id, ())) > 1 for one in taken)
    if doubled > stats["possibly_duplicated"] + pending:
        yield f"{doubled} stored twice, {stats['possibly_duplicated']} counted as possibly duplicated"
