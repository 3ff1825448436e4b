"""The service refuses, breaks off or is away: everything arrives once, and a person is told what to mend."""

import random

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, faults

from ..conftest import balanced

FAULTS = {
    "throttled": faults.throttle(),
    "503": faults.server_error(503),
    "refused": faults.connection_refused(),
    "reset": faults.reset_before_commit(),
    "captive portal": faults.captive_portal(),
    "expired": faults.expired_token(),
    "wrong key": faults.unrecognized_client(),
    "denied": faults.access_denied(),
    "clock skew": faults.clock_skew(),
}


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_everything_arrives_once_and_in_order(fake, logger, attach, capsys, known_arrivals, name):
    fake.create("g", "s")
    fake.fail(FAULTS[name], times=2)
    handler = attach()
    for number in range(100):
        logger.error("%d", number)
    assert handler.flush(60)
    assert fake.messages("g", "s") == [str(number) for number in range(100)]
    assert handler.stats.retries == 2
    assert handler.stats.last_error
    assert balanced(handler.stats)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.unrecognized_client(), ["access key id", "secret", "'g'", "'s'"]),
        (faults.access_denied(), ["logs:PutLogEvents", "'g'", "'s'"]),
    ],
)
def test_what_a_person_must_mend_is_said_once_and_the_data_kept(fake, logger, attach, capsys, fault, words):
    """F21: the cause, where, and the way out; not the same line for ever."""
    fake.create("g", "s")
    fake.fail(fault)
    handler = attach(close_timeout=0.1)
    logger.error("kept")
    assert fake.wait_for(lambda: len(fake.requests) >= 3)
    assert handler.stats.pending == 1
    fake.clear_faults()
    assert handler.flush(60)
    assert fake.messages("g", "s") == ["kept"]
    lines = [line for line in capsys.readouterr().err.splitlines() if "cwlog_handler" in line]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


def test_a_request_that_the_service_calls_invalid_costs_only_the_bad_event(logger, attach):
    """F15: an endpoint with the older limit of 256 KB an event."""
    fake = FakeCloudWatchLogs(max_event_bytes=262_144, requests_per_second=None)
    handler = attach(boto3_client=fake.client(), requests_per_second=None)
    for number in range(8):
        logger.info("%d", number)
    logger.info("x" * 300_000)
    logger.info("8")
    assert handler.flush()
    assert fake.messages("g", "s") == [str(number) for number in range(9)]
    assert handler.stats.rejected_by_reason == {"invalid": 1}


def test_the_programs_random_numbers_are_left_alone(fake, logger, attach):
    """A program that seeds them counts on what comes next, whatever our back-off draws."""
    fake.fail(faults.server_error(503), times=2)
    handler = attach()
    before = random.getstate()
    logger.error("m")
    assert handler.flush(60)
    assert random.getstate() == before
    assert handler.stats.retries >= 2
