"""The oracle: what must hold after a program has ended and its world is well again.

Owns the rules between what the processes wrote down and what the service got.
"""

from __future__ import annotations

import json
import re
import signal
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cwlog_handler.testing import Request
from tests.programs import Program, python, started

from . import diary, survival
from .diary import Life, Taken
from .history import History
from .plan import EXIT_STATUS, LAST, Death, Plan
from .world import World

# All that a run may take beyond its time; a program that hangs says where, before that.
PATIENCE = 90.0
# Why a record of each kind may be dropped or rejected, besides overflow.
REASONS = {"empty": diary.EMPTY, "too_old": diary.OLD, "too_new": diary.AHEAD}

_ORPHAN = re.compile(
    r"Traceback \(most recent call last\):\n(  .*\n)*(EOFError|ConnectionResetError|BrokenPipeError).*"
)


@dataclass
class Verdict:
    """What became of one run."""

    seed: int
    seconds: float
    violations: list[str] = field(default_factory=list)
    faults: int = 0
    requests: int = 0
    processes: int = 0
    plan: str = ""
    kills: int = 0
    recovered: int = 0
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
            f"seed {self.seed}: {self.plan}: {self.faults} faults, {self.requests} requests, {self.processes} "
            f"processes, {self.kills} kills, {self.taken} records, {self.stored} delivered, {self.recovered} "
            f"recovered, {self.doubled} doubled, {self.dropped} dropped, {self.left} left at exit"
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
    plan: Plan
    wrongs: list[str]
    """How programs ended that should have ended otherwise, and what is left in the directory of the spool."""


class Stage:
    """Starts the programs of a run, one after another, kills them, and waits for all that they have started."""

    def __init__(self, seed: int, seconds: float, directory: Path, stack: ExitStack) -> None:
        self._seed, self._seconds, self._stack = seed, seconds, stack
        self._diaries, self._spool = directory / "diaries", directory / "spool"
        self._diaries.mkdir()
        self.plan = Plan(seed, seconds)
        self._options = self.plan.options(str(self._spool))
        self._world = World(seed, seconds, self.plan.outage)
        stack.callback(self._world.end)
        self._calm = threading.Thread(target=self._wait_for_calm, daemon=True)
        self._programs: list[Program] = []
        self._killed: dict[str, float] = {}
        self._wrongs: list[str] = []

    def _wait_for_calm(self) -> None:
        self._world.calm()
        (self._diaries / "calm").touch()

    def play(self) -> None:
        """Run all programs to the end."""
        ends_at = None
        for name, death in self.plan.programs():
            left = self._seconds if ends_at is None else max(0.5, ends_at - time.monotonic())
            program = self._start(
                *("tests.oracle.program", f"--seed={self._seed}", f"--seconds={left}", f"--name={name}"),
                *([f"--dies-after={death.after}"] if death is not None and death.how == "os._exit" else []),
            )
            program.wait_for("ready")
            if ends_at is None:
                ends_at = time.monotonic() + self._seconds
                self._world.begin()
                self._calm.start()
            if death is not None:
                self._kill(name, program, death)
            else:
                self._wait(name, program)
        self._calm.join()
        for program in self._programs:
            if not program.wait_for_children(PATIENCE):
                self._wrongs.append("a child of a program does not end")
        if self.plan.mode is not None:
            self._wait(LAST, self._start("tests.oracle.successor"))
            if self._spool.exists() and (left_files := sorted(path.name for path in self._spool.iterdir())):
                self._wrongs.append(f"these files are left: {left_files[:5]}")

    def _start(self, module: str, *arguments: str) -> Program:
        options = json.dumps(self._options)
        command = python("-m", module, f"--diaries={self._diaries}", f"--options={options}", *arguments)
        program = self._stack.enter_context(started(command, url=self._world.url))
        self._programs.append(program)
        return program

    def _kill(self, name: str, program: Program, death: Death) -> None:
        at, patience = time.monotonic() + death.after, PATIENCE if death.how == "os._exit" else 0.0
        while program.is_running and time.monotonic() < at + patience:
            time.sleep(0.002)
        if program.is_running:
            killed_at = time.monotonic()
            program.signal(signal.SIGKILL)
            # Not until its output ends: its children live on.
            while program.is_running:
                time.sleep(0.002)
            if patience:
                self._wrongs.append(f"program {name} does not end itself")
            elif program.status == -signal.SIGKILL:
                self._killed[name] = killed_at
        if program.status not in (0, -signal.SIGKILL, EXIT_STATUS):
            self._wrongs.append(f"program {name} ended with {program.status}")

    def _wait(self, name: str, program: Program) -> None:
        ends_at = time.monotonic() + PATIENCE
        while program.is_running and time.monotonic() < ends_at:
            time.sleep(0.01)
        if program.is_running:
            program.signal(signal.SIGUSR2)
            with suppress(AssertionError):
                program.wait_for("<module>", 5.0)
        if program.status != 0:
            self._wrongs.append(f"program {name} ended with {program.status}")

    def observed(self) -> Observation:
        """What there is to judge."""
        lives = list(diary.read(str(self._diaries)))
        for life in lives:
            if life.name in self._killed:
                life.kill(self._killed[life.name])
        output = "".join(program.output for program in self._programs)
        return Observation(self._world, self._world.fake.requests, lives, output, self.plan, self._wrongs)


def observe(seed: int, seconds: float) -> Observation:
    """Run the programs of a seed in the world of that seed, to the end."""
    with tempfile.TemporaryDirectory() as directory:
        with ExitStack() as stack:
            stage = Stage(seed, seconds, Path(directory), stack)
            stage.play()
            stack.close()
        return stage.observed()


def run(seed: int, seconds: float) -> Verdict:
    """Run the program of a seed in the world of that seed, and judge."""
    verdict = judge(observe(seed, seconds))
    verdict.seed, verdict.seconds = seed, seconds
    return verdict


def judge(seen: Observation) -> Verdict:
    """Hold what the processes say against what the service saw."""
    lives, output, plan = seen.lives, seen.output, seen.plan
    history = History(seen.world, seen.requests, lives)
    verdict = Verdict(0, 0.0, output=output, faults=seen.world.faults, requests=len(seen.requests))
    verdict.plan = str(plan)
    violations = verdict.violations
    violations += seen.wrongs
    for word in ("Traceback", "please report it", "--- Logging error ---", "cannot be used", "is damaged"):
        if word in (_without_orphans(output) if any(life.was_killed for life in lives) else output):
            violations.append(f"the program wrote {word!r}")
    violations += history.problems
    everything = [taken for life in lives for taken in life.taken]
    known = {taken.id for taken in everything}
    if invented := [record_id for record_id in history.copies if record_id not in known]:
        violations.append(f"{len(invented)} records were invented: {invented[:5]}")
    violations += history.doubles()
    violations += history.disorder(everything, by_level=plan.mode is not None)
    violations += history.haste()
    for life in lives:
        problems = account(life, history, output, plan, elsewhere(lives, history))
        violations += [f"process {life.name}: {problem}" for problem in (*life.wrongs, *problems)]
    violations += told(lives, history)
    violations += survival.places_and_times(lives, history)
    violations += survival.uncounted_doubles(lives, history.deaths, history)
    verdict.processes = len(lives)
    verdict.taken = len(everything)
    verdict.stored = len(history.copies)
    verdict.doubled = sum(len(copies) > 1 for copies in history.copies.values())
    books = [stats for life in lives for stats in (life.stats or {}).values()]
    verdict.dropped = sum(sum(stats["dropped_by_reason"].values()) for stats in books)
    verdict.left = sum(stats["pending"] for stats in books)
    verdict.recovered = sum(stats["recovered"] for stats in books)
    verdict.kills = sum(life.was_killed for life in lives)
    return verdict


def _without_orphans(output: str) -> str:
    """The output without what a child of multiprocessing says whose parent was killed while it began."""
    return _ORPHAN.sub("", output)


def elsewhere(lives: list[Life], history: History) -> int:
    """How many records of others handlers may have dropped, which had taken them over from the disk."""
    count = 0
    for life in lives:
        for serial, stats in (life.stats or {}).items():
            if stats["recovered"]:
                own = sum(str(one.serial) == serial and one.id not in history.copies for one in life.taken)
                count += max(0, _gone(stats) - own)
    return count


def _gone(stats: dict[str, Any]) -> int:
    return sum(stats["dropped_by_reason"].values()) + sum(stats["rejected_by_reason"].values())


def account(life: Life, history: History, output: str, plan: Plan, dropped_elsewhere: int) -> Iterator[str]:
    """Every record that a handler of this process took was delivered, or its handlers tell what became of it."""
    if life.was_killed:
        yield from survival.missing(life, plan, history, output)
        return
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
        for problem in _books(reporting.pop(serial, []), stats, history, plan, dropped_elsewhere):
            yield f"handler {serial}: {problem}"
    if reporting:
        yield f"handlers {sorted(reporting)} took records and did not report"
    # What others have left is left once more.
    left = sum(max(0, stats["pending"] - stats["recovered"]) for stats in life.stats.values())
    if left and life.ending != "os._exit" and "not delivered at exit" not in output:
        yield f"{left} records were left at exit, and nobody said so"


def told(lives: list[Life], history: History) -> Iterator[str]:
    """What handlers tell in a stream about their losses is in their books, and nothing but that is in them."""
    books = [stats for life in lives for stats in (life.stats or {}).values()]
    notices = sum(stats["loss_notices"] for stats in books)
    # A handler that gave up at the end has reported, and its thread may tell of a loss in the moment that it still has.
    notices += sum(stats["pending"] > 0 for stats in books)
    if len(history.notices) > notices and not any(life.was_killed for life in lives):
        yield f"{len(history.notices)} notices of losses were stored, {notices} counted"
    gone = sum(sum(stats[which].values()) for stats in books for which in ("dropped_by_reason", "rejected_by_reason"))
    everything = [taken for life in lives for taken in life.taken]
    lost = sum(taken.reports and taken.id not in history.copies for taken in everything)
    # What a handler that does not report has left on disk is dropped by others, and they count it.
    silent = sum(not taken.reports and taken.id not in history.copies for taken in everything)
    lost += min(silent, sum(stats["recovered"] for stats in books))
    full = sum(stats["dropped_by_reason"].get("spool_full", 0) for stats in books)
    lost += min(full, history.stored_unknown(taken.id for taken in everything))
    if lost < gone - (notices - len(history.notices)):
        yield f"{gone} are counted as dropped or rejected, and only {lost} records and some notices are not there"


def _books(
    taken: list[Taken], stats: dict[str, Any], history: History, plan: Plan, dropped_elsewhere: int
) -> Iterator[str]:
    """The books of one handler against what it took and what the service got of it."""
    pending, notices = stats["pending"], stats["loss_notices"]
    dropped, rejected = Counter(stats["dropped_by_reason"]), Counter(stats["rejected_by_reason"])
    gone = sum(dropped.values()) + sum(rejected.values())
    recovered = stats["recovered"]
    if stats["emitted"] + recovered != stats["delivered"] + gone + pending:
        yield f"the books do not balance: {stats}"
    if stats["emitted"] != len(taken) + notices:
        yield f"it took {len(taken)} records and counted {stats['emitted']}, {notices} notices"
    lost = [one.id for one in taken if one.id not in history.copies]
    # What is pending at the end may have been stored although its answer was lost.
    # Notices of ours may be among the dropped ones; `told` sees to it that they are no excuse.
    # What it has taken over was taken by others.
    most = gone + pending
    if plan.mode is not None:
        # What is on disk is delivered by others, unless they drop it; perhaps for what it is, and are killed then.
        most += dropped_elsewhere - stats["spooled"]
        most += sum(one.kind in survival.DROPPED_FOR_THEMSELVES and one.id in lost for one in taken) if pending else 0
    unknown = min(dropped["spool_full"], history.stored_unknown(one.id for one in taken))
    if not gone - notices - recovered - unknown <= len(lost) <= most:
        yield (
            f"{len(lost)} of {len(taken)} records were never stored, counted are {dict(dropped)} dropped, "
            f"{dict(rejected)} rejected, {pending} pending, {recovered} recovered, {stats['spooled']} on disk; such as "
            f"{lost[:5]}"
        )
    kinds = Counter(one.kind for one in taken)
    for reason, count in (dropped + rejected).items():
        # What it has taken over may have been of any kind.
        most = kinds[REASONS[reason]] + recovered if reason in REASONS else 0
        if reason == "spool_full" and plan.is_small:
            continue
        if reason != "overflow" and count > most:
            yield f"{count} lost as {reason!r}, with {dict(kinds)}"
    doubled = sum(len(history.copies.get(one.id, ())) > 1 for one in taken)
    if doubled > stats["possibly_duplicated"] + pending:
        yield f"{doubled} stored twice, {stats['possibly_duplicated']} counted as possibly duplicated"
