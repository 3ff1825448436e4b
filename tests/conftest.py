"""Shared by all tests: no test ever finds the credentials or the configuration of whoever runs it."""

import itertools
import logging
import os

import pytest
from hypothesis import settings

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.core import pacing
from cwlog_handler.testing import FakeCloudWatchLogs

from .programs import AWS

_numbers = itertools.count()

# No test judges how long something takes: the machine may be busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def tokens_of_its_own():
    """No test waits for requests that another has made: in a process a stream has one rate, whoever sends to it."""
    pacing.forget_shared_buckets()


@pytest.fixture
def fake():
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

    def attach(**options):
        options.setdefault("log_stream_name", "s")
        options.setdefault("boto3_client", fake.client())
        handler = CloudWatchLogsHandler("g", **options)
        logger.addHandler(handler)
        return handler

    return attach


def balanced(stats):
    return stats.emitted == stats.delivered + stats.rejected + stats.dropped + stats.pending


def logged(messages):
    """Of a stream's messages those that the program logged: without what tells of losses."""
    return [message for message in messages if not message.startswith("cwlog_handler: ")]
