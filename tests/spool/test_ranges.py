"""Ranges of ids are what sets of ids would be."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.spool.ranges import merged, minus

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


def ids(ranges):
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(RANGES)
def test_merged_they_hold_the_same_ids_in_the_fewest_ranges(ranges):
    """What is settled one by one takes no more memory than the gaps in it (S23, S24)."""
    result = merged(ranges)
    assert ids(result) == ids(ranges)
    assert all(end + 1 < start for (_, end), (start, _) in pairwise(result))


def test_ranges_side_by_side_become_one():
    assert merged([(4, 6), (1, 3), (8, 8)]) == [(1, 6), (8, 8)]


@given(st.integers(0, 40), st.integers(0, 10), RANGES)
def test_what_is_left_is_what_no_range_holds(first, length, ranges):
    """Exactly what is not settled is sent again: nothing twice, nothing lost (S27, S28)."""
    last = first + length
    left = minus(first, last, merged(ranges))
    assert ids(left) == ids([(first, last)]) - ids(ranges)
    assert left == merged(left)


def test_of_the_largest_range_nothing_is_left_but_its_gap():
    """A forged mark costs no more than an honest one (S37)."""
    assert minus(0, 2**64 - 1, [(0, 6), (8, 2**64 - 1)]) == [(7, 7)]
