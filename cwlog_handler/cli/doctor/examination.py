"""The order of the checks, and which check needs which others. A check whose needs have failed is not made.

Owns: the list of steps. Must not know: what a check does, how findings are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ...aws import errors
from . import delivery, endpoint, names, role, spool, surroundings
from .case import Case
from .findings import Finding, Mark, failed, impossible


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    check: Callable[[Case], Finding]
    needs: tuple[str, ...] = ()


_STEPS: Final = (
    _Step("Python", surroundings.versions),
    _Step("tags", surroundings.tags),
    _Step("options", surroundings.options),
    _Step("names", names.names, ("options",)),
    _Step("loggers", surroundings.loggers),
    _Step("spool", spool.spool, ("options",)),
    _Step("region", surroundings.region, ("options",)),
    _Step("credentials", surroundings.credentials, ("options",)),
    _Step("endpoint", endpoint.endpoint, ("region",)),
    _Step("name", endpoint.name, ("endpoint",)),
    _Step("connection", endpoint.connection, ("name",)),
    _Step("answer", endpoint.answer, ("connection",)),
    _Step("clock", endpoint.clock, ("answer",)),
    _Step("role", role.role, ("credentials", "endpoint")),
    # Where a name is not what it will be, a group would be made that nobody wants.
    _Step("creation", delivery.creation, ("names", "credentials", "role", "answer")),
    _Step("put", delivery.put, ("names", "credentials", "role", "answer")),
    _Step("entity", delivery.entity, ("put",)),
    _Step("compression", delivery.compression, ("put",)),
    _Step("read back", delivery.reading, ("put",)),
)


def examine(case: Case) -> Iterator[tuple[str, Finding]]:
    """Make all checks, and yield the name and finding of each as soon as it is done. A check that raises has failed."""
    # The checks that failed, or were not made because another one failed.
    lacking: set[str] = set()
    for step in _STEPS:
        if not _applies(step.name, case):
            continue
        if missing := [need for need in step.needs if need in lacking]:
            finding = impossible(f"not tried: needs {' and '.join(missing)}")
        else:
            finding = _made(step, case)
        if finding.mark is Mark.FAILED or finding.blocks:
            lacking.add(step.name)
        yield step.name, finding


def _applies(name: str, of: Case) -> bool:
    match name:
        case "loggers":
            return of.loggers is not None
        case "tags":
            return bool(of.tags)
        # From what the user has given, because the check of the options may have failed.
        case "role":
            return of.options.get("role_arn") is not None
        case "names":
            return names.has_fields(of.known)
        case "spool":
            return of.options.get("spool_dir") is not None
        case "entity" | "compression":
            return of.options.get(name) is not None
    return True


def _made(step: _Step, case: Case) -> Finding:
    try:
        return step.check(case)
    except Exception as error:
        # The user's client or options may raise anything. The other checks are still made.
        cause = f"the check itself failed: {type(error).__name__}: {errors.text_of(error)}"
        return failed(cause, "report it, with this line")
