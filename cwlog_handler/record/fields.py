"""The fields of a name's template: which there are, how each is written, and what is wrong use of one.

Owns: names, arguments, defaults and formats of fields. Must not know: where the values come from, what makes a name
legal (`names`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Final

# Each field with a sample value. A format spec is accepted if it works on the sample.
_SAMPLES: Final[Mapping[str, object]] = {
    "machine_name": "host",
    "program_name": "app",
    "process_id": 1,
    "thread_name": "MainThread",
    "logger_name": "root",
    "level_name": "INFO",
    "strftime": datetime(2000, 1, 1, tzinfo=timezone.utc),
    "ecs_cluster": "default",
    "ecs_task_id": "0123456789abcdef0123456789abcdef",
    "ecs_task_family": "web",
    "ecs_container_name": "app",
    "ec2_instance_id": "i-0123456789abcdef0",
    "kubernetes_namespace": "default",
}
ENV: Final = "env"
RECORD: Final = "record"
OF_THE_PROCESS: Final = frozenset({"machine_name", "program_name", "process_id"})
OF_THE_PLATFORM: Final = frozenset(name for name in _SAMPLES if name.startswith(("ecs_", "ec2_", "kubernetes_")))
"""What only the machine or the container can know: perhaps nobody knows it here."""
FIELDS: Final = (*_SAMPLES, "env:NAME", "record:NAME")
"""The fields, as they are written."""

UNKNOWN: Final = "unknown"
"""Stands for what is not known if the template has no default for it."""

# A legal name has at most 512 characters, so a width or precision of four digits is a mistake. It is refused because
# ``{process_id:>9999999999}`` would use up the memory.
_TOO_WIDE: Final = r"\d{4,}"
_ARGUMENT: Final = r"[A-Za-z_][A-Za-z0-9_.-]*"
# Attributes of which nearly every record has another value: each record would get a stream of its own.
_OF_ONE_RECORD: Final = frozenset(
    {
        "args", "asctime", "created", "exc_info", "exc_text", "message", "msecs", "msg", "relativeCreated",
        "stack_info",
    }
)  # fmt: skip


class WrongField(ValueError):
    """The template's field cannot work. The text says why, and what to write instead."""


class Field:
    """A field of a template, such as ``{record:tenant|none}``."""

    __slots__ = ("argument", "default", "name", "spec")

    def __init__(self, name: str, argument: str = "", default: str | None = None, spec: str = "") -> None:
        self.name: Final = name
        self.argument: Final = argument
        """What is behind the colon of ``env`` and ``record``: the name of the variable or of the attribute."""
        self.default: Final = default
        """Stands for a value that is not there, or empty. None: there is no default."""
        self.spec: Final = spec
        """The format, as `format` takes it."""

    @property
    def key(self) -> str:
        """What tells its value from that of other fields: two may differ in their default or format only."""
        return f"{self.name}:{self.argument}" if self.argument else self.name

    @property
    def may_be_unknown(self) -> bool:
        """True if there may be no value."""
        return bool(self.argument) or self.name in OF_THE_PLATFORM

    @property
    def is_of_the_environment(self) -> bool:
        """True if the value is the same as long as the process lives, and in its forked children."""
        return self.name == ENV or self.name in OF_THE_PLATFORM

    def __str__(self) -> str:
        default = "" if self.default is None else f"|{self.default}"
        if self.argument:
            return f"{{{self.key}{default}}}"
        return f"{{{self.name}{default}:{self.spec}}}" if self.spec else f"{{{self.name}{default}}}"


def parsed(name: str, spec: str, conversion: str | None) -> Field:
    """Return the field that ``string.Formatter`` has found. Raises WrongField."""
    if conversion is not None:
        raise WrongField(f"no conversions here; write {{{name}}} without '!{conversion}'")
    if name in (ENV, RECORD):
        return _with_argument(name, spec)
    name, has_default, default = name.partition("|")
    if name in (ENV, RECORD):
        raise WrongField(f"{name} needs a name before its default; write {{{name}:NAME|{default or 'default'}}}")
    if name not in _SAMPLES:
        kind = "a positional field" if not name or name.isdecimal() else f"an unknown field {name!r}"
        also = f" ({{record:{name}}}, {{env:{name}}})" if re.fullmatch(_ARGUMENT, name) else ""
        raise WrongField(f"{kind}; the fields are {', '.join(FIELDS)}{also}")
    if has_default and name not in OF_THE_PLATFORM:
        raise WrongField(f"{name} is always known and takes no default; write {{{name}}}")
    _check_spec(name, spec)
    return Field(name, "", _default(name, default) if has_default else None, spec)


def _with_argument(name: str, spec: str) -> Field:
    argument, has_default, default = spec.partition("|")
    written = f"write {{{name}:NAME}}, or with a default {{{name}:NAME|default}}"
    if not argument:
        raise WrongField(f"{name} needs the name of {_WHAT[name]}; {written}")
    if not re.fullmatch(_ARGUMENT, argument):
        raise WrongField(f"{name} cannot look up {argument!r}; {written}, without a format")
    if name == RECORD and argument in _OF_ONE_RECORD:
        raise WrongField(f"record:{argument} differs from record to record, and so would the name; choose another one")
    return Field(name, argument, _default(f"{name}:{argument}", default) if has_default else None)


_WHAT: Final = {ENV: "an environment variable", RECORD: "an attribute of the record"}


def _default(written: str, default: str) -> str:
    if "|" in default:
        raise WrongField(f"{written} has more than one default; write {{{written}|{default.partition('|')[0]}}}")
    if "{" in default or "}" in default:
        raise WrongField(f"the default of {written} has a brace in it; write plain text such as {{{written}|none}}")
    return default


def _check_spec(name: str, spec: str) -> None:
    if name == "strftime":
        if "%" not in spec:
            raise WrongField("strftime needs a format; write it as {strftime:%Y-%m-%d}")
    elif spec and re.search(_TOO_WIDE, spec):
        raise WrongField(f"{name} with format {spec!r} is wider than any stream name; use {{{name}}}")
    try:
        if "{" in spec:
            raise ValueError("fields inside a format are not supported")
        format(_SAMPLES[name], spec)
    except (ValueError, OverflowError) as error:
        raise WrongField(f"{name} cannot take the format {spec!r} ({error}); use {{{name}}}") from None
