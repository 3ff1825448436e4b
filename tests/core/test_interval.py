"""How the send interval follows a quota that nobody knows and many share."""

import heapq
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.interval import FIRST_MOST, LONGEST, STRETCH, STRETCH_LEAST, STRETCH_MOST, SendInterval


def stretched(times=5):
    """An interval that one put after another has stretched, and the instant at which the last was taken."""
    interval, now = SendInterval(1.0), 0.0
    interval.taken(now, now, times=0)
    for _ in range(times):
        tried_at = now + interval.seconds
        now = tried_at + 2.0
        interval.taken(tried_at, now, times=1)
    return interval, now


def test_what_is_taken_at_once_leaves_the_usual_interval():
    interval = SendInterval(1.0)
    for second in range(100):
        interval.taken(second, second + 0.1, times=0)
    assert interval.seconds == 1.0
    assert interval.share(1) == 0.0


@pytest.mark.parametrize(("usual", "before"), [(1.0, 2.0), (0.1, 0.6), (5.0, 10.0), (0.0, 0.5)])
@pytest.mark.parametrize("times", [1, 2, 20])
@pytest.mark.parametrize("puts", [1, 100])
def test_a_process_that_may_be_alone_is_back_at_the_usual_interval_as_soon_as_ever(usual, before, times, puts):
    """It doubles, or becomes half a second longer, and each put that is taken takes a tenth off: this one, too."""
    interval, now = SendInterval(usual), 0.0
    for _ in range(puts):
        interval.taken(now, now, times=0)
        now += 60.0
    interval.taken(now, now + 5.0, times)
    found, expected = [interval.seconds], [before * 0.9]
    while found[-1] > usual and len(found) < 50:
        assert interval.share(1) == 0.0
        now += 60.0
        interval.taken(now, now, times=0)
        found.append(interval.seconds)
        expected.append(max(usual, expected[-1] * 0.9))
    assert found == pytest.approx(expected)


def test_who_is_throttled_again_soon_is_not_alone():
    for calm, is_shared in [(1, True), (29, True), (31, False)]:
        interval, now = SendInterval(1.0), 0.0
        for times in [0, 1, *[0] * calm, 1]:
            interval.taken(now, now, times)
            now += interval.seconds
        assert (interval.share(1) > 0) is is_shared


def test_a_share_is_over_when_the_interval_is_the_usual_one_again():
    interval, now = stretched()
    assert interval.share(1) == interval.seconds > 1.8
    while interval.seconds > 1.0:
        now += 60.0
        interval.taken(now, now, times=0)
    assert interval.share(1) == 0.0


steps = st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 30.0), st.integers(0, 3)), max_size=60)


@given(st.floats(0.0, 90.0), steps)
def test_it_is_never_shorter_than_usual_nor_longer_than_a_minute(usual, steps):
    """A user's own interval may be longer than a minute."""
    interval, now = SendInterval(usual), 0.0
    for pause, refused, times in steps:
        before, tried_at = interval.seconds, now + pause
        now = tried_at + refused
        interval.taken(tried_at, now, times)
        assert usual <= interval.seconds <= max(usual, LONGEST)
        if not times:
            assert interval.seconds <= before


@given(steps)
def test_one_refused_put_stretches_it_by_a_few_seconds_or_a_share_however_long_it_was_refused(steps):
    """An outage of the account must not make a fleet so slow that it leaves the quota unused afterwards."""
    interval, now = SendInterval(1.0), 0.0
    interval.taken(now, now, times=0)
    for pause, refused, times in steps:
        before, tried_at = interval.seconds, now + pause
        now = tried_at + 10 * refused
        interval.taken(tried_at, now, times)
        most = max(STRETCH_MOST * max(before, STRETCH_LEAST / STRETCH), before if before < 2.0 else 0.0)
        assert interval.seconds <= before + most + 1e-9


@pytest.mark.parametrize("count", [1, 2, 10, 500])
def test_many_requests_of_one_interval_stretch_it_no_more_than_the_most_of_one(count):
    """By time and not by request: many streams, full batches, urgent records."""
    interval, now = stretched()
    before = interval.seconds
    for request in range(1, count + 1):
        at = now + before * request / count
        interval.taken(at, at, times=1)
    one, at = stretched()
    one.taken(at + before, at + before, times=1)
    assert before < interval.seconds <= one.seconds + 1e-9


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_many_requests_that_are_taken_shrink_it_no_faster_than_few(count):
    interval, now = stretched()
    before, seconds = interval.seconds, 60.0
    for request in range(1, count + 1):
        at = now + seconds * request / count
        interval.taken(at, at, times=0)
    assert before * 0.93 <= interval.seconds < before


def test_many_requests_shorten_the_interval_of_a_process_that_is_alone_no_faster_than_few():
    found = []
    for count in (1, 1000):
        interval, now = SendInterval(1.0), 60.0
        for times in (0, 1):
            interval.taken(now, now, times)
        before = interval.seconds
        for request in range(1, count + 1):
            at = now + 0.9 * before * request / count
            interval.taken(at, at, times=0)
        found.append(interval.seconds)
    assert found[1] >= found[0] - 0.01


def test_a_request_right_after_another_says_nothing_about_the_interval():
    """It did not wait for it."""
    interval, now = stretched()
    before = interval.seconds
    interval.taken(now, now + 20.0, times=5)
    assert interval.seconds == before


@pytest.mark.parametrize("calm", [0, 10, 28])
def test_who_was_throttled_twice_by_chance_is_back_at_the_usual_interval_within_two_minutes(calm):
    """It took five. Only a long interval has to shrink slowly, because many others have one as long."""
    interval, now = SendInterval(1.0), 0.0
    for times in [0, 1, *[0] * calm, 1]:
        interval.taken(now, now, times)
        now += interval.seconds
    assert interval.share(1) > 2.0
    end = now + 120.0
    while now < end:
        interval.taken(now, now, times=0)
        now += interval.seconds
    assert (interval.seconds, interval.share(1)) == (1.0, 0.0)


@pytest.mark.parametrize("usual", [0.0, 1e-200, 0.1])
def test_an_interval_of_next_to_nothing_shrinks_like_any_other(usual):
    interval = SendInterval(usual)
    interval.taken(0.0, 0.0, times=2)
    for second in range(1, 100):
        interval.taken(second, second, times=0)
    assert interval.seconds == usual


def test_a_quiet_process_that_has_not_been_throttled_for_an_hour_is_back_to_usual():
    """By time: it makes few requests."""
    interval, now = stretched()
    for minute in range(1, 61):
        interval.taken(now + 60.0 * minute, now + 60.0 * minute, times=0)
    assert interval.seconds == 1.0


def test_a_first_put_that_is_throttled_again_and_again_shows_how_long_a_process_has_to_wait_for_its_turn():
    """It cannot have waited for its interval before. On average the turn comes in the middle."""
    interval = SendInterval(1.0)
    assert (interval.share(1), interval.share(2)) == (0.0, 1.0)
    interval.taken(0.0, 4.0, times=2)
    assert interval.share(1) == interval.seconds == 9.0


def test_an_account_that_takes_nothing_for_an_hour_makes_no_process_slow_that_has_just_begun():
    interval = SendInterval(1.0)
    interval.taken(0.0, 3600.0, times=500)
    assert interval.seconds == 1.0 + FIRST_MOST
    now = 3600.0
    while now < 3600.0 + 15 * 60.0:
        now += interval.seconds
        interval.taken(now, now, times=0)
    assert interval.seconds < 1.5


class Bucket:
    """A quota, as the service has it: a bucket with the tokens of a second."""

    def __init__(self, per_second):
        self._per_second = self._tokens = per_second
        self._at = 0.0

    def takes(self, now):
        self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def a_fleet(intervals, per_second, seconds, dice):
    """Have each of them put as often as it may; return how many puts were taken in the second half, and refused."""
    bucket, numbers = Bucket(per_second), itertools.count()
    events = [(interval.seconds * dice.random(), next(numbers), interval, None, 0) for interval in intervals]
    heapq.heapify(events)
    taken = refused = 0
    while events[0][0] < seconds:
        now, _, interval, since, times = heapq.heappop(events)
        tried_at = now if since is None else since
        if bucket.takes(now):
            interval.taken(tried_at, now, times)
            taken += now >= seconds / 2
            heapq.heappush(events, (now + interval.seconds, next(numbers), interval, None, 0))
        else:
            refused += now >= seconds / 2
            again = now + 2 + 4 * dice.random()
            heapq.heappush(events, (again, next(numbers), interval, tried_at, times + 1))
    return taken, refused


@pytest.mark.parametrize("begins_at", [1.0, 10.0, 40.0])
@pytest.mark.parametrize("fair", [3.0, 12.5])
def test_a_fleet_converges_on_its_quota_from_both_sides(begins_at, fair):
    """Whatever the intervals were: the quota is used, and few puts are refused."""
    intervals = [SendInterval(1.0) for _ in range(200)]
    for interval in intervals:
        interval.seconds = begins_at
    seconds = 3600.0
    taken, refused = a_fleet(intervals, 200 / fair, seconds, random.Random(1))
    assert taken >= 0.85 * 200 / fair * seconds / 2
    assert refused <= 0.2 * (taken + refused)


def test_who_has_the_longer_interval_gets_it_shorter_and_who_has_the_shorter_gets_it_longer():
    """Fairness comes from the controller: it does not depend on how somebody began."""
    first, second = ([SendInterval(1.0) for _ in range(100)] for _ in range(2))
    for interval in first:
        interval.seconds = 30.0
    for interval in second:
        interval.seconds = 5.0
    a_fleet(first + second, 200 / 12.5, 3600.0, random.Random(1))
    shorter, longer = sorted(sum(each.seconds for each in half) / 100 for half in (first, second))
    assert longer <= 1.25 * shorter
