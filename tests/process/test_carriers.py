"""One thread drives many handlers: each in its turn, and none has to wait for the trouble of another."""

import gc
import logging
import threading
import time
import weakref
from math import inf
from unittest import mock

import pytest

from cwlog_handler.core import outcomes
from cwlog_handler.delivery.books import BooksInUse
from cwlog_handler.delivery.rounds import MOST_SLICES, SLICE
from cwlog_handler.process.carriers import Carrier, carrier_of
from cwlog_handler.process.driver import Driver
from cwlog_handler.process.turns import Turns
from cwlog_handler.system.clock import SYSTEM_CLOCK
from cwlog_handler.system.own_calls import start_thread
from cwlog_handler.system.own_threads import is_own_thread
from cwlog_handler.system.stderr import Notices

from ..conftest import wait_until
from ..simulation import Held, Service, VirtualTime, simulated, to

HANG_LIMIT = 60.0


class Worker:
    """Something to be driven; ``at`` is what its turns return, one after another, and then for ever the last."""

    def __init__(self, *at):
        self.at, self.turns, self.threads = list(at), 0, set()
        self.changed = threading.Condition()
        self.gone, self.has_gone = threading.Event(), threading.Event()
        self.was_own = []

    def turn(self):
        with self.changed:
            self.turns += 1
            self.threads.add(threading.get_ident())
            self.changed.notify_all()
        at = self.at.pop(0) if len(self.at) > 1 else self.at[0]
        return at() if callable(at) else at

    def let_go(self):
        self.was_own.append(is_own_thread())
        self.gone.set()

    def has_been_let_go(self):
        self.was_own.append(is_own_thread())
        self.has_gone.set()

    def wait_for(self, turns):
        with self.changed:
            assert self.changed.wait_for(lambda: self.turns >= turns, HANG_LIMIT), self.turns


class Threads:
    """Starts threads and counts them."""

    def __init__(self):
        self.started = 0
        self.alive = threading.Semaphore(0)

    def start(self, run):
        self.started += 1

        def counted():
            run()
            self.alive.release()

        start_thread(counted)

    def wait_for_an_end(self):
        assert self.alive.acquire(timeout=HANG_LIMIT)


def test_all_are_driven_by_one_thread_until_the_last_is_let_go():
    """Thirty handlers had thirty threads."""
    threads = Threads()
    carrier, workers = Carrier(threads.start), [Worker(inf, None) for _ in range(30)]
    for worker in workers:
        carrier.carry(worker)
        worker.wait_for(1)
    assert threads.started == 1
    assert len(set.union(*(worker.threads for worker in workers))) == 1
    for worker in workers:
        carrier.ring(worker)
    for worker in workers:
        assert worker.has_gone.wait(HANG_LIMIT)
        assert worker.turns == 2
        # What comes afterwards may drive as a caller does.
        assert worker.was_own == [True, False]
    threads.wait_for_an_end()
    again = Worker(None)
    carrier.carry(again)
    assert again.has_gone.wait(HANG_LIMIT)
    assert threads.started == 2


def test_who_is_due_gets_a_turn_and_who_is_not_does_not():
    soon = Worker(lambda: time.monotonic() + 0.001)
    idle = Worker(inf)
    carrier = Carrier()
    for worker in (idle, soon):
        carrier.carry(worker)
    soon.wait_for(20)
    assert idle.turns == 1
    end(carrier, soon, idle)


def end(carrier, *workers):
    for worker in workers:
        worker.at = [None]
        carrier.ring(worker)
        assert worker.has_gone.wait(HANG_LIMIT)


def test_who_is_rung_before_its_date_gets_a_turn_and_the_date_is_forgotten():
    worker = Worker(lambda: time.monotonic() + 3600)
    other = Worker(inf)
    carrier = Carrier()
    for each in (worker, other):
        carrier.carry(each)
    worker.wait_for(1)
    for turn in range(2, 500):
        carrier.ring(worker)
        worker.wait_for(turn)
    assert other.turns == 1
    end(carrier, worker, other)


def test_a_date_that_was_replaced_wakes_nobody():
    """Where each round is hastened, there would be a wake-up for each round in which there is nothing to do."""
    turns = Turns()
    worker, other = Worker(5.0, 9.0), Worker(7.0, 8.0)
    turns.add(worker)
    turns.add(other)
    turns.do_all_due(0.0)
    assert turns.next_at == 5.0
    turns.hasten(worker)
    turns.do_all_due(1.0)
    assert turns.next_at == 7.0
    turns.do_all_due(7.0)
    assert (worker.turns, other.turns, turns.next_at) == (2, 2, 8.0)


def test_one_that_never_rests_leaves_the_others_their_turns():
    """It has a large backlog."""
    busy, other = Worker(time.monotonic), Worker(inf)
    carrier = Carrier()
    for worker in (busy, other):
        carrier.carry(worker)
    busy.wait_for(10)
    # Whoever is rung before its first turn needs no second one.
    other.wait_for(1)
    carrier.ring(other)
    other.wait_for(2)
    end(carrier, busy, other)


def test_where_no_thread_can_be_started_nobody_is_driven_later_by_chance():
    """Its callers drive for themselves then."""
    tries = []

    def start(run):
        tries.append(run)
        if len(tries) == 1:
            raise RuntimeError("can't start new thread")
        start_thread(run)

    carrier, refused, other = Carrier(start), Worker(None), Worker(None)
    with pytest.raises(RuntimeError):
        carrier.carry(refused)
    carrier.carry(other)
    assert other.has_gone.wait(HANG_LIMIT)
    assert refused.turns == 0


def test_an_exception_that_a_program_raises_in_the_thread_leaves_nobody_without_a_driver(capsys):
    """PyThreadState_SetAsyncExc is how some programs end threads."""

    def killed():
        raise SystemExit

    carrier, other, victim = Carrier(), Worker(inf), Worker(killed)
    carrier.carry(other)
    other.wait_for(1)
    other.has_been_let_go = lambda: carrier.carry(other)
    carrier.carry(victim)
    assert victim.gone.wait(HANG_LIMIT)
    assert other.gone.wait(HANG_LIMIT)
    other.wait_for(2)
    other.has_been_let_go = other.has_gone.set
    end(carrier, other)


def test_two_threads_that_are_started_at_once_do_not_drive_side_by_side():
    """A signal handler may interrupt the start of the first one."""
    carrier = None
    interrupting, interrupted = Worker(inf), Worker(inf)
    runs = []

    def start(run):
        runs.append(run)
        if len(runs) == 1:
            carrier.carry(interrupting)
        start_thread(run)

    carrier = Carrier(start)
    carrier.carry(interrupted)
    interrupting.wait_for(1)
    interrupted.wait_for(1)
    assert len(runs) == 2
    assert interrupting.threads == interrupted.threads
    end(carrier, interrupting, interrupted)


def test_several_that_come_before_the_thread_runs_have_one_started():
    """As when a program logs to thirty handlers, one after another."""
    runs = []
    carrier, workers = Carrier(runs.append), [Worker(inf) for _ in range(30)]
    for worker in workers:
        carrier.carry(worker)
    assert len(runs) == 1
    start_thread(runs[0])
    for worker in workers:
        worker.wait_for(1)
    end(carrier, *workers)


def test_who_relied_on_a_thread_that_could_not_be_started_is_let_go():
    """Its next record, or what it does when it is let go, tries again."""
    starts, relying = Worker(None), Worker(None)
    carrier = relied_upon(RuntimeError("can't start new thread"), relying, [])
    with pytest.raises(RuntimeError):
        carrier.carry(starts)
    assert relying.gone.is_set()
    assert relying.has_gone.is_set()
    assert not starts.gone.is_set()
    # A thread of a later start has nothing to do with either.
    other = Worker(None)
    carrier.carry(other)
    assert other.has_gone.wait(HANG_LIMIT)
    assert (starts.turns, relying.turns) == (0, 0)


def test_ctrl_c_while_a_thread_is_started_keeps_no_later_one_from_starting():
    tries = []

    def start(run):
        tries.append(run)
        if len(tries) == 1:
            raise KeyboardInterrupt
        start_thread(run)

    carrier, other = Carrier(start), Worker(None)
    with pytest.raises(KeyboardInterrupt):
        carrier.carry(Worker(None))
    carrier.carry(other)
    assert other.has_gone.wait(HANG_LIMIT)


def relied_upon(fails_with, relying, tries):
    """A carrier of which one thread's start fails, after another thread has come that relies on it."""

    def start(run):
        tries.append(run)
        if len(tries) > 1:
            return start_thread(run)
        relies = threading.Thread(target=carrier.carry, args=[relying])
        relies.start()
        relies.join(HANG_LIMIT)
        raise fails_with

    carrier = Carrier(start)
    return carrier


def test_who_relied_on_a_start_that_ctrl_c_has_broken_off_gets_another_thread():
    starts, relying, tries = Worker(None), Worker(None), []
    with pytest.raises(KeyboardInterrupt):
        relied_upon(KeyboardInterrupt(), relying, tries).carry(starts)
    assert relying.has_gone.wait(HANG_LIMIT)
    assert relying.turns == 1


def test_ctrl_c_goes_up_that_comes_while_who_relied_on_a_start_does_its_own_work():
    """On the thread that has failed to start one. All of them have been let go before."""
    starts, relying = Worker(None), Worker(None)

    def interrupted():
        raise KeyboardInterrupt

    relying.has_been_let_go = interrupted
    with pytest.raises(KeyboardInterrupt):
        relied_upon(RuntimeError("can't start new thread"), relying, []).carry(starts)
    assert relying.gone.is_set()


def test_who_has_left_is_not_kept_alive_by_a_late_ring():
    """The answer to a lost request may ring long after the handler was closed."""
    threads = Threads()
    carrier, worker = Carrier(threads.start), Worker(None)
    carrier.carry(worker)
    assert worker.has_gone.wait(HANG_LIMIT)
    threads.wait_for_an_end()
    carrier.ring(worker)
    gone = weakref.ref(worker)
    del worker
    gc.collect()
    assert gone() is None


def test_who_has_left_is_not_kept_alive_while_others_are_driven():
    """Neither by what the thread has done last, nor by a date that it had."""
    carrier, stays, leaves = Carrier(), Worker(inf), Worker(time.monotonic() + 3600, None)
    carrier.carry(stays)
    carrier.carry(leaves)
    leaves.wait_for(1)
    carrier.ring(leaves)
    assert leaves.has_gone.wait(HANG_LIMIT)
    stays.wait_for(1)
    turns = stays.turns
    gone = weakref.ref(leaves)
    del leaves
    # Another turn of it: the thread has come out of all that it did for the one that has left.
    carrier.ring(stays)
    stays.wait_for(turns + 1)
    gc.collect()
    assert gone() is None
    end(carrier, stays)


@pytest.mark.parametrize("method", ["let_go", "has_been_let_go"])
@pytest.mark.parametrize("dies", [False, True])
def test_an_exception_of_one_that_leaves_keeps_nobody_else_from_being_told(method, dies):
    def killed():
        raise SystemExit

    class Broken(Worker):
        pass

    def fail(self):
        raise SystemExit

    setattr(Broken, method, fail)
    carrier, clear = Carrier(), threading.Event()
    broken = [Broken(lambda: clear.wait(HANG_LIMIT) and None) for _ in range(2)]
    whole = [Worker(lambda: clear.wait(HANG_LIMIT) and None) for _ in range(2)]
    workers = [broken[0], whole[0], broken[1], whole[1]]
    if dies:
        workers.append(Worker(killed))
    for worker in workers:
        carrier.carry(worker)
    clear.set()
    for worker in whole:
        assert worker.gone.wait(HANG_LIMIT)
        assert worker.has_gone.wait(HANG_LIMIT)


def test_only_handlers_whose_disk_is_the_same_share_a_thread():
    """A disk that hangs must delay nobody who does not need it."""
    usual, disk, other = carrier_of(""), carrier_of("/a"), carrier_of("/b")
    assert carrier_of("") is usual
    assert carrier_of("/a") is disk
    assert len({usual, disk, other}) == 3


def driver(rounds, carrier):
    return Driver(
        rounds,
        SYSTEM_CLOCK,
        Notices(time.monotonic),
        lambda: None,
        send_interval=0.01,
        use_thread=True,
        carrier=carrier,
    )


def test_a_caller_that_drives_keeps_nobody_else_from_being_driven():
    """Its thread comes back later; until then the others go on."""
    entered, goes_on = threading.Event(), threading.Event()

    class Slow(Service):
        def put(self, *arguments):
            entered.set()
            assert goes_on.wait(HANG_LIMIT)
            return super().put(*arguments)

    carrier, service = Carrier(), Slow()
    rounds = simulated(service, SYSTEM_CLOCK)
    one = driver(rounds, carrier)
    rounds.put(time.time(), "m", to("s"), logging.INFO)
    caller = threading.Thread(target=one.drive, args=(time.monotonic() + HANG_LIMIT,))
    caller.start()
    assert entered.wait(HANG_LIMIT)
    other = Worker(None)
    assert one.start_thread()
    carrier.carry(other)
    assert other.has_gone.wait(HANG_LIMIT)
    goes_on.set()
    caller.join(HANG_LIMIT)
    one.let_thread_end()
    wait_until(lambda: not one.has_thread)
    assert service.messages() == ["m"]


def test_a_caller_that_keeps_the_streams_of_one_keeps_nobody_else_from_being_driven():
    """It may be a frame that a signal handler has interrupted, which waits for the other one's records."""
    carrier, service = Carrier(), Service()
    rounds = simulated(service, SYSTEM_CLOCK)
    one, other = driver(rounds, carrier), Worker(None)
    rounds.put(time.time(), "m", to("s"), logging.INFO)
    with rounds._books.lock:
        assert one.start_thread()
        carrier.carry(other)
        assert other.has_gone.wait(HANG_LIMIT)
    one.let_thread_end()
    wait_until(lambda: not one.has_thread)
    assert service.messages() == ["m"]


@pytest.mark.parametrize("section", [1, 2, 3])
def test_a_round_that_is_given_up_leaves_all_of_its_work_to_the_next(section):
    service = Service()
    rounds = simulated(service, SYSTEM_CLOCK, send_interval=0.0)
    rounds.put(time.time(), "m", to("s"), logging.INFO)
    ticket = rounds.ask_for_word(time.monotonic() + HANG_LIMIT)
    # From then on the send interval of a record counts that has arrived after the last look.
    looked_at = rounds.looked_at

    class InUse:
        entered = 0

        def __enter__(self):
            self.entered += 1
            if self.entered == section:
                raise BooksInUse

        def __exit__(self, *_):
            pass

    in_use = InUse()
    with mock.patch.object(rounds._books, "for_driver", return_value=in_use):
        with pytest.raises(BooksInUse):
            rounds.step(patience=0.0)
        assert (rounds.looked_at == looked_at) == (section < 3)
    begun = time.monotonic()
    while ticket._done.locked():
        rounds.step()
        assert time.monotonic() < begun + HANG_LIMIT
    assert service.messages() == ["m"]


def test_what_comes_when_a_round_was_given_up_does_not_wait_for_the_next_date():
    """It has rung for the round that does only what the former has left."""
    service, senders, time_ = Service(), Held(), VirtualTime()
    rounds = simulated(service, time_.clock(), senders=senders, send_interval=3600.0)

    def turn():
        rounds.wake_up()
        at = rounds.step(patience=0.0)
        senders.end_all()
        return at

    rounds.put(time_.time_of_day(), "first", to("s"), logging.INFO)
    turn()
    rounds.put(time_.time_of_day(), "left", to("s"), logging.INFO)
    with rounds._books.lock, pytest.raises(BooksInUse):
        turn()
    ticket = rounds.ask_for_word(time_.now + 60)
    while ticket._done.locked():
        at = turn()
        assert at is None or at <= time_.now or rounds.inbox.is_rung, "asleep"
    assert service.messages() == ["first", "left"]


def test_callers_that_take_over_at_the_exit_are_left_by_the_thread():
    """Their requests would be made on it, and the other handlers' last records would wait for them."""
    carrier, service = Carrier(), Service()
    service.fault = outcomes.Unavailable("down", ambiguous=False)
    rounds = simulated(service, SYSTEM_CLOCK)
    one = driver(rounds, carrier)
    rounds.put(time.time(), "m", to("s"), logging.INFO)
    assert one.start_thread()
    one.leave_to_callers(time.monotonic())
    wait_until(lambda: not one.has_thread)
    service.fault = None
    assert one.drive(time.monotonic() + HANG_LIMIT)
    assert service.messages() == ["m"]


def test_a_large_inbox_takes_several_rounds_where_others_wait_and_a_flush_still_waits_for_all_of_it():
    """Half a second of work for one handler would be half a second of waiting for all others."""
    service = Service()
    rounds = simulated(service, SYSTEM_CLOCK, send_interval=0.0)
    # Few enough that no caller helps.
    count = MOST_SLICES * SLICE + 5000
    for number in range(count):
        rounds.put(time.time(), str(number), to("s"), logging.INFO)
    ticket = rounds.ask_for_word(time.monotonic() + HANG_LIMIT)
    begun = time.monotonic()
    assert rounds.step(is_brief=True) <= time.monotonic()
    assert len(rounds.inbox) >= count - MOST_SLICES * SLICE
    while ticket._done.locked():
        rounds.step(is_brief=True)
        assert time.monotonic() < begun + HANG_LIMIT
    assert sorted(map(int, service.messages())) == list(range(count))
