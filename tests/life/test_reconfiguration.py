"""Reconfiguration: closed by ``dictConfig`` under a lock that boto3 needs, a handler neither freezes nor goes mute."""

import logging
import logging.config
import threading
from collections import Counter

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, faults

from ..programs import HANG_LIMIT

pytestmark = pytest.mark.any_python

# For what must not wait at all: a wait of so long is a hang, and the test that waits is told so.
NEVER = 3600


class Passed(logging.Filter):
    """Keeps what came through to a handler: all of it must arrive, and nothing else."""

    texts: list[str] = []  # noqa: RUF012 - one list for the filters of all configurations

    def filter(self, record):
        self.texts.append(record.getMessage())
        return True


@pytest.fixture
def passed(monkeypatch):
    monkeypatch.setattr(Passed, "texts", [])
    return Passed.texts


@pytest.fixture
def fake():
    return FakeCloudWatchLogs(requests_per_second=None)


@pytest.fixture(autouse=True)
def as_it_was():
    """Leave the root logger, which pytest has handlers on, and all others as they were."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}})
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def configure(fake):
    with fake.serve() as url:

        def configure(**options):
            cloudwatch = {
                "class": "cwlog_handler.CloudWatchLogsHandler",
                "log_group_name": "g",
                "log_stream_name": "s",
                "endpoint_url": url,
                "requests_per_second": None,
                "close_timeout": HANG_LIMIT,
                "filters": ["passed"],
                **options,
            }
            logging.config.dictConfig(
                {
                    "version": 1,
                    "disable_existing_loggers": False,
                    "filters": {"passed": {"()": Passed}},
                    "handlers": {"cloudwatch": cloudwatch},
                    "root": {"handlers": ["cloudwatch"], "level": "DEBUG"},
                }
            )
            return logging.getLogger().handlers[0]

        yield configure
        fake.clear_faults()
        fake.release()


def in_time(work, seconds=HANG_LIMIT):
    """Do some work on a thread, and fail if it hangs."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"


@pytest.fixture
def load():
    """Threads that log until the test is over."""
    stop = threading.Event()

    def work(name):
        number = 0
        while not stop.wait(0.001):
            logging.getLogger(f"load.{name}").debug("%s %d", name, number)
            number += 1

    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in "abcd"]
    for thread in threads:
        thread.start()

    def end():
        stop.set()
        for thread in threads:
            thread.join(HANG_LIMIT)
            assert not thread.is_alive()

    yield end
    end()


FAULTS = {"healthy": None, "slow": faults.slow(0.2), "hung": faults.stall(), "unavailable": faults.server_error()}


@pytest.mark.parametrize("name", FAULTS)
def test_dict_config_again_and_again_under_load_returns_and_loses_nothing(fake, configure, load, passed, name):
    """F24: at DEBUG on root, while our threads are inside boto3; close() does not wait there for what cannot come."""
    handlers = [configure(close_timeout=NEVER)]
    assert fake.wait_for(lambda: fake.messages("g"))
    if FAULTS[name] is not None:
        fake.fail(FAULTS[name])
        count = len(fake.requests)
        assert fake.wait_for(lambda: len(fake.requests) > count)
    for _ in range(3):
        in_time(lambda: handlers.append(configure(close_timeout=NEVER)))
    load()
    fake.clear_faults()
    fake.release()
    assert all(handler.flush(60) for handler in handlers)
    assert Counter(fake.messages("g")) == Counter(passed)
    assert all(handler.stats.dropped == 0 for handler in handlers)


def test_a_handler_that_is_still_attached_after_dict_config_has_closed_it_delivers(fake, configure):
    """F24: the loggers that the new configuration does not name keep it."""
    handler = configure()
    elsewhere = logging.getLogger("elsewhere")
    elsewhere.propagate = False
    elsewhere.addHandler(handler)
    try:
        configure()
        configure()
        elsewhere.warning("m")
        assert fake.wait_for(lambda: "m" in fake.messages("g"))
    finally:
        elsewhere.removeHandler(handler)
        elsewhere.propagate = True
    assert handler.flush(60)


@pytest.mark.parametrize("use_queues", [True, False])
def test_flush_and_close_from_many_threads_while_others_emit_lose_nothing(fake, configure, load, passed, use_queues):
    """F33: any number of times, also while another thread configures."""
    handlers = [configure(use_queues=use_queues)]

    def end():
        for _ in range(20):
            handlers[-1].flush()
            handlers[-1].close()
            handlers[-1].stats  # noqa: B018

    threads = [threading.Thread(target=end, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    in_time(lambda: handlers.append(configure(use_queues=use_queues)))
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "it hangs"
    load()
    assert all(handler.flush(60) for handler in handlers)
    assert Counter(fake.messages("g")) == Counter(passed)


def test_close_of_a_hung_handler_gives_up_after_close_timeout_and_discards_nothing(fake, configure, passed):
    """F24, F33: without logging's lock it waits, but no longer than it was told to."""
    handler = configure(close_timeout=0.2)
    fake.fail(faults.stall())
    logging.getLogger("x").error("m")
    assert fake.wait_for(lambda: any(r.answer == "stall" for r in fake.requests))
    in_time(handler.close)
    in_time(handler.close)
    fake.clear_faults()
    fake.release()
    assert handler.flush(60)
    assert Counter(fake.messages("g")) == Counter(passed)


def test_a_flush_that_waits_for_a_hung_endpoint_does_not_hold_up_dict_config(fake, configure):
    """F24: it waits without a lock of logging."""
    handler = configure(close_timeout=NEVER)
    fake.fail(faults.stall())
    logging.getLogger("x").error("m")
    assert fake.wait_for(lambda: any(r.answer == "stall" for r in fake.requests))
    flushes = [threading.Thread(target=handler.flush, args=(60,), daemon=True) for _ in range(3)]
    for flush in flushes:
        flush.start()
    in_time(lambda: configure(close_timeout=NEVER))
    fake.clear_faults()
    fake.release()
    for flush in flushes:
        flush.join(60)
        assert not flush.is_alive()
    assert "m" in fake.messages("g")
