"""Programs whose lives are told here: a handler on the strict fake, a logger, and what each test adds."""

import textwrap
from contextlib import ExitStack

import pytest

from ..programs import HANG_LIMIT, python, started

# Said of every fork in a process with threads, which is what these tests are about.
QUIET = "ignore:This process:DeprecationWarning"
# What a flush and the end of a program take together at most, unless a test says otherwise: a busy machine may need
# seconds for each of its parts. It is less than such a program is waited for.
PATIENCE = 50.0
PRELUDE = """\
{first}
import atexit, gc, logging, os, signal, sys, threading, time
from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.record import turns as _turns
# A record waits no more for a formatter that seems to hang. A busy machine may let it seem so.
_turns._PATIENCE = float("inf")
handler = CloudWatchLogsHandler("g", {stream!r}, **{options!r})
log = logging.getLogger("program")
log.setLevel(logging.DEBUG)
log.addHandler(handler)
"""

# What a record may wait for on its caller's thread.
MODES = {
    "default": {},
    "without queues": {"use_queues": False},
    "blocking": {"overflow": "block", "max_buffer_count": 1, "block_timeout": 20.0},
}


@pytest.fixture
def url(fake):
    with fake.serve() as url:
        yield url


@pytest.fixture
def start(url, tmp_path):
    """Start a program; ``first`` is what it does before it imports anything."""
    with ExitStack() as programs:

        def start(source, *, first="", stream="s", **options):
            path = tmp_path / "program.py"
            options = {"close_timeout": PATIENCE, **options}
            path.write_text(PRELUDE.format(first=first, stream=stream, options=options) + textwrap.dedent(source))
            return programs.enter_context(started(python(str(path)), url=url, cwd=tmp_path, PYTHONWARNINGS=QUIET))

        yield start


@pytest.fixture
def run(start):
    """Run a program to its end; return its exit status and what it wrote."""

    def run(source, *, within=HANG_LIMIT, **more):
        program = start(source, **more)
        return program.wait(within), program.output

    return run


def arrived(fake):
    """All messages but the process id in front of each, sorted; each process has a stream of its own, and all of it."""
    found = []
    for stream in fake.streams("g"):
        said = [message.split(" ", 1) for message in fake.messages("g", stream)]
        assert {pid for pid, _ in said} == {stream.rpartition("/")[2]}
        found += [text for _, text in said]
    return sorted(found)


def assert_told_or_delivered(fake, returned, output):
    """The program has ended well, and its record "last" has arrived, or it has said that it was lost."""
    assert returned == 0
    delivered = bool(fake.groups) and "last" in fake.messages("g")
    assert delivered != ("not delivered at exit" in output), output
    assert "Traceback" not in output
