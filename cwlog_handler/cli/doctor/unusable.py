"""What is raised where a file cannot be used; told as a finding of its own. Must not know: files."""

from __future__ import annotations


class Unusable(Exception):
    """The file cannot be used; the message is the cause, ``way_out`` what to do."""

    def __init__(self, cause: str, way_out: str) -> None:
        super().__init__(cause)
        self.way_out = way_out


def said_by(error: Exception) -> str:
    """Return what an exception says; the modules of a program may raise any when they are imported."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
