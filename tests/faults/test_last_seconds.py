"""F50: whoever waits with a deadline loses nothing to a fault that is over a second before it, whatever the fault."""

import itertools
from collections import Counter
from math import inf

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cwlog_handler import outcomes

from ..conftest import balanced
from .parallel import ParallelWorld, Weather

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
        "streams": draw(st.integers(1, 12), "streams"),
        "records": draw(st.integers(1, 60), "records"),
    }


def of(fault, **more):
    return {"faults": [fault], "before": 0.0, "patience": 8.0, "well": 1.05, "streams": 1, "records": 1, **more}


@pytest.mark.parametrize("is_inline", [False, True], ids=["threads", "the caller's thread"])
@settings(max_examples=150)
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
    for _, requests in itertools.groupby(sorted(world.requests), key=lambda request: request.stream):
        starts = [request.started for request in requests if request.started >= began]
        for first, fourth in zip(starts, starts[5:], strict=False):
            assert fourth - first >= 1.0
