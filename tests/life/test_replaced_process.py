"""What ends the process on the spot, or puts another program in its place: F66. Nothing of ours runs then."""

import signal

import pytest

from tests.programs import python, started

pytestmark = pytest.mark.any_python

PROGRAM = """
import logging, os, signal, sys
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "s", send_interval=600, close_timeout=50)
logging.getLogger().addHandler(handler)
if sys.argv[1:] == ["again"]:
    logging.warning("after the restart")
    raise SystemExit(0)
logging.warning("one")
logging.warning("two")
{before}
{end}
"""
ENDS = {
    "exec": ("os.execv(sys.executable, [*sys.orig_argv, 'again'])", 0),
    "spawn and _exit": (
        "pid = os.posix_spawn(sys.executable, [*sys.orig_argv, 'again'], os.environ); os.waitpid(pid, 0); os._exit(0)",
        0,
    ),
    "abort": ("os.abort()", -signal.SIGABRT),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
}


@pytest.mark.parametrize("before", ["handler.flush()", "logging.shutdown()"])
@pytest.mark.parametrize("end", ENDS)
def test_whoever_flushes_before_loses_nothing(fake, end, before):
    """As the README says to do; and the program in its place delivers as any does."""
    statement, status = ENDS[end]
    argv = python("-c", PROGRAM.format(before=before, end=statement))
    with fake.serve() as url, started(argv, url=url) as program:
        assert program.wait() == status, program.output
    restarted = ["after the restart"] if "again" in statement else []
    assert fake.messages("g", "s") == ["one", "two", *restarted]
