"""Users' tests replace names of the standard library: F51. Nothing is raised for it, and every record is delivered.

The records are made before: logging itself asks for the time, the process and the thread when it makes one.
"""

import logging
import signal
import sys
from contextlib import contextmanager
from unittest.mock import MagicMock, patch

import pytest

from cwlog_handler.testing import faults

from ..conftest import balanced
from ..programs import HANG_LIMIT, python, started

pytestmark = pytest.mark.timeout(60)

NAMES = [
    "time.sleep",
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.perf_counter",
    "time.clock_gettime",
    "random.random",
    "random.SystemRandom",
    "os.getpid",
    "os.kill",
    "platform.node",
    "queue.SimpleQueue",
    "signal.getsignal",
    "signal.signal",
    "threading.Thread.start",
    "threading.Event.wait",
    "threading.get_ident",
    "threading.main_thread",
]
# The constructor needs them: what is no Exception goes up there to the test that asked for it.
OF_THE_CONSTRUCTOR = {"platform.node", "signal.getsignal", "threading.get_ident", "threading.main_thread"}


class Failed(BaseException):
    """As pytest.fail raises."""


REPLACEMENTS = {
    "nothing": lambda *_, **__: None,
    "a constant": lambda *_, **__: 1234,
    "an error": MagicMock(side_effect=RuntimeError("not in a test")),
    "a failure": MagicMock(side_effect=Failed("not in a test")),
}


@contextmanager
def replaced(name, by):
    with patch(name, REPLACEMENTS[by]):
        yield


@pytest.fixture
def record(logger):
    """Make a record for the test's logger, without logging it."""
    return lambda text: logger.makeRecord(logger.name, logging.INFO, "file", 1, text, (), None)


@pytest.mark.parametrize("made", ["before", "inside"])
@pytest.mark.parametrize("by", REPLACEMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_logged_while_a_name_is_replaced_is_delivered(fake, logger, attach, record, capsys, name, by, made):
    if made == "inside" and by == "a failure" and name in OF_THE_CONSTRUCTOR:
        pytest.skip("what is no Exception goes up from the constructor")
    client = fake.client()
    handler = attach(boto3_client=client, send_interval=600) if made == "before" else None
    logger.info("before")
    records = [record(text) for text in ("inside", "before close", "last")]
    with replaced(name, by):
        handler = handler or attach(boto3_client=client)
        logger.handle(records[0])
        assert handler.flush()
        logger.handle(records[1])
        handler.close()
        logger.handle(records[2])
    logger.info("after")
    assert handler.flush()
    # It has the right time, whatever the program's clock showed when it was sent.
    expected = ["before"] if made == "before" else []
    assert fake.messages("g", "s") == [*expected, "inside", "before close", "last", "after"]
    assert balanced(handler.stats)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("by", REPLACEMENTS)
@pytest.mark.parametrize("name", ["random.random", "random.SystemRandom", "time.sleep", "time.monotonic"])
def test_failures_are_retried_while_a_name_is_replaced(fake, logger, attach, record, name, by):
    fake.fail(faults.throttle(), times=2)
    client, records = fake.client(), [record("m")]
    with replaced(name, by):
        handler = attach(boto3_client=client)
        logger.handle(records[0])
        assert handler.flush()
    assert fake.messages("g", "s") == ["m"]
    assert handler.stats.throttled == 2


@pytest.mark.parametrize("by", REPLACEMENTS)
@pytest.mark.parametrize("name", ["os.urandom", "uuid.uuid4", "threading.Lock", "socket.getaddrinfo"])
def test_what_boto3_itself_cannot_do_without_is_waited_for(fake, logger, attach, record, name, by):
    """Nothing is raised, and what cannot be sent while a name is replaced is sent afterwards."""
    with fake.serve() as url:
        handler = attach(boto3_client=None, endpoint_url=url, close_timeout=0.2)
        records = [record("m")]
        with replaced(name, by):
            logger.handle(records[0])
            handler.flush()
            handler.close()
        assert handler.flush(60)
    assert fake.messages("g", "s") == ["m"]
    assert balanced(handler.stats)


@pytest.mark.parametrize("by", REPLACEMENTS)
def test_a_caller_waits_for_room_while_sleep_is_replaced(fake, logger, attach, record, by):
    handler = attach(overflow="block", max_buffer_count=1, block_timeout=60)
    fake.fail(faults.stall(), times=1)
    records = [record(text) for text in ("one", "two", "three")]
    logger.handle(records[0])
    assert fake.wait_for(lambda: fake.requests)
    with replaced("time.sleep", by):
        fake.release()
        logger.handle(records[1])
        logger.handle(records[2])
        assert handler.flush()
    assert fake.messages("g", "s") == ["one", "two", "three"]
    assert handler.stats.dropped == 0


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("name", ["time.sleep", "os.getpid", "time.time"])
def test_waits_end_at_their_deadline_while_a_name_is_replaced(fake, logger, attach, record, name, use_queues):
    """F25: a flush neither gives up at once nor waits for ever."""
    fake.fail(faults.server_error())
    handler = attach(close_timeout=0.2, use_queues=use_queues)
    records = [record("m")]
    with replaced(name, "nothing"):
        logger.handle(records[0])
        assert not handler.flush(0.1)
        fake.clear_faults()
        assert handler.flush(60)
    assert fake.messages("g", "s") == ["m"]


def test_a_clock_that_shows_nonsense_costs_only_the_records_made_by_it(fake, logger, attach):
    """F12: a record goes by the time that it was given, and the service refuses what is not its own: counted."""
    handler = attach()
    with patch("time.time", lambda: 1234.5), patch("time.time_ns", lambda: 1_234_500_000_000):
        logger.info("of 1970")
        assert handler.flush()
    logger.info("after")
    assert handler.flush()
    assert fake.messages("g", "s") == ["after"]
    assert handler.stats.rejected_by_reason == {"too_old": 1}
    assert balanced(handler.stats)


def test_two_processes_are_not_seen_where_a_test_makes_up_a_number(fake, logger, attach):
    """Not taken for a fork, in which what waits is the parent's: records have the made-up number, too."""
    handler = attach(send_interval=600)
    logger.info("one")
    with patch("os.getpid", return_value=1234):
        logger.info("two")
        with patch("os.getpid", return_value=1235):
            logger.info("three")
            assert handler.flush()
    assert fake.messages("g", "s") == ["one", "two", "three"]


PROGRAM = """
import logging
import signal
import sys
from unittest.mock import MagicMock, patch
import boto3.session
log = logging.getLogger("program")
log.setLevel("INFO")
one, two, three = [log.makeRecord("program", 20, "file", 1, text, (), None) for text in ("one", "two", "three")]
replaced = patch({name!r}, {by})
{before_import}
from cwlog_handler import CloudWatchLogsHandler
log.addHandler(CloudWatchLogsHandler("g", "s", send_interval=600, close_timeout={close_timeout}))
log.handle(one)
{before_flush}
log.handle(two)
log.handlers[0].flush()
log.handle(three)
"""
BY = {
    "nothing": "lambda *_, **__: None",
    "an error": "MagicMock(side_effect=RuntimeError('not in a test'))",
}


@pytest.mark.parametrize("when", ["before the import", "before the flush"])
@pytest.mark.parametrize("by", ["nothing", "an error"])
@pytest.mark.parametrize(
    "name",
    [
        *("time.sleep", "time.time", "time.monotonic", "random.SystemRandom", "os.getpid", "threading.Thread.start"),
        # As pytest-socket does.
        "socket.socket",
    ],
)
def test_a_program_that_ends_while_a_name_is_replaced_delivers(fake, name, by, when):
    """It may have been replaced before this package was imported, and for good."""
    # Without that clock urllib3 makes no request, and without a socket nobody does.
    cannot_send = (name, by) == ("time.monotonic", "an error") or name == "socket.socket"
    steps = {"before the import": ("replaced.start()", ""), "before the flush": ("", "replaced.start()")}[when]
    timeout = 0.5 if cannot_send else HANG_LIMIT
    source = PROGRAM.format(name=name, by=BY[by], before_import=steps[0], before_flush=steps[1], close_timeout=timeout)
    with fake.serve() as url, started(python("-c", source), url=url) as program:
        assert program.wait() == 0, program.output
    if cannot_send:
        assert "3 events not delivered at exit: " in program.output
        assert all(line.startswith("cwlog_handler: ") for line in program.output.splitlines())
    else:
        assert program.output == ""
        assert fake.messages("g", "s") == ["one", "two", "three"]


DYING = f"""
import logging, os, time
from unittest.mock import patch
from cwlog_handler import CloudWatchLogsHandler
logging.getLogger().addHandler(CloudWatchLogsHandler("g", "s", send_interval=600, close_timeout={HANG_LIMIT}))
logging.warning("m")
with patch("os.getpid", return_value=2**22), patch("os.kill"), patch("threading.Thread.start"), patch("time.sleep"):
    print("ready", flush=True)
    while True:
        pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
def test_sigterm_kills_this_process_and_no_other_while_a_test_makes_up_its_number(fake):
    with fake.serve() as url, started(python("-c", DYING), url=url) as program:
        program.wait_for("ready")
        program.signal(signal.SIGTERM)
        assert program.wait() == -signal.SIGTERM
    assert program.output == "ready\n"
    assert fake.messages("g", "s") == ["m"]


@pytest.mark.parametrize("stderr", [None, object(), "none at all"])
def test_a_stderr_that_is_none_raises_nothing(fake, logger, attach, monkeypatch, stderr):
    fake.fail(faults.access_denied(), times=1)
    handler = attach()
    if stderr == "none at all":
        monkeypatch.delattr("sys.stderr")
    else:
        monkeypatch.setattr("sys.stderr", stderr)
    logger.info("m")
    assert handler.flush(60)
    assert fake.messages("g", "s") == ["m"]
