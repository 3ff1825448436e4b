"""The result of a check, and how it is shown: as lines for people, or as values for JSON.

Owns: the three possible results, their marks and their layout. Must not know: what is checked, and how.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ...core.outcomes import Invalid, Outcome, Refused, Unavailable

_NAME_WIDTH: Final = 12


class Mark(Enum):
    """The three possible results of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. ``text`` is what was found, or the cause of a failure; ``way_out`` is what to do then.

    ``blocks``: the check has not failed, but checks that need it cannot be made.
    """

    mark: Mark
    text: str
    way_out: str = ""
    blocks: bool = False

    def as_json(self, check: str) -> dict[str, str]:
        """Return the finding as plain data; ``check`` is the name of its check."""
        told = {"check": check, "result": self.mark.value, "text": self.text}
        return {**told, "way_out": self.way_out} if self.way_out else told


def passed(text: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(Mark.PASSED, text)


def failed(cause: str, way_out: str) -> Finding:
    """Return the finding that the user has to correct something."""
    return Finding(Mark.FAILED, cause, way_out)


def skipped(why: str) -> Finding:
    """Return the finding that a check was not needed, or not possible without harm. This is no failure."""
    return Finding(Mark.SKIPPED, why)


def impossible(why: str) -> Finding:
    """Return the finding that a check was not made because another one has failed. Checks that need it are blocked."""
    return Finding(Mark.SKIPPED, why, blocks=True)


def failed_with(outcome: Outcome, way_out: str) -> Finding:
    """Return a failure in the handler's own words. ``way_out`` is used if the outcome has none of its own."""
    match outcome:
        case Refused(advice=advice, way_out=known) if known:
            return failed(advice.removesuffix(f": {known}."), known)
        case Refused(advice=text) | Unavailable(cause=text) | Invalid(message=text):
            return failed(text, way_out)
        case _:
            return failed(str(outcome), way_out)


class Lines:
    """Shows findings as lines of text, with ASCII marks if ``encoding`` lacks the better ones."""

    def __init__(self, encoding: str | None) -> None:
        self._marks = {Mark.PASSED: "✓", Mark.FAILED: "✗", Mark.SKIPPED: "–"}
        self._arrow = "→"
        try:
            "".join([*self._marks.values(), self._arrow]).encode(encoding or "ascii")
        except UnicodeEncodeError:
            self._marks = {Mark.PASSED: "ok", Mark.FAILED: "FAILED", Mark.SKIPPED: "-"}
            self._arrow = "->"

    def of(self, check: str, finding: Finding) -> str:
        """Return the line of a check; the way out, if there is one, follows on a second line."""
        width = max(map(len, self._marks.values()))
        line = f"  {self._marks[finding.mark]:<{width}} {check:<{_NAME_WIDTH}} {finding.text}"
        if not finding.way_out:
            return line
        return f"{line}\n  {'':<{width}} {'':<{_NAME_WIDTH}} {self._arrow} {finding.way_out}"
