"""Decides who drives the rounds, the handler's thread or the callers, and has the loop that each of them runs.

Owns: the state (`State`) and its transitions, the thread, waiting between rounds, the lock that the driving thread
holds. Must not know: what happens in a round (`rounds`), when a process ends (`exit`).

At a transition the driver calls a method of the inbox or of the rounds, because they act differently afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from math import inf
from typing import Final

from ..core.retry import NO_DEADLINE, Deadline
from ..delivery.books import BooksInUse
from ..delivery.rounds import Rounds
from ..system import nesting
from ..system.clock import Clock
from ..system.own_threads import is_own_thread, own_thread
from ..system.primitives import acquire, allocate_lock, get_ident
from ..system.stderr import Notices
from . import runtimes
from .carriers import Carrier

# After a round that raised, the next one begins this many seconds later.
AFTER_A_BUG: Final = 1.0
# While a caller drives, the carrier's thread looks again after so many seconds. For the lock of the rounds, which a
# caller may hold, it waits as long at most. It must not wait longer, because it drives other handlers, too: the caller
# may be a frame that a signal handler has interrupted, and that one may wait for another handler's delivery.
AFTER_A_CALLER: Final = 0.02


class State(Enum):
    """Who drives, as the thread that asks has to see it. "The thread" is that of the carrier."""

    NO_THREAD = auto()
    """No thread has been started yet, or it has ended. The next record that rings the bell starts one."""
    STARTING = auto()
    """The thread that asks was just starting the handler's thread when a signal handler or a finalizer interrupted it.
    The interrupting code cannot know whether that start succeeded. So it has a thread started, too. If there are two
    then, one of them ends at once."""
    THREAD = auto()
    """The thread drives, or has been started and will drive as soon as it runs."""
    NO_MORE_THREADS = auto()
    """No thread could be started. Each caller first tries again to start one; if it cannot, it drives for its own
    record."""
    FORKS_FROM_C = auto()
    """In uWSGI's master process, where no thread may be started. Records wait for the worker that inherits them. The
    caller of a flush drives."""
    CALLERS_BY_OPTION = auto()
    """``use_queues=False``: each caller drives for its own record and makes the requests on its own thread."""
    CALLERS_AT_EXIT = auto()
    """As CALLERS_BY_OPTION, but because the interpreter ends: from then on no thread is sure to run."""


CALLERS: Final = frozenset({State.CALLERS_BY_OPTION, State.CALLERS_AT_EXIT})


class Driver:
    """Drives the rounds of one handler: on the carrier's thread, or on the thread that calls `drive`.

    Any thread may call any method. The carrier starts its thread if there is none; it raises RuntimeError if the
    system has no thread left. ``resume`` is called when the thread has ended although something is left to do, and
    ``at_rest`` when it has ended and nothing is.
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
        carrier: Carrier,
        at_rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._rounds = rounds
        self._clock = clock
        self._notices = notices
        self._resume = resume
        self._at_rest = at_rest
        self._send_interval = send_interval
        self._carrier = carrier
        if use_thread:
            rounds.inbox.ring_also(partial(carrier.ring, self))
        # Held by the thread that drives: only one does at a time.
        self._driving = allocate_lock()
        # The state is kept in three fields, without a lock: a signal handler may interrupt a thread that holds one. The
        # start of the thread, its end and the exit may happen on three threads at the same time. After this line only
        # the exit writes `_callers`. So a start or an end of the thread that comes late cannot undo what the exit set.
        self._callers: State | None = None if use_thread else State.CALLERS_BY_OPTION
        # Always NO_THREAD, THREAD or NO_MORE_THREADS.
        self._thread = State.NO_THREAD
        # The ident of the thread that is starting the handler's thread at this moment.
        self._starter: int | None = None
        self._may_end = False
        self._must_end = False
        # True while the thread holds `_driving`.
        self._is_carried = False

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
        """True while the thread exists or is being started. It may still exist after the callers have taken over."""
        return self._thread is State.THREAD

    # -- transitions -------------------------------------------------------------------------------------------------

    def start_thread(self) -> bool:
        """Go from NO_THREAD, STARTING or NO_MORE_THREADS to THREAD and return True.

        If no thread can be started, go to NO_MORE_THREADS and return False.
        """
        try:
            self._starter, self._thread = get_ident(), State.THREAD
            # Here and not on the new thread: by its first step the interpreter may end already, and then start no
            # other. Not after it was started: it might have ended already, or Ctrl-C might come between.
            self._rounds.thread_begins()
            self._carrier.carry(self)
        except RuntimeError:
            # The system has no thread left, or the interpreter is ending.
            self._thread = State.NO_MORE_THREADS
            self._rounds.thread_ends()
            self._rounds.inbox.ring_for_each_record()
            return False
        except BaseException:
            # Ctrl-C, or another exception of a signal handler. Whether the thread was started is unknown. If it was, it
            # drives all the same, and the next start finds it.
            self._thread_ends()
            raise
        finally:
            self._starter = None
        self._rounds.inbox.ring_when_much_waits()
        if self._callers is not None:
            # Meanwhile the exit has let the callers take over, on another thread. The line above has wrongly set the
            # inbox for a driving thread: set it for callers again.
            self._rounds.go_inline()
        elif self._thread is not State.THREAD:
            # The thread has let go already, or it could not be started by somebody else on whom this start relied.
            self._rounds.inbox.ring_for_next_record()
        return True

    def _thread_ends(self) -> None:
        """Go from THREAD to NO_THREAD. If the callers have taken over, they still drive."""
        self._thread = State.NO_THREAD
        self._rounds.inbox.ring_for_next_record()

    def leave_to_callers(self, deadline: float) -> None:
        """Wait for the thread to end, until the deadline at most. Then go to CALLERS_AT_EXIT, for ever."""
        self.let_thread_end()
        has_ended = acquire(self._driving, deadline - self._clock.monotonic())
        # In this order: a record of another thread may start the handler's thread again, which must see this.
        self._callers = State.CALLERS_AT_EXIT
        if has_ended:
            self._driving.release()
        else:
            self._rounds.keep_thread_out()
        self._rounds.go_inline()

    def let_thread_end(self) -> None:
        """From now on the thread ends as soon as nothing is left, instead of waiting for more records."""
        self._may_end = True
        if self.has_thread:
            self._rounds.inbox.ring()

    def end_thread(self) -> None:
        """Have the thread end after its present round, even if something is left. Return at once."""
        self._must_end = True
        self._rounds.inbox.ring_bell()

    # -- the thread --------------------------------------------------------------------------------------------------

    def turn(self) -> float | None:
        """Do a round; return the instant at which the next is due, or None if the thread is to leave this driver."""
        if not self._is_carried:
            if not self._driving.acquire(blocking=False):
                return self._clock.monotonic() + AFTER_A_CALLER
            self._is_carried = True
        # Where callers drive, each round makes its requests right here: other handlers would wait for them.
        if self._must_end or self._callers is not None:
            return None
        self._rounds.wake_up()
        try:
            next_at = self._guarded_step(NO_DEADLINE, is_brief=self._carrier.is_crowded, patience=AFTER_A_CALLER)
        except BooksInUse:
            return self._clock.monotonic() + AFTER_A_CALLER
        if self._may_end and self._rounds.is_settled and not self._rounds.has_left:
            return None
        now = self._clock.monotonic()
        at, in_time = inf if next_at is None else next_at, self._rounds.looked_at + self._send_interval
        # If the next round is further away than `send_interval`, requests are under way, or a stream is in back-off.
        # The next record may be one of another stream, which must not wait for that round. Where records come all the
        # time, each would wake the thread, at several times its own cost: so the thread looks again in time for them.
        # Where none has come, the next one wakes it.
        if self._rounds.has_taken_in:
            at = min(at, in_time)
        return at if self._rounds.fall_asleep(idle=at > in_time) else now

    def let_go(self) -> None:
        """Note that the thread does not drive these rounds any more."""
        try:
            # First: as soon as the state says that there is no thread, another one may begin.
            self._rounds.thread_ends()
            self._thread_ends()
        finally:
            if self._is_carried:
                self._is_carried = False
                self._driving.release()

    def has_been_let_go(self) -> None:
        """Put away what is not needed any more, or have somebody drive again if something is left."""
        # Once callers have taken over, this thread may stop anywhere: it must not have the lock of the rounds then.
        if self._callers is None:
            self._rounds.put_away()
        # The inbox alone does not show what is left: a caller that helped may have moved records on from there.
        if self._rounds.is_settled:
            self._at_rest()
        elif self._callers is None or self._must_end:
            self._resume()

    # -- the callers -------------------------------------------------------------------------------------------------

    def drive(self, deadline: float) -> bool:
        """Do the work on the calling thread until all is settled; False if the deadline came first.

        If another thread drives, this one waits for it. If this very thread drives already (a signal handler or a
        ``__del__`` has logged during a round), the call returns at once: the interrupted round sends the record. A
        request that is being made when the deadline comes is not cut short.
        """
        # If the program has nearly used up its stack, each request would fail until the deadline. The record is then
        # sent when somebody drives the next time.
        while not is_own_thread() and not nesting.is_stack_short():
            with own_thread():
                if not acquire(self._driving, deadline - self._clock.monotonic()):
                    return False
                try:
                    settled = self._drive(deadline)
                finally:
                    self._driving.release()
            # A signal handler may have logged when the last round had ended but this thread still counted as driving.
            # Its record is in the inbox, and nobody else sends it.
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

    def _guarded_step(self, deadline: Deadline, is_brief: bool = False, patience: float = inf) -> float | None:
        try:
            return self._rounds.step(deadline, is_brief, patience)
        except BooksInUse:
            raise
        except Exception as error:  # a bug of ours must not end the only thread that delivers
            self._notices.say("bug", f"unexpected error, please report it: {type(error).__name__}: {error}")
            return self._clock.monotonic() + AFTER_A_BUG
