"""When to try again after failures in a row."""

from functools import partial
from math import inf

import pytest

from cwlog_handler.core.retry import BACKOFF_MOST, NO_DEADLINE, Deadline, Retry, backoff, time_for_an_answer


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_back_off_is_a_random_part_of_a_bound_that_doubles_up_to_a_limit(jitter):
    """F20: full jitter."""
    found = [backoff(failures, BACKOFF_MOST, lambda: jitter) for failures in range(1, 8)]
    assert found == [jitter * bound for bound in (0.5, 1, 2, 4, 8, 10, 10)]
    for failures in range(8, 5000):
        assert backoff(failures, BACKOFF_MOST, lambda: jitter) == jitter * BACKOFF_MOST


def test_each_kind_of_failure_backs_off_by_itself_and_all_are_failures_in_a_row():
    """F21: an outage does not make the first try after a refusal come late."""
    retry, waits = Retry(lambda: 1.0), []
    kinds = [Retry.failed_quickly] * 3 + [Retry.failed] * 2 + [Retry.refused] * 2 + [Retry.failed]
    for failed in kinds:
        failed(retry, 0.0, 0.0)
        waits.append(retry.at(NO_DEADLINE))
    assert waits == [0.0, 0.0, 0.5, 1.0, 2.0, 0.5, 1.0, 4.0]
    assert retry.failures == len(kinds)


def test_after_a_success_nothing_is_waited_for():
    """Its back-off was for a service that failed: a slow answer to an older request may end it."""
    for failed in (Retry.failed, Retry.refused, Retry.failed_quickly):
        retry = Retry(lambda: 1.0)
        for _ in range(5):
            failed(retry, 10.0, 10.0)
        assert retry.at(NO_DEADLINE) > 10.0
        retry.worked()
        assert (retry.at(NO_DEADLINE), retry.at(Deadline(20.0)), retry.failures) == (-inf, -inf, 0)


def test_a_try_that_took_its_share_of_the_time_to_fail_is_followed_at_once():
    """F50: a request that was swallowed has taken long enough from somebody's last seconds."""
    retry = Retry(lambda: 1.0)
    for _ in range(8):
        retry.failed(tried_at=10.0, now=14.0)
    assert retry.at(NO_DEADLINE) == 20.0
    assert retry.at(Deadline(19.0)) == 14.0


def test_a_caller_gives_an_answer_what_it_can_without_the_time_for_another_try():
    """The service may be slow, or the request lost: nobody knows. Seconds that are left, usual, in vain; least is 1."""
    expected = {
        # Nothing is known.
        (9.0, 0.0, 0.0): 6.0,
        # The last second is for another try, as soon as there is more than one.
        (2.4, 0.0, 0.0): 1.4,
        (1.5, 0.0, 0.0): 1.0,
        (0.2, 0.0, 0.0): 1.0,
        # What was too short is not tried again.
        (9.0, 0.0, 3.5): 7.0,
        (9.0, 0.0, 20.0): 8.0,
        # It takes its time, as is known.
        (9.0, 5.0, 0.0): 7.5,
        (9.0, 8.0, 0.0): 9.0,
    }
    for (left, usual, silence), seconds in expected.items():
        found = time_for_an_answer(100.0, usual, silence, Deadline(100.0 + left), least=1.0)
        assert abs(found - seconds) < 1e-9, (left, usual, silence, found)


def waits(note, times, jitter):
    """How long each of so many failures in a row has the next try wait."""
    retry, found = Retry(partial(float, jitter)), []
    for _ in range(times):
        note(retry)
        found.append(retry.at(NO_DEADLINE))
    return found


def throttled(retry, share, is_new=False):
    retry.throttled(0.0, 0.0, share, is_new)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_where_nobody_else_uses_the_quota_a_throttled_put_waits_as_after_any_failure(jitter):
    """F20: full jitter, half a second at first, ten at most."""
    expected = waits(lambda retry: retry.failed(0.0, 0.0), 8, jitter)
    assert waits(lambda retry: throttled(retry, 0.0), 8, jitter) == expected


@pytest.mark.parametrize(("jitter", "least"), [(0.0, 0.5), (1.0, 1.0)])
def test_where_others_do_a_throttled_put_waits_for_half_of_a_bound_at_least(jitter, least):
    """The bound doubles, and begins higher where the interval is long. Who has waited for long asks more often."""
    for share, bounds in [(1.0, (2, 4, 8, 4, 4)), (12.5, (5, 10, 10, 4, 4)), (60.0, (10, 10, 10, 4))]:
        expected = [least * bound for bound in bounds]
        assert waits(partial(throttled, share=share), len(bounds), jitter) == expected


def test_who_has_waited_through_an_outage_asks_often_at_once():
    """What failed in another way was a try, too."""
    retry = Retry(lambda: 1.0)
    for _ in range(4):
        retry.failed(0.0, 0.0)
    throttled(retry, share=60.0)
    assert retry.at(NO_DEADLINE) == 4.0


@pytest.mark.parametrize(
    ("took", "jitter", "waits"),
    [(0.0, 1.0, 8.0), (5.0, 1.0, 3.0), (7.5, 1.0, 1.0), (15.0, 1.0, 1.0), (15.0, 0.5, 0.5), (5.0, 0.5, 0.5)],
)
def test_a_try_that_took_long_to_fail_has_waited_already(took, jitter, waits):
    """After 15 seconds without an answer the service may be back: the next try comes within a second. But many
    processes whose requests end at the same moment do not ask at the same moment again."""
    retry = Retry(lambda: jitter)
    for _ in range(5):
        retry.failed(100.0 - took, 100.0)
    assert retry.at(NO_DEADLINE) == 100.0 + waits


def test_what_has_waited_behind_an_outage_asks_often_too():
    retry = Retry(lambda: 1.0)
    retry.throttled(0.0, 0.0, 60.0, is_new=False, is_behind=True)
    assert retry.at(NO_DEADLINE) == 4.0


def test_a_stream_that_was_just_created_does_not_wait_for_long_any_more():
    assert waits(partial(throttled, share=60.0, is_new=True), 4, 1.0) == [2.0] * 4


@pytest.mark.parametrize(
    ("jitter", "expected"),
    [
        (0.5, [2.5, 5.0] + [20.0] * 6 + [6.0] * 3),
        (1.0, [5.0, 10.0] + [25.0] * 6 + [7.5] * 3),
        (0.0, [0.0, 0.0] + [15.0] * 6 + [4.5] * 3),
    ],
)
def test_a_throttled_creation_is_tried_again_soon_then_seldom_and_more_often_after_a_long_time(jitter, expected):
    """The last of ten thousand must not wait although the quota is free; each try of them costs the others nothing."""
    assert waits(lambda retry: retry.not_created(0.0, 0.0), len(expected), jitter) == expected


def test_a_caller_does_not_wait_for_a_creation_beyond_its_deadline():
    """F50: the tries are spread over the time that is left, as after any failure."""
    retry = Retry(lambda: 1.0)
    for _ in range(5):
        retry.not_created(10.0, 10.0)
    assert retry.at(Deadline(20.0)) <= 12.5
    for _ in range(5):
        retry.throttled(10.0, 10.0, 60.0, is_new=False)
    assert retry.at(Deadline(20.0)) <= 12.5
