"""Shared by all tests: no test ever finds the credentials or the configuration of whoever runs it."""

import itertools
import logging
import os
import signal
import time
from math import inf
from weakref import WeakSet

import pytest
from hypothesis import HealthCheck, settings

from cwlog_handler.delivery import buckets, calls
from cwlog_handler.process import lifecycle

from .markers import starts_processes
from .programs import AWS, HANG_LIMIT

# What imports boto3 is imported in the fixtures that use it: a test of the core starts without.

_numbers = itertools.count()
# More than there are processors: most tests wait for something most of the time.
WORKERS = 4

# No test judges how long something takes: the machine may be busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure():
    # A shell without job control has what it starts in the background ignore Ctrl-C, and all that this starts, too. The
    # programs of the tests are to have what programs usually have.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--share",
        metavar="K/N",
        help="of the tests marked `any_python` run every N-th from the K-th, so that N Pythons share them",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--share"):
        first, step = map(int, config.getoption("--share").split("/"))
        everywhere = [item for item in items if item.get_closest_marker("any_python")]
        left_out = set(everywhere) - set(everywhere[first - 1 :: step])
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Only the whole suite is worth the start of workers; ``-n`` with a number has it otherwise."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or config.option.numprocesses != "auto":
        return None
    is_whole = config.args_source is config.ArgsSource.TESTPATHS
    is_narrowed = any(config.getoption(option, None) for option in ("keyword", "markexpr", "lf", "collectonly"))
    return WORKERS if is_whole and not is_narrowed else 0


def pytest_itemcollected(item):
    if starts_processes(item):
        item.add_marker("process")


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def tokens_of_its_own():
    """No test waits for requests that another has made: in a process a stream has one rate, whoever sends to it."""
    buckets.forget_all()


_ended = WeakSet()


@pytest.fixture(autouse=True)
def ends_the_threads_it_started():
    """No handler goes on trying after its test: the next test would find on stderr what this one has caused."""
    yield
    for flusher in set(lifecycle.flushers) - set(_ended):
        _ended.add(flusher)
        # Without time left: what the test has not delivered is given up, and no later record starts a thread again.
        flusher.finish(-inf)
        flusher.end_thread()
        # A thread that has just been started may not run yet: only its end is certain.
        wait_until(lambda flusher=flusher: not flusher.driver.has_thread)


@pytest.fixture
def fake():
    from cwlog_handler.testing import FakeCloudWatchLogs

    return FakeCloudWatchLogs()


@pytest.fixture
def logger():
    """A logger of its own, that reaches no other handler."""
    logger = logging.getLogger(f"test.{next(_numbers)}")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture
def attach(fake, logger):
    """Make a handler on the fake service, attached to the logger."""
    from cwlog_handler import CloudWatchLogsHandler

    def attach(**options):
        options.setdefault("log_stream_name", "s")
        options.setdefault("boto3_client", fake.client())
        handler = CloudWatchLogsHandler(**{"log_group_name": "g", **options})
        logger.addHandler(handler)
        return handler

    return attach


@pytest.fixture
def known_arrivals(monkeypatch):
    """Have each request count from its answer, by which it has arrived in any case.

    Otherwise it counts from 0.02 s after it was last seen being sent, at most. On a busy machine it may arrive later
    than that, and then a sixth request within a second of it.
    """
    monkeypatch.setattr(calls, "ARRIVED_AFTER_MOST", inf)


def wait_until(is_so):
    """Wait for something inside the package of which nobody is told, so that there is no event to wait for."""
    give_up = time.monotonic() + HANG_LIMIT
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def balanced(stats):
    return stats.emitted == stats.delivered + stats.rejected + stats.dropped + stats.pending


def logged(messages):
    """Of a stream's messages those that the program logged: without what tells of losses."""
    return [message for message in messages if not message.startswith("cwlog_handler: ")]
