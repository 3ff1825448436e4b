"""Whether a log group's template could have made a name, whatever the values of its fields were.

Owns: which characters a field may put into a group's name. Must not know: how a name is rendered, who asks.

A file may ask about any name. So the time is linear in its length: a pattern of `re` with as many stars as fields could
take longer than anybody waits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from ..core.limits import LOG_GROUP_CHARACTERS
from .fields import ENV, Field

Part: TypeAlias = "str | Field"
"""A part of a template: its own words, or a field."""

_WITHOUT_SLASH: Final = LOG_GROUP_CHARACTERS - {"/"}


def characters_of(field: Field) -> frozenset[str]:
    """Return the characters that a value of this field keeps in a log group's name."""
    # The slashes of a date are those of its format.
    return LOG_GROUP_CHARACTERS if field.name in (ENV, "strftime") else _WITHOUT_SLASH


def fits(parts: Sequence[Part], name: str) -> bool:
    """True if the name consists of these parts, with any values, or their beginnings, in place of fields."""
    # The places in the name that the parts so far may end at.
    ends = {0}
    for part in parts:
        if isinstance(part, str):
            ends = {end + len(part) for end in ends if name.startswith(part, end)}
        else:
            ends = _ends_of_value(ends, name, characters_of(part)) | _ends_of_default(ends, name, part.default or "")
    return len(name) in ends


def _ends_of_value(starts: Collection[int], name: str, characters: Collection[str]) -> set[int]:
    """Return the places that some of these characters, or none, lead to from one of the ``starts``."""
    reached = set(starts)
    for place, character in enumerate(name):
        if place in reached and character in characters:
            reached.add(place + 1)
    return reached


def _ends_of_default(starts: Collection[int], name: str, default: str) -> set[int]:
    """Return the places that a default, or the beginning of one that is too long, leads to."""
    lengths = range(1, len(default) + 1)
    return {start + length for start in starts for length in lengths if name.startswith(default[:length], start)}
