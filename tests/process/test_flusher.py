"""The flusher with a client of the test's own."""

import os
import threading
import time
from functools import partial

from cwlog_handler.core import outcomes
from cwlog_handler.delivery.pool import Pool
from cwlog_handler.delivery.reporting import Reporter
from cwlog_handler.delivery.rounds import Rounds
from cwlog_handler.delivery.senders import Senders
from cwlog_handler.process.carriers import Carrier
from cwlog_handler.process.driver import State
from cwlog_handler.process.flusher import Flusher
from cwlog_handler.system.clock import SYSTEM_CLOCK
from cwlog_handler.system.own_calls import start_thread
from cwlog_handler.system.stderr import Notices

from ..conftest import wait_until
from ..programs import HANG_LIMIT
from ..simulation import terms, to
from ..values import changed


class Client:
    """Refuses streams that are ``denied``, takes all others; notes the order of the calls."""

    def __init__(self):
        self.calls, self.denied, self.forks = [], {"denied"}, 0
        self.changed = threading.Condition()

    def start_over(self):
        self.forks += 1

    def connect(self, patience=None):
        return outcomes.Connected(f"endpoint-{id(self)}")

    def put(self, target, events, token, on_progress, patience=None, is_fresh=False):
        with self.changed:
            self.calls.append(target.stream)
            self.changed.notify_all()
        return outcomes.Refused("No", "mend it") if target.stream in self.denied else outcomes.Accepted(None)

    def wait_for_calls(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.calls) >= count, timeout=60)


def a_flusher(
    client,
    monotonic=SYSTEM_CLOCK.monotonic,
    use_thread=True,
    start_thread=start_thread,
    getpid=os.getpid,
    jitter=lambda: 1.0,
    close_timeout=0.1,
    on_lost=None,
):
    clock = changed(SYSTEM_CLOCK, monotonic=monotonic, sleep_until=lambda instant: None)
    notices = Notices(monotonic)
    make_reporter = partial(Reporter, on_lost, notices, clock, log_group_name="g", most_bytes=10**6)
    make_rounds = partial(
        Rounds,
        client,
        notices,
        terms(send_interval=0.05),
        clock=clock,
        jitter=jitter,
        own_target=lambda: to("s"),
        senders=Senders(inline=not use_thread, pool=Pool(start_thread)),
        make_reporter=make_reporter if on_lost is not None else None,
    )
    return Flusher(
        client,
        notices,
        make_rounds,
        log_group_name="g",
        send_interval=0.05,
        close_timeout=close_timeout,
        use_thread=use_thread,
        carrier=lambda: Carrier(start_thread, monotonic),
        getpid=getpid,
        clock=clock,
    )


def test_a_stream_in_back_off_does_not_keep_anothers_records_waiting(capsys):
    """Its own next date, hours away, must not be when the flusher looks again."""
    client = Client()
    flusher = a_flusher(client, jitter=lambda: 0.0 if len(client.calls) < 3 else 3600.0)
    flusher.put(time.time(), "m", to("denied"), 20)
    client.wait_for_calls(3)
    # The answer to the third is known, and so is the date of the fourth.
    wait_until(lambda: flusher.stats().requests == 3)
    assert flusher.stats().pending == 1
    flusher.put(time.time(), "m", to("fine"), 20)
    client.wait_for_calls(4)
    assert client.calls == ["denied"] * 3 + ["fine"]
    client.denied.clear()
    assert flusher.flush(60)


def test_an_event_that_the_service_refuses_is_told_whatever_else_waits(capsys):
    """F15, F39: its neighbours go out after it, and with them went the line on stderr."""

    class Picky(Client):
        def put(self, target, events, token, on_progress, patience=None, is_fresh=False):
            bad = any(event.message == "bad" for event in events)
            return outcomes.Invalid("no such thing") if bad else outcomes.Accepted(None)

    flusher = a_flusher(Picky())
    for text in ("bad", "good"):
        flusher.put(time.time(), text, to("s"), 20)
    assert flusher.flush(HANG_LIMIT)
    assert flusher.stats().rejected_by_reason == {"invalid": 1}
    assert "the service refused an event: no such thing" in capsys.readouterr().err


def test_a_call_that_outlasts_its_callers_patience_is_settled_when_the_caller_returns(capsys):
    """F25: what was delivered was told as lost, where a process ends after it."""
    now = [1000.0]

    class Slow(Client):
        def put(self, target, events, token, on_progress, patience=None, is_fresh=False):
            now[0] += 60.0
            return outcomes.Accepted(None)

    flusher = a_flusher(Slow(), monotonic=lambda: now[0], use_thread=False)
    flusher.put(time.time(), "m", to("s"), 20)
    assert flusher.stats().delivered == 1
    flusher.finish(now[0])
    assert "not delivered" not in capsys.readouterr().err


def test_what_ends_right_after_a_flush_in_vain_has_no_more_time_and_later_it_has(capsys):
    """F25: flush() as a program's last statement, and its exit, took twice what both may take together."""
    now = [1000.0]
    flusher = a_flusher(Client(), monotonic=lambda: now[0])
    flusher.put(time.time(), "m", to("denied"), 20)
    assert not flusher.flush(0.1)
    # The end says why, as far as an answer has come in.
    wait_until(lambda: flusher.stats().last_error)
    assert flusher.deadline_from_now() == 1000.1  # its caller chose another time
    assert not flusher.flush(None)
    assert flusher.deadline_from_now() == 1000.0
    now[0] += 2.0
    assert flusher.deadline_from_now() == 1002.1
    flusher.finish(now[0])
    assert "1 events not delivered at exit: mend it" in capsys.readouterr().err


def test_no_function_is_waited_for_while_other_handlers_have_not_said_what_they_have_left():
    """F25: one that hangs took up to a second from each of them. By this clock, which stands still, it is for ever."""
    entered, go_on = threading.Event(), threading.Event()
    flusher = a_flusher(
        Client(), monotonic=lambda: 1000.0, on_lost=lambda events: (entered.set(), go_on.wait(HANG_LIMIT))
    )
    flusher.put(time.time(), "", to("s"), 20)
    assert entered.wait(HANG_LIMIT)
    flusher.begin_to_deliver(1005.0)
    end = threading.Thread(target=flusher.deliver_until, args=(1005.0,), daemon=True)
    end.start()
    end.join(HANG_LIMIT / 2)
    is_over = not end.is_alive()
    go_on.set()
    assert is_over


def test_a_flush_that_has_worked_leaves_the_end_its_time():
    """The caller drives: no thread has to answer it within the tenth of a second that a flush takes at most here."""
    client = Client()
    flusher = a_flusher(client, use_thread=False)
    flusher.put(time.time(), "m", to("denied"), 20)
    assert not flusher.flush(None)
    client.denied.clear()
    assert flusher.flush(60)
    assert flusher.flush(None)
    assert not flusher.has_just_flushed_in_vain


def test_a_child_that_was_forked_without_pythons_hooks_starts_over_too():
    """F27: uWSGI forks in C; the first record tells by its process id. ``tests/runtimes`` has uWSGI itself."""
    client, pid = Client(), 1

    def start_in_child(run):
        if pid == 2:
            start_thread(run)

    flusher = a_flusher(client, start_thread=start_in_child, getpid=lambda: pid)
    flusher.put(time.time(), "m", to("parent"), 20)
    pid = 2
    flusher.notice_fork()
    flusher.put(time.time(), "m", to("child"), 20)
    assert flusher.flush(60)
    assert client.calls == ["child"]
    assert (flusher.pid, flusher.stats().emitted, client.forks) == (2, 1, 1)


class Threads:
    """Starts threads of ours, once there are any."""

    are_there = False

    def start(self, run):
        if not self.are_there:
            raise RuntimeError("can't start new thread")
        start_thread(run)


def test_where_no_thread_can_be_started_the_caller_delivers():
    """Over the limit of processes, or while the interpreter ends; the next record tries for a thread again."""
    client, threads = Client(), Threads()
    flusher = a_flusher(client, start_thread=threads.start, close_timeout=HANG_LIMIT)
    flusher.put(time.time(), "one", to("fine"), 20)
    assert client.calls == ["fine"]
    assert flusher.driver.state is State.NO_MORE_THREADS
    threads.are_there = True
    flusher.put(time.time(), "two", to("fine"), 20)
    assert flusher.driver.state is State.THREAD
    assert flusher.flush(60)
    assert client.calls == ["fine", "fine"]


def test_a_flush_where_no_thread_can_be_started_takes_no_longer_than_its_caller_waits(capsys):
    """It took ``close_timeout``, as a record does there. Time passes only while a request is made."""
    now = [1000.0]

    class Slow(Client):
        def put(self, *arguments):
            now[0] += 1.0
            return super().put(*arguments)

    flusher = a_flusher(
        Slow(), monotonic=lambda: now[0], start_thread=Threads().start, jitter=lambda: 0.0, close_timeout=20.0
    )
    flusher.put(time.time(), "m", to("denied"), 20)
    assert flusher.driver.state is State.NO_MORE_THREADS
    began = now[0]
    assert not flusher.flush(2.0)
    assert now[0] <= began + 3.0


def test_what_a_caller_without_a_thread_could_not_deliver_is_not_forgotten(capsys):
    """F32, F35: flush does not take it for settled, and the next record brings a thread, which takes it along."""
    client, threads = Client(), Threads()
    flusher = a_flusher(client, start_thread=threads.start)
    flusher.put(time.time(), "one", to("denied"), 20)
    assert not flusher.flush(0)
    client.denied.clear()
    threads.are_there = True
    tries = len(client.calls)
    flusher.put(time.time(), "two", to("fine"), 20)
    client.wait_for_calls(tries + 2)
    assert sorted(client.calls[tries:]) == ["denied", "fine"]
    assert flusher.flush(60)


def test_a_forked_child_forgets_the_parents_client_too():
    """F27: else both processes read from the same sockets."""
    client = Client()
    flusher = a_flusher(client)
    assert client.forks == 0
    flusher.start_over()
    assert client.forks == 1
