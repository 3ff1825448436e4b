"""The commands as their users run them: processes with an environment, an input and an exit status."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs

from ..programs import HANG_LIMIT, environment, python

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"
# In seconds: what is there answers within them, on a busy machine too. Doctor's own 5 are for people.
DOCTORS_PATIENCE = 30


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and what it said."""

    status: int
    output: str
    errors: str

    def line(self, check):
        """What doctor says of a check: its mark and text, and the way out below it."""
        lines = self.output.splitlines()
        (place,) = [n for n, line in enumerate(lines) if line[4:17].rstrip() == check]
        below = lines[place + 1].strip() if place + 1 < len(lines) else ""
        return lines[place].strip() + (f"\n{below}" if below.startswith("→") else "")


def run(*arguments, stdin=b"", cwd=None, **env):
    """Run ``python -m cwlog_handler``; an environment variable that is None is not set."""
    given = environment(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, PYTHONUTF8="1")
    for name, value in env.items():
        given.pop(name, None)
        if value is not None:
            given[name] = value
    if arguments[0] == "doctor" and "--timeout" not in arguments:
        arguments += ("--timeout", DOCTORS_PATIENCE)
    command = python("-m", "cwlog_handler", *map(str, arguments))
    ended = subprocess.run(command, input=stdin, env=given, cwd=cwd, capture_output=True, timeout=HANG_LIMIT)
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@pytest.fixture
def fake():
    """One that any number of requests a second may go to: the time of the tests is not its business."""
    return FakeCloudWatchLogs(requests_per_second=None)


@pytest.fixture
def url(fake):
    with fake.serve() as url:
        yield url
