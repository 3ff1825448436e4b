"""What happens to flushers when the process forks or ends."""

import threading
from math import inf

import pytest

from cwlog_handler.delivery import buckets
from cwlog_handler.process import forks, lifecycle
from cwlog_handler.system.own_threads import is_own_thread, own_thread

from ..delivery.test_buckets import Handler


def test_a_forked_child_has_no_threads_and_no_token_buckets_of_its_parent():
    """F27: a thread's number may be given again; a bucket's lock may be held for ever."""
    parents = Handler(5)
    bucket = parents.bucket()
    with buckets._lock, own_thread():
        forks.start_over()
        assert not is_own_thread()
        assert not buckets._lock.locked()
        assert Handler(5).bucket() is not bucket


def test_two_forks_at_once_leave_no_lock_behind():
    """F27: the one that waits in vain must not make the other forget to release: no client could be made any more."""
    no_fork = forks.NoFork(patience=0.01)

    def fork():
        no_fork.before_fork()
        no_fork.after_fork()

    no_fork.before_fork()
    other = threading.Thread(target=fork)
    other.start()
    other.join()
    no_fork.after_fork()
    assert no_fork._lock.acquire(blocking=False)


def test_what_puts_forks_off_for_long_is_not_waited_for_without_an_end():
    """F27: credentials may take minutes to come, and a handler elsewhere has its own client to make."""
    no_fork = forks.NoFork(patience=0.01)
    with no_fork.held():
        with no_fork.held():
            entered = True
        no_fork.before_fork()
        no_fork.after_fork()
    assert entered
    # Nobody has left it taken, nor released what was another's.
    with no_fork.held():
        assert not no_fork._lock.acquire(blocking=False)
    assert no_fork._lock.acquire(blocking=False)


class Ending:
    """Notes what is asked of a flusher, and until when; the first of all that is asked for one thing is interrupted."""

    def __init__(self, calls, interrupted_in):
        self._calls = calls
        self._interrupted_in = interrupted_in

    def deadline_from_now(self):
        return 5.0

    def begin_to_deliver(self, deadline, *, is_exit):
        assert is_exit
        self._interrupt("begin")

    def deliver_until(self, deadline):
        self._note("deliver", deadline)
        return True

    def end(self, deadline, delivered):
        self._note("end", deadline, delivered)

    def finish(self, deadline):
        self._note("finish", deadline)

    def _note(self, *call):
        self._calls.append((self, *call))
        self._interrupt(call[0])

    def _interrupt(self, asked_for):
        if asked_for in self._interrupted_in:
            self._interrupted_in.clear()
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("interrupted_in", "calls"),
    [
        # Otherwise nobody would know that the end has begun, and what comes after it would wait for an hour.
        ("begin", [(place, "finish", -inf) for place in range(3)]),
        (
            "deliver",
            [(0, "deliver", 5.0), (0, "end", -inf, False), (1, "finish", -inf), (2, "finish", -inf)],
        ),
        (
            "end",
            [
                *((place, "deliver", 5.0) for place in range(3)),
                (0, "end", 5.0, True),
                *((place, "end", -inf, True) for place in (1, 2)),
            ],
        ),
    ],
)
def test_ctrl_c_while_a_handler_is_waited_for_leaves_the_others_time_to_say_what_they_have_left(interrupted_in, calls):
    """F25: a second handler would end without a word, and its thread would go on while modules are torn down."""
    flushers, noted, interrupted = lifecycle.Flushers(), [], {interrupted_in}
    watched = [Ending(noted, interrupted) for _ in range(3)]
    for flusher in watched:
        flushers.watch(flusher)
    with pytest.raises(KeyboardInterrupt):
        flushers.finish_all()
    order = list(dict.fromkeys(flusher for flusher, *_ in noted))
    assert [(order.index(flusher), *call) for flusher, *call in noted] == calls


class Watched:
    """Notes in which order a flusher is asked for what; the first wait for a function can be interrupted."""

    def __init__(self, calls, is_interrupted=False):
        self._calls, self._is_interrupted = calls, is_interrupted

    def deadline_from_now(self):
        self._calls.append("deadline")
        return 0.0

    def begin_to_deliver(self, deadline, *, is_exit):
        self._calls.append("begin")

    def deliver_until(self, deadline):
        self._calls.append("deliver")

    def wait_until_told(self, deadline):
        self._calls.append("told")
        if self._is_interrupted:
            raise KeyboardInterrupt

    def live_on(self):
        self._calls.append("live on")

    def end(self, deadline, delivered):
        self._calls.append("end")


def test_all_handlers_deadlines_are_taken_before_the_first_is_waited_for():
    """F25, F50: several handlers wait side by side at exit, each with tries of its own."""
    calls, flushers = [], lifecycle.Flushers()
    watched = [Watched(calls), Watched(calls)]
    for flusher in watched:
        flushers.watch(flusher)
    flushers.finish_all()
    assert calls == ["deadline", "deadline", "begin", "begin", "deliver", "deliver", "end", "end"]


def test_before_a_signal_ends_the_process_all_report_what_is_left_before_one_waits_for_a_function():
    """One that hangs takes all the time there is: nobody would be told of what the next handler has left."""
    calls, flushers = [], lifecycle.Flushers()
    watched = [Watched(calls), Watched(calls)]
    for flusher in watched:
        flushers.watch(flusher)
    flushers.deliver_all()
    assert calls[:6] == ["deadline", "deadline", "begin", "begin", "deliver", "deliver"]
    assert calls[6:] == ["told", "told", "live on", "live on"]


def test_after_ctrl_c_in_the_wait_before_a_signal_ends_the_process_all_handlers_live_on():
    """The program may catch it: its handlers must not go on as if the process ended at their deadline."""
    calls, flushers = [], lifecycle.Flushers()
    watched = [Watched(calls, is_interrupted=True), Watched(calls, is_interrupted=True)]
    for flusher in watched:
        flushers.watch(flusher)
    with pytest.raises(KeyboardInterrupt):
        flushers.deliver_all()
    assert calls[6:] == ["told", "live on", "live on"]
