"""What a spool file says of itself: where its events belong, and who wrote them.

Owns: the payload of a HEAD frame. Must not know: frames, the disk, whether a file's words are to be believed.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from .damage import Unreadable


class Head(NamedTuple):
    """What a file says of itself in its first frame."""

    group: str
    region: str
    endpoint: str
    machine: str
    pid: int
    package: str
    """The version of the package that wrote the file."""
    level_class: int
    """How severe the file's events are: 0 to 5."""
    area: int
    """The size of the record area in bytes; 0: there is none."""
    stream: str
    """The log stream of records without a name."""
    account: str = ""
    """The account of the role that was assumed; empty: there was none."""


_TYPES: Final = [str, str, str, str, int, str, int, int, str, str]
_MAX_LEVEL_CLASS: Final = 5
# Far more than names as long as the service allows.
MAX_PAYLOAD_BYTES: Final = 2**16


def head_payload(head: Head) -> bytes:
    """Return the payload that says this. Words that have a default are left out if they have it."""
    words = {name: word for name, word in head._asdict().items() if word != Head._field_defaults.get(name)}
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def parsed_head(payload: bytes) -> Head:
    """Return what a payload says. Raises Unreadable if a word is missing or cannot have been meant."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable
    try:
        words = json.loads(payload.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(words, dict):
        raise Unreadable
    values: list[Any] = [words.get(name, Head._field_defaults.get(name)) for name in Head._fields]
    # Types are compared, because for isinstance() True is an int.
    if list(map(type, values)) != _TYPES:
        raise Unreadable
    head = Head(*values)
    if not 0 <= head.level_class <= _MAX_LEVEL_CLASS:
        raise Unreadable
    if not all(0 <= number < 2**63 for number in (head.pid, head.area)):
        raise Unreadable
    return head
