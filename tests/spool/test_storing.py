"""When events go to disk and come back: single stories, on the clock, the disk and the service of the model."""

import pytest

from cwlog_handler.core.limits import MAX_AGE_MS
from cwlog_handler.core.losses import UNTOLD
from cwlog_handler.delivery import storing

from ..simulation import to
from . import model

ROOMY = {"max_spool": 10**9, "max_bytes": 10**9, "overflow": "drop_oldest", "batch_bytes": 1_048_576}
ROOMY |= {"batch_events": 10_000, "rate": 5, "sync": False, "mode": "outage", "has_groups": False}
DEBUG, INFO, ERROR = 10, 20, 40


@pytest.fixture
def make():
    """Make a world, and a process in it."""

    def make(**options):
        world = model.World(0)
        world.is_tight = True
        world.options.update({**ROOMY, **options})
        world.do_start(1)
        return world, world.processes[0]

    return make


def emit(world, *, stream="own", level=INFO, count=1, length=10):
    world.do_emit(len(world.processes) - 1, stream, level, count, length, False)


def test_while_the_service_is_well_the_disk_is_only_looked_at(make):
    world, process = make()
    for _ in range(100):
        emit(world, count=20)
        world.do_pass(0.1)
    assert set(process.disk.called) <= {"list"}


def test_at_the_end_of_a_process_nothing_is_written_while_the_service_is_well(make):
    """Its time may be short."""
    world, process = make()
    emit(world, count=20)
    world.do_exit(0, 1.0)
    assert set(process.disk.called) <= {"list"}


def test_a_second_before_a_process_must_have_ended_all_is_on_disk(make):
    """Whoever ends it by force at its deadline need not wait for the last request to give up."""
    world, process = make()
    world.do_service("hangs")
    emit(world, count=20)
    process.rounds.process_ends_at(world.time.now + 2.0)
    world.do_pass(1.1)
    stats = process.rounds.stats()
    assert stats.spooled == stats.pending == 20


def test_an_event_is_on_disk_before_it_is_three_seconds_old(make):
    world, process = make()
    world.do_service("503")
    for _ in range(40):
        emit(world)
        world.do_pass(0.25)
    world.do_pass(2.8)
    stats = process.rounds.stats()
    assert stats.spooled == stats.pending == 40


def test_what_waits_for_the_rate_of_its_stream_goes_to_disk_when_it_is_late(make):
    """No request fails or is slow: its age alone says that a kill would cost it."""
    world, process = make(batch_events=5)
    emit(world, count=200)
    world.do_pass(3.0)
    stats = process.rounds.stats()
    assert stats.spooled == stats.pending > 100
    assert stats.delivered > 0


@pytest.mark.parametrize("bound", ["max_bytes", "max_count"])
def test_memory_that_is_half_full_goes_to_disk(make, bound):
    """S25, by either bound: nothing is dropped while the disk has room."""
    world, process = make(**{bound: 200_000 if bound == "max_bytes" else 100})
    world.do_service("hangs")
    for _ in range(3):
        emit(world, count=600, length=100)
        world.do_pass(0.45)
    stats = process.rounds.stats()
    assert stats.dropped == 0
    assert stats.spooled > 1500


def test_severe_events_do_not_wait_behind_lesser_ones_that_find_no_room(make):
    """The directory is full of what is more severe than what waits first, but not than what waits behind it."""
    world, process = make(max_spool=1_000_000, max_bytes=10**7)
    world.do_service("503")
    while not process.rounds.stats().dropped:
        emit(world, level=ERROR, count=10, length=6000)
        world.do_pass(3.0)
    emit(world, level=DEBUG, count=5, length=60_000)
    for _ in range(5):
        world.do_pass(0.01)
        emit(world, level=50, count=1)
        last = str(world.numbers)
    emit(world, stream="behind", level=50)
    world.do_pass(5.0)
    assert last in world.on_disk()
    assert str(world.numbers) in world.on_disk()


def test_fresh_records_go_out_although_all_that_was_taken_over_is_too_old(make):
    """S34: what is too old is dropped, and the stream goes on."""
    world, _process = make(batch_events=5)
    world.do_service("503")
    emit(world, count=10)
    world.do_pass(4.0)
    world.do_kill(0)
    world.do_service("ok")
    world.time.now += MAX_AGE_MS / 1000
    world.has_aged = True
    world.do_start(2)
    emit(world)
    world.do_pass(1.05)
    emit(world)
    fresh = str(world.numbers)
    world.do_pass(2.0)
    assert world.service.copies[fresh] == 1
    stats = world.processes[0].rounds.stats()
    assert stats.dropped_by_reason == {"too_old": 10}
    assert world.on_disk() == set()


def test_a_fresh_record_is_not_late_beside_a_large_backlog(make):
    """S33."""
    world, _process = make(batch_events=10)
    world.do_service("503")
    emit(world, count=2000)
    world.do_pass(4.0)
    world.do_kill(0)
    world.do_service("ok")
    world.do_start(2)
    emit(world)
    world.do_pass(3.0)
    for _ in range(20):
        emit(world)
        fresh = str(world.numbers)
        world.do_pass(1.3)
        assert world.service.copies[fresh] == 1
    assert world.processes[0].rounds.stats().pending > 100


def test_a_stream_that_is_refused_for_ever_keeps_nothing_from_the_others(make):
    world, _process = make()
    world.do_service("503")
    emit(world, stream="b", count=5)
    world.do_pass(4.0)
    world.do_kill(0)
    world.do_service("ok")
    world.service.refused_stream = "a"
    world.do_start(2)
    emit(world, stream="a")
    world.do_pass(5.0)
    emit(world, stream="c")
    world.do_pass(5.0)
    assert len(world.service.stored["b"]) == 5


def leave(world, count):
    """A process leaves events and is killed."""
    world.do_service("503")
    world.do_start(len(world.ended))
    emit(world, stream="left", count=count)
    world.do_pass(4.0)
    world.do_kill(0)
    world.do_service("ok")


@pytest.mark.parametrize(
    ("processes", "count", "taken"),
    [(storing.MOST_LEFT_FILES + 2, 5, 5 * storing.MOST_LEFT_FILES), (2, 20_100, 20_100)],
    ids=["files", "events"],
)
def test_the_next_file_waits_until_enough_of_those_before_is_delivered(make, processes, count, taken):
    """Not many are open at a time, and memory keeps its bound."""
    assert storing.NEXT_FILE_BELOW == 20_000
    world, _process = make()
    world.do_kill(0)
    for _ in range(processes):
        leave(world, count)
    world.service.refused_stream = "left"
    world.do_start(99)
    emit(world)
    world.do_pass(3.0)
    assert world.processes[0].rounds.stats().recovered == taken


def test_what_is_logged_of_lost_events_goes_to_disk_only_at_the_end(make):
    """A file does not say what it is: back from disk, its loss would be told, and cause the next."""
    world, process = make()
    world.do_service("503")
    emit(world)
    world.do_pass(1.5)
    emit(world, level=UNTOLD)
    world.do_pass(10.0)
    assert process.rounds.stats().spooled == 1
    process.rounds.store_all()
    assert process.rounds.stats().spooled == 2


def test_a_batch_of_which_the_copy_was_given_up_is_delivered_from_memory(make):
    """S25: it was never lost, so it is neither counted as lost nor read from a file that is gone."""
    world, process = make(max_spool=300_000, max_bytes=10**7, batch_bytes=50_000)
    world.do_service("503")
    emit(world, level=DEBUG, count=20, length=2000)
    world.do_pass(1.5)
    for _ in range(40):
        emit(world, level=50, count=10, length=2000)
        world.do_pass(0.5)
    world.do_service("ok")
    world.do_pass(120.0)
    stats = process.rounds.stats()
    assert "corrupt" not in stats.dropped_by_reason
    assert stats.pending == 0
    assert stats.emitted == stats.delivered + stats.dropped


def test_a_throttled_stream_keeps_its_longer_interval(make):
    """S32: or what was throttled brings the throttling back."""
    world, process = make(rate=None)
    world.do_service("throttled")
    emit(world)
    world.do_pass(100.0)
    world.do_service("ok")
    world.do_pass(60.0)
    assert process.rounds.stats().pending == 0
    before = process.rounds.stats().requests
    for _ in range(60):
        emit(world)
        world.do_pass(0.5)
    assert process.rounds.stats().requests - before <= 5


def test_marks_are_not_written_again_and_again_while_a_request_hangs(make):
    world, process = make()
    world.do_service("hangs")
    emit(world, count=100)
    world.do_pass(5.0)
    before = process.disk.called["write"]
    world.do_pass(20.0)
    assert process.disk.called["write"] == before


def test_what_takes_memory_for_each_part_on_disk_is_bounded(make):
    """An outage of hours, with a little in each of many streams, must not fill memory with notes of what is on disk."""
    world, process = make(max_bytes=1_000_000)
    world.do_service("503")
    for _ in range(300):
        for stream in range(20):
            emit(world, stream=f"s{stream}")
        world.do_pass(1.0)
    stats = process.rounds.stats()
    assert stats.dropped == 0
    assert stats.pending == 6000
    assert stats.pending_bytes < 400_000


def test_small_parts_are_read_together_and_settled(make):
    """A little at a time, in two streams, which share a file."""
    world, process = make()
    world.do_service("503")
    for _ in range(30):
        emit(world, stream="a", count=2)
        emit(world, stream="b")
        world.do_pass(3.0)
    shelf = process.rounds._dispatch.streams[to("a")].shelves.own
    assert len(shelf.parcels) <= 3
    world.do_service("ok")
    world.do_pass(120.0)
    assert set(world.service.copies.values()) == {1}
    assert len(world.service.copies) == 90
    assert process.rounds.stats().pending_bytes == 0
    assert world.on_disk() == set()


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_what_was_taken_over_waits_on_disk_again_when_the_service_fails_again(make, mode):
    world, _ = make(mode=mode, rate=1, max_bytes=20_000)
    world.do_service("503")
    emit(world, count=5, length=3000)
    world.do_pass(4.0)
    world.do_kill(0)
    world.do_service("ok")
    world.do_start(2)
    emit(world)
    heir = world.processes[0].rounds
    while not heir.stats().recovered:
        world.do_pass(0.1)
    world.do_service("503")
    world.do_pass(30.0)
    assert heir.stats().pending == 5
    world.do_service("ok")
    world.do_pass(30.0)
    stats = heir.stats()
    assert stats.dropped == 0
    assert stats.delivered == 6
    assert set(world.service.copies.values()) == {1}


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_records_keep_their_order_although_one_of_their_callers_waited_for_room(make, mode):
    """All of one millisecond: only the order in which they are sent tells readers which was first."""
    world, process = make(mode=mode, overflow="block", max_bytes=4096)
    world.do_service("503")
    created = world.time.time_of_day()
    texts = [f"{number} {'x' * 300}" for number in range(20)]
    for number, text in enumerate(texts):
        world.numbers += 1
        process.rounds.inbox.put(created, text, to("s"), INFO, number % 5 == 3)
    world.do_pass(3.0)
    world.do_service("ok")
    world.do_pass(60.0)
    stored = [text for _, text in world.service.stored["s"] if "lost" not in text]
    assert stored == [text for text in texts if text in stored]
    assert len(stored) > 10


def test_what_lies_in_a_file_that_goes_for_what_came_before_it_is_delivered_from_memory(make):
    """S25: there was no room for the first record when it was logged, and now the file of the second is given up."""
    world, process = make(mode="always", max_spool=1_000_000)
    others = f"{model.DIRECTORY}/others.cwl"

    def others_leave(size_bytes):
        own = sum(len(data) for path, data in world.disk.contents().items() if path != others)
        world.disk.put(others, bytes(1_000_000 - size_bytes - own))

    world.do_service("503")
    emit(world, level=ERROR)
    world.do_pass(1.2)
    others_leave(0)
    emit(world)
    world.do_pass(1.0)
    others_leave(500_000)
    emit(world)
    others_leave(0)
    world.do_pass(10.0)
    world.do_service("ok")
    world.do_pass(60.0)
    assert process.rounds.stats().dropped_by_reason == {}
    assert set(world.service.copies) == {"1", "2", "3"}


def test_callers_write_again_once_the_directory_has_room(make):
    """Who found none has asked the driver to make some: as long as it has not looked, no caller tries again."""
    world, _process = make(mode="always", max_spool=1_000_000)
    others = f"{model.DIRECTORY}/others.cwl"
    world.disk.make_directory(model.DIRECTORY)
    world.disk.put(others, bytes(1_000_000))
    emit(world)
    world.do_pass(0.1)
    world.disk.put(others, bytes(10))
    emit(world)
    assert str(world.numbers) in world.on_disk()


def test_what_memory_has_no_room_for_does_not_count_as_on_disk_any_more(make):
    """Between two rounds, too, when a caller that helps has taken it in: no more can be on disk than is pending."""
    world, process = make(mode="always", overflow="drop_newest", max_count=10, max_spool=1_000_000)
    others = f"{model.DIRECTORY}/others.cwl"
    world.disk.make_directory(model.DIRECTORY)
    world.disk.put(others, bytes(1_000_000))
    world.do_service("503")
    emit(world)
    world.do_pass(1.5)
    world.disk.put(others, bytes(500_000))
    emit(world, count=19)
    world.disk.put(others, bytes(1_000_000))
    process.rounds._help()
    stats = process.rounds.stats()
    assert stats.dropped > 0
    assert stats.spooled <= stats.pending
