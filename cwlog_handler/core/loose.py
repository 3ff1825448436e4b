"""Loose events: those that came to a stream one by one, in a flat list, and are in no lane yet.

Owns: the form of that list, and how its events get into columns. Must not know: lanes, batches. Pure functions.
"""

from typing import Any, Final, TypeAlias

from .columns import END, Events

Loose: TypeAlias = list[Any]
"""Of each event its number, timestamp, text and level, one event after another, in order of arrival."""

OF_EACH: Final = 4
# So many events of a stream are kept one by one, at most. Each takes some 100 bytes more than in a column. So all of
# them take little more memory than a stream takes without events, 1.8 KB. To put them into columns takes 5 µs, and
# twice as long if there are columns already: as long as it takes to add ten events.
MOST_LOOSE: Final = 24


def level_of_all(loose: Loose) -> float | None:
    """Return the level that all events have; None if they have several, or there are none."""
    levels = {*loose[OF_EACH - 1 :: OF_EACH]}
    return levels.pop() if len(levels) == 1 else None


def in_columns(loose: Loose) -> Events:
    """Return the events in columns."""
    texts: list[bytes] = loose[2::OF_EACH]
    return Events(loose[0::OF_EACH], loose[1::OF_EACH], [*map(len, texts)], END.join((*texts, b"")))


def first_level(loose: Loose) -> tuple[float, Events, Loose]:
    """Return the level of the first event, all events that have it, in columns, and the others, loose as before."""
    level: float = loose[OF_EACH - 1]
    if level_of_all(loose) is not None:
        return level, in_columns(loose), []
    events = [loose[place : place + OF_EACH] for place in range(0, len(loose), OF_EACH)]
    same = [value for event in events if event[-1] == level for value in event]
    return level, in_columns(same), [value for event in events if event[-1] != level for value in event]
