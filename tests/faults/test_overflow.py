"""Who has to go when the buffer is full, exact to the record, and that the stream itself tells it afterwards."""

import itertools
import logging
import re
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwlog_handler.core import outcomes

from ..conftest import balanced
from ..network import nobody_listening
from .virtual import World

LEVELS = [logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, logging.CRITICAL]
LOSS = re.compile(r"cwlog_handler: (\d+) records? lost between (\S+) and (\S+): overflow")


class Model:
    """The policy in its simplest form: one list of what waits, in the order of arrival."""

    def __init__(self, overflow, room):
        self.overflow, self.room = overflow, room
        self.waiting, self.under_way, self.lost = [], [], []

    def log(self, record):
        self.waiting.append(record)
        while len(self.waiting) + len(self.under_way) > self.room and self.waiting:
            least = min(level for level, _, _ in self.waiting)
            candidates = [record for record in self.waiting if record[0] == least]
            victim = candidates[0 if self.overflow == "drop_oldest" else -1]
            self.waiting.remove(victim)
            self.lost.append(victim)

    def send(self, text):
        for record in self.waiting:
            if record[1] == text:
                self.waiting.remove(record)
                self.under_way.append(record)
                return


def iso(timestamp):
    moment = datetime.fromtimestamp(timestamp // 1000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{timestamp % 1000:03d}Z"


DOWN = outcomes.Unavailable("down", ambiguous=False)


def a_world(overflow, bound, room):
    """A world with room for so many records, each as long as the others, whose service is down."""
    if bound == "count":
        world = World(batch_events=4, max_count=room, overflow=overflow)
    else:
        probe = World()
        probe.log(text_of(0))
        probe.run()
        world = World(batch_events=4, max_bytes=room * probe.stats.pending_bytes, overflow=overflow)
    world.service.fault = DOWN
    return world


def text_of(number):
    return f"{number:06d}"


@pytest.mark.parametrize(
    ("overflow", "bound"),
    [
        ("drop_oldest", "count"),
        ("drop_oldest", "bytes"),
        ("drop_newest", "count"),
        ("drop_newest", "bytes"),
        ("block", "count"),
        ("block", "bytes"),
    ],
)
@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from([0.0, 0.0, 0.3, 2.0])), max_size=60),
    st.integers(1, 9),
)
def test_an_outage_costs_the_records_that_the_policy_says_and_the_stream_tells_it(overflow, bound, steps, room):
    """F38, F39: the least severe go, the oldest or the newest; one event in their place tells how many, when, why."""
    world = a_world(overflow, bound, room)
    model = Model(overflow, room)
    for number, (level, pause) in enumerate(steps):
        seen = len(world.calls)
        model.log((level, text_of(number), world.log(text_of(number), level)))
        world.run(pause)
        for text in itertools.chain.from_iterable(call.messages for call in world.calls[seen:]):
            model.send(text)
        assert world.stats.pending == len(model.waiting) + len(model.under_way)
    assert world.stats.dropped_by_reason.get("overflow", 0) == len(model.lost)
    world.service.fault = None
    world.drain()
    expected = [(timestamp, text) for _, text, timestamp in model.waiting + model.under_way]
    arrived = world.service.events("s")
    notices = [event for event in arrived if LOSS.match(event[1])]
    if model.lost:
        ((timestamp, notice),) = notices
        count, first, last = LOSS.match(notice).groups()
        times = [lost_at for _, _, lost_at in model.lost]
        assert (timestamp, int(count), first, last) == (max(times), len(times), iso(min(times)), iso(max(times)))
    assert arrived == sorted(expected + notices)
    assert world.stats.emitted == len(steps) + len(notices)
    assert world.stats.loss_notices == len(notices)
    assert balanced(world.stats)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "block"])
@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("log"), st.sampled_from(LEVELS), st.sampled_from("ab")),
            st.tuples(st.just("pause"), st.floats(0.0, 20.0), st.none()),
            st.tuples(st.just("outage"), st.booleans(), st.none()),
        ),
        max_size=80,
    )
)
def test_through_many_outages_each_stream_tells_all_that_it_lost(overflow, steps):
    """F39: no loss is told twice, none is left out, and what tells it is not lost in the next outage."""
    world = World(batch_events=4, max_count=6, overflow=overflow)
    logged = {"a": [], "b": []}
    for action, value, stream in steps:
        if action == "log":
            logged[stream].append(text_of(len(logged[stream])))
            world.log(logged[stream][-1], value, stream)
            world.run()
        elif action == "pause":
            world.run(value)
        else:
            world.service.fault = outcomes.Throttled("ThrottlingException") if value else None
    world.service.fault = None
    world.drain()
    world.run(120.0)
    notices = 0
    for stream, texts in logged.items():
        arrived = world.service.messages(stream)
        told = [int(found[1]) for found in map(LOSS.match, arrived) if found]
        records = [text for text in arrived if not LOSS.match(text)]
        assert records == sorted(set(records))
        assert len(records) + sum(told) == len(texts)
        notices += len(told)
    assert world.stats.loss_notices == notices
    assert world.stats.pending == 0
    assert balanced(world.stats)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "block"])
def test_a_flood_of_debug_pushes_out_no_error(overflow):
    """Of 100 places the 60 errors have theirs, whether they came before the flood, in it, or after it."""
    world = World(max_count=100, overflow=overflow)
    world.service.fault = DOWN
    errors = []
    for number in range(6000):
        level = logging.ERROR if number % 100 == 0 else logging.DEBUG
        if level == logging.ERROR:
            errors.append(text_of(number))
        world.log(text_of(number), level)
        world.run()
    world.service.fault = None
    world.drain()
    arrived = world.service.messages("s")
    assert [text for text in arrived if text in errors] == errors
    assert len([text for text in arrived if not LOSS.match(text)]) == 100


def test_a_flood_in_one_stream_costs_another_nothing_that_is_more_severe():
    """The least severe go first wherever they are, and each stream tells its own losses alone."""
    world = World(max_count=50)
    world.service.fault = DOWN
    for number in range(500):
        if number < 40:
            world.log(text_of(number), logging.INFO, "quiet")
        world.log(text_of(number), logging.DEBUG, "loud")
        world.run()
    world.service.fault = None
    world.drain()
    world.run(120.0)
    assert world.service.messages("quiet") == [text_of(number) for number in range(40)]
    loud = world.service.messages("loud")
    (told,) = [int(found[1]) for found in map(LOSS.match, loud) if found]
    assert told == 500 - (len(loud) - 1)


def test_a_real_handler_tells_in_its_stream_what_an_outage_cost(fake, logger, attach, capsys):
    """F39: over HTTP, the endpoint being down and then up; whoever reads the stream sees where something is missing."""
    with nobody_listening() as port:
        handler = attach(
            boto3_client=None,
            endpoint_url=f"http://127.0.0.1:{port}",
            max_buffer_count=100,
            overflow="drop_newest",
            close_timeout=60,
        )
        for number in range(250):
            logger.info("%d", number)
        assert handler.flush(0.2) is False
        # The service must not make room before those that have none are taken in.
        assert fake.wait_for(lambda: handler.stats.dropped == 150)
    with fake.serve(port):
        assert handler.flush()
        logger.info("flows again")
        assert fake.wait_for(lambda: handler.flush() and LOSS.match("\n".join(fake.messages("g", "s")[100:])))
    arrived = fake.messages("g", "s")
    assert [text for text in arrived if not LOSS.match(text)] == [
        *(str(number) for number in range(100)),
        "flows again",
    ]
    (notice,) = [text for text in arrived if LOSS.match(text)]
    assert LOSS.match(notice)[1] == "150"
    assert handler.stats.loss_notices == 1
    assert handler.stats.delivered == handler.stats.emitted - 150 == 102
