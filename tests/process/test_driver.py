"""Who drives the rounds, in each state and after each transition."""

import threading
import time
from math import inf
from unittest import mock

import pytest

from cwlog_handler.core import outcomes
from cwlog_handler.delivery.inbox import WAKE_BYTES
from cwlog_handler.delivery.senders import Senders
from cwlog_handler.process.carriers import Carrier
from cwlog_handler.process.driver import Driver, State
from cwlog_handler.system.clock import SYSTEM_CLOCK
from cwlog_handler.system.own_calls import start_thread
from cwlog_handler.system.stderr import Notices

from ..conftest import wait_until
from ..simulation import Held, Service, VirtualTime, simulated, to

HANG_LIMIT = 60.0


class Door(Service):
    """A service that answers once it is open."""

    def __init__(self):
        super().__init__()
        self.opens, self.is_asked = threading.Event(), threading.Event()
        self.opens.set()

    def put(self, *arguments):
        self.is_asked.set()
        assert self.opens.wait(HANG_LIMIT)
        return super().put(*arguments)


class Program:
    """A driver of simulated rounds on the real clock; what rings is counted, and wakes nobody else."""

    def __init__(self, use_thread=True, start_thread=start_thread, **options):
        self.service, self.resumed, self.rings = Door(), threading.Event(), 0
        self.rounds = simulated(self.service, SYSTEM_CLOCK, wake=self._ring, **options)
        self.driver = Driver(
            self.rounds,
            SYSTEM_CLOCK,
            Notices(time.monotonic),
            self.resumed.set,
            send_interval=0.01,
            use_thread=use_thread,
            carrier=Carrier(start_thread),
        )

    def _ring(self):
        self.rings += 1

    @property
    def state(self):
        return self.driver.state

    def log(self, text="m"):
        self.rounds.put(time.time(), text, to("s"), 20)

    def wait_for(self, state):
        wait_until(lambda: self.driver.state is state)

    def end(self):
        self.driver.let_thread_end()
        self.driver.end_thread()


def refused(_run):
    raise RuntimeError("can't start new thread")


def soon():
    return time.monotonic() + HANG_LIMIT


def test_a_thread_that_is_started_drives_until_it_may_end_and_nothing_is_left():
    program = Program()
    assert program.state is State.NO_THREAD
    program.log()
    assert program.driver.start_thread()
    assert program.state is State.THREAD
    program.driver.let_thread_end()
    program.wait_for(State.NO_THREAD)
    assert program.rounds.stats().delivered == 1
    assert not program.resumed.is_set()


def test_what_interrupts_the_frame_that_starts_a_thread_does_not_take_it_for_started():
    """F29: a signal handler would wait for a thread that comes only after the handler has returned."""
    seen = []

    def start(run):
        seen.append(program.state)
        other = threading.Thread(target=lambda: seen.append(program.state))
        other.start()
        other.join()
        start_thread(run)

    program = Program(start_thread=start)
    assert program.driver.start_thread()
    assert seen == [State.STARTING, State.THREAD]
    program.end()


def test_where_no_thread_can_be_started_the_next_try_may_succeed():
    program = Program(start_thread=lambda run: tries.pop()(run))
    tries = [start_thread, refused]
    assert not program.driver.start_thread()
    assert program.state is State.NO_MORE_THREADS
    assert not program.driver.has_thread
    for _ in range(3):
        program.log()
    assert program.rings == 3, "each caller is to try"
    assert program.driver.start_thread()
    assert program.state is State.THREAD
    program.end()


def test_where_ctrl_c_ends_the_start_of_a_thread_the_next_record_starts_one():
    """The thread that is taken for started never comes: nothing would be delivered any more."""

    def interrupted(_run):
        raise KeyboardInterrupt

    program = Program(start_thread=lambda run: tries.pop()(run))
    tries = [start_thread, interrupted]
    with pytest.raises(KeyboardInterrupt):
        program.driver.start_thread()
    assert program.state is State.NO_THREAD
    program.log()
    assert program.rings == 1
    assert program.driver.start_thread()
    assert program.state is State.THREAD
    program.end()


def test_callers_that_took_over_at_the_exit_stay_in_charge_when_the_thread_ends_later():
    """The thread may hang in a round beyond the exit's deadline."""
    program = Program()
    program.service.opens.clear()
    program.log()
    assert program.driver.start_thread()
    program.driver.leave_to_callers(time.monotonic())
    assert program.state is State.CALLERS_AT_EXIT
    program.service.opens.set()
    program.driver.end_thread()
    wait_until(lambda: not program.driver.has_thread)
    assert program.state is State.CALLERS_AT_EXIT
    program.log("late")
    assert program.driver.drive(soon())
    assert program.service.messages() == ["m", "late"]


def test_callers_that_take_over_while_a_thread_is_being_started_stay_in_charge():
    """The thread's start must not have the records of the exit wait for it."""

    def start(_run):
        program.driver.leave_to_callers(time.monotonic())

    program = Program(start_thread=start)
    assert program.driver.start_thread()
    assert program.state is State.CALLERS_AT_EXIT
    rings = program.rings
    for _ in range(3):
        program.log()
    assert program.rings == rings + 3


def test_a_thread_in_the_middle_of_a_round_changes_no_stream_once_callers_have_taken_over():
    """F61: it may never get as far as giving back the lock that they need."""
    program = Program()
    is_there, may_go_on = threading.Event(), threading.Event()

    def stop(take_tickets=program.rounds.inbox.take_tickets):
        is_there.set()
        assert may_go_on.wait(HANG_LIMIT)
        return take_tickets()

    program.rounds.inbox.take_tickets = stop
    collect, put_away = mock.Mock(), mock.Mock()
    with mock.patch.multiple(program.rounds, put_away=put_away, _dispatch=mock.Mock(collect=collect)):
        program.driver.start_thread()
        assert is_there.wait(HANG_LIMIT)
        program.driver.leave_to_callers(time.monotonic())
        may_go_on.set()
        wait_until(lambda: not program.driver._carrier._carrying.locked())
    assert not program.driver.has_thread
    assert not collect.called
    assert program.state is State.CALLERS_AT_EXIT
    assert not put_away.called
    program.log()
    assert program.driver.drive(time.monotonic() + HANG_LIMIT)


def test_without_queues_callers_drive_from_the_beginning():
    program = Program(use_thread=False)
    assert program.state is State.CALLERS_BY_OPTION
    program.log()
    assert program.driver.drive(soon())
    assert program.service.messages() == ["m"]


class Slept:
    """A driver on a virtual clock, asked for its turns by the test; requests are under way until the test ends them."""

    def __init__(self, **options):
        self.time, self.senders, self.rings = VirtualTime(), Held(), 0
        clock = self.time.clock()
        self.rounds = simulated(
            Service(), clock, wake=self._ring, senders=self.senders, send_interval=INTERVAL, **options
        )
        self.rounds.inbox.ring_when_much_waits()
        self.driver = Driver(
            self.rounds,
            clock,
            Notices(self.time.monotonic),
            lambda: None,
            send_interval=INTERVAL,
            use_thread=True,
            carrier=Carrier(refused),
        )

    def _ring(self):
        self.rings += 1

    def log(self, text="m"):
        self.rounds.put(self.time.time_of_day(), text, to("s"), 20)

    def turn(self):
        """A round; returns after how many seconds the next one is due."""
        return self.driver.turn() - self.time.now

    def make_request(self):
        """Have a record sent, and its request go on."""
        self.log()
        self.turn()
        # This one makes the client.
        self.senders.end_all()
        self.turn()
        self.time.now += INTERVAL
        self.turn()
        assert len(self.senders.jobs) == 1
        self.rings = 0


INTERVAL = 1.0


def test_records_that_come_while_a_request_is_under_way_do_not_wake_the_driver_one_by_one():
    """To wake it costs several times as much as a record. It looks before the first of them has waited for too long."""
    program = Slept()
    program.make_request()
    program.log()
    assert program.rings == 1, "none came before"
    assert program.turn() == INTERVAL
    for _ in range(100):
        program.log()
    assert program.rings == 1
    program.time.now += INTERVAL
    assert program.turn() == INTERVAL
    program.time.now += INTERVAL
    assert program.turn() == inf, "none has come since the last look"
    program.log()
    assert program.rings == 2


def test_the_look_for_records_that_have_come_meanwhile_counts_from_the_beginning_of_a_round():
    """A record may have come while the round went on, which may take long."""
    program = Slept()
    program.make_request()
    program.log()
    program.turn()
    # From here on the stream has no date: it waits for the answer.
    program.time.now += INTERVAL
    program.log()
    began = program.time.now
    tell_losses = program.rounds._intake.tell_losses

    def slow(now):
        program.time.now = began + INTERVAL / 2
        tell_losses(now)

    program.rounds._intake.tell_losses = slow
    assert program.turn() == INTERVAL / 2


def test_much_that_comes_while_a_request_is_under_way_wakes_the_driver():
    program = Slept()
    program.make_request()
    program.log()
    program.turn()
    for _ in range(2 * WAKE_BYTES // 1000):
        program.log("x" * 1000)
    assert program.rings > 1


@pytest.mark.parametrize("max_count", [16, 100, 1000])
def test_the_driver_is_woken_before_a_small_buffer_is_full(max_count):
    """What waits to be taken in counts, too: records would be dropped although the service takes all."""
    program = Slept(max_count=max_count)
    program.make_request()
    program.log()
    program.turn()
    rings, logged = program.rings, 0
    while program.rings == rings and logged < max_count:
        program.log("")
        logged += 1
    assert logged <= max(2, max_count // 4)


def test_a_record_for_another_stream_is_sent_in_time_while_a_request_is_under_way():
    program = Slept()
    program.make_request()
    program.log()
    left = program.turn()
    program.time.now += left / 2
    logged_at = program.time.now
    rings = program.rings
    program.rounds.put(program.time.time_of_day(), "other", to("another"), 20)
    assert program.rings == rings
    left /= 2
    while program.time.now + left <= logged_at + INTERVAL and len(program.senders.jobs) == 1:
        program.time.now += left
        left = program.turn()
    assert len(program.senders.jobs) == 2


def test_a_thread_that_must_end_leaves_the_rest_to_whoever_resumes():
    program = Program()
    program.service.fault = outcomes.Unavailable("down", ambiguous=False)
    program.log()
    assert program.driver.start_thread()
    program.driver.end_thread()
    assert program.resumed.wait(HANG_LIMIT)
    assert program.state is State.NO_THREAD


def test_a_caller_waits_for_the_thread_that_drives_no_longer_than_it_may(capsys):
    program = Program()
    program.service.opens.clear()
    program.log()
    assert program.driver.start_thread()
    # From now on the thread drives, and is in the middle of a request.
    assert program.service.is_asked.wait(HANG_LIMIT)
    assert not program.driver.drive(time.monotonic())
    program.driver.let_thread_end()
    program.service.opens.set()
    assert program.driver.drive(soon())
    assert program.rounds.stats().delivered == 1


def test_who_tells_of_lost_events_begins_before_the_thread_that_drives_runs():
    """By the first step of that thread the interpreter may end already, and Python 3.12.1 starts no thread then."""
    told = threading.Event()
    program = Program(start_thread=lambda run: None, on_lost=lambda events: told.set(), senders=Senders())
    assert program.driver.start_thread()
    program.log("")
    program.rounds.step()
    assert told.wait(HANG_LIMIT)
    program.rounds.thread_ends()


def test_lost_events_are_told_although_ctrl_c_ended_the_start_of_the_thread():
    told, ended = threading.Event(), threading.Event()

    def start_and_interrupt(run):
        start_thread(lambda: (run(), ended.set()))
        raise KeyboardInterrupt

    program = Program(start_thread=start_and_interrupt, on_lost=lambda events: told.set(), senders=Senders())
    with pytest.raises(KeyboardInterrupt):
        program.driver.start_thread()
    program.log("")
    program.rounds.inbox.ring()
    assert told.wait(HANG_LIMIT)
    program.driver.end_thread()
    assert ended.wait(HANG_LIMIT)
