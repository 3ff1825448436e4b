"""Where the log group is a template: events come back to the group for which they were logged, and to no other."""

from __future__ import annotations

import errno
import signal
import textwrap
from contextlib import ExitStack

import pytest

from cwlog_handler.core.parcels import FIRST_RECOVERED, Numbers
from cwlog_handler.core.targets import Target
from cwlog_handler.record.names import GroupName
from cwlog_handler.spool import frames
from cwlog_handler.spool.directory import Identity
from cwlog_handler.testing import FakeCloudWatchLogs, faults

from ..programs import HANG_LIMIT, python, started
from .disks import FOR_EVER, FakeDisk
from .test_journal import CREATED, INFO
from .test_journal import Process as Journalled
from .test_spool import Host, World

TENANTS = "/app/{record:tenant|none}"


def templated(world, template=TENANTS):
    made_by = GroupName(template).may_have_made
    return Host(world.disk.process(f"q{world._count}-{id(made_by)}"), world.clock, group=template, made_by=made_by)


@pytest.fixture
def world():
    return World()


def targets(heir):
    return sorted((*parcel.target, *heir.load(parcel)) for found in heir.found for parcel in found.parcels)


def test_events_come_back_to_their_groups(world):
    host = templated(world)
    host.store("one", group="/app/acme", stream="s")
    host.store("two", group="/app/globex", stream="s")
    world.kill(host)
    heir = templated(world)
    heir.take_over()
    assert targets(heir) == [("/app/acme", "s", "one"), ("/app/globex", "s", "two")]
    assert not any(found.broken for found in heir.found)


def test_a_file_of_one_group_is_as_it_was_before_there_were_templates(world):
    """Version 1 of the format, byte for byte: an older handler takes it over, and this one what that has left."""
    host = world.host(group="/app/acme")
    host.store("one", stream="s")
    (data,) = world.disk.contents().values()
    contents = frames.read(bytes(data))
    assert (contents.head.group, contents.blocks[0].stream) == ("/app/acme", "s")
    start = len(data) - len(frames.events("s", host.events("one"), 0))
    assert bytes(data[start:]) == frames.events("s", host.events("one"), 0)


def test_another_template_leaves_the_file_alone(world):
    host = templated(world)
    host.store("one", group="/app/acme")
    world.kill(host)
    assert templated(world, "/app/{record:tenant}").take_over() == []
    assert world.host(group="/app/acme").take_over() == []
    assert templated(world).take_over() == ["one"]


@pytest.mark.parametrize("group", ["/other/acme", "/app/acme/audit", "/app/a b", "", "aws/x", "/app/" + "x" * 600])
def test_what_a_file_says_of_another_group_is_not_obeyed(world, capsys, group):
    """Counted as broken, and kept for a person: neither sent where the file wants it nor anywhere else."""
    host = templated(world)
    host.store("ours", group="/app/acme")
    host.store("theirs", "and this", group=group)
    world.kill(host)
    heir = templated(world)
    assert heir.take_over() == ["ours"]
    (found,) = heir.found
    assert [broken.count for broken in found.broken] == [2]
    assert found.target is None
    assert "names log groups that '/app/{record:tenant|none}' could not" in capsys.readouterr().err
    for parcel in found.parcels:
        parcel.settle()
    heir.spool.tidy()
    (kept,) = world.files
    assert kept.endswith(".bad")


def test_a_file_that_names_no_group_at_all_is_not_obeyed(world):
    """Only files of one group leave it out."""
    host = world.host(group=TENANTS)
    host.store("whose?", stream="s")
    world.kill(host)
    heir = templated(world)
    assert heir.take_over() == []
    assert [broken.count for found in heir.found for broken in found.broken] == [1]


def test_what_is_settled_of_another_group_is_nothing_to_tell(world, capsys):
    host = templated(world)
    host.store("ours", group="/app/acme")
    theirs = host.store("theirs", group="/other/acme")
    theirs.settle()
    host.spool.tidy()
    world.kill(host)
    heir = templated(world)
    assert heir.take_over() == ["ours"]
    assert capsys.readouterr().err == ""


def test_small_parts_of_one_group_are_read_together(world):
    """Their frames have the group's name in front."""
    host = templated(world)
    parcels = [host.store(f"{number}", group="/app/acme", stream="ü") for number in range(5)]
    first = parcels[0]
    for following in parcels[1:]:
        assert first.place.join(first, following)
        first.absorb(following)
    assert host.load(first) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("has_memory", [True, False])
def test_what_callers_have_written_comes_back_to_its_groups(has_memory):
    """Mode "always": with shared memory and without. A record that names no stream is of the process's own."""
    template = GroupName("/{ecs_cluster}/{record:tenant|none}")
    owner = Identity(template.text, "r", "", "/prod/none:own", "box", may_have_made=template.may_have_made)
    disk = FakeDisk()
    process = Journalled(disk.process("first"), identity=owner)
    if not has_memory:
        process.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)
    process.log("own")
    process.journal.put(CREATED, "one", Target("/prod/acme", "s"), INFO)
    process.journal.put(CREATED, "forged", Target("/prod/acme/x", "s"), INFO)
    disk.kill("first")
    heir = Journalled(disk.process("heir"), identity=owner)
    heir.spool.look_for_others()
    found = heir.spool.take_over(Numbers(FIRST_RECOVERED))
    texts = {parcel.target: [event.message for event in parcel.place.load(parcel, 1)] for parcel in found.parcels}
    assert texts == {Target("/prod/none", "own"): ["own"], Target("/prod/acme", "s"): ["one"]}
    assert [broken.count for broken in found.broken] == [1]
    assert found.target == Target("/prod/none", "own")


def test_a_forged_time_is_no_obstacle():
    """Any file may be read. A record for another group is counted with its time, and this is none."""
    template = GroupName(TENANTS)
    owner = Identity(template.text, "r", "", "", "box", may_have_made=template.may_have_made)
    disk = FakeDisk()
    process = Journalled(disk.process("first"), identity=owner)
    process.journal.put(1e306, "forged", Target("/other/acme", "s"), INFO)
    process.journal.put(CREATED, "one", Target("/app/acme", "s"), INFO)
    disk.kill("first")
    heir = Journalled(disk.process("heir"), identity=owner)
    heir.spool.look_for_others()
    found = heir.spool.take_over(Numbers(FIRST_RECOVERED))
    assert [parcel.target.group for parcel in found.parcels] == ["/app/acme"]
    assert [broken.count for broken in found.broken] == [1]


# -- programs --------------------------------------------------------------------------------------------------------

PRELUDE = """\
import logging, os, time
from cwlog_handler import CloudWatchLogsHandler
log = logging.getLogger("program")
log.setLevel(logging.DEBUG)
told = []
handler = CloudWatchLogsHandler(
    {group!r}, "s", spool_dir={spool!r}, spool_mode={mode!r}, close_timeout={limit}, on_lost=told.extend
)
log.addHandler(handler)
def until(condition):
    while not condition(): time.sleep(0.01)
"""


@pytest.fixture
def start(tmp_path):
    fake = FakeCloudWatchLogs(requests_per_second=None)
    with ExitStack() as programs, fake.serve() as url:
        count = iter(range(100))

        def start(source, *, mode, group, **env):
            path = tmp_path / f"program{next(count)}.py"
            spool = str(tmp_path / "spool")
            path.write_text(
                PRELUDE.format(group=group, spool=spool, mode=mode, limit=HANG_LIMIT) + textwrap.dedent(source)
            )
            return programs.enter_context(started(python("-W", "ignore", str(path)), url=url, cwd=tmp_path, **env))

        start.fake = fake
        yield start
        fake.release()


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_after_a_kill_each_tenants_records_are_delivered_to_its_group(start, mode):
    fake = start.fake
    fake.fail(faults.server_error())
    source = """
    for n in range(30): log.info("%d", n, extra={"tenant": f"t{n % 3}"})
    until(lambda: handler.stats.spooled == handler.stats.pending > 0)
    print("stored", flush=True)
    until(lambda: False)
    """
    group = "/{env:STAGE}/{record:tenant|none}"
    killed = start(source, mode=mode, group=group, STAGE="prod")
    killed.wait_for("stored")
    killed.signal(signal.SIGKILL)
    killed.wait()
    fake.clear_faults()
    other = start("log.info('other')", mode=mode, group=group, STAGE="test")
    assert other.wait(60) == 0, other.output
    assert set(fake.groups) == {"/test/none"}, "another stage has another handler for what was left"
    heir = start("log.info('fresh')", mode=mode, group=group, STAGE="prod")
    assert heir.wait(60) == 0, heir.output
    found = {name: fake.messages(name, "s") for name in fake.groups if name != "/test/none"}
    expected = {f"/prod/t{tenant}": [f"{n}" for n in range(tenant, 30, 3)] for tenant in range(3)}
    assert found == {"/prod/none": ["fresh"], **expected}


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_what_was_damaged_is_told_to_the_program_although_nobody_knows_its_stream(start, tmp_path, mode):
    """All that the ledger counts as dropped is told (`on_lost`). No stream says it: each record has its own group."""
    fake = start.fake
    fake.fail(faults.server_error())
    source = """
    for n in range(30): log.info("record %d", n, extra={"tenant": "acme"})
    until(lambda: handler.stats.spooled == handler.stats.pending > 0)
    print("stored", flush=True)
    until(lambda: False)
    """
    killed = start(source, mode=mode, group=TENANTS)
    killed.wait_for("stored")
    killed.signal(signal.SIGKILL)
    killed.wait()
    (file,) = (tmp_path / "spool").glob("*.cwl")
    data = file.read_bytes()
    assert data.count(b"record 7") == 1
    file.write_bytes(data.replace(b"record 7", b"Record 7"))
    fake.clear_faults()
    source = """
    log.info("fresh")
    until(lambda: handler.stats.dropped)
    assert handler.flush(30)
    for event in told: print(event.reason, event.log_stream or "?", event.count, event.text)
    print("counted", handler.stats.dropped_by_reason)
    """
    heir = start(source, mode=mode, group=TENANTS)
    assert heir.wait(60) == 0, heir.output
    lost = 1 if mode == "always" else 30
    assert f"corrupt ? {lost} None\n" in heir.output
    assert f"counted {{'corrupt': {lost}}}\n" in heir.output
