"""Ranges of ids: pairs of the first and the last id, both inclusive.

Owns: arithmetic with ranges. Must not know: what the ids stand for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

Range = tuple[int, int]


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Return the fewest ranges that hold the same ids, in rising order."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def minus(first: int, last: int, ranges: Iterable[Range]) -> list[Range]:
    """Return what is left of ``first`` to ``last`` without the ids in ``ranges``, which are in rising order."""
    result = []
    for start, end in ranges:
        if start > last:
            break
        if first < start:
            result.append((first, start - 1))
        first = max(first, end + 1)
    if first <= last:
        result.append((first, last))
    return result


def in_order(ids: array[int]) -> tuple[Range, ...]:
    """Return ids, which mostly rise by one, as ranges in the same order. There must be one at least."""
    first, last = ids[0], ids[-1]
    if last - first + 1 == len(ids) and ids.tobytes() == array(ids.typecode, range(first, last + 1)).tobytes():
        return ((first, last),)
    ranges: list[tuple[int, int]] = []
    start = end = first
    for number in ids[1:]:
        if number == end + 1:
            end = number
        else:
            ranges.append((start, end))
            start = end = number
    ranges.append((start, end))
    return tuple(ranges)
