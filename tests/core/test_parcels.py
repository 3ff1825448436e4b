"""Events on disk as memory knows them: which of them are settled, and which batches they form when they are read."""

import pytest

from cwlog_handler.core.batches import Batch, Rules
from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event
from cwlog_handler.core.ledger import Ledger
from cwlog_handler.core.parcels import PARCEL_COST_BYTES, Numbers, Parcel, Shelf, sole_parcel
from cwlog_handler.core.targets import Target

NOW_MS = 1_700_000_000_000
DAY_MS = 24 * 3600 * 1000


class Place:
    """A file of a test: it has the texts of its parcels, and notes what was settled."""

    def __init__(self):
        self.contents, self.settled, self.is_broken, self.loads = {}, set(), False, 0

    def load(self, parcel, first_number):
        self.loads += 1
        if self.is_broken:
            return None
        ids = [id_ for first, last in parcel.ids for id_ in range(first, last + 1)]
        found = [self.contents[id_] for id_ in ids]
        return Events.of([Event(ms, text.encode(), first_number + k) for k, (ms, text) in enumerate(found)])

    def join(self, parcel, following):
        return False

    def settle(self, parcel, ids, count):
        self.settled |= {id_ for first, last in ids for id_ in range(first, last + 1)}


class Desk:
    """A shelf with its ledger, and what it could not read."""

    def __init__(self, max_bytes=1_048_576, max_events=10_000):
        self.place, self.ledger, self.numbers, self.unreadable = Place(), Ledger(), Numbers(1), []
        self.shelf = Shelf(Rules(max_bytes, max_events), self.ledger, self.numbers, self._unreadable)
        self.next_id = 0

    def _unreadable(self, parcel):
        self.unreadable.append((parcel, self.shelf.remove(parcel)))

    def parcel(self, *texts, ms=NOW_MS, step_ms=1, **more):
        first = self.next_id
        for text in texts:
            self.place.contents[self.next_id] = (ms + first + (self.next_id - first) * step_ms, text)
            self.next_id += 1
        ids = ((first, self.next_id - 1),)
        size = sum(len(text) + 26 for text in texts)
        span = (10**6 + first, 10**6 + self.next_id - 1)
        last_ms = ms + (len(texts) - 1) * step_ms
        return Parcel(self.place, Target("g", "s"), 2, ids, size_bytes=size, span_ms=(ms, last_ms), span=span, **more)

    def add(self, *texts, **more):
        parcel = self.parcel(*texts, **more)
        self.shelf.add(parcel)
        self.ledger.recover(parcel.count)
        return parcel

    def take(self):
        taken = self.shelf.take()
        return taken if taken is None else ([event.message for event in taken[0]], taken[1])

    def take_all(self):
        return [taken[0] for taken in iter(self.take, None)]


@pytest.fixture
def desk():
    return Desk()


def test_a_new_shelf_is_empty(desk):
    assert desk.shelf.is_empty
    assert desk.shelf.first_number is None
    assert desk.take() is None


def test_parcels_are_read_in_order_into_one_batch(desk):
    desk.add("a", "b")
    desk.add("c")
    assert desk.take() == (["a", "b", "c"], 0)
    assert desk.shelf.is_empty


def test_a_parcel_costs_memory_only_while_it_is_on_the_shelf(desk):
    desk.add("a")
    assert desk.ledger.pending_bytes == PARCEL_COST_BYTES
    desk.take()
    assert desk.ledger.pending_bytes == len("a") + 34
    assert desk.ledger.in_memory == 1


def test_what_does_not_fit_into_a_batch_comes_with_the_next_one():
    desk = Desk(max_events=3)
    desk.add("a", "b")
    desk.add("c", "d")
    assert desk.take_all() == [["a", "b", "c"], ["d"]]
    assert desk.place.loads == 2


@pytest.mark.parametrize("max_bytes", [26 * 2 + 2, 26 * 3 + 2])
def test_a_batch_is_full_by_bytes(max_bytes):
    desk = Desk(max_bytes=max_bytes)
    desk.add("a", "b")
    desk.add("c", "d")
    assert desk.take_all() == [["a", "b"], ["c", "d"]]


def test_an_event_that_alone_is_too_large_is_sent_alone():
    desk = Desk(max_bytes=10)
    desk.add("a", "b")
    assert desk.take_all() == [["a"], ["b"]]


def test_a_closed_parcel_is_a_batch_as_it_is(desk):
    """It was sent before, or is about to be: the service must see the very same batch again."""
    desk.add("a")
    desk.add("b", "c", is_closed=True, doubts=1)
    desk.add("d")
    assert [desk.take(), desk.take(), desk.take()] == [(["a"], 0), (["b", "c"], 1), (["d"], 0)]


def test_events_in_doubt_do_not_share_a_batch_with_others(desk):
    """Otherwise all of the batch would count as possibly duplicated."""
    desk.add("a")
    desk.add("b", doubts=1)
    desk.add("c", doubts=1)
    desk.add("d")
    assert [desk.take() for _ in range(3)] == [(["a"], 0), (["b", "c"], 1), (["d"], 0)]


def test_events_more_than_a_day_apart_are_not_sent_together(desk):
    desk.add("old", "new", step_ms=DAY_MS + 1)
    assert not desk.shelf.is_empty
    assert desk.take_all() == [["old"], ["new"]]
    assert desk.shelf.is_empty


def test_what_was_read_and_waits_counts_as_here(desk):
    """A flush must not end while the second day of a parcel waits."""
    parcel = desk.add("old", "new", step_ms=DAY_MS + 1)
    desk.take()
    assert desk.shelf.first_number == parcel.first_number
    assert not desk.shelf.is_empty


def test_an_unreadable_parcel_does_not_stop_the_next(desk):
    broken = desk.add("a")
    broken.place = Place()
    broken.place.is_broken = True
    desk.add("b")
    assert desk.take() == (["b"], 0)
    assert desk.unreadable == [(broken, 1)]


def test_a_removed_parcel_says_how_many_events_were_here():
    desk = Desk(max_events=1)
    parcel = desk.add("a", "b", "c")
    assert desk.take() == (["a"], 0)
    # One of them is in a batch now, and is not lost with the file.
    assert desk.shelf.remove(parcel) == 2
    assert desk.shelf.is_empty
    assert desk.shelf.remove(parcel) == 0


def test_a_parcel_that_was_opened_in_vain_is_neither_lost_nor_counted_twice():
    """A parcel was opened for a batch that was full already. Then the batch came back, in front of that parcel."""
    desk = Desk(max_events=10, max_bytes=100)
    first = desk.add("a" * 70)
    desk.add("b", "c")
    batch, _ = desk.shelf.take()
    assert sole_parcel(batch) is first
    desk.ledger.unload(len(batch), batch.size_bytes)
    desk.shelf.put_back(first)
    assert desk.take_all() == [["a" * 70], ["b", "c"]]
    assert desk.ledger.in_memory == 3
    assert desk.ledger.pending_bytes == 72 + 3 * 34


def test_a_parcel_of_which_a_part_was_taken_is_not_read_again_from_its_beginning():
    desk = Desk(max_events=2)
    desk.add("a", "b", "c")
    assert desk.take() == (["a", "b"], 0)
    desk.shelf.put_back(desk.parcel("0", "1"))
    desk.ledger.recover(2)
    assert desk.take_all() == [["0", "1"], ["c"]]


def test_settling_a_part_of_a_parcel_notes_that_part(desk):
    desk.add("a", "b", "c")
    batch, _ = desk.shelf.take()
    first, middle, last = batch.cut_out(1)
    middle.settle()
    assert desk.place.settled == {1}
    first.settle()
    last.settle()
    assert desk.place.settled == {0, 1, 2}


def test_settling_a_whole_batch_settles_its_parcels(desk):
    one, two = desk.add("a", "b"), desk.add("c")
    batch, _ = desk.shelf.take()
    batch.settle()
    assert (one.left, two.left) == (0, 0)
    assert desk.place.settled == {0, 1, 2}


def test_settling_a_batch_settles_nothing_that_is_not_in_it():
    desk = Desk(max_events=3)
    one, two = desk.add("a", "b"), desk.add("c", "d")
    batch, _ = desk.shelf.take()
    batch.settle()
    assert (one.left, two.left) == (0, 1)
    assert desk.place.settled == {0, 1, 2}


def test_a_batch_in_which_only_some_events_are_on_disk_settles_only_those(desk):
    """The inquiry about a refusal joins batches. As many events are missing here as are not on disk: that is chance."""
    desk.add("a", "b")
    batch, _ = desk.shelf.take()
    first, second = batch.halves()
    other = Batch.of([Event(NOW_MS, b"x", 10**7)])
    first.joined_with(other).settle()
    assert desk.place.settled == {0}
    second.settle()
    assert desk.place.settled == {0, 1}


def test_ids_of_a_parcel_with_gaps(desk):
    """Some of its events were settled by the process that wrote them."""
    for text in "abcdef":
        desk.parcel(text)
    parcel = Parcel(
        desk.place, Target("g", "s"), 2, ((0, 1), (3, 3), (5, 5)), size_bytes=108, span_ms=(0, 0), span=(1, 4)
    )
    desk.shelf.add(parcel)
    desk.ledger.recover(4)
    batch, _ = desk.shelf.take()
    assert [event.message for event in batch] == ["a", "b", "d", "f"]
    first, second, rest = batch.cut_out(1)
    second.settle()
    rest.settle()
    assert desk.place.settled == {1, 3, 5}
    first.settle()
    assert parcel.left == 0


def test_ids_follow_the_events_when_times_do_not_rise(desk):
    """A batch is in order of time, ids are in order of arrival."""
    desk.add("late", "early", step_ms=-1000)
    batch, _ = desk.shelf.take()
    early, late = batch.halves()
    early.settle()
    assert desk.place.settled == {1}
    late.settle()
    assert desk.place.settled == {1, 0}


def test_a_batch_that_was_copied_knows_its_ids_by_any_numbers(desk):
    batch = Batch.of([Event(NOW_MS + k, b"x", number) for k, number in enumerate((7, 5, 9))])
    parcel = desk.parcel("x", "x", "x", numbers=batch.columns.numbers)
    batch.stored = (parcel,)
    _, middle, _ = batch.cut_out(1)
    middle.settle()
    assert desk.place.settled == {1}


def test_only_a_batch_with_all_of_one_parcel_has_a_sole_parcel():
    desk = Desk(max_events=2)
    whole, part = desk.add("a", "b"), desk.add("c", "d", "e")
    batch, _ = desk.shelf.take()
    assert sole_parcel(batch) is whole
    assert sole_parcel(batch.halves()[0]) is None
    batch, _ = desk.shelf.take()
    assert batch.stored == (part,)
    assert sole_parcel(batch) is None


def test_numbers_begin_again_where_those_of_arriving_events_begin():
    numbers = Numbers(1, 10)
    assert [numbers.take(4), numbers.take(5), numbers.take(1), numbers.take(3)] == [1, 5, 1, 2]


def test_a_batch_on_disk_is_not_joined_with_one_that_is_not(desk):
    """What is not on disk would then be taken for stored, and never be written."""
    on_disk, in_memory = (Batch(Events.of([Event(NOW_MS, b"x", number)])) for number in (1, 2))
    rules = Rules(1_048_576, 10_000)
    assert on_disk.fits_with(in_memory, rules)
    on_disk.stored = (desk.parcel("x", numbers=on_disk.columns.numbers),)
    assert not on_disk.fits_with(in_memory, rules)
    assert not in_memory.fits_with(on_disk, rules)
    in_memory.stored = (desk.parcel("x", numbers=in_memory.columns.numbers),)
    assert on_disk.fits_with(in_memory, rules)
