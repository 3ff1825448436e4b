"""Which events of a file are for a log group that its new owner could have named itself.

Owns: setting the others aside. Must not know: how a group's name is made, what becomes of a file.

Where the group is a template, each event of a file says which group it is for. A file's own words never decide where
anything is sent: what is for another group counts as broken, and stays in the file for a person.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.targets import Target
from . import frames
from .ranges import minus

TargetOf = Callable[[str], "Target | None"]
"""`directory.Identity.target_of`, for the names in one file."""


def of_this_handler(contents: frames.Contents, target_of: TargetOf) -> frames.Contents:
    """Return what is in a file, without what is for a group that this handler could not have named.

    What of that is not settled is among `frames.Contents.broken` then.
    """
    blocks, records, broken = [], [], list(contents.broken)
    for block in contents.blocks:
        if target_of(block.stream) is not None:
            blocks.append(block)
        elif left := _count_left(block.first_id, block.first_id + block.count - 1, contents):
            broken.append(frames.Broken(left, block.first_ms, block.last_ms))
    for record in contents.records:
        if target_of(name_of(record, contents.head)) is not None:
            records.append(record)
        elif _count_left(record.id, record.id, contents):
            broken.append(frames.Broken(1, record.timestamp_ms, record.timestamp_ms))
    return contents._replace(blocks=blocks, records=records, broken=broken)


def name_of(record: frames.Record, head: frames.Head) -> str:
    """Return how a file names the stream of a record."""
    return head.stream if record.stream is None else record.stream


def _count_left(first_id: int, last_id: int, contents: frames.Contents) -> int:
    return sum(last - first + 1 for first, last in minus(first_id, last_id, contents.settled))
