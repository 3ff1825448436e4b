"""``spool export``: the events that are left, as JSON lines.

Owns: the order of files, the form of a line, what is said of that which cannot be read. Must not know: the format.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from .remains import CannotRead, events_in
from .survey import Kind, Owner, SpoolFile, survey
from .wording import counted, moment, say, shown, write_json

HELP: Final = "print the events that are left as JSON lines, without changing anything"
EPILOG: Final = """\
Each line has group, stream, timestamp (milliseconds since the epoch), time (ISO 8601, UTC) and message; always in
UTF-8. The file with the oldest event comes first. Files of living processes are read too: their events will be
delivered all the same, and so may those of the others. Files that end in .bad are named and left out. Exit status: 0
all that is left was printed, 1 a part could not be read, 2 wrong usage."""


def add_to(commands: Any) -> None:
    """Add this command to the parser of ``spool``."""
    parser = commands.add_parser("export", help=HELP, description=f"{HELP[0].upper()}{HELP[1:]}.", epilog=EPILOG)
    parser.set_defaults(run_spool=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the events and return the exit status."""
    files = survey(arguments.directory)
    is_whole = True
    count = 0
    for file in sorted(files, key=_age):
        if (problem := _problem_of(file)) is not None:
            is_whole = False
            say(f"{shown(file.name)}: {problem}")
        if file.kind is Kind.SPOOL and file.events:
            try:
                count += _print(file)
            except CannotRead as problem:
                is_whole = False
                say(f"{shown(file.name)}: {problem}")
    say(f"{counted(count, 'event')} printed")
    return 0 if is_whole else 1


def _age(file: SpoolFile) -> tuple[int, str]:
    return file.oldest_ms or 0, file.name


def _problem_of(file: SpoolFile) -> str | None:
    """Return what cannot be read of a file; None if nothing is missing."""
    match file.kind:
        case Kind.SPOOL if file.broken:
            return "; ".join(
                f"{counted(count, 'event')} from {moment(first_ms)} to {moment(last_ms)} cannot be read"
                if count
                else "a part cannot be read, it is unknown how many events it had"
                for count, first_ms, last_ms in file.broken
            )
        case Kind.BAD:
            return "kept aside because a part of it was broken; left out"
        case Kind.LATER:
            return f"{file.note}: written by a later version of this package, which can export it"
        case Kind.UNREADABLE:
            return file.note or "unreadable: its beginning is damaged"
    return None


def _print(file: SpoolFile) -> int:
    count = 0
    for event in events_in(file.path, is_written=file.owner is not Owner.GONE):
        group, stream = file.names_of(event.stream)
        write_json(
            {
                "group": group,
                "stream": stream,
                "timestamp": event.timestamp_ms,
                "time": moment(event.timestamp_ms),
                "message": event.message,
            }
        )
        count += 1
    return count
