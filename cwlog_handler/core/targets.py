"""Where a record goes: a log stream, and the log group that it belongs to.

Owns: what names a stream among all streams of a handler. Must not know: templates, what makes a name legal.
"""

from typing import NamedTuple


class Target(NamedTuple):
    """A log group, and a log stream in it. Two groups may have streams of the same name."""

    group: str
    stream: str

    @property
    def place(self) -> str:
        """Both names, for a line on stderr."""
        return f"log group {self.group!r}, stream {self.stream!r}"
