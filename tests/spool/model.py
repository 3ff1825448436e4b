"""Random lives of processes that share a spool, against a simple model of what may be lost.

Processes log, are killed between any two calls of the disk, start again and end; the service and the disk fail in many
ways. Clock, disk and service are simulated, so a seed always gives the same program. The long run is
``python -m tests.spool.model --seconds 600``; it exits 1 at the first violation and prints the smallest program that
still has it.
"""

from __future__ import annotations

import argparse
import errno
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from math import inf
from typing import Any

from cwlog_handler.core import outcomes
from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.retry import NO_DEADLINE
from cwlog_handler.core.targets import Target
from cwlog_handler.delivery import buckets
from cwlog_handler.delivery.rounds import Rounds
from cwlog_handler.record.names import GroupName
from cwlog_handler.spool import frames
from cwlog_handler.spool.directory import Identity, Settings
from cwlog_handler.spool.spool import Spool
from cwlog_handler.system.stderr import Notices

from ..simulation import VirtualTime, an_endpoint, terms, to
from .disks import FOR_EVER, Died, FakeDisk

DIRECTORY = "/spool"
# What is younger than this when its process is killed may be missing.
YOUNG = 3.05
# After a refusal of the disk nothing is written for 20 s.
DISK_TROUBLE = 21.0
HANGS_FOR = 30.0
MOST_PROCESSES = 3
MARKS = 4096
TEMPLATE = "/app/{logger_name}"

Action = tuple[Any, ...]


class Violation(AssertionError):
    """What must hold does not."""


class Service:
    """Stores, refuses or says nothing, as ``mode`` says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mode = "ok"
        self.stored: dict[str, list[tuple[int, str]]] = {}
        self.copies: Counter[str] = Counter()
        self.rejected: set[str] = set()
        self.refused_stream: str | None = None

    def connect(self, patience: float | None = None) -> outcomes.Connection:
        # Each process has tokens of its own: those of a killed one would never come back.
        return outcomes.Connected(an_endpoint())

    def put(
        self, target: Target, batch: Any, token: Any, on_progress: Any, patience: Any = None, is_fresh: bool = False
    ) -> outcomes.Outcome:
        on_progress()
        return self.answer(self.world.stream_of(target), batch, self.mode)

    def answer(self, stream_name: str, batch: Any, mode: str) -> outcomes.Outcome:
        events = list(batch)
        if stream_name == self.refused_stream:
            return outcomes.Refused("AccessDeniedException", "allow it")
        if mode == "503":
            return outcomes.Unavailable("503", ambiguous=False)
        if mode == "throttled":
            return outcomes.Throttled("ThrottlingException")
        if mode == "refused":
            return outcomes.Refused("AccessDeniedException", "allow it")
        if mode == "no answer":
            return outcomes.Unavailable("timeout", ambiguous=True)
        if any("BAD" in event.message for event in events):
            if len(events) == 1:
                self.rejected.add(identity(events[0].message))
            return outcomes.Invalid("bad")
        stored = self.stored.setdefault(stream_name, [])
        for event in events:
            stored.append((event.timestamp, event.message))
            self.copies[identity(event.message)] += 1
        if mode == "lost answer":
            return outcomes.Unavailable("reset", ambiguous=True)
        return outcomes.Accepted(None)


def identity(text: str) -> str:
    """The first word of an event: each record has one of its own."""
    return text.partition(" ")[0]


class Senders:
    """Requests that are under way until the world lets them end."""

    inline = False
    is_crowded = False

    def __init__(self) -> None:
        self.jobs: deque[Callable[[], None]] = deque()
        self.busy = self.lost = 0

    @property
    def free(self) -> int:
        return 8 + self.lost - self.busy

    def presume_lost(self) -> bool:
        if self.lost >= 16:
            return False
        self.lost += 1
        return True

    def run(self, job: Callable[[], None]) -> None:
        self.busy += 1
        self.jobs.append(job)

    def finished(self, was_lost: bool = False) -> None:
        self.busy -= 1
        self.lost -= was_lost

    def go_inline(self) -> None:
        pass

    is_waiting = False

    def wake_by(self, wake: Callable[[], None]) -> None:
        pass

    def belong_to(self, endpoint: str | None) -> None:
        pass

    def reserve(self, wanted: int) -> int:
        return min(wanted, self.free)

    def keep(self, jobs: int) -> None:
        pass

    @property
    def may_overlap(self) -> bool:
        return self.free > 4


class Process:
    """One life: rounds, and a view of the disk."""

    def __init__(self, world: World, name: str, seed: int) -> None:
        self.world, self.name = world, name
        self.disk = world.disk.process(name)
        self.senders = Senders()
        self.next_at: float | None = world.time.now
        self.emitted: dict[str, float] = {}
        self.is_alive = True
        self.deadline = NO_DEADLINE
        options = world.options
        group = options["group"]
        settings = Settings(DIRECTORY, options["mode"], options["max_spool"], options["sync"], 1_048_576, "split")
        owner = Identity(group, "r", "", "", "box")
        if options["has_groups"]:
            template = GroupName(TEMPLATE)
            owner = owner._replace(group=template.text, may_have_made=template.may_have_made)
        owner = owner._replace(stream=owner.name_of(world.target_of("own")))
        chance = random.Random(seed)

        def make_spool(ledger: Ledger) -> Spool:
            return Spool(
                settings, lambda: owner, ledger, self.notices, world.time.monotonic, self.disk,
                gives_up_newest=options["overflow"] != "drop_oldest",
            )  # fmt: skip

        self.notices = Notices(world.time.monotonic)
        self.rounds = Rounds(
            world.service,
            self.notices,
            terms(
                max_bytes=options["max_bytes"], max_count=options["max_count"], overflow=options["overflow"],
                batch_bytes=options["batch_bytes"],
                batch_events=options["batch_events"], requests_per_second=options["rate"],
            ),
            wake=lambda: None,
            inline=False,
            clock=world.time.clock(),
            jitter=chance.random,
            own_target=lambda: world.target_of("own"),
            senders=self.senders,  # type: ignore[arg-type]
            make_spool=make_spool,
        )  # fmt: skip
        spool = self.rounds._storing._spool  # type: ignore[union-attr]
        # Otherwise the names would be others in each run.
        spool.directory._prefix = f"box-{name}-{seed % 2**32:08x}."

    @property
    def is_rung(self) -> bool:
        return self.rounds.inbox.is_rung

    def due_at(self) -> float:
        if self.is_rung:
            return self.world.time.now
        return inf if self.next_at is None else self.next_at

    def step(self) -> None:
        self.rounds.wait(0.0)
        with self.may_die():
            self.next_at = self.rounds.step(self.deadline)
            self.check()
        if self.next_at is None or self.next_at > self.world.time.now + 1.0:
            # As `Driver` does before it sleeps.
            self.rounds.inbox.ring_for_next_record()
        self.world.check_bound()

    @contextmanager
    def may_die(self) -> Iterator[None]:
        try:
            yield
        except Died:
            self.world.died(self)

    def check(self) -> None:
        stats = self.rounds.stats()
        left = stats.delivered + stats.rejected + stats.dropped + stats.pending
        if stats.emitted + stats.recovered != left:
            raise Violation(f"{self.name}: the books do not balance: {stats}")
        ledger = self.rounds._ledger
        if not 0 <= stats.spooled <= stats.pending or ledger.in_memory < 0 or stats.pending_bytes < 0:
            raise Violation(f"{self.name}: impossible counts: in memory {ledger.in_memory}, {stats}")
        if stats.pending == 0 and stats.pending_bytes != 0:
            raise Violation(f"{self.name}: nothing is pending, but {stats.pending_bytes} bytes")
        if stats.dropped and not self.world.may_drop(stats.dropped_by_reason):
            raise Violation(f"{self.name}: dropped {stats.dropped_by_reason}")


@dataclass
class World:
    """All that there is in one program."""

    seed: int
    time: VirtualTime = field(default_factory=VirtualTime)
    disk: FakeDisk = field(default_factory=FakeDisk)
    processes: list[Process] = field(default_factory=list)
    ended: list[Process] = field(default_factory=list)
    kills: int = 0
    steps: int = 0
    may_be_missing: set[str] = field(default_factory=set)
    has_aged: bool = False
    uncounted: set[str] = field(default_factory=set)
    trouble_until: float = -inf
    numbers: int = 0
    hung: list[tuple[float, Process, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        buckets.forget_all()
        chance = random.Random(self.seed)
        self.chance = random.Random(self.seed + 1)
        self.is_tight = chance.random() < 0.25
        self.options = {
            "group": "g",
            "max_spool": chance.choice([100_000, 300_000]) if self.is_tight else 10**9,
            "max_bytes": chance.choice([20_000, 100_000]) if self.is_tight else 10**9,
            "max_count": None,
            "overflow": chance.choice(["drop_oldest", "drop_newest"]),
            "batch_bytes": chance.choice([2_000, 20_000, 1_048_576]),
            "batch_events": chance.choice([5, 100, 10_000]),
            "rate": chance.choice([None, 5, 5]),
            "sync": chance.random() < 0.2,
            "mode": chance.choice(["outage", "always"]),
            # Each stream in a group of its own, all with the same name.
            "has_groups": chance.random() < 0.5,
        }
        self.young = YOUNG if self.options["mode"] == "outage" else -1.0
        self.service = Service(self)
        self.disk_refused = False
        self.marks_refused = False

    # -- what is true at this moment ---------------------------------------------------------------------------------

    def on_disk(self) -> set[str]:
        found = set()
        for path, data in self.disk.contents().items():
            if not path.endswith(frames.SUFFIX):
                continue
            try:
                contents = frames.read(data)
            except frames.Unreadable:
                continue
            for block in contents.blocks:
                events = frames.block_events(data[block.offset : block.offset + block.length], block, block.first_id)
                for event in events:
                    if not any(first <= event.number <= last for first, last in contents.settled):
                        found.add(identity(event.message))
            for record in contents.records:
                if not any(first <= record.id <= last for first, last in contents.settled):
                    found.add(identity(record.text))
        return found

    def check_bound(self) -> None:
        total = sum(map(len, self.disk.contents().values()))
        # By one write, and by marks.
        if total > self.options["max_spool"] + self.options["batch_bytes"] + 300_000 + MARKS:
            raise Violation(f"{total} bytes are on disk")

    def may_drop(self, reasons: Any) -> bool:
        allowed = {"overflow", "spool_full"} if self.is_tight else set()
        if self.has_aged:
            allowed.add("too_old")
        if self.disk_refused:
            allowed.add("corrupt")
        return set(reasons) <= allowed

    def has_had_trouble(self, since: float) -> bool:
        return since <= self.trouble_until

    # -- the end of a life -------------------------------------------------------------------------------------------

    def kill(self, process: Process) -> None:
        self.disk.kill(process.name)
        self.died(process)

    def died(self, process: Process) -> None:
        if not process.is_alive:
            return
        process.is_alive = False
        self.kills += 1
        self.processes.remove(process)
        self.ended.append(process)
        # Of the requests under way some arrive, some do not; nobody hears an answer.
        jobs = [*process.senders.jobs, *(job for _, owner, job in self.hung if owner is process)]
        self.hung = [entry for entry in self.hung if entry[1] is not process]
        for job in jobs:
            if self.chance.random() < 0.5:
                self.run(job, "lost answer")
        self.account_for(process)

    def account_for(self, process: Process) -> None:
        kept = self.on_disk()
        for text, emitted_at in process.emitted.items():
            if text in kept or text in self.service.rejected:
                continue
            if self.service.copies[text]:
                if self.time.now - emitted_at <= self.young or self.is_tight or self.has_had_trouble(emitted_at):
                    # Nobody lives who could count it.
                    self.uncounted.add(text)
                continue
            if self.time.now - emitted_at > self.young and not self.is_tight and not self.has_had_trouble(emitted_at):
                age = self.time.now - emitted_at
                raise Violation(f"{process.name}: {text} is neither on disk nor at the service, {age:.2f} s old")
            self.may_be_missing.add(text)

    def run(self, job: Callable[[], None], mode: str | None = None) -> None:
        before, self.service.mode = self.service.mode, mode or self.service.mode
        job()
        self.service.mode = before

    # -- what happens ------------------------------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        name, *values = action
        getattr(self, f"do_{name}")(*values)

    def one(self, number: int) -> Process | None:
        return self.processes[number % len(self.processes)] if self.processes else None

    def do_start(self, seed: int) -> None:
        if len(self.processes) < MOST_PROCESSES:
            process = Process(self, f"p{len(self.ended) + len(self.processes)}", seed)
            self.processes.append(process)

    def target_of(self, stream: str) -> Target:
        return Target(TEMPLATE.format(logger_name=stream), "s") if self.options["has_groups"] else to(stream)

    def stream_of(self, target: Target) -> str:
        if self.options["has_groups"] and target != self.target_of(target.group.rpartition("/")[2]):
            raise Violation(f"sent to {target}, to which nobody has logged")
        return target.group.rpartition("/")[2] if self.options["has_groups"] else target.stream

    def do_emit(self, number: int, stream: str, level: int, count: int, length: int, is_bad: bool) -> None:
        if (process := self.one(number)) is None:
            return
        # A caller that helps may write, too.
        with process.may_die():
            for _ in range(count):
                self.numbers += 1
                text = f"{self.numbers}"
                process.emitted[text] = inf
                words = f"{text} {'BAD' if is_bad else ''}{'x' * length}"
                process.rounds.put(self.time.time_of_day(), words, self.target_of(stream), level)
                # If its process has died in this call, it may be missing.
                process.emitted[text] = self.time.now

    def do_pass(self, seconds: float) -> None:
        self.run_until(self.time.now + seconds)

    def run_until(self, until: float) -> None:
        rounds = 0
        while True:
            self.end_requests()
            due = min((process.due_at() for process in self.processes), default=inf)
            hung = min((at for at, _, _ in self.hung), default=inf)
            at = max(min(due, hung), self.time.now)
            if at > until:
                break
            rounds = rounds + 1 if at == self.time.now else 0
            if rounds > 5000:
                raise Violation("a process does rounds without end")
            self.time.now = at
            for process in list(self.processes):
                if process.is_alive and process.due_at() <= self.time.now:
                    self.steps += 1
                    process.step()
        self.time.now = until

    def end_requests(self) -> None:
        for process in self.processes:
            while process.senders.jobs:
                job = process.senders.jobs.popleft()
                if self.service.mode == "hangs" and getattr(job.func, "__name__", "") == "_make" and len(job.args) == 4:  # type: ignore[attr-defined]
                    self.hung.append((self.time.now + HANGS_FOR, process, job))
                else:
                    self.run(job)
        for entry in [entry for entry in self.hung if entry[0] <= self.time.now]:
            self.hung.remove(entry)
            self.run(entry[2], self.chance.choice(["no answer", "lost answer"]))

    def do_service(self, mode: str) -> None:
        if self.service.mode == "hangs" and mode != "hangs":
            # What hung is answered now, one way or another.
            hung, self.hung = self.hung, []
            for _, _, job in hung:
                self.run(job, mode)
        self.service.mode = mode

    def do_kill(self, number: int) -> None:
        if (process := self.one(number)) is not None:
            self.kill(process)

    def do_die(self, number: int, calls: int, torn: bool) -> None:
        if (process := self.one(number)) is not None:
            process.disk.die_at(calls, torn=torn)

    def do_fault(self, method: str, number: int, after: int, times: int) -> None:
        self.disk.fail(method, number, after=after, times=times)
        self.trouble_until = inf
        self.disk_refused = True

    def do_reserve_nothing(self) -> None:
        """Have a file system that cannot reserve space, or cannot map a file."""
        self.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)

    def do_short_write(self, after: int) -> None:
        self.disk.short_write(after)
        self.trouble_until = inf
        self.disk_refused = True

    def do_full(self, more: int) -> None:
        self.disk.full_at(sum(map(len, self.disk.contents().values())) + more)
        self.trouble_until = inf
        self.disk_refused = True

    def do_heal(self) -> None:
        self.disk.heal()
        if self.trouble_until == inf:
            self.trouble_until = self.time.now + DISK_TROUBLE

    def do_exit(self, number: int, timeout: float) -> None:
        process = self.one(number)
        if process is None:
            return
        deadline = self.time.now + timeout
        with process.may_die():
            process.rounds.process_ends_at(deadline)
            process.rounds.ask_for_word(deadline)
            while process.is_alive and not process.rounds.is_settled and self.time.now < deadline:
                self.run_until(min(self.time.now + 0.1, deadline))
            while (
                process.is_alive and process.rounds.is_settled and process.rounds.has_left and self.time.now < deadline
            ):
                self.run_until(min(self.time.now + 0.02, deadline))
            if process.is_alive:
                if process.rounds.is_settled:
                    process.rounds.put_away()
                else:
                    process.rounds.store_all()
                self.end_life(process)

    def end_life(self, process: Process) -> None:
        stats = process.rounds.stats()
        if stats.pending > stats.spooled and not self.is_tight and not self.has_had_trouble(self.time.now):
            raise Violation(f"{process.name} ends, and keeps only {stats.spooled} of {stats.pending}")
        emitted_at, now = process.emitted, self.time.now
        if not self.has_had_trouble(now):
            # Whatever their age, all are on disk.
            process.emitted = dict.fromkeys(emitted_at, now - YOUNG - 1)
        self.kill(process)
        self.kills -= 1
        process.emitted = emitted_at

    # -- in the end --------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Have all be well, and see that nothing is missing, invented or left."""
        self.do_service("ok")
        self.do_heal()
        for process in self.processes:
            process.disk.die_at(0)
        self.do_start(12345)
        self.do_emit(len(self.processes) - 1, "own", 20, 1, 10, False)
        # Somebody looks for others' files every minute, and one takes over what another one leaves.
        for _ in range(60):
            self.run_until(self.time.now + 10.0)
            if not any(process.rounds.stats().pending for process in self.processes) and not self.on_disk():
                break
        self.run_until(self.time.now + 70.0)
        for process in self.processes:
            stats = process.rounds.stats()
            if stats.pending:
                raise Violation(f"{process.name}: pending although all is well: {stats}")
        for process in list(self.processes):
            self.do_exit(self.processes.index(process), 5.0)
        # What could not be removed while the disk was in trouble is removed by the next.
        if self.disk_refused:
            self.do_start(54321)
            self.do_emit(0, "own", 20, 1, 10, False)
            self.run_until(self.time.now + 70.0)
            self.do_exit(0, 5.0)
        self.judge()

    def judge(self) -> None:
        known = {text for process in self.ended for text in process.emitted}
        at_service = {text for text in self.service.copies if not text.startswith("cwlog_handler:")}
        if invented := at_service - known:
            raise Violation(f"invented: {sorted(invented)[:5]}")
        missing = known - at_service - self.service.rejected - self.may_be_missing
        dropped = sum(process.rounds.stats().dropped for process in self.ended)
        if len(missing) > dropped:
            raise Violation(f"{len(missing)} are missing, {dropped} were dropped: {sorted(missing, key=int)[:5]}")
        doubled = {
            text for text, copies in self.service.copies.items() if copies > 1 and text in known - self.uncounted
        }
        counted = sum(process.rounds.stats().possibly_duplicated for process in self.ended)
        # A mark that the disk refuses cannot be read by the next process.
        if len(doubled) > counted and not self.disk_refused:
            raise Violation(f"{len(doubled)} are doubled, {counted} were counted: {sorted(doubled, key=int)[:5]}")
        if left := self.disk.contents():
            raise Violation(f"files are left: { {path: len(data) for path, data in left.items()} }")
        self.check_times()

    def check_times(self) -> None:
        # Whoever reads a stream sees it by time; the time must be the one at which it was logged.
        emitted = {text: at for process in self.ended for text, at in process.emitted.items()}
        for events in self.service.stored.values():
            for timestamp, message in events:
                at = emitted.get(identity(message), inf)
                if at < inf and abs(timestamp - (self.time._began + at) * 1000) > 1.5:
                    raise Violation(f"{identity(message)} has another time")


METHODS = {
    "write": [errno.ENOSPC, errno.EIO, errno.EROFS],
    "create": [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EMFILE],
    "make_directory": [errno.EROFS, errno.EACCES],
    "remove": [errno.EIO, errno.EROFS],
    "cut": [errno.EIO],
    "reserve": [errno.ENOSPC, errno.ENOTSUP],
    "list": [errno.EIO],
    "open": [errno.EMFILE, errno.EIO],
    "lock": [errno.ENOLCK, errno.EIO],
    "free_bytes": [errno.EIO],
    "is_still": [errno.EIO],
    "size": [errno.EIO],
    "sync": [errno.EIO],
    "sync_directory": [errno.EIO],
}
MODES = ["ok", "ok", "503", "lost answer", "no answer", "throttled", "refused", "hangs"]


def program(seed: int) -> list[Action]:  # noqa: C901
    """The actions of a seed."""
    chance = random.Random(seed)
    has_faults = chance.random() < 0.4
    has_bad = chance.random() < 0.3
    actions: list[Action] = [("start", chance.randrange(2**32))]
    if chance.random() < 0.15:
        # A file system that cannot reserve, or map.
        actions.insert(0, ("reserve_nothing",))
    for _ in range(chance.randrange(5, 60)):
        kind = chance.random()
        if kind < 0.35:
            length = chance.choice([1, 20, 200, 3000])
            count = chance.choice([1, 1, 3, 30, 200])
            level, stream = chance.choice([10, 20, 20, 40, 50]), chance.choice("aab")
            actions.append(("emit", chance.randrange(6), stream, level, count, length, has_bad and kind < 0.03))
        elif kind < 0.60:
            actions.append(("pass", chance.choice([0.05, 0.3, 1.0, 2.0, 4.0, 15.0, 70.0]) * chance.uniform(0.7, 1.0)))
        elif kind < 0.74:
            actions.append(("service", chance.choice(MODES)))
        elif kind < 0.80:
            actions.append(("start", chance.randrange(2**32)))
        elif kind < 0.85:
            actions.append(("kill", chance.randrange(6)))
        elif kind < 0.92:
            actions.append(("die", chance.randrange(6), chance.randrange(1, 60), chance.random() < 0.5))
        elif kind < 0.95:
            actions.append(("exit", chance.randrange(6), chance.choice([0.0, 0.5, 2.0, 10.0])))
        elif has_faults:
            method = chance.choice(list(METHODS))
            fault: Action = (
                "fault",
                method,
                chance.choice(METHODS[method]),
                chance.randrange(1, 8),
                chance.choice([1, 3, FOR_EVER]),
            )
            actions.append(
                chance.choice(
                    [
                        fault,
                        fault,
                        ("short_write", chance.randrange(1, 5)),
                        ("full", chance.randrange(30_000)),
                        ("heal",),
                    ]
                )
            )
    return actions


def run(seed: int, actions: list[Action] | None = None) -> World:
    """Run the program of a seed, or other actions in its world. Raises Violation."""
    world = World(seed)
    run_in(world, program(seed) if actions is None else actions)
    return world


def run_in(world: World, actions: list[Action], before_the_end: Callable[[World], object] = lambda _: None) -> None:
    """Run a program to its end. Raises Violation."""
    with redirect_stderr(StringIO()):
        for action in actions:
            world.act(action)
        before_the_end(world)
        world.finish()


def failure(seed: int, actions: list[Action]) -> BaseException | None:
    """What goes wrong, if anything does."""
    try:
        run(seed, actions)
    except Exception as error:
        return error
    return None


def shrunk(seed: int, actions: list[Action]) -> list[Action]:
    """A shorter program that fails in the same way."""
    first = failure(seed, actions)
    kind = type(first), str(first)[:12]
    size = len(actions) // 2
    while size:
        at = 0
        while at < len(actions):
            fewer = actions[:at] + actions[at + size :]
            found = failure(seed, fewer)
            if found is not None and (type(found), str(found)[:12])[0] == kind[0]:
                actions = fewer
            else:
                at += size
        size //= 2
    return actions


def main() -> int:
    """Run seed after seed until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.spool.model", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="the first seed; the following count up from it")
    parser.add_argument("--examples", type=int, help="so many programs at most")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a violation")
    arguments = parser.parse_args()
    first = random.randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"from seed {first}", flush=True)
    ends, runs, totals = time.monotonic() + arguments.seconds, 0, Counter[str]()
    violated: list[int] = []
    while time.monotonic() < ends and runs != arguments.examples:
        seed = first + runs
        runs += 1
        try:
            world = run(seed)
        except Exception as error:
            violated.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            if not arguments.keep_going:
                for action in shrunk(seed, program(seed)):
                    print("   ", action)
                print(World(seed).options)
                failed = failure(seed, shrunk(seed, program(seed)))
                print(f"{type(failed).__name__}: {failed}")
                break
        else:
            totals.update(steps=world.steps, kills=world.kills, events=world.numbers)
            totals.update(doubled=sum(copies > 1 for copies in world.service.copies.values()))
    print(f"{runs} programs from seed {first}: {dict(totals)}; seeds with violations: {violated or 'none'}")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
