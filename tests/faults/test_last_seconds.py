"""F50: whoever waits with a deadline loses nothing to a fault that is over a second before it, whatever the fault."""

import itertools
from collections import Counter
from math import inf

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cwlog_handler.core import outcomes
from cwlog_handler.delivery.senders import MOST_LOST, MOST_SENDERS

from ..conftest import balanced
from .parallel import ParallelWorld, Weather, keeps_from_connecting

# What a request meets while the fault lasts. An answer that takes its time is as bad as none.
FAULTS = {
    "503": Weather(0.01, outcomes.Unavailable("503", ambiguous=True)),
    "503 after two seconds": Weather(2.0, outcomes.Unavailable("503", ambiguous=True)),
    "throttled": Weather(0.01, outcomes.Throttled("ThrottlingException")),
    "reset": Weather(0.01, outcomes.Unavailable("reset", ambiguous=True)),
    "nobody listens": Weather(0.001, outcomes.Unavailable("refused", ambiguous=False)),
    "expired token": Weather(0.02, outcomes.Refused("ExpiredTokenException", "renew it", renew=True)),
    "access denied": Weather(0.02, outcomes.Refused("AccessDeniedException", "allow it")),
    "stale token": Weather(0.02, outcomes.StaleToken("1")),
    "swallowed": Weather(inf),
}
WELL = Weather(0.02)
# The sum of what one fault after the other may have cost before somebody begins to wait.
LONG = 60.0


def a_world(fault_until, pick, jitter, **options):
    return ParallelWorld(
        lambda now: pick() if now < fault_until else WELL,
        jitter,
        requests_per_second=5,
        batch_events=50,
        **options,
    )


@st.composite
def situations(draw):
    """How long the fault lasts before somebody waits, and until when; how long is waited; which faults; how much."""
    patience = draw(st.floats(1.5, 15.0), "patience")
    return {
        "faults": draw(st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=4), "faults"),
        "before": draw(st.floats(0.0, LONG), "before"),
        "patience": patience,
        "well": draw(st.floats(1.05, patience), "well"),
        "streams": draw(st.integers(1, 40), "streams"),
        "records": draw(st.integers(1, 60), "records"),
    }


def of(fault, **more):
    return {"faults": [fault], "before": 0.0, "patience": 8.0, "well": 1.05, "streams": 1, "records": 1, **more}


@pytest.mark.parametrize("is_inline", [False, True], ids=["threads", "the caller's thread"])
@settings(max_examples=60)
@given(situations(), st.randoms(use_true_random=False))
@example(of("503"), None)
@example(of("expired token", before=30.0), None)
@example(of("swallowed"), None)
@example(of("swallowed", streams=12, records=60, patience=10.0), None)
def test_a_fault_that_is_over_a_second_before_the_deadline_costs_no_record(is_inline, situation, random):
    """F50: any fault or mixture, begun when nobody waited yet or later, any deadline, many streams; no storm."""
    numbers = itertools.count()
    dice = random.random if random is not None else lambda: 0.5
    faults = situation["faults"]
    streams = min(situation["streams"], 2) if is_inline else situation["streams"]
    # Whoever calls for its own record waits from then on.
    before = 0.0 if is_inline else situation["before"]
    ends = 1000.0 + before + situation["patience"] - situation["well"]
    # One after the other, so that a mixture is one.
    world = a_world(ends, lambda: FAULTS[faults[next(numbers) % len(faults)]], dice, is_inline=is_inline)
    for number in range(situation["records"]):
        for stream in range(streams):
            world.log(f"{number}", stream=f"s{stream}")
    if before:
        world.wait(before)
    began = world.now
    settled = world.flush(situation["patience"])
    stats = world.stats
    assert settled, (stats, [(r.stream, r.started - began) for r in world.requests if r.started >= began])
    assert balanced(stats)
    assert stats.delivered == streams * situation["records"]
    for stored in world.stored.values():
        assert set(stored) == {str(number) for number in range(situation["records"])}
    copies = Counter((name, text) for name, stored in world.stored.items() for text in stored)
    assert sum(copies.values()) - len(copies) <= stats.possibly_duplicated * len(faults) * 10
    assert_no_storm(world, began)


def assert_no_storm(world, began):
    """Three tries a second for a stream, and what a first answer lets follow at once."""
    for starts in starts_since(world, began).values():
        for first, sixth in zip(starts, starts[5:], strict=False):
            assert sixth - first >= 1.0


def starts_since(world, began):
    starts: dict[str, list[float]] = {}
    for request in world.requests:
        if request.started >= began:
            starts.setdefault(request.stream, []).append(request.started)
    return starts


# With these no client is made, so no request either.
CONNECTING = [name for name, weather in FAULTS.items() if keeps_from_connecting(weather)]
QUICK = [name for name, weather in FAULTS.items() if weather.latency < 1.0]


@pytest.mark.parametrize("is_inline", [False, True], ids=["threads", "the caller's thread"])
@pytest.mark.parametrize("name", QUICK)
def test_where_nothing_works_three_tries_a_second_are_the_most_and_the_last_comes_just_before_the_end(name, is_inline):
    """F50: no storm. The rate limit is off, and back-off alone would make a try or two."""
    world = ParallelWorld(lambda now: FAULTS[name], lambda: 1.0, is_inline, requests_per_second=None)
    world.log("m")
    world.wait(30.0)
    began = world.now
    assert not world.flush(8.0)
    tried = starts_since(world, began)["s"] if name not in CONNECTING else [at for at in world.connects if at >= began]
    for first, fourth in zip(tried, tried[3:], strict=False):
        assert fourth - first >= 1.0 - 1e-6
    assert 0.0 < began + 8.0 - tried[-1] <= 0.5


def test_waiting_again_and_again_for_a_moment_is_no_storm():
    """A program that asks in a loop whether all is there makes three tries a second, too."""
    world = ParallelWorld(lambda now: FAULTS["access denied"], lambda: 1.0, requests_per_second=None)
    world.log("m")
    world.wait(30.0)
    began = world.now
    while world.now < began + 20.0:
        world.flush(0.1)
    assert len(world.requests + world.connects) <= 3 * 50 + 1


def test_a_service_that_is_as_slow_as_usual_gets_nothing_twice():
    """A request is presumed lost only if it takes half as long again as the last good answer did."""
    world = ParallelWorld(lambda now: Weather(3.0), lambda: 0.5)
    world.log("first")
    assert world.flush(60.0)
    for _ in range(3):
        world.log("m")
        assert world.flush(5.0)
    assert world.stored == {"s": ["first", "m", "m", "m"]}
    assert (len(world.requests), world.stats.possibly_duplicated) == (4, 0)


def test_asking_again_and_again_does_not_make_a_slow_request_lost():
    """Who waits for less than half a second each time has waited too short to draw conclusions."""
    world = ParallelWorld(lambda now: Weather(3.0), lambda: 0.5)
    world.log("m")
    while not world.flush(0.4):
        assert world.now < 1010.0
    assert (world.stored, len(world.requests)) == ({"s": ["m"]}, 1)


@pytest.mark.parametrize("second", ["is under way", "fails", "waits for a token"])
def test_an_answer_that_comes_after_all_settles_its_batch(second):
    """What was presumed lost and was not is counted once; doubled only if another request may have stored it, too."""
    weather = {0: WELL, 1: Weather(6.0), 2: Weather(inf) if second == "is under way" else FAULTS["503"]}
    world = ParallelWorld(
        lambda now: weather.get(len(world.requests), FAULTS["503"]),
        lambda: 1.0,
        requests_per_second=0.1 if second == "waits for a token" else None,
    )
    world.log("m")
    assert world.flush(10.0)
    stats = world.stats
    assert (world.stored, stats.delivered, stats.pending) == ({"s": ["m"]}, 1, 0)
    assert stats.possibly_duplicated == (0 if second == "waits for a token" else 1)
    world.wait(20.0)
    assert world.stats.delivered == world.stats.emitted == 1
    assert balanced(world.stats)


def test_a_request_that_is_presumed_lost_does_not_keep_its_token():
    """With one request a second, all but the first would wait for a token that comes back with the answer."""
    world = ParallelWorld(lambda now: Weather(inf) if now < 1009.0 else WELL, lambda: 0.5, requests_per_second=1)
    world.log("m")
    assert world.flush(10.2)
    starts = [request.started for request in world.requests]
    assert all(later - start >= 1.0 for start, later in itertools.pairwise(starts))


def test_streams_whose_requests_are_swallowed_leave_threads_to_others(capsys):
    """Twenty of them hold all threads of the handler; whoever waits has them made again, and others make theirs."""
    world = ParallelWorld(lambda now: Weather(inf) if now < 1008.0 else WELL, lambda: 0.5)
    for number in range(20):
        world.log("m", stream=f"s{number}")
    assert world.flush(9.5)
    assert world.most_at_a_time <= MOST_SENDERS + MOST_LOST


@pytest.mark.parametrize("rate", [2, 5])
def test_an_answer_that_comes_after_all_costs_neither_a_token_nor_a_thread(rate):
    """Its batch was under way a second time: both requests end, and what was lent for them is back."""
    slow: dict[int, Weather] = {}
    world = ParallelWorld(lambda now: slow.get(len(world.requests), WELL), lambda: 0.5, requests_per_second=rate)
    for number in range(2 * MOST_SENDERS):
        world.log(f"well {number}")
        assert world.flush(5.0), (number, world.stats)
        # Presumed lost after a second, answered after 1.2, while the other is under way until 1.5.
        sent = len(world.requests)
        slow.update({sent + 1: Weather(1.2), sent + 2: Weather(0.5)})
        world.log(f"slow {number}")
        world.flush(2.0)
        assert len(world.requests) == sent + 2
        world.wait(2.0)
    assert world.stats.delivered == world.stats.emitted == 4 * MOST_SENDERS
    assert world.free_senders == MOST_SENDERS


@pytest.mark.parametrize("answers_after", [0.02, 1.5, 2.5])
def test_a_slow_service_is_heard_although_the_caller_makes_the_request(answers_after):
    """Four seconds are enough for an answer that takes less than two thirds of them; each record is stored once."""
    world = ParallelWorld(lambda now: Weather(answers_after), lambda: 0.5, is_inline=True)
    for number in range(4):
        world.log(f"{number}")
        assert world.flush(4.0), world.stats
    assert world.stored == {"s": ["0", "1", "2", "3"]}
    assert (world.stats.possibly_duplicated, world.stats.retries) == (0, 0)


def test_a_service_that_is_slower_than_a_caller_expects_is_heard_with_its_next_record():
    """What took two thirds of the time in vain gets all but the last second, once somebody waits anew."""
    world = ParallelWorld(lambda now: Weather(2.9), lambda: 0.5, is_inline=True)
    world.log("0")
    assert not world.flush(4.0)
    world.log("1")
    # There is no time for a second answer.
    assert not world.flush(4.0)
    assert world.stats.delivered == 1
    world.log("2")
    assert world.flush(6.5)
    # By now it is known how long an answer takes.
    world.log("3")
    assert world.flush(4.0)
    assert world.stored["s"][-3:] == ["1", "2", "3"]
    assert world.stats.delivered == 4


def test_a_swallowed_request_costs_nothing_although_the_service_was_slow_before():
    """A caller that has waited in vain before still keeps a second for another try."""
    weather = itertools.chain([Weather(inf)] * 3, itertools.repeat(WELL))
    world = ParallelWorld(lambda now: next(weather), lambda: 0.5, is_inline=True)
    world.log("0")
    world.flush(1.5)
    world.log("1")
    assert world.flush(4.0), world.stats
    assert world.stats.delivered == 2
