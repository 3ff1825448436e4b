"""A user's own pytest run with the handler attached: caplog, warnings as errors, frozen tests, a second dictConfig."""

import pytest

from ..programs import HANG_LIMIT, ROOT

pytest_plugins = ["pytester"]
pytest.importorskip("freezegun", reason="freezegun is not installed")
pytest.importorskip("time_machine", reason="time-machine is not installed")

# One handler for all tests, that nobody closes; the service is told by AWS_ENDPOINT_URL.
CONFTEST = """
import logging
import pytest
from cwlog_handler import CloudWatchLogsHandler

@pytest.fixture(scope="session", autouse=True)
def cloudwatch():
    handler = CloudWatchLogsHandler("g", "s", send_interval=600, close_timeout=60)
    logging.getLogger().addHandler(handler)
    yield handler
    assert handler.flush()
    stats = handler.stats
    # The two of frozen tests are years off for a service in real time.
    assert (stats.emitted, stats.delivered, stats.dropped + stats.rejected, stats.pending) == (9, 7, 2, 0)
    logging.getLogger("shop").warning("at the end of the session")
"""
SUITE = """
import gc, logging, logging.config
import freezegun, pytest, time_machine
from cwlog_handler import CloudWatchLogsHandler

log = logging.getLogger("shop")

def test_caplog_has_it_too(caplog):
    log.warning("warning")
    assert [record.getMessage() for record in caplog.records if record.name == "shop"] == ["warning"]

def test_caplog_at_debug_on_root(caplog, cloudwatch):
    caplog.set_level(logging.DEBUG)
    log.debug("debug")
    assert cloudwatch.flush()
    assert "debug" in caplog.messages

@freezegun.freeze_time("2001-02-03")
def test_with_freezegun(caplog):
    log.warning("in 2001")
    assert [record.created for record in caplog.records if record.name == "shop"] == [981158400]

@time_machine.travel("2061-02-03", tick=False)
def test_with_time_machine(caplog, cloudwatch):
    log.warning("in 2061")
    assert cloudwatch.flush()

@pytest.mark.parametrize("number", range(4))
def test_that_configures_logging_anew(number, cloudwatch):
    handler = {"class": "cwlog_handler.CloudWatchLogsHandler", "log_group_name": "g", "log_stream_name": "configured",
               "close_timeout": 60}
    loggers = {"configured": {"handlers": ["cloudwatch"], "level": "INFO"}}
    logging.config.dictConfig({
        "version": 1, "disable_existing_loggers": False, "handlers": {"cloudwatch": handler}, "loggers": loggers,
    })
    logging.getLogger("configured").info("configured %d", number)

def test_a_handler_of_its_own(caplog):
    handler = CloudWatchLogsHandler("g", "own", close_timeout=60)
    own = logging.getLogger("own")
    own.addHandler(handler)
    own.warning("own")
    own.removeHandler(handler)
    handler.close()
    assert handler.stats.delivered == 1
    del handler
    # Whatever is still open would be a ResourceWarning now, and that an error.
    gc.collect()
    assert "own" in caplog.messages
"""


@pytest.mark.parametrize("arguments", [(), ("-s",), ("--log-cli-level=DEBUG",)], ids=["quiet", "-s", "live log"])
def test_a_suite_passes_and_ends_cleanly_and_its_records_arrive(fake, pytester, monkeypatch, arguments):
    """F24, F30, F34."""
    pytester.makeini("[pytest]\nfilterwarnings = error")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # The plugins of whoever runs these tests have no part in it.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    with fake.serve() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        result = pytester.runpytest_subprocess(*arguments, timeout=HANG_LIMIT)
        result.assert_outcomes(passed=9)
        assert result.ret == 0
        assert str(result.stderr) == ""
    configured = [f"configured {number}" for number in range(4)]
    # Each was sent by a handler of its own, perhaps with the same timestamp as the next one.
    assert sorted(fake.messages("g", "configured")) == configured
    assert fake.messages("g", "own") == ["own"]
    assert fake.messages("g", "s") == ["warning", "debug", *configured, "own", "at the end of the session"]
