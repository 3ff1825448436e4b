"""What may travel together: every batch keeps every rule, and there are as few as the rules allow."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.batches import Backlog, Rules
from cwlog_handler.events import Event
from cwlog_handler.limits import DAY_MS, MAX_AGE_MS, MAX_BATCH_BYTES

HOUR = 3_600_000
NOW = 1_700_000_000_000


def event(timestamp=NOW, message="x", size=None):
    return Event(timestamp, message, len(message.encode()) + 26 if size is None else size)


def drained(backlog):
    batches = []
    while batch := backlog.take():
        batches.append(batch)
    return batches


def packed(events, rules):
    backlog = Backlog(rules)
    for each in events:
        backlog.append(each)
    return drained(backlog)


def test_sixteen_events_that_fill_a_batch_to_the_byte_are_one_batch():
    """F5, F7: 1,048,576 bytes are allowed; not one byte is wasted."""
    batches = packed([event(size=65_536) for _ in range(16)], Rules(MAX_BATCH_BYTES, 10_000))
    assert [len(batch.events) for batch in batches] == [16]


def test_one_byte_more_makes_two_batches():
    events = [event(size=65_536) for _ in range(15)] + [event(size=65_537)]
    assert [len(batch.events) for batch in packed(events, Rules(MAX_BATCH_BYTES, 10_000))] == [15, 1]


def test_ten_thousand_events_are_one_batch_and_one_more_is_another():
    """F6."""
    batches = packed([event() for _ in range(10_001)], Rules(MAX_BATCH_BYTES, 10_000))
    assert [len(batch.events) for batch in batches] == [10_000, 1]


def test_exactly_24_hours_travel_together():
    events = [event(NOW), event(NOW + 24 * HOUR)]
    assert [list(batch.events) for batch in packed(events, Rules(MAX_BATCH_BYTES, 10_000))] == [events]


def test_a_millisecond_more_than_24_hours_is_split_and_the_old_goes_first():
    """F1: one record 25 h old must not discard its neighbours."""
    new, old = event(NOW + 24 * HOUR + 1), event(NOW)
    assert [batch.events for batch in packed([new, old], Rules(MAX_BATCH_BYTES, 10_000))] == [(old,), (new,)]


def test_the_age_window_is_judged_when_the_batch_goes_out():
    """F2: events grow stale while they wait; neighbours are not taken along."""
    rules = Rules.of(MAX_BATCH_BYTES, 10_000, None)
    limit = 14 * 24 * HOUR
    times = [NOW - limit - 1, NOW - limit, NOW + 2 * HOUR, NOW + 2 * HOUR + 1]
    aged = [batch.within(NOW, rules) for batch in packed(map(event, times), rules)]
    kept = [e.timestamp for part in aged if part.batch for e in part.batch.events]
    assert kept == times[1:3]
    assert [e.timestamp for part in aged for e in part.too_old] == times[:1]
    assert [e.timestamp for part in aged for e in part.too_new] == times[3:]


def test_a_group_that_keeps_events_a_day_takes_none_older():
    rules = Rules.of(MAX_BATCH_BYTES, 10_000, 1)
    old, young = event(NOW - 24 * HOUR - 1), event(NOW - 24 * HOUR)
    (batch,) = packed([old, young], rules)
    aged = batch.within(NOW, rules)
    assert aged.batch is not None
    assert (aged.batch.events, aged.too_old) == ((young,), (old,))


TIMES = st.integers(0, 200).map(lambda quarter_hours: NOW + quarter_hours * HOUR // 4)


@given(st.lists(st.tuples(TIMES, st.integers(27, 120))), st.integers(120, 400), st.integers(1, 8))
def test_no_rule_is_broken_whatever_comes_and_nothing_is_lost_or_doubled(made, max_bytes, max_events):
    events = [Event(timestamp, str(number), size) for number, (timestamp, size) in enumerate(made)]
    batches = packed(events, Rules(max_bytes, max_events))
    for batch in batches:
        assert batch.events
        assert len(batch.events) <= max_events
        assert batch.size_bytes <= max_bytes
        assert batch.events[-1].timestamp - batch.events[0].timestamp <= 24 * HOUR
        assert list(batch.events) == sorted(batch.events, key=lambda e: (e.timestamp, int(e.message)))
    sent = [e for batch in batches for e in batch.events]
    assert sorted(sent, key=lambda e: int(e.message)) == events
    # F3: events of the same millisecond keep their order of arrival, across batches too.
    for timestamp in {e.timestamp for e in events}:
        same = [int(e.message) for e in sent if e.timestamp == timestamp]
        assert same == sorted(same)


@given(st.lists(st.integers(27, 120)), st.integers(120, 400), st.integers(1, 8))
def test_packing_is_as_tight_as_the_order_allows(sizes, max_bytes, max_events):
    """F7: no batch could have taken the next one's first event."""
    batches = packed([event(size=size) for size in sizes], Rules(max_bytes, max_events))
    for batch, following in pairwise(batches):
        full = len(batch.events) == max_events
        assert full or batch.size_bytes + following.events[0].size_bytes > max_bytes


@given(st.lists(st.sampled_from(["append", "take", "drop"])))
def test_the_backlog_agrees_with_a_simple_queue(actions):
    """Dropping takes the oldest that is in no closed batch; the count of what may be dropped is exact."""
    backlog, model, number = Backlog(Rules(10**9, 3)), [], 0
    for action in actions:
        if action == "append":
            backlog.append(Event(NOW, str(number), 27))
            model.append(number)
            number += 1
        elif action == "drop":
            dropped = backlog.drop_oldest()
            assert (int(dropped.message) if dropped else None) == (model.pop(0) if model else None)
        elif batch := backlog.take():
            expected, model = model[: len(batch.events)], model[len(batch.events) :]
            assert [int(e.message) for e in batch.events] == expected
        assert backlog.droppable == len(model)
        assert backlog.is_empty == (not model)


def test_a_dropped_event_leaves_its_bytes_to_others():
    """F7: what an overflow took out of the open chunk no longer counts against the batch."""
    backlog = Backlog(Rules(100, 10))
    backlog.append(event(size=50))
    backlog.drop_oldest()
    for _ in range(2):
        backlog.append(event(size=50))
    assert [len(batch.events) for batch in drained(backlog)] == [2]


@pytest.mark.parametrize(("days", "max_age"), [(None, MAX_AGE_MS), (1, DAY_MS), (14, MAX_AGE_MS), (30, MAX_AGE_MS)])
def test_a_longer_retention_does_not_widen_the_services_14_days(days, max_age):
    """F2: the stricter of 14 days and the group's retention counts."""
    assert Rules.of(100, 10, days).max_age_ms == max_age
