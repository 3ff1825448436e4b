"""``spool list``: what is in the directory, as a table or as JSON.

Owns: the columns of the table, the document. Must not know: how files are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...spool.frames import Head
from ..send.display import size
from .survey import Kind, Owner, SpoolFile, survey
from .wording import counted, moment, shown, write, write_json

HELP: Final = "show what is in the directory: whose files, and which events are left"
EPILOG: Final = """\
Reads only. "alive" means that a process holds the file, "gone" that none does: the next process that logs to the same
group, region and endpoint delivers what is left in it. "unknown": files cannot be locked here. Where the log group is a
template, each stream has its group and a colon in front. Exit status: 0 the directory was read, 1 it was not, 2 wrong
usage."""

_HEADINGS: Final = ("file", "size", "owner", "events", "oldest", "newest", "log group", "region", "streams", "")
_TO_THE_RIGHT: Final = frozenset({1, 3})
_SHOWN_STREAMS: Final = 2


def add_to(commands: Any) -> None:
    """Add this command to the parser of ``spool``."""
    parser = commands.add_parser("list", help=HELP, description=f"{HELP[0].upper()}{HELP[1:]}.", epilog=EPILOG)
    parser.set_defaults(run_spool=run)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Show the directory and return the exit status."""
    files = survey(arguments.directory)
    if arguments.json:
        document = {"directory": arguments.directory, "files": [_as_data(file) for file in files], **_sums(files)}
        write_json(document, indent=2)
        return 0
    rows = [_row(file) for file in files]
    if rows:
        for line in _aligned([_HEADINGS, *rows]):
            write(line)
    write(_summary(files))
    return 0


def _row(file: SpoolFile) -> tuple[str, ...]:
    head = file.head
    return (
        shown(file.name),
        size(file.size_bytes),
        _owner(file),
        f"{file.events:,}" if file.kind is Kind.SPOOL else "-",
        moment(file.oldest_ms),
        moment(file.newest_ms),
        shown(head.group) if head else "-",
        shown(_place(head)) if head else "-",
        _streams(file.streams),
        _remarks(file),
    )


def _place(head: Head) -> str:
    account = head.account and f"account {head.account}"
    return ", ".join(filter(None, [head.region, head.endpoint, account])) or "unknown"


def _owner(file: SpoolFile) -> str:
    if file.head is None:
        return "-" if file.kind is Kind.NOT_OURS or file.size_bytes == 0 else file.owner.value
    return f"{shown(file.head.machine)} {file.head.pid} {file.owner.value}"


def _streams(streams: Mapping[str, int]) -> str:
    if not streams:
        return "-"
    first = ", ".join(shown(name) for name in list(streams)[:_SHOWN_STREAMS])
    more = len(streams) - _SHOWN_STREAMS
    return f"{first} and {more} more" if more > 0 else first


def _remarks(file: SpoolFile) -> str:
    remarks = [] if file.kind is Kind.SPOOL else [file.kind.value]
    if file.broken:
        lost = sum(broken.count for broken in file.broken)
        parts = counted(len(file.broken), "broken part")
        remarks.append(f"{parts} ({counted(lost, 'event')})" if lost else parts)
    return shown(", ".join(filter(None, [*remarks, file.note])))


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in _TO_THE_RIGHT else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _summary(files: list[SpoolFile]) -> str:
    sums = _sums(files)
    left = ", ".join(
        f"{counted(events, 'event')} of processes that are {owner}"
        for owner, events in sums["events_by_owner"].items()
        if events
    )
    return f"{counted(len(files), 'file')}, {size(sums['size_bytes'])}: {left or 'no event is left'}"


def _sums(files: list[SpoolFile]) -> dict[str, Any]:
    by_owner = {owner.value: sum(file.events for file in files if file.owner is owner) for owner in Owner}
    return {
        "size_bytes": sum(file.size_bytes for file in files),
        "events": sum(by_owner.values()),
        "events_by_owner": by_owner,
    }


def _as_data(file: SpoolFile) -> dict[str, Any]:
    head = file.head
    return {
        "name": file.name,
        "size_bytes": file.size_bytes,
        "kind": file.kind.value,
        "note": file.note or None,
        "owner": file.owner.value,
        "machine": head.machine if head else None,
        "pid": head.pid if head else None,
        "log_group_name": head.group if head else None,
        "region_name": head.region if head else None,
        "endpoint_url": head.endpoint if head else None,
        "account": (head.account or None) if head else None,
        "events": file.events,
        "groups": file.groups,
        "streams": file.streams,
        "oldest": moment(file.oldest_ms) if file.oldest_ms is not None else None,
        "newest": moment(file.newest_ms) if file.newest_ms is not None else None,
        "broken": [broken._asdict() for broken in file.broken],
    }
