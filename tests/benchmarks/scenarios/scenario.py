"""What a scenario is.

Must not know: how it is run, nor with which handler.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cwlog_handler.testing import FakeCloudWatchLogs
from tests.programs import Program

GROUP = "g"


@dataclass(frozen=True)
class Run:
    """A program under way: the fake it logs to, and its port; a port for what the program serves; and its journal."""

    program: Program
    fake: FakeCloudWatchLogs
    fake_port: int
    own_port: int
    journal: Path

    def calls_returned(self) -> int:
        """How many logging calls have returned so far."""
        return self.journal.read_bytes().count(b"\n")

    def wait_until_delivering(self) -> None:
        """Wait until the service has stored something."""
        assert self.fake.wait_for(lambda: self.fake.messages(GROUP)), "nothing was ever delivered"

    def endpoint_comes_up(self, after: float) -> None:
        """Let the endpoint listen again after some seconds: they are the fault itself."""
        time.sleep(after)
        self.fake.start(self.fake_port)


@dataclass(frozen=True)
class Scenario:
    """A program and what happens to it.

    ``options`` are for the handler, the same for all. ``before`` gives the fake its orders, ``during`` plays the world
    while the program runs. ``is_up`` says whether the endpoint listens when the program starts. ``argv`` starts the
    program another way than with this Python: it is given the program's path and ``own_port``. ``needs`` are the
    modules without which it cannot be run, ``limit`` the seconds after which it is killed.
    """

    name: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[FakeCloudWatchLogs], None] | None = None
    during: Callable[[Run], None] | None = None
    is_up: bool = True
    argv: Callable[[Path, int], Sequence[str]] | None = None
    needs: Sequence[str] = ()
    limit: float = 90.0
