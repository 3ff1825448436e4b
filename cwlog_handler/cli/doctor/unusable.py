"""The error for a configuration file that cannot be used; doctor shows it as a finding.

Owns: the error. Must not know: files.
"""

from __future__ import annotations


class Unusable(Exception):
    """The configuration file cannot be used. The message is the cause; ``way_out`` is what to do."""

    def __init__(self, cause: str, way_out: str) -> None:
        super().__init__(cause)
        self.way_out = way_out


def said_by(error: Exception) -> str:
    """Return the type and message of an exception as one line. The program's modules may raise any when imported."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
