"""What each process writes down for the oracle, so that it survives whatever way the process ends.

One file a process, one ``write`` a line: a signal handler and ``os._exit`` may come between any two. Imports nothing of
ours: its exit hook must be registered before the handler's own, to run after it.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEXT, EMPTY, OLD, AHEAD, SKEWED, UNORDERED = "text", "empty", "old", "ahead", "skewed", "unordered"

last_words: list[Callable[[], object]] = []
label = ""
_directory = ""
_file = -1


@atexit.register
def _at_exit() -> None:
    for words in last_words:
        words()


def begin(directory: str, name: str) -> None:
    """Write to the diary of the process with this name from now on; a forked child begins its own."""
    global label, _directory, _file
    label, _directory = name, directory
    _file = os.open(Path(directory, f"{name}.diary"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _write("began", os.getpid())


def directory() -> str:
    """Where the diaries are."""
    return _directory


def made(serial: int, send_interval: float, is_bounded: bool) -> None:
    """A handler was made; ``is_bounded``: its buffer is so small that records may be dropped."""
    if _file >= 0:
        _write("made", [serial, [send_interval, is_bounded]])


def took(record_id: str, serial: int, kind: str, reports: bool, stream: str, created: float, level: int) -> None:
    """A handler has a record; ``reports``: the statistics of that handler will be in the report."""
    _write("took", [record_id, serial, kind, reports, stream, created, level])


def returned(record_id: str, serial: int) -> None:
    """The call with this record has returned."""
    _write("returned", [record_id, serial, time.monotonic()])


def looks() -> None:
    """The books of all handlers are about to be read: what is taken from now on may not be in them yet."""
    _write("looks", None)


def books(lost: Mapping[int, int]) -> None:
    """How many records each handler has lost for want of room, by its serial number."""
    _write("books", lost)


def late(seconds: float) -> None:
    """For so long the machine has not let the process run, or not all of it."""
    _write("late", seconds)


def dies() -> None:
    """The process is about to end, and tells nobody."""
    _write("dies", time.monotonic())


def wrong(what: str) -> None:
    """The program itself saw what must not be."""
    _write("wrong", what)


def report(stats: Mapping[int, Mapping[str, Any]], ending: str) -> None:
    """The last word of all handlers, by their serial number; the latest report counts."""
    _write("report", [stats, ending, time.monotonic()])


def _write(what: str, value: object) -> None:
    os.write(_file, (json.dumps([what, value]) + "\n").encode())


@dataclass(frozen=True)
class Taken:
    """One record that a handler took."""

    id: str
    serial: int
    kind: str
    reports: bool
    stream: str = ""
    created: float = 0.0
    level: int = 0


@dataclass
class Life:
    """What a process wrote down."""

    name: str
    pid: int = 0
    taken: list[Taken] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    stats: dict[str, dict[str, Any]] | None = None
    ending: str = ""
    ended_at: float | None = None
    """When it reported for the last time, or was killed."""
    was_killed: bool = False
    """Killed: what it reported before is not its last word."""
    returned: dict[str, float] = field(default_factory=dict)
    """When the call with a record returned, by the record's id."""
    handlers: dict[int, tuple[float, bool]] = field(default_factory=dict)
    """The send interval of each handler, and whether its buffer is small."""
    lost: dict[str, int] = field(default_factory=dict)
    """How many records each handler had lost for want of room when the books were last read."""
    taken_before: int = 0
    """How many records had been taken by then."""
    late: float = 0.0
    """For how many seconds in all the machine has not let it run."""

    def kill(self, at: float) -> None:
        """Note that the process was killed."""
        self.was_killed, self.ended_at, self.stats = True, at, None


def read(directory: str) -> Iterator[Life]:
    """Read all diaries."""
    for path in sorted(Path(directory).glob("*.diary")):
        yield _read(Life(path.stem), path.read_text().splitlines())


def _read(life: Life, lines: list[str]) -> Life:
    looked, died_at = 0, None
    for what, value in map(json.loads, lines):
        if what == "took":
            life.taken.append(Taken(*value))
        elif what == "returned":
            life.returned[value[0]] = value[2]
        elif what == "looks":
            looked = len(life.taken)
        elif what == "books":
            life.lost, life.taken_before = value, looked
        elif what == "dies":
            died_at = value
        else:
            _read_the_rest(life, what, value)
    if died_at is not None:
        life.kill(died_at)
    return life


def _read_the_rest(life: Life, what: str, value: Any) -> None:
    match what:
        case "began":
            life.pid = value
        case "made":
            life.handlers[value[0]] = (*value[1],)
        case "late":
            life.late += value
        case "wrong":
            life.wrongs.append(value)
        case _:
            life.stats, life.ending, life.ended_at = value
