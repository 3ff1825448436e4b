"""The option `on_lost`: what it takes, and what its function gets of a handler's losses."""

import functools
import logging
import logging.config
import threading
import time
from unittest import mock

import pytest

from cwlog_handler import LostEvent
from cwlog_handler.process import flusher
from cwlog_handler.testing import faults

from ..conftest import wait_until
from ..programs import HANG_LIMIT

told = []


@pytest.fixture
def patient_flush(monkeypatch):
    """A flush that waits for the function as long as it takes: its thread may get no processor for a second."""
    monkeypatch.setattr(flusher, "REPORTS_PATIENCE", HANG_LIMIT)


def remember(events):
    """Named in a configuration by its path."""
    told.extend(events)


async def coroutine(events):
    """Nobody awaits it."""


def generator(events):
    """Nobody runs it."""
    yield


async def asynchronous(events):
    """Neither."""
    yield


class Calls:
    """Objects that are called like functions."""

    async def __call__(self, events):
        """Nobody awaits it."""


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (3, TypeError, "on_lost=3 is of type int: not callable; give a function or 'package.module:function'"),
        ("nowhere.to:be", ValueError, "cannot be imported"),
        ("os:name", TypeError, "not callable"),
        (coroutine, TypeError, "a coroutine function, which nobody would await"),
        (functools.partial(coroutine), TypeError, "a coroutine function, which nobody would await"),
        (mock.AsyncMock(), TypeError, "a coroutine function, which nobody would await"),
        (Calls(), TypeError, "a coroutine function, which nobody would await"),
        (generator, TypeError, "a generator function, which would not run"),
        (asynchronous, TypeError, "a generator function, which would not run"),
        (f"{__name__}:coroutine", TypeError, "a coroutine function, which nobody would await"),
        (lambda: None, TypeError, "it is called with one argument, the lost events"),
        (lambda one, two: None, TypeError, "it is called with one argument, the lost events"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_could_not_be_called_is_refused(attach, value, error, words):
    with pytest.raises(error, match=r"on_lost=") as raised:
        attach(on_lost=value)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "value",
    [None, [].extend, lambda events: None, functools.partial(remember), mock.Mock(), print, f"{__name__}.remember"],
    ids=["none", "C", "lambda", "partial", "mock", "built-in", "path"],
)
def test_whatever_takes_one_argument_is_accepted(attach, value, no_thread):
    """The constructor starts no thread."""
    attach(on_lost=value)


def test_a_configuration_names_the_function_by_its_path(fake, patient_flush):
    told.clear()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "cloudwatch": {
                    "class": "cwlog_handler.CloudWatchLogsHandler",
                    "log_group_name": "g",
                    "log_stream_name": "s",
                    "on_lost": f"{__name__}:remember",
                }
            },
            "loggers": {"configured.on_lost": {"handlers": ["cloudwatch"], "level": "DEBUG", "propagate": False}},
        }
    )
    logger = logging.getLogger("configured.on_lost")
    before = int(time.time() * 1000)
    logger.warning("")
    (handler,) = logger.handlers
    assert handler.flush(HANG_LIMIT)
    (event,) = told
    assert before <= event.timestamp <= time.time() * 1000
    assert event == LostEvent(event.timestamp, logging.WARNING, "g", "s", "", "dropped", "empty")
    logger.removeHandler(handler)
    handler.close()


@pytest.mark.parametrize("use_queues", [True, False])
def test_every_reason_is_told_when_a_flush_returns(attach, logger, use_queues, patient_flush):
    """Each with what was logged; on the calling thread only where that does all the work."""
    told, threads = [], set()

    def on_lost(events):
        threads.add(threading.current_thread() is threading.main_thread())
        told.extend(events)

    handler = attach(on_lost=on_lost, use_queues=use_queues, oversize="drop", max_message_size=1000)
    made = [("", 0.0), ("x" * 1000, 0.0), ("old", -15 * 86_400.0), ("new", 3 * 3600.0), ("odd", float("nan"))]
    for text, ahead in made:
        handler.handle(logging.makeLogRecord({"msg": text, "levelno": 40, "created": time.time() + ahead}))
    logger.info("fine")
    assert handler.flush()
    lost = [(event.text, event.level, event.counted_as, event.reason) for event in told]
    assert sorted(lost) == sorted(
        [
            ("", 40, "dropped", "empty"),
            ("x" * 1000, 40, "dropped", "oversize"),
            ("old", 40, "dropped", "too_old"),
            ("new", 40, "dropped", "too_new"),
            ("odd", 40, "dropped", "invalid_time"),
        ]
    )
    assert threads == {not use_queues}


def test_a_function_that_hangs_does_not_hold_up_flush(attach, logger, fake):
    """A flush says whether records are settled; the function has a second, once."""
    entered, go_on = threading.Event(), threading.Event()

    def on_lost(events):
        entered.set()
        go_on.wait(HANG_LIMIT)

    handler = attach(on_lost=on_lost)
    logger.info("")
    assert entered.wait(HANG_LIMIT)
    try:
        for number in range(3):
            logger.info("%d", number)
            assert handler.flush(timeout=10 * HANG_LIMIT)
        assert fake.messages("g", "s") == ["0", "1", "2"]
        assert not go_on.is_set()
    finally:
        go_on.set()


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_what_the_function_logs_of_a_full_disk_pushes_nothing_off_the_disk(attach, logger, fake, tmp_path, mode):
    """Each event that it pushed off would be one more loss to log, without end, also when the program logs no more."""
    fake.fail(faults.server_error())
    told = []

    def on_lost(events):
        told.extend(events)
        for event in events:
            logger.warning("lost: %s", event.text)

    spool = {"spool_dir": tmp_path / "spool", "spool_mode": mode, "max_spool_size": 1024 * 1024}
    handler = attach(on_lost=on_lost, max_buffer_size=100_000, close_timeout=0.1, **spool)
    give_up = time.monotonic() + HANG_LIMIT
    logged = 0
    while handler.stats.dropped_by_reason.get("spool_full", 0) < 15_000:
        assert time.monotonic() < give_up
        for _ in range(1000):
            logger.warning("%0100d", logged)
            logged += 1
        # All that was lost so far is told, and what is logged of it is here.
        handler.flush(0.05)
    assert not any(event.text.startswith("lost: ") for event in told if event.text)
    assert sum(event.count for event in told) <= logged


def test_no_module_is_loaded_and_no_thread_started_without_the_option(attach, logger, fake):
    """Its cost is that of an attribute."""
    handler = attach()
    assert handler._flusher.rounds._reporter is None
    logger.info("")
    assert handler.flush()


def test_the_thread_ends_with_the_handler(attach, logger):
    """Also if the function was never called."""
    handler = attach(on_lost=print)
    logger.info("fine")
    assert handler.flush()
    reporter = handler._flusher.rounds._reporter
    assert reporter.has_thread
    logger.removeHandler(handler)
    handler.close()
    wait_until(lambda: not reporter.has_thread)


def test_the_value_is_a_small_one_that_does_not_change():
    event = LostEvent(1, 20, "g", "s", "text", "dropped", "overflow")
    with pytest.raises(AttributeError):
        event.text = "other"
    assert not hasattr(event, "__dict__")
