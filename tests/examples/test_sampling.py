"""The filter of examples/sampling.py: all of a request or none, by the share that is said, and never a warning."""

import logging

import pytest
import sampling
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.any_python

SHARES = {"DEBUG": 0.1, "INFO": 0.5}
IDS = st.text(min_size=1).filter(lambda text: text != "-") | st.integers()


def record(level, **extra):
    return logging.makeLogRecord({"levelno": level, **extra})


def is_kept(shares, level, **extra):
    return sampling.Sampling(shares).filter(record(level, **extra))


@given(IDS, st.floats(0, 1))
def test_all_processes_decide_the_same_for_an_id(identifier, share):
    decided = {is_kept({"INFO": share}, logging.INFO, request_id=identifier) for _ in range(3)}
    assert len(decided) == 1


@given(IDS, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_what_a_smaller_one_keeps(identifier, one, other):
    """So where DEBUG has the smaller share, its requests have their INFO records, too."""
    small, large = sorted((one, other))
    if is_kept({"INFO": small}, logging.INFO, request_id=identifier):
        assert is_kept({"INFO": large}, logging.INFO, request_id=identifier)


@given(st.integers(logging.WARNING, 100), st.floats(0, 1), IDS)
def test_a_warning_and_what_is_above_is_always_kept(level, share, identifier):
    assert is_kept({"DEBUG": share, "INFO": share}, level, request_id=identifier)
    assert is_kept({"DEBUG": share, "INFO": share}, level)


def test_the_share_is_kept_and_says_what_it_stands_for():
    sampled = sampling.Sampling(SHARES)
    records = [record(logging.INFO, request_id=f"r-{number}") for number in range(4000)]
    kept = [record for record in records if sampled.filter(record)]
    # These ids always give the same: this is no test of luck.
    assert len(kept) == pytest.approx(2000, rel=0.05)
    assert sum(record.sample_rate for record in kept) == pytest.approx(4000, rel=0.05)
    # Sums over many records stay right if a share is no whole part.
    assert sampling.Sampling({"INFO": 0.7}).filter(some := record(logging.INFO, request_id="r-2"))
    assert some.sample_rate == 1.429


def test_a_trace_id_decides_before_a_request_id():
    one = {"traceId": "61cf023d79cb693cbf5ae48de6057b01"}
    decided = {is_kept({"INFO": 0.5}, logging.INFO, request_id=f"r-{number}", **one) for number in range(50)}
    assert len(decided) == 1


@pytest.mark.parametrize("none", ["-", "", None])
def test_without_an_id_each_record_has_its_own_luck(none):
    sampled = sampling.Sampling({"INFO": 0.5})
    decided = {sampled.filter(record(logging.INFO, request_id=none)) for _ in range(1000)}
    assert decided == {True, False}


def test_levels_between_have_the_share_of_the_next_named_one():
    shares = {"DEBUG": 1, "INFO": 0}
    assert is_kept(shares, 5)
    assert is_kept(shares, logging.DEBUG)
    assert not is_kept(shares, 15)
    assert not is_kept(shares, logging.INFO)
    assert is_kept(shares, 25)


@pytest.mark.parametrize("shares", [{"WARNING": 0.5}, {"info": 0.5}, {"INFO": 1.5}, {"INFO": -0.1, "DEBUG": 1}])
def test_what_cannot_be_meant_is_refused(shares):
    with pytest.raises(ValueError, match="shares="):
        sampling.Sampling(shares)
