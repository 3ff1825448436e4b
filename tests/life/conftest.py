"""Programs whose lives are told here: a handler on the strict fake, a logger, and what each test adds."""

import textwrap
from contextlib import ExitStack

import pytest

from tests.programs import python, started

# Said of every fork in a process with threads, which is what these tests are about.
QUIET = "ignore:This process:DeprecationWarning"
PRELUDE = """\
{first}
import atexit, gc, logging, os, signal, sys, threading, time
from cwlog_handler import CloudWatchLogsHandler
# Whoever runs these tests in the background may have it ignored, which children inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
handler = CloudWatchLogsHandler("g", {stream!r}, **{options!r})
log = logging.getLogger("program")
log.setLevel(logging.DEBUG)
log.addHandler(handler)
"""


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
            path.write_text(PRELUDE.format(first=first, stream=stream, options=options) + textwrap.dedent(source))
            return programs.enter_context(started(python(str(path)), url=url, cwd=tmp_path, PYTHONWARNINGS=QUIET))

        yield start


@pytest.fixture
def run(start):
    """Run a program to its end; return its exit status and what it wrote."""

    def run(source, *, within=60.0, **more):
        program = start(source, **more)
        return program.wait(within), program.output

    return run
