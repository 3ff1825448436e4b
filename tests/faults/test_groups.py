"""One handler with many log groups: what happens in one group must not change anything in another."""

from __future__ import annotations

import logging

import pytest

from cwlog_handler.aws.creation import Group
from cwlog_handler.delivery.dispatch import CROWD
from cwlog_handler.system.stderr import MOST_ABOUT
from cwlog_handler.testing import faults

from ..conftest import balanced
from .virtual import VirtualFake, World, busiest_second

DAY = 24 * 3600.0


@pytest.fixture
def fake():
    return VirtualFake()


def test_streams_of_one_name_in_two_groups_are_two_streams(fake):
    world = World(fake)
    for group in ("/app/a", "/app/b"):
        world.log(f"in {group}", group=group)
    world.drain()
    assert [fake.messages(group, "s") for group in ("/app/a", "/app/b")] == [["in /app/a"], ["in /app/b"]]
    assert world.stats.delivered == 2
    assert balanced(world.stats)


def test_a_request_never_holds_events_of_two_groups(fake):
    world = World(fake)
    for number in range(30):
        world.log(f"{number}", group=f"/app/{number % 3}")
    world.drain()
    assert len(world.calls) == 6, "the first request in each group makes it, the second one delivers"
    for call in world.calls:
        assert {int(message) % 3 for message in call.messages} == {int(call.group[-1])}


def test_each_group_is_made_with_the_same_options(fake):
    made = Group("/app/{logger_name}", retention_days=30, tags={"team": "a"}, group_class="INFREQUENT_ACCESS")
    world = World(fake, made=made)
    for group in ("/app/a", "/app/b"):
        world.log("m", group=group)
    world.drain()
    assert set(fake.groups) == {"/app/a", "/app/b"}
    for group in fake.groups.values():
        assert (group.retention_days, group.tags, group.log_group_class) == (30, {"team": "a"}, "INFREQUENT_ACCESS")


@pytest.mark.parametrize("operation", ["PutLogEvents", "CreateLogStream", "CreateLogGroup"])
def test_a_group_that_is_refused_does_not_delay_the_others(fake, operation):
    """The slow retry is that of a stream. Nothing is lost in the group that waits."""
    fake.fail(faults.access_denied(), operation=operation, group="/app/denied")
    world = World(fake)
    for number in range(60):
        world.log(f"{number}", group="/app/denied")
        logged = world.now
        world.log(f"{number}", group=f"/app/fine-{number}")
        world.run(2.0)
        (delivered,) = [call for call in world.calls if call.group == f"/app/fine-{number}"][1:]
        assert delivered.ended - logged < 1.5, "the send interval, and the time that three requests take"
    assert world.stats.pending == 60
    fake.clear_faults()
    world.drain()
    assert fake.messages("/app/denied", "s") == [f"{number}" for number in range(60)]
    assert (world.stats.delivered, world.stats.dropped) == (120, 0)


def test_each_group_that_is_refused_is_named_on_stderr(fake, capsys):
    """Two groups may be refused for one reason: a line about the first must not hide the second."""
    fake.fail(faults.access_denied())
    world = World(fake)
    for group in ("/app/a", "/app/b"):
        fake.create(group, "s")
        world.log("m", group=group)
    world.run(50.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.count("'/app/a', stream 's'") for line in lines] == [1, 0]
    assert [line.count("'/app/b', stream 's'") for line in lines] == [0, 1]


def test_a_thousand_groups_that_are_refused_do_not_flood_stderr(fake, capsys):
    fake.fail(faults.access_denied())
    world = World(fake, requests_per_second=None)
    for number in range(1000):
        world.log("m", group=f"/app/{number}")
    world.run(50.0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == MOST_ABOUT + 1
    assert lines[-1].endswith("The same happens elsewhere: this is the last one named for 60 s.")
    assert not any("elsewhere" in line for line in lines[:-1])


def test_a_refusal_of_credentials_is_told_once_for_all_groups(fake, capsys):
    fake.fail(faults.expired_token())
    world = World(fake)
    for group in ("/app/a", "/app/b", "/app/c"):
        fake.create(group, "s")
        world.log("m", group=group)
    world.run(50.0)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_retention_of_a_group_that_was_made_here_is_no_other_groups(fake):
    """For five minutes the handler relies on the retention that it gave a new group; in that group only."""
    fake.create("/app/old", "s")
    world = World(fake, made=Group("/app/{logger_name}", retention_days=1))
    world.log("first", group="/app/new")
    world.drain()
    for group in ("/app/new", "/app/old"):
        world.log("of the day before yesterday", group=group, age=2 * DAY)
    world.drain()
    assert fake.messages("/app/old", "s") == ["of the day before yesterday"]
    assert fake.messages("/app/new", "s")[0] == "first"
    assert world.stats.dropped_by_reason == {"too_old": 1}
    assert [call.group for call in world.calls].count("/app/new") == 2, "none for the event that is too old"


def test_the_retention_of_a_group_that_was_made_here_is_that_of_all_its_streams(fake):
    world = World(fake, made=Group("/app/{logger_name}", retention_days=1))
    world.log("first", group="/app/new", stream="s")
    world.drain()
    world.log("of the day before yesterday", group="/app/new", stream="t", age=2 * DAY)
    world.drain()
    assert world.stats.dropped_by_reason == {"too_old": 1}
    assert [call.stream for call in world.calls] == ["s", "s"]


def test_what_a_group_lost_is_told_in_that_group(fake):
    """A loss event belongs to the stream that lost, in its own group."""
    fake.fail(faults.access_denied(), group="/app/full")
    world = World(fake, max_count=50)
    for number in range(100):
        world.log(f"{number}", group="/app/full")
    world.log("fine", level=logging.ERROR, group="/app/fine")
    world.run(2.0)
    fake.clear_faults()
    world.drain()
    assert fake.messages("/app/fine", "s") == ["fine"]
    told = [message for message in fake.messages("/app/full", "s") if "lost" in message]
    assert len(told) == 1
    assert f"{world.stats.dropped}" in told[0]
    assert balanced(world.stats)


def test_each_stream_of_each_group_has_the_whole_rate(fake):
    """The service counts requests for each stream of each group."""
    world = World(fake)
    world.latency = 0.0
    for number in range(1000):
        world.log(f"{number}", group=f"/app/{number % 2}")
    world.drain()
    starts = {group: [call.started for call in world.calls if call.group == group] for group in ("/app/0", "/app/1")}
    assert [busiest_second(instants) for instants in starts.values()] == [5, 5]


def test_groups_that_come_and_go_are_forgotten():
    """A tenant for each group, and ten thousand tenants: what is kept is bounded as for streams."""
    world = World()
    for number in range(3 * CROWD):
        world.log("m", group=f"/app/{number}")
        if number % 100 == 0:
            world.run(4.0)
    world.drain()
    world.run(10.0)
    world.log("m")
    world.run(10.0)
    dispatch = world._rounds._dispatch
    assert len(dispatch.streams) <= CROWD
    assert len(dispatch._age_limits) == len({target.group for target in dispatch.streams})
    world.run(3600)
    world.log("m")
    world.run(10.0)
    assert len(dispatch._age_limits) == 1
