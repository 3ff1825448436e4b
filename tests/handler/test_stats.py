"""What the handler tells of itself: its counters and its repr."""

import pickle
from copy import copy
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from cwlog_handler import CloudWatchLogsHandler, Stats


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
    with handler._flusher.rounds._books.lock:
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


def test_stats_are_a_dataclass_like_any_other():
    """Its methods are written by hand, and must do what `dataclass` would have made."""
    some = Stats(delivered=1, rejected_by_reason={"invalid": 2})
    assert some == Stats(rejected_by_reason={"invalid": 2}, delivered=1) != Stats(delivered=1)
    assert some != "Stats"
    assert replace(some, delivered=3) == Stats(delivered=3, rejected_by_reason={"invalid": 2})
    assert asdict(some) == {field.name: getattr(some, field.name) for field in fields(Stats)}
    assert eval(repr(some)) == copy(some) == pickle.loads(pickle.dumps(some)) == some
    assert Stats().dropped_by_reason is not Stats().dropped_by_reason
    with pytest.raises(FrozenInstanceError):
        some.delivered = 4
    with pytest.raises(TypeError, match="no_such_count"):
        Stats(no_such_count=1)


def test_a_class_derived_from_stats_may_have_attributes_of_its_own():
    class Named(Stats):
        pass

    named = Named(delivered=1)
    named.name = "a"
    assert named.name == "a"
    del named.name
    with pytest.raises(FrozenInstanceError):
        named.delivered = 2
    with pytest.raises(FrozenInstanceError):
        del named.delivered
