"""When a request may start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.pacing import TokenBucket, Turn


def starts(bucket, arrivals):
    """Let each request start as early as it may, in turn, and be answered at once."""
    now, started = 0.0, []
    for arrival in arrivals:
        now = max(now, arrival)
        while not (turn := bucket.take(now)).is_taken:
            assert turn.at > now
            now = turn.at
        started.append(now)
        bucket.give_back(now)
    return started


@given(st.lists(st.floats(0, 20), max_size=60).map(sorted), st.integers(1, 8))
def test_no_window_of_one_second_has_more_starts_than_the_rate(arrivals, rate):
    """Bursts included, at the start and after a quiet time: a bucket refilled evenly would let nine through."""
    started = starts(TokenBucket(rate), arrivals)
    for first, following in zip(started, started[rate:], strict=False):
        assert following - first >= 1.0


@given(st.floats(0.05, 1.0))
def test_a_rate_below_one_is_a_request_every_so_many_seconds(rate):
    first, second = starts(TokenBucket(rate), [0.0, 0.0])
    assert second - first >= 1 / rate


def test_a_burst_up_to_the_rate_goes_out_at_once():
    assert starts(TokenBucket(5), [3.0] * 5) == [3.0] * 5


def test_a_backlog_uses_the_rate_nearly_whole():
    """99 % of 5 a second, no less: the margin is for the way to the service."""
    assert starts(TokenBucket(5), [0.0] * 500)[-1] <= 99 / 0.99


def test_a_token_comes_back_a_second_after_the_request_was_really_made():
    """Between taking a token and starting lie milliseconds of serialisation; the service counts from the start."""
    bucket = TokenBucket(1)
    bucket.take(10.0)
    bucket.give_back(10.4)
    assert bucket.take(11.3).at >= 11.4


def test_a_request_that_does_not_start_for_long_keeps_its_token():
    """A process that was stopped, or a client that was made anew: the tokens do not grow old meanwhile."""
    bucket = TokenBucket(2)
    assert bucket.take(10.0) == bucket.take(10.0) == Turn(True, 10.0)
    assert bucket.take(50.0).at > 50.0
    bucket.give_back(50.0)
    bucket.give_back(50.0)
    assert bucket.take(50.5).at >= 51.0


@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 4), st.floats(0, 0.5))
def test_a_token_taken_ahead_is_used_no_sooner_than_it_is_free(pauses, rate, ahead):
    """However many are prepared at the same time, and whenever they are used after that."""
    bucket, now, started = TokenBucket(rate), 0.0, []
    for pause in pauses:
        now += pause
        turn = bucket.take(now, ahead)
        if turn.is_taken:
            assert now <= turn.at <= now + ahead
            started.append(turn.at)
            now = max(now, turn.at)
            bucket.give_back(turn.at)
    for first, following in zip(started, started[rate:], strict=False):
        assert following - first >= 1.0


def test_who_prepares_ahead_is_told_to_ask_so_much_sooner():
    """Asked again only when the token is free, the request would be late by what its preparation takes."""
    bucket = TokenBucket(1)
    bucket.take(10.0)
    bucket.give_back(10.0)
    free_at = bucket.take(10.1).at
    again = bucket.take(10.1, 0.25)
    assert (again.is_taken, again.at) == (False, pytest.approx(free_at - 0.25))
    assert bucket.take(again.at + 0.001, 0.25) == Turn(True, free_at)


def test_no_rate_means_no_waiting():
    assert starts(TokenBucket(None), [0.0] * 1000) == [0.0] * 1000
