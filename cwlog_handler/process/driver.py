"""Who drives the rounds: the thread, or the callers; and the loop that either of them runs.

Owns: that state and its transitions, the thread, waiting between rounds, the lock of whoever drives. Must not know:
what happens in a round (`rounds`), when a process ends (`exit`).

The inbox and the senders are told of a transition by a method of theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Final

from ..core.retry import NO_DEADLINE, Deadline
from ..delivery.rounds import Rounds
from ..system import nesting
from ..system.clock import Clock
from ..system.own_calls import start_thread as start_own_thread
from ..system.own_threads import is_own_thread, own_thread
from ..system.primitives import acquire, allocate_lock, get_ident
from ..system.stderr import Notices
from . import runtimes

# How many seconds until the next round after one that raised.
AFTER_A_BUG: Final = 1.0

StartThread = Callable[[Callable[[], object]], None]


class State(Enum):
    """Who drives, as the current thread has to see it."""

    NO_THREAD = auto()
    """No thread has been started yet, or it has ended. The next record that rings starts one."""
    STARTING = auto()
    """The current thread is starting one, in a frame that a signal handler or a finalizer has interrupted. What
    interrupts it must not take the thread for started, and starts one too: that one waits until the other ends."""
    THREAD = auto()
    """The thread drives, or will as soon as it runs."""
    NO_MORE_THREADS = auto()
    """No thread could be started. Each caller drives for its own record, and tries for a thread first."""
    FORKS_FROM_C = auto()
    """The master of uWSGI. Records wait for the worker that inherits them; a flush is driven by its caller."""
    CALLERS_BY_OPTION = auto()
    """``use_queues=False``: each caller drives for its own record, and makes the calls itself."""
    CALLERS_AT_EXIT = auto()
    """The same because the interpreter ends: no thread can be relied on any more."""


CALLERS: Final = frozenset({State.CALLERS_BY_OPTION, State.CALLERS_AT_EXIT})


class Driver:
    """Drives the rounds of one process: on a daemon thread, or on the thread that calls `drive`.

    ``resume`` is called when the thread has ended although something is left, ``start_thread`` to start it: that raises
    RuntimeError if there are no more threads. Any thread may call anything.
    """

    def __init__(
        self,
        rounds: Rounds,
        clock: Clock,
        notices: Notices,
        resume: Callable[[], None],
        *,
        send_interval: float,
        use_thread: bool,
        start_thread: StartThread = start_own_thread,
    ) -> None:
        self._rounds = rounds
        self._clock = clock
        self._notices = notices
        self._resume = resume
        self._send_interval = send_interval
        self._start_thread = start_thread
        # Held by whoever drives.
        self._driving = allocate_lock()
        # The state is kept in three fields. A start, the end of the thread and the exit may come on three threads at
        # the same time, and no lock may be taken that a signal handler could meet. `_callers` is written by the exit
        # only, once, so that no late start and no late end of the thread can undo it.
        self._callers: State | None = None if use_thread else State.CALLERS_BY_OPTION
        # NO_THREAD, THREAD or NO_MORE_THREADS.
        self._thread = State.NO_THREAD
        # The ident of the thread that is starting one at this moment.
        self._starter: int | None = None
        self._may_end = False
        self._must_end = False

    @property
    def state(self) -> State:
        """Who drives at this moment."""
        if self._callers is not None:
            return self._callers
        if self._starter == get_ident():
            return State.STARTING
        if self._thread is not State.THREAD and runtimes.forks_from_c():
            return State.FORKS_FROM_C
        return self._thread

    @property
    def has_thread(self) -> bool:
        """True while a thread is there, or is being started: also one that has not ended when the callers took over."""
        return self._thread is State.THREAD

    # -- transitions -------------------------------------------------------------------------------------------------

    def start_thread(self) -> bool:
        """Go from NO_THREAD, STARTING or NO_MORE_THREADS to THREAD; or to NO_MORE_THREADS, and return False."""
        try:
            self._starter, self._thread = get_ident(), State.THREAD
            # Not threading.Thread, for the reason given in `starting.start_thread`.
            self._start_thread(self._run)
        except RuntimeError:
            # No more threads, or the interpreter is ending.
            self._thread = State.NO_MORE_THREADS
            self._rounds.inbox.ring_for_each_record()
            return False
        except BaseException:
            # Ctrl-C. Nobody knows whether the thread was started: if it was, the next one waits until it ends.
            self._thread_ends()
            raise
        finally:
            self._starter = None
        self._rounds.inbox.ring_when_much_waits()
        if self._callers is not None:
            # The callers took over on another thread meanwhile, and what this one has just said is not true.
            self._rounds.go_inline()
        return True

    def _thread_ends(self) -> None:
        """Go from THREAD to NO_THREAD. The callers stay in charge if they are."""
        self._thread = State.NO_THREAD
        self._rounds.inbox.ring_for_next_record()

    def leave_to_callers(self, deadline: float) -> None:
        """Go from any state to CALLERS_AT_EXIT, and never back; before that wait for the thread until the deadline."""
        self.let_thread_end()
        if acquire(self._driving, deadline - self._clock.monotonic()):
            self._driving.release()
        self._callers = State.CALLERS_AT_EXIT
        self._rounds.go_inline()

    def let_thread_end(self) -> None:
        """From now on a thread ends once nothing is left; it does not wait for more."""
        self._may_end = True
        if self.has_thread:
            self._rounds.inbox.ring()

    def end_thread(self) -> None:
        """Have the thread end after its round, whatever is left; do not wait for it."""
        self._must_end = True
        self._rounds.inbox.ring_bell()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with own_thread(), self._driving:
            try:
                while not self._must_end and self._run_once():
                    pass
            finally:
                self._thread_ends()
        # Not only what waits in the inbox: a caller may have helped, and have taken it in already.
        if not self._rounds.is_settled:
            self._resume()

    def _run_once(self) -> bool:
        """Do a round and wait for the next; False if there is none because the thread may end."""
        next_at = self._guarded_step(NO_DEADLINE)
        if self._may_end and self._rounds.is_settled:
            return False
        timeout = inf if next_at is None else max(0.0, next_at - self._clock.monotonic())
        # A stream in back-off may have the only date, far away: another's record must not wait for it.
        self._rounds.wait(timeout, idle=timeout > self._send_interval)
        return True

    # -- the callers -------------------------------------------------------------------------------------------------

    def drive(self, deadline: float) -> bool:
        """Do the work on the calling thread until all is settled; False if the deadline came first.

        Another thread that drives is waited for. On the thread that drives already (a signal handler or a ``__del__``
        logged during a round) it returns at once: the round below picks the record up. A call that is being made when
        the deadline comes is not cut short.
        """
        # With no stack left, each request would fail until the deadline: the record is sent with the next.
        while not is_own_thread() and not nesting.is_stack_short():
            with own_thread():
                if not acquire(self._driving, deadline - self._clock.monotonic()):
                    return False
                try:
                    settled = self._drive(deadline)
                finally:
                    self._driving.release()
            # A signal handler may have logged after the last look, and left its record to the round that was over.
            if not settled or self._rounds.inbox.is_empty:
                return settled
        return False

    def _drive(self, deadline: float) -> bool:
        while True:
            self._rounds.hasten_all()
            next_at = self._guarded_step(Deadline(deadline))
            if self._rounds.is_settled:
                return True
            now = self._clock.monotonic()
            if now >= deadline:
                return False
            self._rounds.wait(max(0.0, min(deadline, deadline if next_at is None else next_at) - now))

    def _guarded_step(self, deadline: Deadline) -> float | None:
        try:
            return self._rounds.step(deadline)
        except Exception as error:  # a bug of ours must not end the only thread that delivers
            self._notices.say("bug", f"unexpected error, please report it: {type(error).__name__}: {error}")
            return self._clock.monotonic() + AFTER_A_BUG
