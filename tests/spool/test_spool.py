"""The files of one handler, on a disk in memory: bounds, refusals, what is taken over, and what is left alone."""

import errno
import os
from contextlib import suppress

import pytest

from cwlog_handler.core.batches import Batch
from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event
from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.parcels import FIRST_RECOVERED, Numbers
from cwlog_handler.spool import directory as directories
from cwlog_handler.spool import frames
from cwlog_handler.spool.directory import PAUSE, Identity, Settings
from cwlog_handler.spool.spool import Spool, class_of
from cwlog_handler.system.stderr import Notices

from ..simulation import VirtualTime, to
from .disks import FOR_EVER, Died, FakeDisk

DIRECTORY = "/spool"
NOW_MS = 1_700_000_000_000
MIB = 1024 * 1024
DEBUG, INFO, ERROR = 10, 20, 40


class Host:
    """A spool of a process, and what it has told and lost."""

    def __init__(
        self,
        disk,
        clock,
        *,
        max_bytes=MIB,
        sync=False,
        group="g",
        region="r",
        endpoint="",
        newest=False,
        made_by=None,
    ):
        self.disk, self.clock, self.ledger = disk, clock, Ledger()
        self.lost, self.group = [], group
        settings = Settings(DIRECTORY, "outage", max_bytes, sync, 1_048_576, "split")
        identity = Identity(group, region, endpoint, "own", "box/1", may_have_made=made_by)
        self.spool = Spool(
            settings, lambda: identity, self.ledger, Notices(clock.monotonic), clock.monotonic, disk,
            gives_up_newest=newest,
        )  # fmt: skip
        self.spool.on_lost = self._lost
        self.numbers = Numbers(FIRST_RECOVERED)
        self.next_number = 1

    def _lost(self, parcel):
        self.lost.append(parcel)
        self.ledger.lose(parcel.left, "spool_full")

    def events(self, *texts, ms=NOW_MS):
        first, self.next_number = self.next_number, self.next_number + len(texts)
        return Events.of([Event(ms + k, text.encode(), first + k) for k, text in enumerate(texts)])

    def store(self, *texts, level=INFO, stream="s", group=None, **more):
        """Store events as `Storing` does: they leave memory."""
        events = self.events(*texts)
        self.ledger.enter(len(events), events.size_bytes)
        parcel = self.spool.store(to(stream, group or self.group), level, events, **more)
        if parcel is not None:
            self.ledger.unload(len(events), events.size_bytes)
        return parcel

    def load(self, parcel):
        events = parcel.place.load(parcel, 1)
        return None if events is None else [event.message for event in events]

    def take_over(self):
        """Take over all that others have left; return the texts."""
        self.spool.look_for_others()
        self.found = []
        while (found := self.spool.take_over(self.numbers)) is not None:
            self.found.append(found)
        return [text for found in self.found for parcel in found.parcels for text in self.load(parcel)]

    @property
    def doubtful(self):
        return [t for found in self.found for parcel in found.parcels if parcel.doubts for t in self.load(parcel)]


class World:
    def __init__(self):
        self.clock, self.disk, self._count = VirtualTime(), FakeDisk(), 0

    def host(self, **options):
        self._count += 1
        return Host(self.disk.process(f"p{self._count}"), self.clock, **options)

    def kill(self, host):
        self.disk.kill(host.disk.name)

    @property
    def files(self):
        return [os.path.basename(path) for path in self.disk.contents()]

    @property
    def size(self):
        return sum(map(len, self.disk.contents().values()))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def host(world):
    return world.host()


# -- writing and reading ---------------------------------------------------------------------------------------------


def test_nothing_is_touched_before_something_is_stored(world, host):
    host.spool.tidy()
    assert host.disk.calls == 0
    assert host.spool.is_empty


def test_what_was_stored_can_be_read(world, host):
    parcel = host.store("a", "ü")
    assert host.load(parcel) == ["a", "ü"]
    assert host.ledger.spooled == 2
    assert host.ledger.in_memory == 0


def test_a_file_goes_when_all_in_it_is_settled(world, host):
    one, two = host.store("a"), host.store("b")
    one.settle()
    host.spool.tidy()
    assert len(world.files) == 1
    two.settle()
    host.spool.tidy()
    assert world.files == []
    assert host.ledger.spooled == 0
    assert host.disk.open_files() == 0


def test_each_class_of_levels_has_a_file_of_its_own(world, host):
    """S25: only so can the least severe go when the directory is full."""
    for level in (DEBUG, INFO, 25, ERROR, None):
        assert host.store("a", level=level) is not None
    assert len(world.files) == 4


@pytest.mark.parametrize(
    ("level", "expected"),
    [(-5, 0), (0, 0), (9, 0), (10, 1), (19, 1), (49, 4), (50, 5), (10**9, 5), (float("inf"), 5), (None, 5)],
)
def test_the_class_of_a_level(level, expected):
    assert class_of(level) == expected


def test_a_file_that_is_full_is_followed_by_another(world, host):
    """S23: files are small enough to go one by one, and not too many."""
    for _ in range(5):
        host.store("x" * 30_000)
    assert len(world.files) == 3


def test_the_name_says_machine_and_process(world, host):
    host.store("a")
    (name,) = world.files
    assert name.startswith(f"box_1-{os.getpid()}-")
    assert name.endswith(".cwl")


# -- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest", [False, True])
def test_the_bound_is_kept_by_all_processes_together(world, newest):
    """S18, S21."""
    hosts = [world.host(newest=newest) for _ in range(3)]
    for number in range(300):
        hosts[number % 3].store("x" * 20_000)
        assert world.size <= MIB
    assert world.size > MIB * 3 // 4


def test_when_full_the_oldest_of_the_least_severe_goes_first(world, host):
    debug = [host.store("d" * 30_000, level=DEBUG) for _ in range(10)]
    errors = [host.store("e" * 30_000, level=ERROR) for _ in range(23)]
    host.store("i" * 60_000, level=INFO)
    assert host.lost == debug[:2]
    while len(host.lost) < 10:
        assert host.store("i" * 60_000, level=INFO) is not None
    assert set(host.lost) == set(debug)
    assert all(host.load(parcel) for parcel in errors)


def test_a_severe_event_never_goes_for_a_lesser_one(world, host):
    while host.store("e" * 60_000, level=ERROR) and not host.lost:
        pass
    host.lost.clear()
    assert host.store("d", "d" * 60_000, level=DEBUG) is None
    assert host.lost == []


def test_when_full_the_newest_goes_if_overflow_says_so(world):
    """With drop_newest what arrives is the newest of its class; among lesser ones the newest file goes."""
    host = world.host(newest=True)
    debug = [host.store("d" * 60_000, level=DEBUG) for _ in range(5)]
    while (stored := host.store("i" * 60_000)) and not host.lost:
        pass
    assert host.lost == [debug[-1]]
    while (stored := host.store("i" * 60_000)) is not None:
        pass
    assert stored is None
    assert set(host.lost) == set(debug)


def test_an_event_that_can_never_fit_costs_nothing(world, host):
    """A closed batch may be as large as the smallest bound."""
    parcel = host.store("d" * 30_000, level=DEBUG)
    assert host.store("x" * MIB, level=ERROR) is None
    assert host.lost == []
    assert host.load(parcel) is not None


def test_what_others_hold_cannot_be_given_up(world, host):
    other = world.host()
    while other.store("d" * 60_000, level=DEBUG) and not other.lost:
        pass
    assert host.store("e" * 60_000, level=ERROR) is None
    assert world.size <= MIB


def test_damaged_files_kept_aside_are_the_first_to_go(world, host):
    """S5: they would fill the directory for ever."""
    world.disk.make_directory(DIRECTORY)
    world.disk.put(f"{DIRECTORY}/old-1-1.00000001.bad", b"x" * 900_000)
    assert all(host.store("d" * 60_000, level=DEBUG) for _ in range(10))
    assert host.lost == []
    assert not any(name.endswith(".bad") for name in world.files)


def test_what_was_given_up_is_not_read_any_more(world, host):
    """A batch in memory of which a copy was given up counts as not stored: it is stored again when there is room."""
    events = host.events("d" * 60_000)
    copy = host.spool.store(to("s"), DEBUG, events, is_closed=True)
    copy.numbers = events.numbers
    while not host.lost:
        host.store("e" * 60_000, level=ERROR)
    assert host.lost == [copy]
    assert copy.left == 0
    copy.settle()
    assert host.ledger.spooled == sum(file.left for file in host.spool._files)


# -- a disk that refuses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("method", ["write", "create", "make_directory"])
def test_a_refusal_pauses_the_spool_and_is_told_once(world, host, method, number, capsys):
    """S15, S53: memory's bounds hold meanwhile; it is tried again."""
    world.disk.fail(method, number, times=FOR_EVER)
    assert host.store("a") is None
    assert host.spool.is_paused
    calls = host.disk.calls
    assert host.store("a") is None
    assert host.disk.calls == calls
    assert os.strerror(number) in capsys.readouterr().err
    world.disk.heal()
    world.clock.now += PAUSE
    assert host.load(host.store("a")) == ["a"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_file_in_which_nothing_could_be_written_goes(world, host, number):
    """S20: nothing is pending, so nothing is left."""
    world.disk.fail("write", number, after=2)
    assert host.store("a") is None
    host.spool.tidy()
    assert world.files == []
    assert host.spool.is_empty


def test_a_short_write_is_cut_back(world, host):
    """E4: a torn frame would hide what is written after it."""
    kept = host.store("a")
    before = world.size
    world.disk.short_write()
    assert host.store("b" * 100) is None
    assert world.size == before
    world.clock.now += PAUSE
    other = host.store("c")
    assert (host.load(kept), host.load(other)) == (["a"], ["c"])
    # What is settled goes, though the disk was full meanwhile.
    kept.settle()
    host.spool.tidy()
    assert len(world.files) == 1


def test_a_short_write_that_cannot_be_cut_back_costs_only_itself(world, host):
    host.store("a")
    world.disk.short_write()
    world.disk.fail("cut", errno.EIO)
    assert host.store("b" * 100) is None
    world.clock.now += PAUSE
    host.store("c")
    world.kill(host)
    heir = world.host()
    assert heir.take_over() == ["a", "c"]


def test_a_full_disk_is_left_before_it_is_full(world, host):
    """S21: others need it, too."""
    world.disk.full_at(640_000)
    assert host.store("a") is not None
    while host.store("x" * 1000) is not None:
        world.clock.now += 2.0
    assert host.spool.is_paused
    assert 620_000 < world.size < 632_000


def test_what_cannot_be_removed_is_marked(world, host):
    """S17: a read-only disk must not have all delivered again by the next process."""
    parcel = host.store("a")
    world.disk.fail("remove", errno.EIO)
    parcel.settle()
    host.spool.tidy()
    assert len(world.files) == 1
    world.kill(host)
    heir = world.host()
    assert heir.take_over() == []
    heir.spool.tidy()
    assert world.files == []


def test_after_a_refused_mark_no_mark_is_tried_in_this_file(world, host):
    one, _ = host.store("a"), host.store("b")
    world.disk.fail("write", errno.ENOSPC)
    one.settle()
    host.spool.tidy()
    world.kill(host)
    assert world.host().take_over() == ["a", "b"]


def test_a_file_that_cannot_be_read_at_the_moment_is_not_removed(world, host):
    """S28: only an answer of the service settles. Perhaps somebody can read it another time."""
    parcel = host.store("a")
    world.disk.fail("read", errno.EIO)
    assert host.load(parcel) is None
    parcel.settle()
    host.spool.tidy()
    assert [name[-4:] for name in world.files] == [".bad"]


def test_a_directory_that_cannot_be_made(world, host, capsys):
    world.disk.put(DIRECTORY, b"")
    assert host.store("a") is None
    assert "must be a directory" in capsys.readouterr().err


def test_a_directory_removed_while_in_use_is_made_again(world, host):
    """S47: what was written is gone for the next process, what is written from now on is not."""
    host.store("a")
    for path in world.disk.contents():
        world.disk.remove(path)
    world.disk._machine.directories.discard(DIRECTORY)
    world.clock.now += 2.0
    assert host.load(host.store("b")) == ["b"]
    assert len(world.files) == 1
    world.kill(host)
    assert world.host().take_over() == ["b"]


@pytest.mark.parametrize("method", ["lock", "is_still", "sync_directory", "free_bytes", "list"])
def test_no_file_is_left_if_one_cannot_be_begun(world, method):
    host = world.host(sync=True)
    world.disk.fail(method, errno.EIO)
    host.store("a")
    for parcel in [parcel for file in host.spool._files for parcel in list(file.parcels)]:
        parcel.settle()
    host.spool.tidy()
    assert world.files == []
    assert host.disk.open_files() == 0


# -- taking over -----------------------------------------------------------------------------------------------------


def test_what_a_dead_process_left_is_taken_over_with_its_streams(world, host):
    host.store("a", stream="one")
    host.store("b", stream="two")
    world.kill(host)
    heir = world.host()
    assert heir.take_over() == ["a", "b"]
    assert [parcel.target.stream for found in heir.found for parcel in found.parcels] == ["one", "two"]
    assert heir.ledger.recovered == heir.ledger.pending == heir.ledger.spooled == 2


@pytest.mark.parametrize("stream", ["a:b", "*", "x" * 513, "\ud800", ""])
def test_a_stream_that_the_service_would_not_take_becomes_that_of_the_process(world, host, stream):
    """A file may say anything. The service would refuse all that is sent there, for ever."""
    host.store("a", stream=stream)
    world.kill(host)
    heir = world.host()
    assert heir.take_over() == ["a"]
    assert [parcel.target for found in heir.found for parcel in found.parcels] == [to("own")]


def test_the_living_are_left_alone(world, host):
    """S40, S45: another handler of the same process, too."""
    host.store("a")
    assert world.host().take_over() == []
    same_process = Host(host.disk, world.clock)
    assert same_process.take_over() == []


def test_each_file_is_taken_over_once(world):
    dead = [world.host() for _ in range(4)]
    for number, host in enumerate(dead):
        host.store(str(number))
        world.kill(host)
    one, two = world.host(), world.host()
    one.spool.look_for_others()
    two.spool.look_for_others()
    found = []
    for _ in range(4):
        for heir in (one, two):
            if (part := heir.spool.take_over(heir.numbers)) is not None:
                found += [text for parcel in part.parcels for text in heir.load(parcel)]
    assert sorted(found) == ["0", "1", "2", "3"]


def test_files_of_one_process_are_taken_over_in_order(world, host):
    """S35: a mark in the first makes that the last one that was written to."""
    for number in range(4):
        host.store(str(number), "x" * 40_000)
    world.kill(host)
    heir = world.host()
    times = {path: float(-number) for number, path in enumerate(world.disk.contents())}
    heir.disk.modified_at = times.__getitem__
    assert [text for text in heir.take_over() if len(text) == 1] == ["0", "1", "2", "3"]


def test_of_two_processes_the_one_that_wrote_first_is_taken_over_first(world):
    """Its records are the oldest, whatever the names of its files are."""
    for prefix, text in (("z.", "first"), ("a.", "second")):
        host = world.host()
        host.spool.directory._prefix = prefix
        host.store(text)
        world.kill(host)
    assert world.host().take_over() == ["first", "second"]


def test_what_was_settled_is_not_taken_over_and_what_was_sent_is_in_doubt(world, host):
    parcels = [host.store(text) for text in "abc"]
    parcels[0].settle()
    host.spool.tidy()
    events = parcels[1].place.load(parcels[1], 100)
    parcels[1].numbers = range(100, 101)
    host.spool.sent(Batch(events, stored=(parcels[1],)))
    world.kill(host)
    heir = world.host()
    assert heir.take_over() == ["b", "c"]
    assert heir.doubtful == ["b"]


@pytest.mark.parametrize("calls", range(1, 9))
@pytest.mark.parametrize("torn", [False, True])
def test_a_batch_under_way_is_never_on_disk_without_the_word_that_it_was_sent(world, host, calls, torn):
    """Otherwise a kill right after the copy was made doubles it, and nobody counts that."""
    host.store("before")
    host.disk.die_at(calls, torn=torn)
    with suppress(Died):
        while True:
            host.store("a", level=None, is_closed=True, is_sent=True)
    heir = world.host()
    copies = [text for text in heir.take_over() if text == "a"]
    assert [text for text in heir.doubtful if text == "a"] == copies


def test_killed_while_taking_over_any_number_of_times(world, host):
    """Each loses nothing, and settles nothing twice."""
    for number in range(6):
        host.store(str(number))
    world.kill(host)
    settled = set()
    for calls in range(1, 60):
        heir = world.host()
        heir.disk.die_at(calls, torn=calls % 2 == 0)
        try:
            heir.take_over()
            for parcel in [parcel for found in heir.found for parcel in found.parcels][:1]:
                (text,) = heir.load(parcel)
                parcel.settle()
                heir.spool.tidy()
                settled.add(text)
        except Died:
            pass
        world.kill(heir)
        left = world.host()
        there = set(left.take_over())
        world.kill(left)
        assert there | settled == set("012345")
    assert world.files == [] or world.host().take_over() == []


@pytest.mark.parametrize("calls", range(1, 12))
@pytest.mark.parametrize("torn", [False, True])
def test_a_kill_leaves_nothing_that_is_kept_for_ever(world, host, calls, torn):
    """S1, S5: a file torn in its very first frame holds nothing, and is no damage."""
    host.disk.die_at(calls, torn=torn)
    with suppress(Died):
        while True:
            host.store("a")
    heir = world.host()
    heir.take_over()
    for found in heir.found:
        assert found.broken == []
        for parcel in found.parcels:
            parcel.settle()
    heir.spool.tidy()
    assert world.files == []


@pytest.mark.parametrize("marks", [1, 5, 50])
def test_marks_behind_a_torn_frame_do_not_make_it_a_damaged_one(world, host, marks):
    """E3: it was being written when its process was killed; nobody misses it, and nobody has to be told."""
    for number in range(60):
        host.store(str(number))
    host.disk.die_at(1, torn=True)
    with pytest.raises(Died):
        host.spool.store(to("s"), INFO, host.events(*"x" * 200))
    heir = world.host()
    heir.take_over()
    for parcel in [parcel for found in heir.found for parcel in found.parcels][:marks]:
        parcel.settle()
        heir.spool.tidy()
    world.kill(heir)
    last = world.host()
    assert last.take_over() == [str(number) for number in range(marks, 60)]
    assert [found.broken for found in last.found] == [[]]


@pytest.mark.parametrize("other", [{"group": "h"}, {"region": "q"}, {"endpoint": "http://x"}])
def test_what_goes_elsewhere_is_left_alone(world, host, other):
    """S36."""
    host.store("a")
    world.kill(host)
    heir = world.host(**other)
    assert heir.take_over() == []
    assert len(world.files) == 1
    # It is not looked into again and again.
    opened = heir.disk.called["open"]
    heir.take_over()
    assert heir.disk.called["open"] == opened


def test_a_later_version_is_left_alone_and_told(world, host, capsys):
    """S9."""
    host.store("a")
    world.kill(host)
    ((path, data),) = world.disk.contents().items()
    later = bytearray(data)
    later[5] = 2
    later[44:48] = frames._CRC.pack(frames.crc32(bytes(later[:44])))
    world.disk.put(path, bytes(later))
    heir = world.host()
    assert heir.take_over() == []
    assert world.disk.contents() == {path: bytes(later)}
    assert "later version" in capsys.readouterr().err


def test_a_damaged_frame_costs_only_itself_and_the_file_is_kept_once(world, host, capsys):
    """S3, S5, S6."""
    for text in ("first", "second", "third"):
        host.store(text)
    world.kill(host)
    ((path, data),) = world.disk.contents().items()
    world.disk.put(path, data.replace(b"second", b"sexond"))
    heir = world.host()
    assert heir.take_over() == ["first", "third"]
    assert [broken.count for broken in heir.found[0].broken] == [1]
    for parcel in heir.found[0].parcels:
        parcel.settle()
    heir.spool.tidy()
    assert [name[-4:] for name in world.files] == [".bad"]
    assert "damaged" in capsys.readouterr().err
    assert world.host().take_over() == []
    assert len(world.files) == 1


@pytest.mark.parametrize("data", [b"what is this", b"\0" * 5000, b"\xc7cwl" + b"x" * 100])
def test_what_is_no_spool_file_is_kept_aside_once(world, data):
    world.disk.make_directory(DIRECTORY)
    world.disk.put(f"{DIRECTORY}/x.cwl", data)
    heir = world.host()
    heir.store("mine")
    assert heir.take_over() == []
    assert "x.cwl" not in world.files
    assert world.host().take_over() == []


def test_an_empty_file_goes(world, host):
    world.disk.make_directory(DIRECTORY)
    world.disk.put(f"{DIRECTORY}/x.cwl", b"")
    assert host.take_over() == []
    assert world.files == []


def test_other_files_are_nobodys_business(world, host):
    world.disk.make_directory(DIRECTORY)
    world.disk.put(f"{DIRECTORY}/notes.txt", b"")
    assert host.take_over() == []
    assert world.files == ["notes.txt"]


def test_where_locks_do_not_work_nothing_is_taken_over_but_written(world, host, capsys):
    """S46."""
    host.store("a")
    world.kill(host)
    world.disk.fail("lock", errno.ENOLCK, times=FOR_EVER)
    heir = world.host()
    assert heir.store("b") is not None
    assert heir.take_over() == []
    assert "cannot be locked" in capsys.readouterr().err


def test_a_file_that_somebody_else_took_while_it_was_made(world, host):
    """S42: who looks for files may lock a new one before its owner does."""
    world.disk.fail("lock", errno.EWOULDBLOCK)
    assert host.load(host.store("a")) == ["a"]


def at_the_next_lock(host, happens):
    """Have something happen just before this process locks a file."""
    lock = host.disk.lock

    def lock_late(fd):
        host.disk.lock = lock
        happens()
        return lock(fd)

    host.disk.lock = lock_late


def test_a_new_file_that_was_removed_before_its_owner_had_locked_it_is_made_again(world, host):
    """S42: who looks for files finds it empty, and removes it. What is written to a file without a name is lost."""
    at_the_next_lock(host, lambda: [world.disk.remove(path) for path in world.disk.contents()])
    assert host.store("a") is not None
    world.kill(host)
    assert world.host().take_over() == ["a"]


def test_a_file_that_another_one_has_delivered_before_it_is_locked_is_not_taken_over(world, host):
    """S42: removed files can be locked, too. All in it would be sent twice."""
    host.store("a")
    world.kill(host)
    faster, slower = world.host(), world.host()

    def deliver():
        assert faster.take_over() == ["a"]
        for found in faster.found:
            found.parcels[0].settle()
        faster.spool.tidy()

    at_the_next_lock(slower, deliver)
    assert slower.take_over() == []
    assert world.files == []


def test_a_file_that_cannot_be_opened_is_tried_another_time(world, host):
    """S53: too many open files, an error of the network."""
    host.store("a")
    world.kill(host)
    world.disk.fail("open", errno.EMFILE)
    heir = world.host()
    assert heir.take_over() == []
    assert heir.take_over() == ["a"]


def test_a_child_lets_go_and_removes_nothing(world, host):
    """S43, S44."""
    host.store("a")
    before = world.disk.contents()
    host.spool.release()
    assert world.disk.contents() == before
    assert host.disk.open_files() == 0
    host.spool.tidy()
    assert world.disk.contents() == before


def test_a_child_closes_what_a_thread_of_its_parent_had_just_opened(world, host):
    """S43: that thread does not exist in the child. Its lock would stay as long as the child lives."""
    other = world.host()
    other.store("a")
    world.kill(other)
    host.spool.look_for_others()
    read = host.disk.read

    def fork(*arguments):
        host.disk.read = read
        host.spool.release()
        raise OSError(errno.EIO, "what follows happens in the parent")

    host.disk.read = fork
    host.spool.take_over(host.numbers)
    assert not host.disk.open_files()


def test_a_child_writes_nothing_with_what_it_inherited(world, host, monkeypatch):
    monkeypatch.setattr(directories, "getpid", lambda: os.getpid() + 1)
    assert host.store("a") is None
    assert host.disk.calls == 0


def test_what_is_written_survives_a_power_cut_if_asked_for(world):
    """S59."""
    host = world.host(sync=True)
    host.store("a")
    assert host.disk.called["sync_directory"] == 1, "the file's name must survive, too"
    host.spool.tidy()
    world.disk.power_cut(nul=True)
    assert world.host().take_over() == ["a"]


def test_a_file_of_another_account_is_not_ours():
    """A group, a region and an endpoint may be the same in two accounts. (Files without a role name no account.)"""
    ours = Identity("g", "r", "", "own", "box", account="222222222222")
    theirs = frames.Head("g", "r", "", "box", 1, "9", 0, 0, "own")
    assert not ours.owns(theirs)
    assert ours.owns(theirs._replace(account="222222222222"))
    assert ours._replace(account="").owns(theirs)
    assert not ours._replace(account="").owns(theirs._replace(account="333333333333"))
