"""What each process writes down for the oracle, so that it survives whatever way the process ends.

One file a process, one ``write`` a line: a signal handler and ``os._exit`` may come between any two. Imports nothing of
ours: its exit hook must be registered before the handler's own, to run after it.
"""

from __future__ import annotations

import atexit
import json
import os
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


def directory() -> str:
    """Where the diaries are."""
    return _directory


def took(record_id: str, serial: int, kind: str, reports: bool) -> None:
    """A handler has a record; ``reports``: the statistics of that handler will be in the report."""
    _write("took", [record_id, serial, kind, reports])


def wrong(what: str) -> None:
    """The program itself saw what must not be."""
    _write("wrong", what)


def report(stats: Mapping[int, Mapping[str, Any]], ending: str) -> None:
    """The last word of all handlers, by their serial number; the latest report counts."""
    _write("report", [stats, ending])


def _write(what: str, value: object) -> None:
    os.write(_file, (json.dumps([what, value]) + "\n").encode())


@dataclass(frozen=True)
class Taken:
    """One record that a handler took."""

    id: str
    serial: int
    kind: str
    reports: bool


@dataclass
class Life:
    """What a process wrote down."""

    name: str
    taken: list[Taken] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    stats: dict[str, dict[str, Any]] | None = None
    ending: str = ""


def read(directory: str) -> Iterator[Life]:
    """Read all diaries."""
    for path in sorted(Path(directory).glob("*.diary")):
        life = Life(path.stem)
        for line in path.read_text().splitlines():
            what, value = json.loads(line)
            if what == "took":
                life.taken.append(Taken(*value))
            elif what == "wrong":
                life.wrongs.append(value)
            else:
                life.stats, life.ending = value
        yield life
