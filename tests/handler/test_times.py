"""When a record was made: its own time is kept, and what the service would not take is counted."""

import logging
import logging.config
import time

from ..conftest import balanced


def test_records_carry_their_own_time_in_milliseconds(fake, logger, attach):
    """F12."""
    handler = attach()
    record = logger.makeRecord("n", logging.INFO, "f", 1, "m", (), None)
    record.created = time.time() - 3600
    handler.handle(record)
    assert handler.flush()
    assert fake.events("g", "s")[0].timestamp == int(record.created * 1000 + 0.0005)


def test_a_record_25_hours_old_does_not_take_its_neighbours_along(fake, logger, attach):
    """F49."""
    handler = attach()
    for age in (0, 25 * 3600, 0):
        record = logger.makeRecord("n", logging.INFO, "f", 1, f"{age}", (), None)
        record.created = time.time() - age
        handler.handle(record)
    assert handler.flush()
    assert fake.messages("g", "s") == [str(25 * 3600), "0", "0"]


def test_what_is_outside_the_services_window_is_counted_by_reason(fake, logger, attach):
    handler = attach(log_group_retention_days=7)
    for age in (8 * 86400, 0, -3 * 3600):
        record = logger.makeRecord("n", logging.INFO, "f", 1, "m", (), None)
        record.created = time.time() - age
        handler.handle(record)
    assert handler.flush()
    assert len(fake.messages("g", "s")) == 1
    assert handler.stats.dropped_by_reason == {"too_old": 1, "too_new": 1}
    assert fake.groups["g"].retention_days == 7


def test_a_record_whose_time_is_no_time_is_counted(fake, logger, attach):
    handler = attach()
    for created in (float("nan"), 1e300, None):
        record = logger.makeRecord("n", logging.INFO, "f", 1, "m", (), None)
        record.created = created
        handler.handle(record)
    assert handler.flush()
    assert handler.stats.dropped_by_reason == {"invalid_time": 2, "too_new": 1}
    assert balanced(handler.stats)
