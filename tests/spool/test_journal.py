"""Mode "always" on a disk in memory: what callers write, and what the driver makes of it."""

import errno
import tracemalloc
from array import array

import pytest

from cwlog_handler.core.conversion import Records, convert
from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.parcels import FIRST_RECOVERED, Numbers
from cwlog_handler.spool import directory as directories
from cwlog_handler.spool import frames, journal_file
from cwlog_handler.spool.directory import Identity, Settings
from cwlog_handler.spool.journal import FIRST_AREA_BYTES, Taken
from cwlog_handler.spool.spool import Spool
from cwlog_handler.system.stderr import Notices

from ..simulation import VirtualTime, to
from .disks import FOR_EVER, FakeDisk

DIRECTORY = "/spool"
CREATED = 1_700_000_000.25
OWNER = Identity("g", "r", "", "own", "box")
MIB = 1024 * 1024
DEBUG, INFO, ERROR = 10, 20, 40


class Process:
    """A process whose callers write each record."""

    def __init__(self, disk, *, max_bytes=64 * MIB, max_event_bytes=MIB, sync=False, identity=OWNER, oversize="split"):
        self.clock = clock = VirtualTime()
        self.disk, self.ledger = disk, Ledger()
        settings = Settings(DIRECTORY, "always", max_bytes, sync, max_event_bytes, oversize)
        self.max_event_bytes, self.oversize = max_event_bytes, oversize
        self.spool = Spool(
            settings,
            lambda: identity,
            self.ledger,
            Notices(clock.monotonic),
            clock.monotonic,
            disk,
        )
        self.journal = self.spool.journal
        self.journal.hand_over_to(self._hand_over)
        self.handed_over = []
        self.next_number = 1

    def _hand_over(self, created, text, target, level, is_surplus, file=None, number=0):
        self.handed_over.append((created, text, target, level, is_surplus, file, number))

    def log(self, *texts, level=INFO, stream=None, created=CREATED):
        for text in texts:
            self.journal.put(created, text, None if stream is None else to(stream), level)

    def take_in(self):
        """Take in all that was handed over, as `Intake` does; return the events, in order."""
        records = Records.of([value for record in self.handed_over for value in record])
        self.handed_over.clear()
        converted = convert(records, self.next_number, self.max_event_bytes, self.oversize)
        taken = Taken(records.files, records.ids)
        self.spool.adopt_begun()
        if converted.numbers is None:
            self.journal.took_in_all(taken, self.next_number)
        else:
            self.journal.took_in(taken, converted.numbers)
        self.next_number = converted.last_number + 1
        by_kind = converted.scattered.by_kind() if converted.scattered is not None else converted.events
        for events in by_kind.values():
            self.ledger.enter(len(events), events.size_bytes)
        return by_kind

    def settle(self, numbers):
        self.journal.settle(array("Q", numbers))
        self.spool.tidy()

    def left(self, name="heir"):
        """What the next process finds if this one is killed now: texts by stream, and the texts in doubt."""
        self.disk.kill(self.disk.name)
        heir = Process(self.disk.process(name))
        heir.spool.look_for_others()
        found, doubtful = {}, []
        while (one := heir.spool.take_over(Numbers(FIRST_RECOVERED))) is not None:
            assert not one.broken
            for parcel in one.parcels:
                texts = [event.message for event in parcel.place.load(parcel, 1)]
                found.setdefault(parcel.target.stream, []).extend(texts)
                doubtful += texts if parcel.doubts else []
        heir.spool.tidy()
        return found, doubtful


@pytest.fixture
def process():
    return Process(FakeDisk().process("first"))


def contents(process):
    return [frames.read(bytes(data)) for data in process.disk.contents().values()]


def test_a_record_is_on_disk_when_its_call_returns(process):
    process.log("one", "größe", stream=None)
    process.log("two", stream="other")
    (content,) = contents(process)
    assert [(r.created, r.stream, r.text) for r in content.records] == [
        (CREATED, None, "one"),
        (CREATED, None, "größe"),
        (CREATED, "other", "two"),
    ]
    assert content.head.group == "g"


def test_nothing_is_made_before_the_first_record(process):
    assert not process.disk.contents()


def test_what_nobody_has_taken_in_is_found_by_the_next_process(process):
    process.log("one", "two")
    assert process.left() == ({"own": ["one", "two"]}, [])


def test_what_was_settled_is_not_found_again(process):
    process.log("one", "two", "three")
    process.take_in()
    process.settle([2])
    assert process.left() == ({"own": ["one", "three"]}, [])


def test_what_was_about_to_be_sent_is_found_with_a_doubt(process):
    process.log("one", "two")
    process.take_in()
    process.journal.sent(array("Q", [2]))
    assert process.left() == ({"own": ["one", "two"]}, ["two"])


def test_a_file_goes_when_nothing_is_left_in_it_and_no_caller_writes_to_it(process):
    process.log("one", "two")
    process.take_in()
    process.settle([1, 2])
    assert len(process.disk.contents()) == 1
    process.spool.put_away()
    assert not process.disk.contents()
    assert not process.disk.open_files()


def test_what_is_logged_after_that_is_in_a_new_file(process):
    process.log("one")
    process.take_in()
    process.settle([1])
    process.spool.put_away()
    process.log("two")
    assert process.left() == ({"own": ["two"]}, [])


def test_a_file_with_a_record_that_was_not_handed_over_yet_stays(process):
    process.log("one", "two")
    held_back = process.handed_over.pop()
    process.take_in()
    process.settle([1])
    process.spool.put_away()
    assert len(process.disk.contents()) == 1
    process.handed_over.append(held_back)
    process.take_in()
    process.settle([2])
    process.spool.put_away()
    assert not process.disk.contents()


def test_a_record_that_meets_a_retired_file_is_written_again_elsewhere(process):
    """A caller may be interrupted between choosing a file and writing into it."""
    process.log("one")
    (file,) = process.journal.files
    usual = file.next_number

    def retired_meanwhile():
        file.is_retired = True
        return usual()

    file.next_number = retired_meanwhile
    process.log("two")
    assert [record[5] is file for record in process.handed_over] == [True, False]
    process.take_in()
    process.settle([1])
    # The first copy of "two" went with its file.
    assert len(process.disk.contents()) == 1
    assert process.left() == ({"own": ["two"]}, [])


def test_the_copy_in_a_retired_file_that_stays_is_void(process):
    process.log("one")
    (file,) = process.journal.files
    usual = file.next_number

    def retired_meanwhile():
        file.is_retired = True
        return usual()

    file.next_number = retired_meanwhile
    process.log("two")
    process.take_in()
    process.spool.tidy()
    assert process.left() == ({"own": ["one", "two"]}, [])


def test_of_two_files_that_were_begun_at_once_one_remains(process):
    process.log("one")
    begun = process.journal._by_level.pop(INFO)
    process.log("two")
    process.take_in()
    process.settle([1])
    assert begun.is_gone
    assert process.left() == ({"own": ["two"]}, [])


def test_of_two_files_begun_at_once_the_other_goes_before_anything_was_taken_in(process):
    """A caller is interrupted while it makes its file; the driver tidies before it has looked at new files."""
    reserve = process.disk.reserve

    def reserve_interrupted(fd, size_bytes):
        process.disk.reserve = reserve
        process.log("first")
        return reserve(fd, size_bytes)

    process.disk.reserve = reserve_interrupted
    process.log("second")
    assert len(process.disk.contents()) == 2
    process.spool.tidy()
    assert len(process.disk.contents()) == 1
    assert process.left() == ({"own": ["first", "second"]}, [])


def test_a_full_file_is_followed_by_a_larger_one(process):
    text = "x" * 1000
    process.log(*[text] * 300)
    sizes = [len(data) for data in process.disk.contents().values()]
    assert [size // FIRST_AREA_BYTES for size in sizes] == [1, 4]
    assert process.left()[0] == {"own": [text] * 300}


def test_a_record_larger_than_a_file_has_one_of_its_own(process):
    text = "x" * (2 * MIB)
    process.log(text)
    # As the service wants them: two events and what is over.
    assert "".join(process.left()[0]["own"]) == text


def test_levels_of_one_class_share_a_file_and_others_do_not(process):
    process.log("a", level=INFO)
    process.log("b", level=INFO + 5)
    process.log("c", level=ERROR)
    assert sorted(content.head.level_class for content in contents(process)) == [2, 4]


@pytest.mark.parametrize("text", ["\ud800 alone", "nul \0 inside", "\xff\x7f"])
def test_any_text_survives(process, text):
    process.log(text)
    (stored,) = process.left()[0]["own"]
    assert stored == text.replace("\ud800", "\ufffd")


@pytest.mark.parametrize("created", [None, "now", 10**400])
def test_a_record_that_cannot_be_written_is_handed_over_all_the_same(process, created):
    process.log("odd", created=created)
    process.log("usual")
    assert [record[1] for record in process.handed_over] == ["odd", "usual"]
    assert process.handed_over[0][5] is None
    assert process.left() == ({"own": ["usual"]}, [])


def test_a_record_that_becomes_no_event_is_settled_when_it_is_taken_in(process):
    process.log("", "one")
    process.take_in()
    process.spool.tidy()
    assert process.left() == ({"own": ["one"]}, [])


@pytest.mark.parametrize(
    ("text", "created", "reason"),
    [("", CREATED, "empty"), ("x" * 100, CREATED, "oversize"), ("far", 1e306, "invalid_time")],
)
def test_what_was_left_behind_and_becomes_no_event_is_counted_with_the_reason(text, created, reason):
    """Each reason has another way out: see the README, "Records missing"."""
    process = Process(FakeDisk().process("first"))
    process.log("one")
    process.log(text, text, created=created)
    process.disk.kill("first")
    heir = Process(process.disk.process("heir"), max_event_bytes=26 + 50, oversize="drop")
    heir.spool.look_for_others()
    found = heir.spool.take_over(Numbers(FIRST_RECOVERED))
    assert [parcel.count for parcel in found.parcels] == [1]
    ((target, told, count, first_ms),) = found.refused
    assert (target, told, count) == (to("own"), reason, 2)
    assert first_ms >= CREATED * 1000
    assert heir.ledger.dropped == {reason: 2}
    assert heir.ledger.recovered == 3


def test_a_record_of_several_events_is_settled_with_the_last_of_them():
    process = Process(FakeDisk().process("first"), max_event_bytes=26 + 4)
    process.log("abcdefgh", "next")
    (events,) = process.take_in().values()
    assert list(events.numbers) == [1, 2, 3]
    process.settle([1])
    assert "".join(process.left()[0]["own"]) == "abcdefghnext"


def test_all_events_of_a_record_settled_settle_it():
    process = Process(FakeDisk().process("first"), max_event_bytes=26 + 4)
    process.log("abcdefgh", "next")
    process.take_in()
    process.settle([1])
    process.settle([2])
    assert process.left()[0] == {"own": ["next"]}


def test_events_that_leave_memory_are_read_back_as_they_were(process):
    process.log("one", "two", "three", stream="s")
    (events,) = process.take_in().values()
    (run,) = process.journal.runs(events)
    parcel = run.file.shelve("s", run.places, events)
    back = parcel.place.load(parcel, 100)
    assert list(back.numbers) == [100, 101, 102]
    assert (back.timestamps, back.texts) == (events.timestamps, events.texts)
    parcel.numbers = range(100, 103)
    parcel.settle([101])
    process.spool.tidy()
    assert process.left() == ({"s": ["one", "three"]}, [])


def test_events_in_no_file_do_not_leave_memory_that_way(process):
    process.log("one")
    process.disk.fail("create", errno.EACCES, times=FOR_EVER)
    process.log("two", level=ERROR)
    process.disk.heal()
    events = process.take_in()
    (first, second) = events.values()
    assert [run.file is None for run in process.journal.runs(first)] == [False]
    assert [run.file is None for run in process.journal.runs(second)] == [True]


def test_without_room_a_record_is_handed_over_and_the_driver_makes_room():
    process = Process(FakeDisk().process("first"), max_bytes=MIB)
    process.log(*["x" * 1000] * 2000)
    unwritten = [record for record in process.handed_over if record[5] is None]
    assert unwritten
    assert sum(map(len, process.disk.contents().values())) <= MIB
    lost = []
    process.spool.on_lost = lost.append
    (events,) = process.take_in().values()
    for file, start, end, places in process.journal.runs(events):
        if file is not None:
            file.shelve("s", places, events.part(start, end))
    process.spool.make_room_for_callers()
    assert lost
    process.log("later")
    assert process.handed_over[-1][5] is not None


def test_it_is_told_that_a_file_goes_although_all_in_it_is_still_in_memory(capsys):
    """From then on a kill costs these records, though their calls have returned."""
    process = Process(FakeDisk().process("first"), max_bytes=MIB)
    process.log("lesser", level=DEBUG)
    while process.handed_over[-1][5] is not None:
        process.log("x" * 1000, level=ERROR)
    process.take_in()
    process.spool.make_room_for_callers()
    assert DEBUG not in {10 * content.head.level_class for content in contents(process)}
    assert "is full (max_spool_size=1048576)" in capsys.readouterr().err


def test_where_no_memory_can_be_shared_records_are_written_as_frames(process):
    process.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)
    process.log("one", "two", "three")
    process.take_in()
    process.settle([2])
    assert process.left()[0] == {"own": ["one", "three"]}


def test_events_written_as_frames_are_read_back_too(process):
    process.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)
    process.log("one", "two", stream="s")
    (events,) = process.take_in().values()
    (run,) = process.journal.runs(events)
    parcel = run.file.shelve("s", run.places, events)
    assert [event.message for event in parcel.place.load(parcel, 1)] == ["one", "two"]


def test_a_disk_that_is_full_costs_no_record(process):
    process.disk.full_at(1000)
    process.log("one")
    assert process.handed_over[0][5] is None
    assert not process.disk.contents()


def test_with_sync_each_record_reaches_the_disk_itself():
    process = Process(FakeDisk().process("first"), sync=True)
    process.log("one", "two")
    assert process.disk.called["sync"] == 2
    assert process.left()[0] == {"own": ["one", "two"]}


def test_events_of_several_files_are_found_whatever_their_order(process):
    process.log("a", level=INFO)
    process.log("b", level=ERROR)
    process.log("c", level=INFO)
    process.take_in()
    process.settle([3, 2])
    assert process.left() == ({"own": ["a"]}, [])


def test_numbers_of_other_events_settle_nothing(process):
    process.log("a", "b")
    process.take_in()
    process.settle([7, 900])
    assert process.left() == ({"own": ["a", "b"]}, [])


def test_an_event_is_settled_once(process):
    """The number of a lost event is that of the event that tells of the loss, too."""
    process.log("a", "b")
    process.take_in()
    process.settle([1])
    process.settle([1])
    assert process.ledger.spooled == 1


def test_many_marks_make_a_file_go(process):
    """A program that logs a record now and then would have a file of marks otherwise."""
    for number in range(1, 1200):
        process.log("now and then")
        process.take_in()
        process.settle([number])
    assert sum(map(len, process.disk.contents().values())) < 2 * FIRST_AREA_BYTES
    assert process.left() == ({}, [])


def test_a_child_holds_nothing_of_its_parent(process):
    process.log("one")
    process.spool.release()
    assert not process.disk.open_files()
    assert not process.journal.files


def test_events_keep_their_order_where_they_lie_in_several_files(process):
    """Of one millisecond, only the order in which they are read back tells which was first."""
    process.log("a")
    process.disk.fail("create", errno.EACCES, times=1)
    process.journal._by_level[INFO].is_retired = True
    process.log("b")
    process.clock.now += 60.0
    process.log("c", "d")
    (events,) = process.take_in().values()
    runs = process.journal.runs(events)
    assert [(run.file is None, run.start, run.end) for run in runs] == [(False, 0, 1), (True, 1, 2), (False, 2, 4)]


def test_a_record_of_several_events_leaves_memory_as_a_whole_or_not_at_all():
    process = Process(FakeDisk().process("first"), max_event_bytes=26 + 4)
    process.log("one", "abcdefgh", "two")
    (events,) = process.take_in().values()
    runs = process.journal.runs(events)
    assert [(run.file is None, run.start, run.end) for run in runs] == [(False, 0, 1), (True, 1, 3), (False, 3, 4)]


def test_a_record_larger_than_a_file_of_frames_has_one_of_its_own():
    """It must not begin one file after another, in each of which it finds no room either."""
    process = Process(FakeDisk().process("first"), max_bytes=MIB)
    process.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)
    text = "x" * (100 * 1024)
    process.log("before", text, "after")
    assert len(process.disk.contents()) <= 3
    assert process.left()[0] == {"own": ["before", text, "after"]}


def test_a_record_written_while_its_file_was_read_is_not_taken_for_a_damaged_one(process):
    """A caller may be interrupted between taking a number and writing. Others have written with higher numbers then."""
    process.log("one")
    (file,) = process.journal.files
    late = file.next_number()
    process.log("three")
    (events,) = process.take_in().values()
    first = events.take_first(1)
    (run,) = process.journal.runs(first)
    parcel = run.file.shelve("own", run.places, first)
    # Reads the area, in which "three" is already.
    assert len(parcel.place.load(parcel, 1)) == 1
    file.enter(late, CREATED, b"", b"two")
    process._hand_over(CREATED, "two", None, INFO, False, file, late)
    (more,) = process.take_in().values()
    events.extend(more)
    (run,) = process.journal.runs(events)
    parcel = run.file.shelve("own", run.places, events)
    assert [event.message for event in parcel.place.load(parcel, 1)] == ["three", "two"]


def test_two_callers_that_log_first_at_the_same_time_give_their_files_one_name(process, monkeypatch):
    """Otherwise one of the files would pass for what another process has left."""
    calls = []

    def interrupted(count):
        calls.append(count)
        number = len(calls)
        if number == 1:
            process.log("of another thread", level=ERROR)
        return bytes([number] * count)

    monkeypatch.setattr(directories, "urandom", interrupted)
    process.log("one")
    process.take_in()
    assert process.spool.count_left_files == 0


def test_a_split_record_that_was_stored_elsewhere_is_settled_here():
    """Its events leave memory by a file of their own."""
    process = Process(FakeDisk().process("first"), max_event_bytes=26 + 4)
    process.log("abcdefgh")
    (events,) = process.take_in().values()
    assert process.spool.store(to("own"), INFO, events) is not None
    process.journal.settle(events.numbers)
    assert process.ledger.spooled == 2
    process.spool.tidy()
    assert "".join(process.left()[0]["own"]) == "abcdefgh"


def test_a_split_record_that_was_taken_over_is_settled_with_the_last_of_its_events():
    """Killed in between, the next process still finds the rest of it."""
    process = Process(FakeDisk().process("first"))
    process.log("abcdefgh")
    process.disk.kill("first")
    heir = Process(process.disk.process("heir"), max_event_bytes=26 + 4)
    heir.spool.look_for_others()
    found = heir.spool.take_over(Numbers(FIRST_RECOVERED))
    (parcel,) = found.parcels
    parcel.numbers = parcel.place.load(parcel, 1).numbers
    parcel.settle([1])
    heir.spool.tidy()
    assert "".join(heir.left("next")[0]["own"]) == "abcdefgh"


@pytest.mark.parametrize("has_memory", [True, False])
@pytest.mark.parametrize("text", ["\ud800 alone", "usual"])
def test_a_text_that_no_utf_8_can_hold_is_read_back_like_any_other(process, text, has_memory):
    if not has_memory:
        process.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)
    process.log("before", text)
    (events,) = process.take_in().values()
    (run,) = process.journal.runs(events)
    parcel = run.file.shelve("own", run.places, events)
    back = [event.message for event in parcel.place.load(parcel, 1)]
    assert back == ["before", text.replace("\ud800", "\ufffd")]


@pytest.mark.parametrize("has_memory", [True, False])
@pytest.mark.parametrize("leaves", [True, False])
def test_whatever_a_text_is_what_becomes_of_it_survives_a_kill(has_memory, leaves):
    """Also if it has left memory before: it is read from the file of its caller."""
    disk = FakeDisk()
    process = Process(disk.process("first"), max_event_bytes=26 + 60, oversize="truncate")
    if not has_memory:
        process.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)
    process.log("before", "\ud800 alone", "x" * 200, "", "after")
    (events,) = process.take_in().values()
    texts = [event.message for event in events]
    assert len(texts) == 4
    if leaves:
        (run,) = process.journal.runs(events)
        parcel = run.file.shelve(to("own"), run.places, events)
        assert [event.message for event in parcel.place.load(parcel, 1)] == texts
    disk.kill("first")
    heir = Process(disk.process("heir"), max_event_bytes=26 + 60, oversize="truncate")
    heir.spool.look_for_others()
    found = heir.spool.take_over(Numbers(FIRST_RECOVERED))
    assert [event.message for parcel in found.parcels for event in parcel.place.load(parcel, 1)] == texts
    assert not found.broken


@pytest.mark.parametrize("created", [float("nan"), float("inf"), float("-inf"), -1.0, None])
def test_where_no_memory_can_be_shared_an_odd_time_does_not_hold_its_caller(process, created):
    """No file has room for it, however many are begun."""
    process.disk.fail("reserve", errno.ENOTSUP, times=FOR_EVER)
    process.log("before")
    process.log("odd", created=created)
    process.log("after")
    assert [record[1] for record in process.handed_over] == ["before", "odd", "after"]
    assert len(process.disk.contents()) == 1


def bytes_of_journal_files():
    only = [tracemalloc.Filter(True, journal_file.__file__)]
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(only).traces)


@pytest.mark.parametrize("leave", ["shelve", "settle"])
def test_events_that_have_left_memory_take_none_of_it(process, leave):
    """Otherwise an outage of 2,000,000 records would take 26 MB more than ``max_buffer_size``."""
    tracemalloc.start()
    try:
        process.log("the first one begins the file")
        process.settle(range(1, 1 + sum(map(len, process.take_in().values()))))
        before = bytes_of_journal_files()
        process.log(*["x" * 20] * 5000)
        (events,) = process.take_in().values()
        here = bytes_of_journal_files()
        parcels = []
        if leave == "settle":
            process.settle(events.numbers)
        else:
            parcels = [
                file.shelve("own", places, events.part(start, end))
                for file, start, end, places in process.journal.runs(events)
                if file is not None
            ]
        del events
        after = bytes_of_journal_files()
    finally:
        tracemalloc.stop()
    assert here - before > 5000 * 12
    assert after - before < 5000
    assert sum(parcel.count for parcel in parcels) == (5000 if leave == "shelve" else 0)
