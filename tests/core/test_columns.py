"""Events in columns are what single events would be."""

from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event

TEXTS = st.sampled_from(["a", "é", "日本", "x" * 30, "\x7f", '"\n'])


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 25)), min_size=1, max_size=8), st.data())
def test_put_in_order_they_are_the_same_events_in_a_stable_order(stretches, data):
    """Whether each is out of place or, as where threads log side by side, few are."""
    timestamps = [start + step for start, length in stretches for step in range(length)]
    texts = data.draw(st.lists(TEXTS, min_size=1, max_size=5))
    events = [Event(at, texts[number % len(texts)].encode(), number) for number, at in enumerate(timestamps)]
    assert list(Events.of(events).in_order()) == sorted(events, key=lambda event: event.timestamp)
