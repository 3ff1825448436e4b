"""Many streams behind one handler: what one of them suffers is its own affair, and those without work cost nothing."""

import itertools
from collections import Counter

import pytest

from cwlog_handler.testing import faults
from tests.programs import python, started

from .virtual import VirtualFake, World, busiest_second

NAMES = [f"s{number:02d}" for number in range(100)]
OTHERS = NAMES[:42] + NAMES[43:]
BAD = "s42"


@pytest.mark.parametrize(
    "fault",
    [faults.stall(), faults.access_denied(), faults.throttle(), faults.server_error(503), faults.reset_before_commit()],
    ids=["held", "denied", "throttled", "503", "reset"],
)
def test_one_stream_in_trouble_among_a_hundred_delays_no_other(fake, logger, attach, capsys, request, fault):
    """All others have everything while the one has nothing; once its trouble is over, it has everything too."""
    fake.create("g", *NAMES)
    fake.fail(fault, stream=BAD)
    handler = attach(log_stream_name="{logger_name}", close_timeout=60, requests_per_second=None)
    request.addfinalizer(fake.release)
    request.addfinalizer(fake.clear_faults)
    texts = [str(number) for number in range(3)]

    def log(some):
        for text in texts:
            for name in some:
                # The one in trouble first, so that it has its request before all others.
                handler.handle(logger.makeRecord(name, 40, "", 0, text, (), None))

    log([BAD])
    assert fake.wait_for(lambda: any(put.stream == BAD for put in fake.requests))
    log(NAMES)
    assert fake.wait_for(lambda: len(fake.messages("g")) == 3 * len(OTHERS))
    assert fake.messages("g", BAD) == []
    # The last answers may be on their way still.
    assert fake.wait_for(lambda: handler.stats.pending == 6)
    fake.clear_faults()
    fake.release()
    assert handler.flush()
    assert fake.messages("g", BAD) == texts * 2
    assert {name: fake.messages("g", name) for name in OTHERS} == dict.fromkeys(OTHERS, texts)


def test_what_a_hundred_streams_wait_is_the_same_whether_one_of_them_is_refused_or_not(capsys):
    """Each request of the others starts as if the refused stream had had one request of its own in the line."""

    def starts(is_refused):
        fake = VirtualFake()
        fake.create("g", *NAMES)
        if is_refused:
            fake.fail(faults.access_denied(), stream=BAD)
        world = World(fake)
        world.latency = 0.01
        for number in range(3):
            for name in NAMES:
                world.log(str(number), level=40, stream=name)
            world.run(1010.0 + 10.0 * number - world.now)
        for name in OTHERS:
            assert fake.messages("g", name) == ["0", "1", "2"]
        return [call.started for call in world.calls if call.stream != BAD]

    assert starts(is_refused=True) == pytest.approx(starts(is_refused=False), abs=2 * 0.01)


def test_a_backlog_in_one_stream_does_not_keep_another_from_its_turn():
    """A hundred full batches of one stream and one record of another: the record need not wait for them."""
    world = World()
    for number in range(1000):
        world.log(str(number), stream="loud")
    world.log("m", stream="quiet")
    world.run(2.0)
    assert world.service.messages("quiet") == ["m"]
    assert len(world.service.messages("loud")) < 1000


# -- ten thousand names ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_names_within_minutes_leave_memory_as_it_was_after_half_of_them():
    """F38: names with a date, a request or a user in them come and go; what has no work is forgotten.

    In a process of its own: what other tests of this one have running is traced, too.
    """
    with started(python("-m", "tests.faults.names")) as program:
        assert program.wait(110.0) == 0, program.output
    most_kept, first_half, second_half = map(int, program.output.split())
    assert most_kept <= 2500
    assert second_half - first_half <= 2**18


@pytest.mark.parametrize("rate", [5.0, 0.2])
def test_a_stream_that_was_forgotten_keeps_within_its_rate(rate):
    """The bucket of a name must not be new because a crowd of others came in between."""
    world = World(requests_per_second=rate)
    world.latency = 0.0
    starts = []
    for turn in range(8):
        world.log("m", level=40, stream="again and again")
        for number in range(1200):
            # All of them at the same instant.
            world.now -= 0.001
            world.log("m", level=40, stream=f"{turn}-{number}")
        world.run(0.1 if rate > 1 else 3.0)
        # A round in which the stream has nothing to do, and may be forgotten.
        world.log("m", level=40, stream=f"{turn}")
        world.run()
        starts += [call.started for call in world.calls if call.stream == "again and again"]
        world.calls.clear()
    world.drain()
    starts += [call.started for call in world.calls if call.stream == "again and again"]
    assert len(world.service.messages("again and again")) == 8
    assert busiest_second(starts) <= 5
    if rate < 1:
        assert min(later - start for start, later in itertools.pairwise(starts)) >= 1 / rate


def test_a_stream_with_records_in_back_off_is_not_forgotten(capsys):
    """However many names come and go, and for however long."""
    fake = VirtualFake()
    fake.create("g", "refused", "fine")
    fake.fail(faults.access_denied(), stream="refused")
    world = World(fake)
    world.log("kept", level=40, stream="refused")
    for _ in range(10):
        world.log("m", level=40, stream="fine")
        world.run(1000.0)
    fake.clear_faults()
    world.drain()
    assert fake.messages("g", "refused") == ["kept"]


@pytest.mark.parametrize("pause", [1.0, 4000.0], ids=["known", "forgotten"])
def test_a_stream_that_was_forgotten_finds_its_sequence_token_again(pause):
    """The token goes with the stream; the service tells it again, and nothing is doubled."""
    fake = VirtualFake(sequence_tokens=True)
    world = World(fake)
    texts = []
    for number in range(5):
        texts.append(str(number))
        world.log(texts[-1])
        world.run(2.0)
        world.run(pause)
    assert fake.messages("g", "s") == texts
    assert Counter(request.answer for request in fake.requests)["accepted"] >= 5
    assert world.stats.possibly_duplicated == 0
