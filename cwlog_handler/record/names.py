"""Stream names made from a template. The template is parsed once; every name rendered from it is legal.

Owns: the template's fields, and what makes a name legal. Must not know: where the values come from, records, AWS.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Final

from ..core.events import legal_text
from ..core.limits import MAX_NAME_LENGTH
from ..system.nesting import let_recursion_go_up

DEFAULT_LOG_STREAM_NAME: Final = "{machine_name}/{program_name}/{process_id}"

# Each field with a sample value. A format spec is accepted if it works on the sample.
_SAMPLES: Final[Mapping[str, object]] = {
    "machine_name": "host",
    "program_name": "app",
    "process_id": 1,
    "thread_name": "MainThread",
    "logger_name": "root",
    "level_name": "INFO",
    "strftime": datetime(2000, 1, 1, tzinfo=timezone.utc),
}
FIELDS: Final = tuple(_SAMPLES)
_FIXED_IN_A_PROCESS: Final = frozenset({"machine_name", "program_name", "process_id"})

_ILLEGAL: Final = str.maketrans(":*", "__")
# A legal name has at most 512 characters, so a width or precision of four digits is a mistake. It is refused because
# ``{process_id:>9999999999}`` would use up the memory.
_TOO_WIDE: Final = r"\d{4,}"
_NO_NAME: Final = "-"


class StreamName:
    """A log stream name template such as ``{machine_name}/{strftime:%Y-%m-%d}``.

    Raises ValueError for a template that could render an illegal name. Immutable: any thread may use it.
    """

    template: str
    """The template as the user wrote it."""
    fields: frozenset[str]
    """The fields that occur in the template: `render` needs values for these only."""
    per_process: bool
    """Whether the name is the same for every record of one process."""

    def __init__(self, template: str) -> None:
        if not isinstance(template, str):
            raise TypeError(f"log_stream_name={template!r}: not text; give for example {DEFAULT_LOG_STREAM_NAME!r}")
        if not template:
            raise _wrong(template, f"empty; give a name or a template such as {DEFAULT_LOG_STREAM_NAME!r}")
        try:
            parsed = list(string.Formatter().parse(legal_text(template)))
        except ValueError as error:
            raise _wrong(template, f"{error}; a field is written {{name}}, a brace itself {{{{ or }}}}") from None
        for literal, field, spec, conversion in parsed:
            _check_literal(template, literal)
            if field is not None:
                _check_field(template, field, spec or "", conversion)
        if sum(len(piece[0]) for piece in parsed) > MAX_NAME_LENGTH:
            raise _wrong(template, f"longer than {MAX_NAME_LENGTH} characters before its fields; shorten it")
        self.template = template
        self._pieces = tuple((literal, field, spec or "") for literal, field, spec, _ in parsed)
        self.fields = frozenset(field for _, field, _ in self._pieces if field is not None)
        self.per_process = self.fields <= _FIXED_IN_A_PROCESS

    def render(self, values: Mapping[str, object]) -> str:
        """Return the name for ``values``, always a legal one. ``values`` must have every key in ``fields``.

        The value of ``strftime`` is an aware datetime in UTC. ``:`` and ``*`` become ``_``. A name of more than 512
        characters is cut at its end.
        """
        parts = []
        for literal, field, spec in self._pieces:
            parts.append(literal)
            if field is not None:
                parts.append(_text(values[field], spec).translate(_ILLEGAL))
        return legal_text("".join(parts))[:MAX_NAME_LENGTH] or _NO_NAME


def _text(value: object, spec: str) -> str:
    """Format ``value``; if the format does not fit its type (``threadName`` may be None), return its ``str``."""
    try:
        return format(value, spec)
    except Exception as error:
        let_recursion_go_up(error)
    try:
        return str(value)
    except Exception as error:
        let_recursion_go_up(error)
        return type(value).__name__


def _check_literal(template: str, literal: str) -> None:
    for character in ":*":
        if character in literal:
            raise _wrong(template, f"a log stream name cannot contain {character!r}; use '/', '-' or '_' instead")


def _check_field(template: str, field: str, spec: str, conversion: str | None) -> None:
    if field not in _SAMPLES:
        kind = "a positional field" if not field or field.isdecimal() else f"an unknown field {field!r}"
        raise _wrong(template, f"{kind}; the fields are {', '.join(FIELDS)}")
    if conversion is not None:
        raise _wrong(template, f"no conversions here; write {{{field}}} without '!{conversion}'")
    if field == "strftime":
        if "%" not in spec:
            raise _wrong(template, "strftime needs a format; write it as {strftime:%Y-%m-%d}")
    elif spec and re.search(_TOO_WIDE, spec):
        raise _wrong(template, f"{field} with format {spec!r} is wider than any stream name; use {{{field}}}")
    try:
        if "{" in spec:
            raise ValueError("fields inside a format are not supported")
        format(_SAMPLES[field], spec)
    except (ValueError, OverflowError) as error:
        raise _wrong(template, f"{field} cannot take the format {spec!r} ({error}); use {{{field}}}") from None


def _wrong(template: str, why: str) -> ValueError:
    return ValueError(f"log_stream_name={template!r}: {why}")
