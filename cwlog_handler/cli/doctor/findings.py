"""What a check came to, and how it is shown: as lines for people, or as values for JSON.

Must not know: what is checked, and how.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ...core.outcomes import Invalid, Outcome, Refused, Unavailable

_NAME_WIDTH: Final = 12


class Mark(Enum):
    """The three things that a check can come to."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to: ``text`` is what was found, or the cause; ``way_out`` what to do about a failure.

    ``blocks``: what needs this check cannot be done, although it has not failed itself.
    """

    mark: Mark
    text: str
    way_out: str = ""
    blocks: bool = False

    def as_json(self, check: str) -> dict[str, str]:
        """Return it as plain data."""
        told = {"check": check, "result": self.mark.value, "text": self.text}
        return {**told, "way_out": self.way_out} if self.way_out else told


def passed(text: str) -> Finding:
    """All is well."""
    return Finding(Mark.PASSED, text)


def failed(cause: str, way_out: str) -> Finding:
    """Something has to be put right."""
    return Finding(Mark.FAILED, cause, way_out)


def skipped(why: str) -> Finding:
    """Not needed, or not done to no harm: no failure."""
    return Finding(Mark.SKIPPED, why)


def impossible(why: str) -> Finding:
    """Not done because of something that has failed: no failure of its own."""
    return Finding(Mark.SKIPPED, why, blocks=True)


def failed_with(outcome: Outcome, way_out: str) -> Finding:
    """Something has to be put right, as the handler says it; ``way_out`` where the handler would just try again."""
    match outcome:
        case Refused(advice=advice, way_out=known) if known:
            return failed(advice.removesuffix(f": {known}."), known)
        case Refused(advice=text) | Unavailable(cause=text) | Invalid(message=text):
            return failed(text, way_out)
        case _:
            return failed(str(outcome), way_out)


class Lines:
    """Findings as lines of text; plain ASCII marks where the ``encoding`` has no other."""

    def __init__(self, encoding: str | None) -> None:
        self._marks = {Mark.PASSED: "✓", Mark.FAILED: "✗", Mark.SKIPPED: "–"}
        self._arrow = "→"
        try:
            "".join([*self._marks.values(), self._arrow]).encode(encoding or "ascii")
        except UnicodeEncodeError:
            self._marks = {Mark.PASSED: "ok", Mark.FAILED: "FAILED", Mark.SKIPPED: "-"}
            self._arrow = "->"

    def of(self, check: str, finding: Finding) -> str:
        """Return the line of a check, and the way out on a second one."""
        width = max(map(len, self._marks.values()))
        line = f"  {self._marks[finding.mark]:<{width}} {check:<{_NAME_WIDTH}} {finding.text}"
        if not finding.way_out:
            return line
        return f"{line}\n  {'':<{width}} {'':<{_NAME_WIDTH}} {self._arrow} {finding.way_out}"
