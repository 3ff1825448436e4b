"""The end of a process as a value: plain instants in, deadlines out."""

from cwlog_handler.process.exit import FLUSHED_JUST_NOW, LAST_MOMENT, Exit


def test_before_the_exit_everything_has_close_timeout_from_now():
    end = Exit(10.0)
    assert not end.has_begun
    assert end.tried_until(100.0) == 110.0
    assert end.ends_at_if_begun(100.0) == 110.0
    assert end.late_record_until(100.0, is_finalizing=False) == 110.0
    assert not end.is_over(100.0)


def test_what_is_kept_for_reports_is_taken_from_delivery_and_not_added():
    """A close that takes all of its time ends at ``close_timeout``, with the program told of what is left."""
    end = Exit(10.0, kept=1.0)
    assert end.tried_until(100.0) == 109.0
    assert end.late_record_until(100.0, is_finalizing=False) == 109.0
    assert end.ends_at_if_begun(100.0) == 110.0


def test_what_ends_right_after_a_flush_in_vain_has_what_is_kept_for_reports():
    """What is left is only reported: nothing is tried any more."""
    end = Exit(10.0, kept=1.0)
    end.flushed(False, 100.0)
    assert end.ends_at_if_begun(100.5) == 101.5
    assert end.ends_at_if_begun(102.0) == 112.0


def test_during_the_exit_all_that_comes_shares_its_deadline():
    end = Exit(10.0)
    end.begin(110.0)
    assert end.has_begun
    assert end.tried_until(103.0) == 110.0
    assert end.late_record_until(103.0, is_finalizing=False) == 110.0


def test_what_comes_at_the_very_end_of_the_exit_has_a_moment_all_the_same():
    """F25: a handler in front hands on what it kept after our deadline; the service may be well."""
    end = Exit(10.0)
    end.begin(110.0)
    assert end.tried_until(110.0 - LAST_MOMENT) == 110.0
    assert end.tried_until(109.5) == 109.5 + LAST_MOMENT
    assert end.tried_until(200.0) == 200.0 + LAST_MOMENT
    assert not end.is_over(200.0)


def test_a_moment_is_no_longer_than_close_timeout():
    end = Exit(0.25)
    end.begin(100.25)
    assert end.tried_until(101.0) == 101.25


def test_once_the_exit_has_waited_in_vain_nothing_is_tried_after_its_deadline():
    """Each late record would cost as long again as a request may take."""
    end = Exit(10.0)
    end.begin(110.0)
    end.give_up()
    assert end.tried_until(105.0) == 110.0
    assert not end.is_over(109.9)
    assert end.is_over(110.0)
    assert end.tried_until(200.0) == 110.0


def test_ctrl_c_moves_the_exits_deadline_forward_and_never_back():
    end = Exit(10.0)
    end.begin(110.0)
    end.cut_short(103.0)
    assert end.has_given_up
    assert end.tried_until(103.0) == 103.0
    assert end.is_over(103.0)
    end.cut_short(105.0)
    assert end.tried_until(105.0) == 103.0


def test_without_any_close_timeout_a_flush_still_looks_once():
    """``close_timeout=0``: one round without waiting delivers what the service takes at once."""
    end = Exit(0.0)
    end.begin(100.0)
    end.give_up()
    assert end.tried_until(100.0) == 100.0
    assert not end.is_over(100.0)


def test_while_modules_are_torn_down_a_late_record_has_a_moment_whatever_came_before():
    end = Exit(10.0)
    assert end.late_record_until(100.0, is_finalizing=True) == 100.0 + LAST_MOMENT
    end.begin(110.0)
    end.cut_short(100.0)
    assert end.late_record_until(120.0, is_finalizing=True) == 120.0 + LAST_MOMENT


def test_a_flush_in_vain_counts_as_the_wait_of_what_ends_right_after_it_and_no_later():
    end = Exit(10.0)
    end.flushed(False, 100.0)
    assert end.has_just_flushed_in_vain(100.0 + FLUSHED_JUST_NOW)
    assert end.ends_at_if_begun(100.0 + FLUSHED_JUST_NOW) == 100.0 + FLUSHED_JUST_NOW
    assert not end.has_just_flushed_in_vain(100.1 + FLUSHED_JUST_NOW)
    assert end.ends_at_if_begun(102.0) == 112.0


def test_a_flush_that_worked_gives_what_ends_after_it_all_of_its_time():
    end = Exit(10.0)
    end.flushed(False, 100.0)
    end.flushed(True, 100.5)
    assert end.ends_at_if_begun(100.5) == 110.5


def test_a_flush_by_logging_shutdown_is_expected_until_it_has_closed_the_handler():
    end = Exit(10.0)
    assert end.expects_a_flush
    end.close()
    assert not end.expects_a_flush


def test_at_the_exit_logging_shutdown_may_still_come_to_a_handler_that_was_closed_before():
    end = Exit(10.0)
    end.close()
    end.begin(110.0)
    assert end.expects_a_flush
    end.give_up()
    assert not end.expects_a_flush
