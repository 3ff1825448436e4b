"""What an event is: legal text, exact sizes, cutting at code points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.events import NotAnEvent, legal_text, make_events, split, timestamp_ms, truncate

# Every code point, lone surrogates included.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize("text", ["x" * 74, "é" * 37, "€" * 24 + "xx", "😀" * 18 + "xx"])
def test_text_that_fills_the_limit_to_the_byte_is_one_event(text):
    """F4, F5: sizes are UTF-8 bytes plus 26."""
    (event,) = make_events(1.0, text, 100, "drop")
    assert (event.message, event.size_bytes) == (text, 100)


@pytest.mark.parametrize("text", ["x" * 75, "é" * 37 + "x", "😀" * 18 + "xxx"])
def test_one_byte_more_is_too_long(text):
    with pytest.raises(NotAnEvent, match="oversize"):
        make_events(1.0, text, 100, "drop")
    assert len(make_events(1.0, text, 100, "split")) == 2


@given(ANY_TEXT.filter(bool), st.integers(30, 60))
def test_split_loses_nothing_and_never_exceeds_the_limit(text, limit):
    """F8: cut at code points; joined, the parts are the legal text again."""
    events = make_events(1.0, text, limit, "split")
    assert "".join(event.message for event in events) == legal_text(text)
    for event in events:
        assert event.message
        assert event.size_bytes == len(event.message.encode()) + 26 <= limit


@given(ANY_TEXT.filter(bool), st.integers(30, 90))
def test_truncated_text_is_one_legal_event_that_fits(text, limit):
    (event,) = make_events(1.0, text, limit, "truncate")
    assert event.size_bytes == len(event.message.encode()) + 26 <= limit


def test_truncation_leaves_a_marker_with_the_original_size():
    assert truncate("é".encode() * 1000, 60).decode() == "é" * 18 + " [truncated, 2000 bytes]"


def test_truncation_marker_is_left_out_where_it_has_no_room():
    assert truncate(b"x" * 1000, 10) == b"x" * 10


def test_lone_surrogates_are_replaced_and_pairs_are_joined():
    """F4: what cannot be encoded must not poison a batch."""
    assert legal_text("a\ud800b\ud83d\ude00") == "a\ufffdb😀"


def test_five_megabytes_travel_in_as_few_events_as_they_fit_in():
    """F7: tight."""
    assert len(split(b"x" * 5_242_750, 1_048_550)) == 5


@pytest.mark.parametrize(
    ("created", "text", "reason"),
    [
        (1.0, "", "empty"),
        (float("nan"), "x", "invalid_time"),
        (float("inf"), "x", "invalid_time"),
        (None, "x", "invalid_time"),
    ],
)
def test_what_cannot_be_an_event_says_why(created, text, reason):
    """F10: judged on the formatted text."""
    with pytest.raises(NotAnEvent, match=reason):
        make_events(created, text, 100, "split")


@given(st.integers(0, 4_102_444_800_000))
def test_whole_milliseconds_survive_the_way_through_a_float(milliseconds):
    """F12: truncating 1.7e9 seconds times 1,000 would lose one of them about half the time."""
    assert timestamp_ms(milliseconds / 1000) == milliseconds


def test_times_are_rounded_down():
    assert timestamp_ms(1_700_000_000.1239) == 1_700_000_000_123
