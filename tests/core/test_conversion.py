"""Records become events: all at once, and as one by one."""

from collections import Counter
from contextlib import contextmanager
from math import inf, nan

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cwlog_handler.core.conversion import Records, convert
from cwlog_handler.core.events import NotAnEvent, make_events

MOST_BYTES = 200
NOW = 1_764_224_504.0
# Hundreds in a millisecond, one in each, or hours apart; now and then out of order, or no time at all.
STEPS = st.sampled_from([0.000_005, 0.000_4, 0.001, 3_600.0, -0.002])
TIMES = st.builds(
    lambda start, steps: [start + sum(steps[:place]) for place in range(len(steps))],
    st.sampled_from([0.0, NOW, NOW + 0.000_999_7]),
    st.lists(STEPS, min_size=1, max_size=20) | st.integers(100, 400).map(lambda count: [0.000_005] * count),
)
TEXTS = st.text(max_size=20) | st.sampled_from(["\x7f", "a\x7f", "\ud800", "\xff", "日本", "x" * 300, ""])


def one_by_one(created, texts):
    """The same, the plain way: the events, and how many records became none, by reason."""
    events, refused = [], Counter()
    for at, text in zip(created, texts, strict=True):
        with refusals_counted(refused):
            events += make_events(at, text, MOST_BYTES, "split", len(events) + 1)
    return events, refused


@contextmanager
def refusals_counted(refused):
    """Count by reason what becomes no event."""
    try:
        yield
    except NotAnEvent as refusal:
        refused[refusal.reason] += 1


def records(created, texts):
    """Such records, alike in all else."""
    count = len(texts)
    return Records(created, texts, [None] * count, [20] * count, [False] * count)


@given(TIMES, st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from([None, nan, inf, -inf, -1.0, 1e300, "now"]))
@example([NOW] * 300, ["a"], nan)
def test_all_at_once_they_become_what_they_become_one_by_one(created, texts, odd):
    """Whatever the times and texts are, and however many share a millisecond."""
    if odd is not None:
        created[len(created) // 3] = odd
    texts = [texts[place % len(texts)] for place in range(len(created))]
    converted = convert(records(created, texts), 1, MOST_BYTES, "split")
    events = [event for columns in converted.events.values() for event in columns]
    assert (events, converted.refused) == one_by_one(created, texts)


@pytest.mark.parametrize("text", ["plain", "with \x7f in it", "日本 \x7f", "é"])
def test_texts_keep_their_ends(text):
    """What marks the end of a text is part of none, whatever is in it."""
    (columns,) = convert(records([NOW] * 3, [text, "b", text]), 1, MOST_BYTES, "split").events.values()
    assert [event.message for event in columns] == [text, "b", text]
    assert columns.lengths.tolist() == [len(text.encode()), 1, len(text.encode())]
