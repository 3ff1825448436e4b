"""The service and the network as a program may meet them: the strict fake over HTTP, and what befalls it.

Owns the faults, their order and their number. Must not know the program. The same seed is the same faults in the same
order, at the same times after the start.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from cwlog_handler.core.retry import SILENCE_LEAST
from cwlog_handler.testing import FakeCloudWatchLogs, Fault, faults

GROUP = "oracle"
# Below what clients' own ports are taken from: while the server is down, nobody else gets this one.
PORTS = range(20_000, 32_000)

FAULTS: dict[str, Callable[[random.Random], Fault]] = {
    "throttle": lambda rng: faults.throttle(),
    "503": lambda rng: faults.server_error(),
    "500 after commit": lambda rng: faults.server_error(500, "InternalFailure", "x", after_commit=True),
    "503 after commit": lambda rng: faults.server_error(after_commit=True),
    "reset before commit": lambda rng: faults.reset_before_commit(),
    "reset after commit": lambda rng: faults.reset_after_commit(),
    "slow": lambda rng: faults.slow(rng.uniform(0.05, 1.5)),
    "slow throttle": lambda rng: replace(faults.throttle(), hold_before=rng.uniform(0.05, 1.0)),
    "captive portal": lambda rng: faults.captive_portal(),
    "empty 200": lambda rng: faults.empty_200(),
    "truncated answer": lambda rng: faults.truncated_answer(),
    "access denied": lambda rng: faults.access_denied(),
    "expired token": lambda rng: faults.expired_token(),
    "wrong key": lambda rng: faults.unrecognized_client(),
    "clock skew": lambda rng: faults.clock_skew(),
    "aborted": lambda rng: faults.operation_aborted(),
}
# Answers of faults that are lost on their way although the batch may have been stored.
LOST_ANSWERS = {"InternalFailure", "ServiceUnavailableException", "reset_after_commit", "truncated_answer"}
# Answers that come late, but come, unless the server is stopped meanwhile.
HELD_ANSWERS = {"stall", "slow"}


@dataclass(frozen=True)
class Event:
    """Something that befalls the service, so many seconds after the start."""

    at: float
    what: str
    act: Callable[[], None]


@dataclass(frozen=True)
class Outage:
    """A time in which no request succeeds."""

    at: float
    lasts: float
    how: str


class World:
    """The fake and its misfortunes. `begin` starts them, `calm` ends them; the server is up afterwards."""

    def __init__(self, seed: int, seconds: float, outage: Outage | None = None) -> None:
        self._rng = rng = random.Random(f"world {seed}")
        self.tokens = rng.random() < 0.4
        self.fake = FakeCloudWatchLogs(sequence_tokens=self.tokens)
        self.stops: list[tuple[float, float]] = []
        """When the server was down, in the fake's monotonic seconds: answers were lost then without any order."""
        self.deleted: list[tuple[int, str]] = []
        """The number of requests at a deletion, and the stream, or "" for all."""
        self.befallen: list[str] = []
        self.url = self._start_anywhere()
        self._port = int(self.url.rpartition(":")[2])
        self._ends = threading.Event()
        events = self._plan(seconds)
        if outage is not None:
            events += self._long_outage(outage)
        events += self._refusals(random.Random(f"refusals {seed}"), seconds)
        self._events = sorted(events, key=lambda event: event.at)
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)
        self._seconds = seconds

    def _start_anywhere(self) -> str:
        while True:
            # Not by the seed: several worlds may run side by side.
            port = random.choice(PORTS)
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
                probe.close()
                return self.fake.start(port)

    def _plan(self, seconds: float) -> list[Event]:
        rng, at, events = self._rng, 0.0, []
        while (at := at + rng.expovariate(4.0)) < seconds:
            kind = rng.choice([*FAULTS, "stall", "stall", "delete", "delete", "outage"])
            if kind == "stall":
                fault = faults.stall(after_commit=rng.random() < 0.5)
                times = rng.randint(1, 3)
                events.append(Event(at, kind, lambda fault=fault, times=times: self.fake.fail(fault, times)))
                events.append(Event(at + rng.uniform(0.2, 2.0), "release", self.fake.release))
            elif kind == "delete":
                which = None if rng.random() < 0.5 else rng.random()
                events.append(Event(at, kind, lambda which=which: self._delete(which)))
            elif kind == "outage":
                down = rng.uniform(0.05, 1.0)
                events.append(Event(at, kind, lambda down=down: self._outage(down)))
            else:
                events.append(Event(at, kind, self._order(FAULTS[kind](rng))))
        return events

    def _long_outage(self, outage: Outage) -> list[Event]:
        fault = {"503": faults.server_error, "throttle": faults.throttle, "stall": faults.stall}[outage.how]()
        return [
            Event(outage.at, "no service", lambda: self.fake.fail(fault, seconds=outage.lasts)),
            Event(outage.at + outage.lasts, "release", self.fake.release),
        ]

    def _refusals(self, rng: random.Random, seconds: float) -> list[Event]:
        """What goes with the events is refused, where something does."""
        refused = [faults.entity_refused("Team"), faults.gzip_refused(415)]
        orders = [(fault, rng.randint(1, 3)) for fault in refused if rng.random() < 0.6]
        return [
            Event(
                rng.uniform(0.0, seconds),
                fault.name,
                lambda fault=fault, times=times: self.fake.fail(fault, times),
            )
            for fault, times in orders
        ]

    def _order(self, fault: Fault) -> Callable[[], None]:
        rng = self._rng
        operation = rng.choice(["PutLogEvents"] * 6 + ["CreateLogStream", "CreateLogGroup", None])
        if rng.random() < 0.6:
            times = rng.randint(1, 4)
            return lambda: self.fake.fail(fault, times, operation=operation)
        seconds = rng.uniform(0.1, 1.0)
        return lambda: self.fake.fail(fault, seconds=seconds, operation=operation)

    def _delete(self, which: float | None) -> None:
        streams = self.fake.streams(GROUP)
        if not streams:
            return
        # Nobody else deletes, so what was there is still there.
        if which is None:
            self.fake.delete_log_group(GROUP)
            self.deleted.append((len(self.fake.requests), ""))
        else:
            stream = streams[int(which * len(streams))]
            self.fake.delete_log_stream(GROUP, stream)
            self.deleted.append((len(self.fake.requests), stream))

    def _outage(self, down: float) -> None:
        stopped = time.monotonic()
        self.fake.stop()
        self._ends.wait(down)
        self._start_again()
        self.stops.append((stopped, time.monotonic()))

    def _start_again(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self.fake.start(self._port)
                return
            time.sleep(0.02)

    def begin(self) -> None:
        """Let things happen, on a thread of its own."""
        self._thread.start()

    def _run(self) -> None:
        start = time.monotonic()
        for event in self._events:
            if event.at > self._seconds or self._ends.wait(max(0.0, start + event.at - time.monotonic())):
                return
            event.act()
            self.befallen.append(event.what)
        self._ends.wait(max(0.0, start + self._seconds - time.monotonic()))

    def calm(self) -> None:
        """Wait until all has happened; from then on the service is well."""
        self._thread.join()
        self.fake.clear_faults()
        self.fake.release()

    def end(self) -> None:
        """Stop serving, and all that happens."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()
        self.fake.release()
        self.fake.stop()

    @property
    def faults(self) -> int:
        """How many requests were hit by a fault, and how many deletions and outages there were."""
        hit = sum(request.ordered for request in self.fake.requests)
        return hit + sum(what in ("delete", "outage") for what in self.befallen)

    def was_down(self, since: float, until: float) -> bool:
        """True if the server was down at some time between two instants."""
        return any(stopped <= until and since <= back for stopped, back in self.stops)

    def answer_was_lost(self, answer: str, ordered: bool, started: float, again: float) -> bool:
        """True if the client may not know what became of a request when it sends the batch again."""
        if ordered and answer in LOST_ANSWERS:
            return True
        if ordered and answer in HELD_ANSWERS and again - started >= SILENCE_LEAST:
            # Whoever waits with a deadline presumes that the answer is lost.
            return True
        # A request takes no time, but its thread may be kept from answering; held ones are held up to some seconds.
        held = 5.0 if answer in HELD_ANSWERS else 2.0
        return any(stopped - held <= started <= back for stopped, back in self.stops)
