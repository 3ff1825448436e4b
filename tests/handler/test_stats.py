"""What the handler tells of itself: its counters and its repr."""

import pytest

from cwlog_handler import CloudWatchLogsHandler


def test_repr_tells_where_the_records_go_and_what_became_of_them(attach, logger):
    handler = attach(level="INFO")
    assert repr(handler) == "<CloudWatchLogsHandler 'g' 's' (INFO): nothing logged>"
    logger.info("m")
    logger.info("")
    assert handler.flush(30)
    assert repr(handler) == "<CloudWatchLogsHandler 'g' 's' (INFO): 1 delivered, 1 dropped>"


def test_repr_tells_what_waits_without_waiting_for_the_books(attach, logger):
    handler = attach(send_interval=3600)
    logger.info("m")
    with handler._flusher.rounds._books:
        assert repr(handler).endswith(" (NOTSET): 1 pending>")


def test_repr_of_a_handler_whose_constructor_raised_does_not_raise():
    assert "CloudWatchLogsHandler object at" in repr(CloudWatchLogsHandler.__new__(CloudWatchLogsHandler))


def test_stats_are_a_snapshot(fake, logger, attach):
    handler = attach()
    before = handler.stats
    logger.info("m")
    assert handler.flush()
    assert (before.emitted, handler.stats.emitted) == (0, 1)
    with pytest.raises(AttributeError):
        before.emitted = 5
