"""How what a spool has is said: texts of files made safe for a terminal, times, counts, questions.

Owns: lines on stdout and stderr, and the question before something is done. Must not know: what is done.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

from ..send import display
from .survey import Destination, SpoolFile

say: Final = partial(display.say, command="spool")
"""Writes a line to stderr."""

_SHOWN_GROUPS: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(ms: int | None) -> str:
    """Return an instant in ISO 8601, UTC; "-" if there is none, or if no calendar has it."""
    if ms is None:
        return "-"
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return "-"


def shown(text: str) -> str:
    """Return a text of a file so that it cannot move a terminal's cursor, or break a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(count: int, what: str) -> str:
    """Return a count and its noun, such as "1 file" or "2 files"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def place(destination: Destination) -> str:
    """Return where events belong, in words."""
    account = destination.account and f"account {destination.account}"
    parts = [destination.group, destination.region or "region unknown", destination.endpoint, account]
    return shown(", ".join(filter(None, parts)))


def named_groups(files: Iterable[SpoolFile]) -> str:
    """Return the first log groups of what is left, and how many more there are."""
    groups = list(dict.fromkeys(group for file in files for group in file.groups))
    more = len(groups) - _SHOWN_GROUPS
    first = ", ".join(map(shown, groups[:_SHOWN_GROUPS]))
    return f"{first} and {more:,} more" if more > 0 else first


def extent(files: Iterable[SpoolFile]) -> str:
    """Return how many events are left in the files, in how many, and from when."""
    files = list(files)
    times = [file.oldest_ms for file in files] + [file.newest_ms for file in files]
    known = [ms for ms in times if ms is not None]
    span = f", logged from {moment(min(known))} to {moment(max(known))}" if known else ""
    events = sum(file.events for file in files)
    return f"{counted(events, 'event')} in {counted(len(files), 'file')}{span}"


def write(text: str) -> None:
    """Write a line to stdout. What its encoding lacks is escaped."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding))  # noqa: T201


def write_json(value: Any, indent: int | None = None) -> None:
    """Write a JSON document to stdout, always in UTF-8. A lone surrogate is escaped as JSON does it."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")


def is_asked() -> bool:
    """Return True if there is somebody who can answer a question."""
    return sys.stdin is not None and sys.stdin.isatty()


def agreed(question: str) -> bool:
    """Ask on stderr; return True if the answer is yes."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    return sys.stdin.readline().strip().lower() in ("y", "yes")
