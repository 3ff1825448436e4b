"""A platform that freezes the process between calls, as AWS Lambda does: what was flushed is there, then it goes on."""

import os
import signal
import textwrap

import pytest

from cwlog_handler.testing import faults

from ..programs import python, started

# It stops itself where the platform would: in the statement that follows flush().
PROGRAM = """
import logging, os, signal
from cwlog_handler import CloudWatchLogsHandler

handler = CloudWatchLogsHandler("g", "s", send_interval=600, close_timeout=40)
log = logging.getLogger("function")
log.setLevel(logging.INFO)
log.addHandler(handler)
for call in range({calls}):
    for line in range(3):
        log.info("call %d line %d", call, line)
    settled = handler.flush()
    os.kill(os.getpid(), signal.SIGSTOP)
    assert settled
print("over")
"""


def lines_of(calls):
    return [f"call {call} line {line}" for call in range(calls) for line in range(3)]


@pytest.fixture
def function(fake):
    """Start the program that is frozen after each of its calls."""

    def function(url, calls):
        return started(python("-c", textwrap.dedent(PROGRAM).format(calls=calls)), url=url)

    return function


def wait_until_frozen(program):
    """Wait until the program is stopped, without taking its exit status away from whoever waits for it."""
    stopped = os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert stopped.si_status == signal.SIGSTOP, program.output


def test_all_that_was_flushed_is_there_while_the_process_is_frozen(fake, function):
    """F35: it may never be thawed."""
    with fake.serve() as url, function(url, calls=1) as program:
        wait_until_frozen(program)
        assert fake.messages("g", "s") == lines_of(1)
        program.signal(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
    assert fake.messages("g", "s") == lines_of(1)


def test_logging_goes_on_after_a_freeze_in_which_the_connection_was_closed(fake, function):
    """F35: the service closes idle connections, and the process cannot notice before it is thawed."""
    url = fake.start()
    port = int(url.rpartition(":")[2])
    with function(url, calls=3) as program:
        for calls in (1, 2, 3):
            wait_until_frozen(program)
            assert fake.messages("g", "s") == lines_of(calls)
            fake.stop()
            fake.start(port)
            program.signal(signal.SIGCONT)
        assert program.wait() == 0, program.output
    fake.stop()
    assert fake.messages("g", "s") == lines_of(3)


def test_an_answer_that_came_in_the_freeze_is_taken_after_it(fake, function):
    """Frozen in the middle of a request, as where nobody flushes: nothing is lost and nothing sent again."""
    fake.fail(faults.stall(), times=1)
    with fake.serve() as url, function(url, calls=1) as program:
        assert fake.wait_for(lambda: any(request.answer == "stall" for request in fake.requests))
        program.signal(signal.SIGSTOP)
        wait_until_frozen(program)
        fake.create("g", "s")
        fake.release()
        assert fake.wait_for(lambda: fake.messages("g", "s") == lines_of(1))
        program.signal(signal.SIGCONT)
        # And once more where it stops itself.
        wait_until_frozen(program)
        program.signal(signal.SIGCONT)
        assert program.wait() == 0, program.output
    assert fake.messages("g", "s") == lines_of(1)
