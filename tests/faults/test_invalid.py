"""Requests that the service calls invalid, by an event or as a whole, with the handler's own client; F15, F63."""

import logging

import pytest

from cwlog_handler.testing import Call, Fault, Refusal, error, throttle

from ..conftest import balanced
from .virtual import VirtualFake, World

ENTITY = "1 validation error detected: Value at 'entity.keyAttributes' failed to satisfy constraint: Unknown key 'Team'"
# Of the request as a whole, in the words of the service, of an endpoint that is not quite one, and of a proxy.
REFUSALS = {
    "entity": error("InvalidParameterException", ENTITY),
    "validation": error("ValidationException", "Unknown log format"),
    "member": error("SerializationException", "Unrecognized member"),
    "sizes": error("InvalidParameterException", "The request of 1234 bytes is not taken"),
    "proxy": error("413", "Request Entity Too Large", 413),
}


@pytest.fixture
def unlimited():
    """The fake without its limit of requests a second, on the clock of its world."""
    fake = VirtualFake()
    fake.create("g", "s")
    return fake


def varying():
    """A refusal of the request whose words differ each time: by an id, by a number."""
    numbers = iter(range(10**6))

    def answer(call: Call):
        number = next(numbers)
        message = f"Request {number:08x}-aa00 with {len(call.batch)} events is invalid: '{number}' (try {number})"
        return Refusal("InvalidParameterException", message).answer()

    return Fault("varying", answer=answer)


def is_bad(call):
    return any(text == "bad" for _, text in call.batch)


def texts(count, start=0):
    return [f"{number}" for number in range(start, start + count)]


@pytest.mark.parametrize("name", [*REFUSALS, "varying"])
def test_a_request_refused_as_a_whole_loses_nothing_and_costs_a_few_requests(unlimited, capsys, name):
    """F63: it was 127 requests for 64 records, all of them "invalid"."""
    world = World(unlimited, jitter=lambda: 1.0, batch_events=10_000)
    unlimited.fail(REFUSALS.get(name) or varying())
    for text in texts(64):
        world.log(text)
    world.run(1.4)
    assert len(world.calls) <= 3
    assert world.stats.pending == 64
    told = capsys.readouterr().err
    assert "names no event" in told
    assert "correct what it names" in told
    assert "64 events wait and are kept" in told
    world.run(3600)
    assert len(world.calls) <= 3 + 2 * (8 + 3600 / 60)
    assert 1 <= len(capsys.readouterr().err.splitlines()) <= 61
    for text in texts(100, 64):
        world.log(text)
    unlimited.clear_faults()
    world.drain()
    assert unlimited.messages("g", "s") == texts(164)
    stats = world.stats
    assert (stats.delivered, stats.rejected, stats.dropped, stats.possibly_duplicated) == (164, 0, 0, 0)
    assert balanced(stats)


def test_records_that_come_while_requests_are_refused_cost_none_of_their_own(unlimited, capsys):
    """F63."""
    world = World(unlimited, jitter=lambda: 1.0)
    unlimited.fail(REFUSALS["entity"])
    for text in texts(600):
        world.log(text)
        world.run(0.049)
    assert len(world.calls) <= 3 + 2 * len(["0.5", "1", "2", "4", "8", "16"])
    unlimited.clear_faults()
    world.drain()
    assert unlimited.messages("g", "s") == texts(600)


@pytest.mark.parametrize("refused_first", range(1, 12))
def test_a_refusal_that_ends_after_any_request_leaves_all_in_order(unlimited, capsys, refused_first):
    """F3, F63."""
    world = World(unlimited, batch_events=16)
    unlimited.fail(REFUSALS["entity"], times=refused_first)
    for text in texts(64):
        world.log(text)
    world.drain()
    assert unlimited.messages("g", "s") == texts(64)
    assert world.stats.delivered == 64


@pytest.mark.parametrize("place", [0, 1, 30, 62, 63])
@pytest.mark.parametrize(
    "words",
    [
        "1 validation error detected: Value 'bad' at 'logEvents.1.member.message' failed to satisfy constraint: …",
        "Log event too large: 300026 bytes exceeds limit of 262144",
        "The message is not acceptable",
        "The message 'bad' of 4711 bytes is not acceptable",
    ],
)
def test_a_bad_event_is_found_among_good_ones(unlimited, logger, attach, capsys, place, words):
    """F15: wherever it is, and however it is told of; logged in a loop, so that they share milliseconds."""
    unlimited.fail(error("InvalidParameterException", words), when=is_bad)
    # In one batch: a bad event that is alone, and that nobody names, waits for a good one that is accepted after it.
    handler = attach(boto3_client=unlimited.client(), requests_per_second=None, send_interval=3600)
    logged = texts(64)
    logged[place] = "bad"
    for text in logged:
        logger.info(text)
    assert handler.flush(60)
    assert unlimited.messages("g", "s") == [text for text in logged if text != "bad"]
    assert handler.stats.rejected_by_reason == {"invalid": 1}
    assert f"the service refused an event: InvalidParameterException: {words}" in capsys.readouterr().err


def test_a_flush_returns_at_its_end_while_requests_are_refused_and_later_all_is_there(fake, logger, attach, capsys):
    fake.create("g", "s")
    fake.fail(REFUSALS["entity"])
    handler = attach()
    for text in texts(64):
        logger.info(text)
    assert not handler.flush(0.5)
    assert handler.stats.pending == 64
    assert fake.wait_for(lambda: "names no event" in (handler.stats.last_error or ""))
    fake.clear_faults()
    assert handler.flush(60)
    assert fake.messages("g", "s") == texts(64)


def test_without_queues_a_refused_record_is_kept_and_goes_with_the_next(fake, logger, attach, capsys):
    fake.create("g", "s")
    fake.fail(REFUSALS["entity"])
    handler = attach(use_queues=False, close_timeout=0.1)
    logger.info("one")
    assert handler.stats.pending == 1
    fake.clear_faults()
    handler.flush(60)
    logger.info("two")
    assert handler.flush(60)
    assert fake.messages("g", "s") == ["one", "two"]


def test_a_proxy_with_a_smaller_limit_gets_smaller_requests(unlimited, capsys):
    """HTTP 413 from something on the way: the halves pass."""
    unlimited.fail(REFUSALS["proxy"], when=lambda call: call.wire_bytes > 2000)
    world = World(unlimited, batch_events=10_000)
    for text in texts(200):
        world.log(text)
    world.drain()
    assert unlimited.messages("g", "s") == texts(200)
    assert world.stats.rejected == 0


def test_weather_in_the_middle_of_it_changes_nothing(unlimited, capsys):
    """F20, F63: a throttled question is asked again."""
    world = World(unlimited)
    for fault in (REFUSALS["entity"], throttle(), REFUSALS["entity"], throttle(), throttle(), REFUSALS["entity"]):
        unlimited.fail(fault, times=1)
    for text in texts(64):
        world.log(text)
    world.drain()
    assert unlimited.messages("g", "s") == texts(64)
    assert world.stats.rejected == 0


def test_what_botocore_refuses_of_the_request_is_no_events_fault(unlimited, logger, attach, capsys):
    """F63: a member that its model does not know, say, which a hook of the client's owner puts in."""
    client = unlimited.client()

    def spoil(params, **_):
        params["entity"] = {"keyAttributes": 1}

    client.meta.events.register("provide-client-params.cloudwatch-logs.PutLogEvents", spoil)
    handler = attach(boto3_client=client)
    for text in texts(8):
        logger.log(logging.INFO, text)
    assert not handler.flush(0.3)
    assert unlimited.wait_for(lambda: "Parameter validation failed" in (handler.stats.last_error or ""))
    assert handler.stats.rejected == 0
    client.meta.events.unregister("provide-client-params.cloudwatch-logs.PutLogEvents", spoil)
    assert handler.flush(60)
    assert unlimited.messages("g", "s") == texts(8)
