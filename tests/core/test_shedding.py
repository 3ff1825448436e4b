"""Which events go when there is no room, with plain counts for streams."""

from collections import Counter

import pytest

from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.shedding import Bounds, Shedding

DEBUG, INFO, ERROR = 10, 20, 40


class Waiting:
    """So many events of each level that wait in one stream; ``looks`` counts how often it was looked at."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.counts = Counter()
        self.dropped = []
        self.looks = 0

    def add(self, level, count=1):
        self.counts[level] += count
        self.ledger.enter(count, 27 * count)

    @property
    def lowest_level(self):
        self.looks += 1
        return min(+self.counts, default=None)

    def count_of(self, level):
        return self.counts[level]

    def drop(self, level, newest):
        self.counts[level] -= 1
        self.dropped.append((level, newest))
        self.ledger.drop(1, 27, "overflow")


def shedding(names, max_count, overflow="drop_oldest", max_bytes=10**9):
    ledger = Ledger()
    streams = {name: Waiting(ledger) for name in names}
    return Shedding(Bounds(max_bytes, max_count, overflow, 0.0), ledger, streams), streams


def arrive(shed, stream, level, count=1):
    shed.arrives(level)
    stream.add(level, count)
    return shed.make_room(stream, level)


def test_nothing_goes_while_there_is_room():
    shed, streams = shedding(["s"], max_count=3)
    assert arrive(shed, streams["s"], INFO, 3) == 0
    assert arrive(shed, streams["s"], INFO) == 1


@pytest.mark.parametrize(("overflow", "newest"), [("drop_oldest", False), ("drop_newest", True), ("block", True)])
def test_the_least_severe_go_first_and_of_them_the_oldest_or_the_newest(overflow, newest):
    shed, streams = shedding(["s"], 2, overflow)
    for level in (ERROR, DEBUG, INFO, ERROR, DEBUG):
        arrive(shed, streams["s"], level)
    assert streams["s"].dropped == [(level, newest) for level in (DEBUG, INFO, DEBUG)]


def test_a_less_severe_level_that_arrives_goes_before_those_that_went_so_far():
    shed, streams = shedding(["a", "b", "c"], 3)
    arrive(shed, streams["a"], INFO, 4)
    arrive(shed, streams["b"], DEBUG)
    assert streams["b"].dropped == [(DEBUG, False)]


def test_streams_with_half_as_much_as_the_fullest_pay_in_turn():
    shed, streams = shedding(["full", "half", "less"], 17)
    for name, count in (("full", 8), ("half", 6), ("less", 3)):
        streams[name].add(INFO, count)
    assert arrive(shed, streams["less"], INFO, 3) == 3
    assert [len(stream.dropped) for stream in streams.values()] == [1, 1, 1]
    shed, streams = shedding(["full", "half", "less"], 17)
    for name, count in (("full", 8), ("half", 6), ("less", 3)):
        streams[name].add(INFO, count)
    assert arrive(shed, streams["full"], INFO, 2) == 2
    assert [len(stream.dropped) for stream in streams.values()] == [1, 1, 0]


def test_where_the_newest_goes_and_has_just_arrived_no_other_stream_pays():
    shed, streams = shedding(["full", "new"], 5, "drop_newest")
    streams["full"].add(INFO, 5)
    arrive(shed, streams["new"], INFO)
    assert (len(streams["full"].dropped), len(streams["new"].dropped)) == (0, 1)


def test_what_is_in_requests_already_is_not_dropped():
    shed, streams = shedding(["s"], 2)
    streams["s"].ledger.enter(5, 135)
    assert arrive(shed, streams["s"], INFO) == 1
    assert shed.make_room(streams["s"], INFO) == 0


@pytest.mark.parametrize(("more_bytes", "more", "has_room"), [(65, 1, True), (66, 1, False), (0, 2, False)])
def test_bytes_count_as_memory_and_events_as_they_are(more_bytes, more, has_room):
    shed, streams = shedding(["s"], 2, max_bytes=100)
    streams["s"].add(INFO)
    assert shed.has_room(more_bytes, more) is has_room


@pytest.mark.parametrize("names", [["s0"], [f"s{number}" for number in range(100)]])
def test_looking_for_victims_costs_no_more_with_more_streams(names):
    """One look at all streams for about as many victims as there are streams, whoever has most."""
    shed, streams = shedding([f"s{number}" for number in range(100)], 100)
    for stream in streams.values():
        arrive(shed, stream, INFO)
    dropped = sum(arrive(shed, streams[names[number % len(names)]], INFO) for number in range(3_000))
    assert dropped == 3_000
    assert max(stream.looks for stream in streams.values()) <= 2 * 3_000 / 100
