"""What may travel together: every batch keeps every rule, and there are as few as the rules allow."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.backlog import Backlog
from cwlog_handler.core.batches import JUST_MADE, AgeLimit, Rules
from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event
from cwlog_handler.core.limits import DAY_MS, MAX_AGE_MS, MAX_BATCH_BYTES

HOUR = 3_600_000
NOW = 1_700_000_000_000


def event(timestamp=NOW, size=27, number=0):
    return Event(timestamp, b"x" * (size - 26), number)


def drained(backlog):
    batches = []
    while not backlog.is_empty:
        batches.append(backlog.take())
    return batches


def packed(events, rules):
    backlog = Backlog(rules)
    for number, each in enumerate(events):
        append(backlog, each._replace(number=number))
    return drained(backlog)


def append(backlog, event, level=0):
    backlog.append(Events.of([event]), level)


def test_sixteen_events_that_fill_a_batch_to_the_byte_are_one_batch():
    """F5, F7: 1,048,576 bytes are allowed; not one byte is wasted."""
    batches = packed([event(size=65_536) for _ in range(16)], Rules(MAX_BATCH_BYTES, 10_000))
    assert [len(batch) for batch in batches] == [16]


def test_one_byte_more_makes_two_batches():
    events = [event(size=65_536) for _ in range(15)] + [event(size=65_537)]
    assert [len(batch) for batch in packed(events, Rules(MAX_BATCH_BYTES, 10_000))] == [15, 1]


def test_ten_thousand_events_are_one_batch_and_one_more_is_another():
    """F6."""
    batches = packed([event() for _ in range(10_001)], Rules(MAX_BATCH_BYTES, 10_000))
    assert [len(batch) for batch in batches] == [10_000, 1]


def test_exactly_24_hours_travel_together():
    events = [event(NOW), event(NOW + 24 * HOUR, number=1)]
    assert [list(batch) for batch in packed(events, Rules(MAX_BATCH_BYTES, 10_000))] == [events]


def test_a_millisecond_more_than_24_hours_is_split_and_the_old_goes_first():
    """F1: one record 25 h old must not discard its neighbours."""
    new, old = event(NOW + 24 * HOUR + 1), event(NOW, number=1)
    assert [tuple(batch) for batch in packed([new, old], Rules(MAX_BATCH_BYTES, 10_000))] == [(old,), (new,)]


def test_the_age_window_is_judged_when_the_batch_goes_out():
    """F2: events grow stale while they wait; neighbours are not taken along."""
    rules = Rules(MAX_BATCH_BYTES, 10_000)
    limit = 14 * 24 * HOUR
    times = [NOW - limit - 1, NOW - limit, NOW + 2 * HOUR, NOW + 2 * HOUR + 1]
    aged = [batch.within(NOW, AgeLimit().max_age_ms(0.0)) for batch in packed(map(event, times), rules)]
    kept = [e.timestamp for part in aged if part.batch for e in part.batch]
    assert kept == times[1:3]
    assert [e.timestamp for part in aged for e in part.too_old or ()] == times[:1]
    assert [e.timestamp for part in aged for e in part.too_new or ()] == times[3:]


def test_a_group_that_was_just_made_to_keep_events_a_day_takes_none_older():
    limit = AgeLimit()
    limit.made(1, 0.0)
    old, young = event(NOW - 24 * HOUR - 1), event(NOW - 24 * HOUR, number=1)
    (batch,) = packed([old, young], Rules(MAX_BATCH_BYTES, 10_000))
    aged = batch.within(NOW, limit.max_age_ms(1.0))
    assert aged.batch is not None
    assert (list(aged.batch), list(aged.too_old)) == ([young._replace(number=1)], [old])


TIMES = st.integers(0, 200).map(lambda quarter_hours: NOW + quarter_hours * HOUR // 4)


MADE = st.lists(st.tuples(TIMES, st.integers(27, 120), st.sampled_from([10, 20, 40])))


@given(MADE, st.integers(120, 400), st.integers(1, 8))
def test_no_rule_is_broken_whatever_comes_and_nothing_is_lost_or_doubled(made, max_bytes, max_events):
    """However levels of severity alternate: they decide who is dropped, never who goes first."""
    backlog = Backlog(Rules(max_bytes, max_events))
    events = [event(timestamp, size, number) for number, (timestamp, size, _) in enumerate(made)]
    for each, (_, _, level) in zip(events, made, strict=True):
        append(backlog, each, level)
    batches = drained(backlog)
    for batch in batches:
        assert len(batch)
        assert len(batch) <= max_events
        assert batch.size_bytes <= max_bytes
        assert batch.last_ms - batch.first_ms <= 24 * HOUR
        assert list(batch) == sorted(batch, key=lambda e: (e.timestamp, e.number))
        assert batch.first_number == min(e.number for e in batch)
    sent = [e for batch in batches for e in batch]
    assert sorted(sent, key=lambda e: e.number) == events
    # F3: events of the same millisecond keep their order of arrival, across batches too.
    for timestamp in {e.timestamp for e in events}:
        same = [e.number for e in sent if e.timestamp == timestamp]
        assert same == sorted(same)


@given(st.lists(st.integers(27, 120)), st.integers(120, 400), st.integers(1, 8))
def test_packing_is_as_tight_as_the_order_allows(sizes, max_bytes, max_events):
    """F7: no batch could have taken the next one's first event."""
    batches = packed([event(size=size) for size in sizes], Rules(max_bytes, max_events))
    for batch, following in pairwise(batches):
        full = len(batch) == max_events
        assert full or batch.size_bytes + next(iter(following)).size_bytes > max_bytes


def test_what_tells_of_a_loss_takes_the_place_of_the_lost():
    """Before those that came later, although of the same millisecond, and whatever came since."""
    backlog = Backlog(Rules(1000, 10))
    for number in (0, 1, 2, 4, 5):
        append(backlog, event(number=number), 50)
    backlog.insert(Events.of([event(number=3)]), 50)
    assert [e.number for batch in drained(backlog) for e in batch] == list(range(6))


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["append", "append", "take", "aside", "back", "oldest", "newest"]), st.integers(0, 2))
)


@given(ACTIONS)
def test_the_backlog_agrees_with_a_simple_list(actions):
    """Dropping takes the oldest or newest of a level that is in no closed batch; first and count are exact."""
    backlog, model, number, aside = Backlog(Rules(10**9, 3)), [], 0, []
    for action, level in actions:
        if action == "append":
            append(backlog, event(number=number), level)
            model.append((number, level))
            number += 1
        elif action == "take":
            expected, model = model[:3], model[3:]
            taken = [] if backlog.is_empty else [e.number for e in backlog.take()]
            assert taken == [n for n, _ in expected]
        elif action == "aside" and not aside:
            # All have the same timestamp, so whatever one level has is the rest of it, unless it is too much.
            aside = backlog.take_rest(NOW)
            gone = {e.number for _, events in aside for e in events}
            for low in range(3):
                of_level = {n for n, at in model if at == low}
                assert of_level & gone == (of_level if len(of_level) == 1 else set())
            model = [each for each in model if each[0] not in gone]
        elif action == "back":
            backlog.put_back(aside)
            model = sorted([*model, *((e.number, low) for low, events in aside for e in events)])
            aside = []
        elif of_level := [each for each in model if each[1] == level and action in ("oldest", "newest")]:
            gone = of_level[-1] if action == "newest" else of_level[0]
            assert backlog.drop(level, newest=action == "newest").number == gone[0]
            model.remove(gone)
        assert backlog.count_of(level) == sum(each[1] == level for each in model)
        assert backlog.lowest_level == min((low for _, low in model), default=None)
        assert backlog.first_number == min((n for n, _ in model), default=None)
        assert backlog.is_empty == (not model)
        assert backlog.has_full_batch == (len(model) >= 3)


def test_a_dropped_event_leaves_its_bytes_to_others():
    """F7: what an overflow took out no longer counts against the batch."""
    backlog = Backlog(Rules(100, 10))
    append(backlog, event(size=50))
    backlog.drop(0, newest=False)
    for number in range(2):
        append(backlog, event(size=50, number=number))
    assert [len(batch) for batch in drained(backlog)] == [2]


@pytest.mark.parametrize(("days", "max_age"), [(None, MAX_AGE_MS), (1, DAY_MS), (14, MAX_AGE_MS), (30, MAX_AGE_MS)])
def test_a_longer_retention_does_not_widen_the_services_14_days(days, max_age):
    """F2: the stricter of 14 days and the group's retention counts."""
    limit = AgeLimit()
    limit.made(days, 10.0)
    assert limit.max_age_ms(10.0) == max_age


def test_how_long_a_group_keeps_events_is_known_only_just_after_it_was_made():
    """F62: somebody may have changed it since, or have made the group anew."""
    limit = AgeLimit()
    assert limit.max_age_ms(10.0) == MAX_AGE_MS
    limit.made(1, 10.0)
    assert limit.max_age_ms(10.0 + JUST_MADE - 1) == DAY_MS
    assert limit.max_age_ms(10.0 + JUST_MADE) == MAX_AGE_MS
    limit.made(1, 1000.0)
    limit.made(None, 1001.0)
    assert limit.max_age_ms(1002.0) == MAX_AGE_MS


def test_what_a_batch_leaves_of_its_last_millisecond_can_stand_aside():
    """The next batch may overlap it then; what comes back goes first again, each in its lane."""
    backlog = Backlog(Rules(1000, 8))
    for number, (ms, level) in enumerate([(0, 0)] * 8 + [(0, 0), (0, 9), (0, 0), (1, 9), (1, 0), (0, 0)]):
        append(backlog, event(NOW + ms, number=number), level)
    batch = backlog.take()
    rest = backlog.take_rest(batch.last_ms)
    assert [e.number for _, events in rest for e in events] == [8, 10, 9]
    assert (backlog.first_number, backlog.count_of(0), backlog.count_of(9)) == (11, 2, 1)
    backlog.put_back(rest)
    assert (backlog.first_number, backlog.count_of(0), backlog.count_of(9)) == (8, 4, 2)
    assert [e.number for e in backlog.take()] == [8, 9, 10, 13, 11, 12]


def test_of_a_millisecond_that_is_long_nothing_stands_aside():
    """Where a clock stands still that would be all there is, and none of it could be dropped meanwhile."""
    backlog = Backlog(Rules(1000, 4))
    for number in range(7):
        append(backlog, event(number=number))
    assert backlog.take_rest(backlog.take().last_ms) == []
    assert backlog.count_of(0) == 3


def test_what_stood_aside_goes_behind_what_was_inserted_meanwhile():
    backlog = Backlog(Rules(1000, 4))
    for number in (1, 3, 5, 6, 8, 9):
        append(backlog, event(number=number))
    rest = backlog.take_rest(backlog.take().last_ms)
    for number in (7, 10):
        backlog.insert(Events.of([event(number=number)]), 0)
    backlog.put_back(rest)
    assert [e.number for batch in drained(backlog) for e in batch] == [7, 8, 9, 10]


def test_a_batch_knows_the_level_of_each_event_however_it_is_cut_and_joined():
    """For who is told of lost events. Pieces that are cut and joined again and again keep no more than their own."""
    backlog = Backlog(Rules(10**6, 4), keeps_levels=True)
    levels = {number: (10, 20, 30)[number % 3] for number in range(1, 13)}
    for number, level in levels.items():
        backlog.append(Events.of([Event(number, b"x", number)]), level)
    batches = [backlog.take() for _ in range(3)]
    for _ in range(10):
        whole = batches[0].joined_with(batches[1]).joined_with(batches[2])
        batches = [whole.part(0, 3), whole.part(3, 7), whole.part(7, 12)]
    assert {number: whole.level_at(place) for place, number in enumerate(whole.columns.numbers)} == levels
    assert sum(len(numbers) for _, numbers in whole.levels) == len(levels)
    first, event, rest = whole.cut_out(5)
    assert [part.level_at(0) for part in (first, event, rest)] == [20, 10, 20]
