"""Handlers in front of ours that keep records and hand them on later: at a size, at exit, on another thread."""

import textwrap

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, server_error

from .conftest import MODES, PATIENCE

pytestmark = pytest.mark.any_python


@pytest.fixture
def fake():
    """Without the rate: a record a request is what some of these programs do."""
    return FakeCloudWatchLogs(requests_per_second=None)


# Of all that log in these programs: botocore, at DEBUG, for each of our requests.
ROOT = """
from logging.handlers import MemoryHandler, QueueHandler, QueueListener
import queue
log.removeHandler(handler)
root = logging.getLogger()
root.setLevel(logging.DEBUG)
"""

FRONTS = {
    "a MemoryHandler": "front = MemoryHandler({capacity}, target=handler)",
    "a MemoryHandler that is older": """
        front = MemoryHandler({capacity})
        handler = CloudWatchLogsHandler("g", "s", **options)
        front.setTarget(handler)
        """,
    "a MemoryHandler before a MemoryHandler": """
        middle = MemoryHandler({capacity}, target=handler)
        front = MemoryHandler({capacity}, target=middle)
        """,
    "a QueueListener": """
        front = QueueHandler(queue.Queue())
        listener = QueueListener(front.queue, handler, respect_handler_level=True)
        listener.start()
        atexit.register(listener.stop)
        """,
    "a QueueListener before a MemoryHandler": """
        front = QueueHandler(queue.Queue())
        listener = QueueListener(front.queue, MemoryHandler({capacity}, target=handler))
        listener.start()
        atexit.register(listener.stop)
        """,
    "a MemoryHandler before a QueueListener": """
        last = QueueHandler(queue.Queue())
        listener = QueueListener(last.queue, handler)
        listener.start()
        front = MemoryHandler({capacity}, target=last)
        atexit.register(listener.stop)
        atexit.register(front.flush)
        """,
    "a handler of the user's": """
        class Buffering(logging.Handler):
            kept = []
            def emit(self, record):
                self.kept.append(record)
                if len(self.kept) >= {capacity}: self.flush()
            def flush(self):
                while self.kept: handler.handle(self.kept.pop(0))
        front = Buffering()
        """,
    "ours and another of ours": """
        front = MemoryHandler({capacity}, target=handler)
        other = CloudWatchLogsHandler("g", "other", **options)
        root.addHandler(MemoryHandler({capacity}, target=other))
        """,
}
# The default's flushLevel is ERROR.
CAPACITIES = {"full at once": 1, "full now and then": 3, "full of our own": 40, "never full": 100_000}


def source(front, capacity, options, rest):
    parts = [ROOT, f"options = {options!r}", FRONTS[front].format(capacity=capacity), "root.addHandler(front)", rest]
    return "\n".join(textwrap.dedent(part) for part in parts)


@pytest.mark.parametrize("mode", ["default", "without queues"])
@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("front", FRONTS)
def test_each_record_that_a_handler_in_front_keeps_comes_once_and_none_of_our_own(fake, run, front, capacity, mode):
    """F57: handed on when it is full, by what our own calls log, and at exit, when our own hook is over.

    The exit would take all of its minutes if it went round in circles.
    """
    options = {**MODES[mode], "close_timeout": 300.0, "requests_per_second": None}
    texts = [f"record {number}" for number in range(10)]
    rest = "for number in range(10): log.info('record %d', number)"
    returned, output = run(source(front, CAPACITIES[capacity], options, rest), **options)
    assert (returned, output) == (0, "")
    assert sorted(fake.messages("g", "s")) == texts
    if "other" in front:
        assert sorted(fake.messages("g", "other")) == texts


@pytest.mark.parametrize("mode", ["default", "without queues"])
@pytest.mark.parametrize("front", ["a MemoryHandler", "a MemoryHandler that is older", "a handler of the user's"])
def test_what_a_handler_in_front_hands_on_at_exit_goes_together(fake, run, front, mode):
    """F57: no thread is there any more; five a second would keep a thousand records for minutes, and lose them."""
    options = {**MODES[mode], "close_timeout": PATIENCE}
    rest = "for number in range(1000): log.info('record %d', number)"
    returned, output = run(source(front, 100_000, options, rest), **options)
    assert (returned, output) == (0, "")
    assert sorted(fake.messages("g", "s")) == sorted(f"record {number}" for number in range(1000))
    puts = [request for request in fake.requests if request.operation == "PutLogEvents"]
    assert len(puts) <= 5


@pytest.mark.parametrize("overflow", ["drop_oldest", "block"])
@pytest.mark.parametrize("use_queues", [True, False])
def test_what_a_handler_in_front_hands_on_at_exit_may_be_more_than_the_buffer_holds(fake, run, overflow, use_queues):
    """F57: what goes together is what there is room for."""
    options = {"overflow": overflow, "max_buffer_size": 4096, "use_queues": use_queues, "requests_per_second": None}
    rest = """
    for number in range(30): log.info("record %d", number), log.info("record %d %s", number, "x" * 2000)
    """
    returned, output = run(source("a MemoryHandler", 100_000, options, rest), **options)
    assert (returned, output) == (0, "")
    assert len(fake.messages("g", "s")) == 60


@pytest.mark.parametrize("mode", ["default", "without queues"])
def test_logging_shut_down_in_the_middle_of_a_program_delivers_what_is_in_front(fake, run, mode):
    """F57: and what is logged afterwards, too."""
    rest = """
    log.info("one")
    logging.shutdown()
    front.setTarget(handler)
    log.info("two")
    assert handler.stats.delivered == 1, handler.stats
    """
    returned, output = run(source("a MemoryHandler", 100_000, {}, rest), **MODES[mode])
    assert (returned, output) == (0, "")
    assert fake.messages("g", "s") == ["one", "two"]


def test_what_a_handler_in_front_hands_on_in_vain_at_exit_is_told(fake, run):
    """F57: never lost without a word."""
    fake.fail(server_error(), times=None)
    rest = "log.info('one')"
    returned, output = run(source("a MemoryHandler", 100_000, {}, rest), close_timeout=1.0)
    assert returned == 0
    assert "1 events not delivered at exit" in output


@pytest.mark.parametrize("front", ["a MemoryHandler", "a QueueListener", "a QueueListener before a MemoryHandler"])
def test_an_idle_program_with_a_handler_in_front_makes_no_request(fake, start, front):
    """F52, F57: what fills the handler in front is what our calls log; it must come to an end."""
    options = {"send_interval": 0.05}
    rest = """
    log.info("one")
    log.info("two")
    while handler.stats.delivered < 2: time.sleep(0.01)
    print("delivered", flush=True)
    signal.pause()
    """
    program = start(source(front, 2, options, rest), **options)
    program.wait_for("delivered")
    count = len(fake.requests)
    assert not fake.wait_for(lambda: len(fake.requests) > count, timeout=1.0)
    assert fake.messages("g", "s") == ["one", "two"]


def test_what_is_handed_on_after_the_deadline_of_the_exit_has_a_try(run, fake):
    """F57: nothing was left at the deadline, so nothing says yet that the service does not answer."""
    source = """
    from logging.handlers import MemoryHandler
    from cwlog_handler.process import exit
    # What comes after the deadline has a second: a busy machine may need more.
    exit.LAST_MOMENT = 50.0
    def let_the_deadline_pass():
        handler._flusher._exit._gives_up_at = time.monotonic() - 1.0
    front = MemoryHandler(100, target=handler)
    log.info("first")
    assert handler.flush(30)
    log.removeHandler(handler)
    log.addHandler(front)
    log.info("kept")
    """
    # What is registered before ours runs after it, and before logging's own.
    first = "import atexit, logging; atexit.register(lambda: let_the_deadline_pass())"
    assert run(source, first=first) == (0, "")
    assert fake.messages("g", "s") == ["first", "kept"]
