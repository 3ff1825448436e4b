"""Shared by the tests of the client: a fake with a clock that stands still, and a client on it."""

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs

from .subject import NOW, Subject


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000)
    yield fake
    fake.release()
    fake.stop()


@pytest.fixture
def ready(fake):
    """The fake, with everything there already."""
    fake.create("g", "s")
    return fake


@pytest.fixture
def subject(fake):
    return Subject(fake.client())


@pytest.fixture
def environment(monkeypatch):
    """The environment without a region; set what a test needs."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    return monkeypatch
