"""When to try again after failures in a row."""

from math import inf

from cwlog_handler.core.retry import NO_DEADLINE, Deadline, Retry, time_for_an_answer


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
    assert retry.at(NO_DEADLINE) > 20.0
    assert retry.at(Deadline(20.0)) == 14.0


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
