"""Who may have how many of the threads that make the calls, and that no trouble of one delays the others."""

import gc
import sys
import threading
import weakref
from unittest import mock

import pytest

from cwlog_handler.delivery.pool import MOST_LOST, MOST_SENDERS, Pool
from cwlog_handler.delivery.senders import Senders
from cwlog_handler.delivery.shares import Share
from cwlog_handler.system.own_calls import start_thread

from ..conftest import wait_until
from ..simulation import VirtualTime

HANG_LIMIT = 60


class Threads:
    """Starts threads, and knows how many live."""

    def __init__(self):
        self.alive = self.most = 0
        self.changed = threading.Condition()

    def start(self, run):
        def counted():
            try:
                run()
            finally:
                self._count(-1)

        self._count(1)
        start_thread(counted)

    def _count(self, change):
        with self.changed:
            self.alive += change
            self.most = max(self.most, self.alive)
            self.changed.notify_all()

    def wait_for(self, alive):
        with self.changed:
            assert self.changed.wait_for(lambda: self.alive == alive, HANG_LIMIT), self.alive


class Hang:
    """Jobs that hang until it ends."""

    def __init__(self):
        self._ends = threading.Event()
        self.entered = threading.Semaphore(0)

    def job(self):
        self.entered.release()
        assert self._ends.wait(HANG_LIMIT)

    def end(self):
        self._ends.set()


@pytest.fixture
def threads():
    return Threads()


@pytest.fixture
def line():
    """The time of those who wait in line. It stands still: they have just asked, whenever a thread gets a processor."""
    return VirtualTime()


@pytest.fixture
def pool(threads, line):
    pool = Pool(threads.start, linger=10 * HANG_LIMIT, clock=line.monotonic)
    yield pool
    pool.dismiss()
    threads.wait_for(0)


@pytest.fixture
def hang():
    hang = Hang()
    yield hang
    hang.end()


def handlers(pool, *endpoints):
    """The senders of handlers that have all made a call before."""
    made = [Senders(pool=pool) for _ in endpoints]
    for senders, endpoint in zip(made, endpoints, strict=True):
        senders.belong_to(endpoint)
        assert start(senders, 1, lambda: None) == 1
        until_all_have_ended(pool)
        senders.finished()
    return made


def until_all_have_ended(pool):
    wait_until(lambda: not pool.shares.used)


def collected(is_so):
    """Whether something is so after a garbage collection."""
    return lambda: (gc.collect(), is_so())[1]


def start(senders, wanted, job):
    """Start as many of the wanted jobs as may start, and return how many."""
    may_start = senders.reserve(wanted)
    senders.keep(may_start)
    for _ in range(may_start):
        senders.run(job)
    return may_start


def test_a_handler_that_is_alone_has_all_threads(pool, threads, hang):
    (one,) = handlers(pool, "e")
    assert start(one, 20, hang.job) == MOST_SENDERS
    assert start(one, 20, hang.job) == 0
    for _ in range(MOST_SENDERS):
        assert hang.entered.acquire(timeout=HANG_LIMIT)
    assert threads.most == MOST_SENDERS


def test_a_handler_whose_calls_hang_leaves_threads_to_the_others(pool, threads, hang):
    """Its records wait, and nobody else's."""
    stuck, other, third = handlers(pool, "e", "e", "e")
    assert start(stuck, 20, hang.job) == MOST_SENDERS // 2
    for senders in (other, third, other, third):
        done = threading.Event()
        assert start(senders, 1, done.set) == 1
        assert done.wait(HANG_LIMIT)
        senders.finished()
    assert threads.most <= MOST_SENDERS


def test_one_stream_leaves_threads_to_the_other_streams_of_its_handler(pool, hang):
    """Half of eight, or one of four where there are other handlers."""
    (alone,) = handlers(pool, "e")
    overlapping = 0
    while alone.may_overlap:
        overlapping += start(alone, 1, hang.job)
    assert overlapping == MOST_SENDERS // 2
    hang.end()
    until_all_have_ended(pool)
    for _ in range(overlapping):
        alone.finished()
    other = Senders(pool=pool)
    pool.shares.join(other._share)
    stuck = Hang()
    overlapping = 0
    while alone.may_overlap:
        overlapping += start(alone, 1, stuck.job)
    assert overlapping == 3
    assert start(alone, 1, stuck.job) == 1
    stuck.end()


def test_all_handlers_of_an_endpoint_that_hangs_leave_threads_to_those_of_others(pool, threads, hang):
    """Twenty tenants in one region are one trouble."""
    *stuck, well = handlers(pool, *["stuck"] * 20, "well")
    started = sum(start(senders, 5, hang.job) for senders in stuck)
    assert started == MOST_SENDERS // 2
    done = threading.Event()
    assert start(well, 1, done.set) == 1
    assert done.wait(HANG_LIMIT)
    assert threads.most <= MOST_SENDERS


def test_four_troubles_leave_something_to_a_fifth_who_is_well(pool, hang):
    """What is free is halved by each of them."""
    *stuck, well = handlers(pool, "a", "b", "c", "well")
    assert [start(senders, 20, hang.job) for senders in stuck] == [4, 2, 1]
    assert start(well, 20, lambda: None) == 1


def test_however_many_handlers_there_are_there_are_no_more_threads(pool, threads, hang):
    """Thirty of them with an endpoint that hangs."""
    many = handlers(pool, *["e"] * 30)
    assert sum(start(senders, 3, hang.job) for senders in many) == MOST_SENDERS - 1
    # The last one is for somebody who has another endpoint, also if he comes only now.
    other = Senders(pool=pool)
    other.belong_to("other")
    assert start(other, 1, hang.job) == 1
    assert threads.most <= MOST_SENDERS


def test_who_comes_when_one_has_taken_all_gets_a_thread_at_once(pool, hang):
    """The first was alone until then; its requests may hang for a quarter of a minute."""
    (first,) = handlers(pool, "e")
    assert start(first, 20, hang.job) == MOST_SENDERS
    second = Senders(pool=pool)
    second.belong_to("other")
    done = threading.Event()
    assert start(second, 1, done.set) == 1
    assert done.wait(HANG_LIMIT)


@pytest.mark.parametrize("taken", [7, 8])
def test_who_comes_with_the_same_endpoint_when_one_has_taken_all_gets_a_thread_at_once(pool, hang, taken):
    """What hangs may be the first one's own client."""
    (first,) = handlers(pool, "e")
    assert start(first, taken, hang.job) == taken
    second = Senders(pool=pool)
    second.belong_to("e")
    assert start(second, 1, lambda: None) == 1


def test_who_waits_is_woken_when_a_thread_is_free_and_nobody_with_more_comes_before(pool, hang):
    """A handler with many streams must not take each place that becomes free."""
    many = handlers(pool, *["e"] * 8)
    one_ends = Hang()
    assert start(many[0], 1, one_ends.job) == 1
    for senders in many[1:-1]:
        start(senders, 1, hang.job)
    woken = threading.Event()
    last = many[-1]
    last.wake_by(woken.set)
    assert start(last, 1, hang.job) == 0
    assert last.is_waiting
    assert last.is_crowded
    one_ends.end()
    assert woken.wait(HANG_LIMIT)
    # One has a job already and wants more; the other one asks later.
    assert start(many[1], 1, hang.job) == 0
    assert start(many[0], 1, hang.job) == 0
    assert start(last, 1, hang.job) == 1
    assert not last.is_waiting


def test_nobody_gives_way_for_ever_to_one_that_asks_no_more(pool, hang, line):
    """Its flusher may be held up by a slow disk."""
    many = handlers(pool, *["e"] * 8)
    one_ends = Hang()
    assert start(many[0], 1, one_ends.job) == 1
    for senders in many[1:-1]:
        start(senders, 1, hang.job)
    ended = threading.Event()
    many[-1].wake_by(ended.set)
    assert start(many[-1], 1, hang.job) == 0
    one_ends.end()
    assert ended.wait(HANG_LIMIT)
    assert start(many[0], 1, hang.job) == 0
    line.now += 1.0
    assert start(many[0], 1, hang.job) == 1


def test_a_place_that_is_not_used_is_given_to_who_waits(pool, hang):
    """A stream that is asked may find that it has nothing to send yet."""
    many = handlers(pool, *["e"] * 8)
    assert many[0].reserve(1) == 1
    for senders in many[1:-1]:
        start(senders, 1, hang.job)
    woken = threading.Event()
    many[-1].wake_by(woken.set)
    assert start(many[-1], 1, hang.job) == 0
    many[0].keep(0)
    assert woken.is_set()
    assert start(many[-1], 1, hang.job) == 1


def test_with_the_last_handler_that_leaves_the_threads_end(pool, threads):
    """Closed handlers leave nothing, not even for ten seconds. Who comes back finds new ones."""
    one, other = handlers(pool, "e", "e")
    one.leave()
    assert threads.alive
    other.leave()
    threads.wait_for(0)
    done = threading.Event()
    assert start(one, 1, done.set) == 1
    assert done.wait(HANG_LIMIT)
    one.finished()
    one.leave()
    threads.wait_for(0)


def test_a_handler_that_leaves_without_a_call_leaves_nothing_behind(pool):
    """Handlers are made and closed by the thousand, in tests for example."""
    for _ in range(100):
        Senders(pool=pool).leave()
    assert pool._jobs.empty()
    assert not pool.shares.has_members


def test_a_handler_that_was_forgotten_without_being_closed_takes_no_threads_from_the_others(pool):
    one, other = handlers(pool, "e", "f")
    pool.shares.join(one._share)
    assert one.free < MOST_SENDERS
    del other
    # The thread that has made its call may have to let go of it yet.
    wait_until(collected(lambda: one.free == MOST_SENDERS))


def test_one_that_comes_while_the_handlers_are_counted_is_counted_the_next_time(pool):
    """In another thread, just as one has left."""
    one, leaves = handlers(pool, "e", "e")
    shares, comes = pool.shares, Share(lambda: None)
    comes.group = "f"
    present = shares._present

    def come_after_that():
        found = present()
        shares.leave(leaves._share)
        shares.join(comes)
        return found

    with mock.patch.object(shares, "_present", come_after_that):
        shares.join(one._share)
        shares._count()
    assert shares._count() == (2, 2, 2)


def test_handlers_come_and_go_in_other_threads_while_threads_are_shared_out(pool):
    """A handler may be closed in any thread, and collected in any."""
    (one,), ends, failed = handlers(pool, "e"), threading.Event(), []

    def come_and_go():
        try:
            while not ends.is_set():
                others = [Senders(pool=pool) for _ in range(30)]
                for senders in others:
                    pool.shares.join(senders._share)
                for senders in others[::2]:
                    senders.leave()
        except Exception as error:
            failed.append(error)

    guests = [threading.Thread(target=come_and_go) for _ in range(2)]
    switches = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for guest in guests:
            guest.start()
        for _ in range(5000):
            assert pool.shares.room_for(one._share) >= 0
            one.keep(one.reserve(4) and 0)
    finally:
        ends.set()
        sys.setswitchinterval(switches)
    for guest in guests:
        guest.join(HANG_LIMIT)
    assert not failed


def test_what_is_done_is_let_go(pool):
    """A thread that waits for its next job must not keep a closed handler alive."""
    (one,) = handlers(pool, "e")
    done = threading.Event()
    start(one, 1, lambda content=one: done.set())
    assert done.wait(HANG_LIMIT)
    until_all_have_ended(pool)
    gone = weakref.ref(one)
    del one
    wait_until(collected(lambda: gone() is None))


def test_all_handlers_together_replace_no_more_than_so_many_lost_requests(pool, threads, hang):
    """Each alone may, as long as the others do not."""
    many = handlers(pool, *["e"] * 30)
    for senders in many:
        start(senders, 1, hang.job)
    given = sum(senders.presume_lost() for senders in many for _ in range(MOST_LOST))
    assert given == MOST_LOST
    assert all(senders.is_crowded for senders in many)
    assert threads.most <= MOST_SENDERS + MOST_LOST
    started = sum(start(senders, 1, hang.job) for senders in many)
    assert started
    assert threads.most <= MOST_SENDERS + MOST_LOST


def test_a_lost_request_gives_its_place_back_when_it_ends(pool, hang):
    one, _ = handlers(pool, "e", "e")
    start(one, 4, hang.job)
    assert one.presume_lost()
    assert start(one, 1, hang.job) == 1
    hang.end()
    for was_lost in (True, *[False] * 4):
        one.finished(was_lost)
    assert pool.shares.lost == 0


def test_a_job_is_done_by_who_wants_it_if_no_thread_can_be_had(hang):
    """Another handler's job is none of its business."""

    def refuse(_run):
        raise RuntimeError("can't start new thread")

    pool, done = Pool(refuse), []
    one, other = Senders(pool=pool), Senders(pool=pool)
    for senders in (one, other):
        assert start(senders, 1, lambda senders=senders: done.append(senders)) == 1
        assert done.pop() is senders
        senders.finished()
        assert senders.is_crowded


def test_each_share_counts_once_whatever_happens():
    """Numbers that drift would take threads away for ever."""
    pool = Pool(lambda run: None)
    share = Share(lambda: None)
    for _ in range(3):
        assert pool.take(share, 4) == 4
        pool.move(share, "e")
        pool.give_back(share, 4)
        pool.move(share, None)
    assert (share.jobs, share.lost, pool.shares.lost, pool.shares.used) == (0, 0, 0, 0)


def test_a_lost_job_whose_result_nobody_collects_counts_no_longer_than_it_lasts(pool, threads):
    """As of a handler that is closed while its request hangs: there may be many of them in the life of a process."""
    for _ in range(MOST_LOST + 1):
        hang, closed = Hang(), Senders(pool=pool)
        assert closed.reserve(1) == 1
        closed.keep(1)
        closed.run(hang.job)
        assert hang.entered.acquire(timeout=HANG_LIMIT)
        is_replaced = closed.presume_lost()
        closed.leave()
        hang.end()
        ended(pool)
        assert is_replaced
    fresh = Senders(pool=pool)
    assert pool.shares.lost == 0
    assert not fresh.is_crowded


def test_a_lost_job_counts_once_whether_it_ends_first_or_its_result_comes_in_first(pool, threads):
    hangs, senders = [Hang(), Hang()], Senders(pool=pool)
    for hang in hangs:
        senders.reserve(1)
        senders.keep(1)
        senders.run(hang.job)
        assert hang.entered.acquire(timeout=HANG_LIMIT)
        assert senders.presume_lost()
    hangs[0].end()
    ended(pool, left=1)
    assert pool.shares.lost == 1
    senders.finished(was_lost=True)
    assert pool.shares.lost == 1
    hangs[1].end()
    ended(pool)
    senders.finished(was_lost=True)
    assert pool.shares.lost == 0


def ended(pool, left=0):
    """Wait until all jobs have ended but so many, and count no more."""
    wait_until(lambda: not_ended(pool) <= left)


def not_ended(pool):
    # The lock is held while the end of a job is counted, which are several numbers.
    with pool._lock:
        return pool._not_ended
