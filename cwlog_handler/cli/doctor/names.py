"""The check of templates: to which log group and stream an event goes, and which of their fields nobody knows here.

Owns: doctor's own values for fields. Must not know: how a name is rendered, the service.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Final

from ...core.targets import Target
from ...record.environment import values_of
from ...record.fields import ENV, OF_THE_PROCESS, RECORD, UNKNOWN
from ...record.names import GroupName, StreamName
from .case import Case
from .findings import Finding, failed, passed

# Fields of which the values are those of doctor's own process: the event goes to no stream of the program.
_OWN: Final = {"program_name": "cwlog_handler-doctor", "process_id": 0, "thread_name": "MainThread"}


def sample(options: Mapping[str, Any]) -> Target:
    """Return where doctor's event goes: to the log group of a record of the root logger without attributes of its own.

    The logger in the stream's name is doctor's, as all that is known of the process is.
    """
    group, stream = _templates(options)
    values: dict[str, object] = {
        "machine_name": platform.node(),
        "logger_name": "root",
        "level_name": "INFO",
        "strftime": datetime.now(timezone.utc),
        **_OWN,
        **values_of(group.of_environment | stream.of_environment),
        **dict.fromkeys((key for key in group.fields | stream.fields if key.startswith(f"{RECORD}:")), None),
    }
    return Target(group.render(values), stream.render({**values, "logger_name": "doctor"}))


def has_fields(options: Mapping[str, Any]) -> bool:
    """True if it is worth a line where a record goes, and what it depends on."""
    try:
        group, stream = _templates(options)
    except (TypeError, ValueError, KeyError):
        return False
    usual = OF_THE_PROCESS | {"thread_name", "logger_name", "level_name", "strftime"}
    return bool(group.fields or stream.fields - usual)


def names(case: Case) -> Finding:
    """Say where an event goes, and what its names depend on."""
    group, stream = _templates(case.known)
    fields = [field for field in (*group.of_fields, *stream.of_fields) if field.may_be_unknown]
    values = values_of(group.of_environment | stream.of_environment)
    lacking = [field for field in fields if field.is_of_the_environment and not values[field.key]]
    unset = list(dict.fromkeys(f.argument for f in lacking if f.name == ENV and f.default is None))
    if unset:
        one = unset[0]
        cause = f"not set here, and without a default: {', '.join(unset)}; {UNKNOWN!r} would stand for it in the names"
        return failed(cause, f"set it as the program has it, or write a default such as {{env:{one}|dev}}")
    told = [f"this test's event goes to log group {case.group!r}"]
    if group.fields - group.of_environment:
        by = ", ".join(sorted(group.fields - group.of_environment))
        told.append(f"the program's to {pattern(case.known)!r}, by {by}")
    for field in lacking:
        stand_in = UNKNOWN if field.default is None else field.default
        told.append(f"{field.argument or field.name} is not {'set' if field.argument else 'known'} here: {stand_in!r}")
    return passed("; ".join(dict.fromkeys(told)))


def pattern(options: Mapping[str, Any]) -> str:
    """Return the names of all log groups that the handler may write to, as IAM's policies write them."""
    group = GroupName(options["log_group_name"])
    values = values_of(group.of_environment)
    # A variable that is not set here, and has no default, may have any value there.
    known = {
        f.key: values[f.key] for f in group.of_fields if f.name == ENV and (values[f.key] or f.default is not None)
    }
    return group.known(known).pattern


def _templates(options: Mapping[str, Any]) -> tuple[GroupName, StreamName]:
    return GroupName(options["log_group_name"]), StreamName(options["log_stream_name"])
