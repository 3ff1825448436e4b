"""The thread: who drives the rounds, and until when.

Owns: the thread, waiting between rounds, deadlines, the interpreter's end. Must not know: what happens
in a round (`rounds`). The driver is the flusher's own daemon thread, or a caller where no thread can be
(``use_queues=False``, the interpreter's end).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from ..core.ledger import Stats
from ..core.retry import NO_DEADLINE, Deadline
from ..delivery.rounds import Put, Rounds
from ..system import nesting
from ..system.clock import Clock
from ..system.own_calls import start_thread
from ..system.own_threads import is_own_thread, own_thread
from ..system.primitives import acquire, allocate_lock, get_ident
from ..system.stderr import Notices
from ..system.stdlib import getpid
from . import forks, lifecycle, runtimes, signals

# How long a finalizer that logs, or calls flush(), may wait while the interpreter tears modules down: a request or two.
# What does not work within a moment by then never will.
LAST_MOMENT: Final = 1.0
# What ends this soon after a flush in vain does not wait again: logging.shutdown() calls flush() and then close(), and
# many a program flush() as its last statement.
FLUSHED_JUST_NOW: Final = 1.0


class Client(Protocol):
    """What is needed of `client.Client` here."""

    def start_over(self) -> None:
        """Forget the boto3 client: the process was forked."""


class MakeRounds(Protocol):
    """Makes the rounds of a process, for a flusher that tells how they come to be driven."""

    def __call__(self, *, wake: Callable[[], None], inline: bool) -> Rounds:
        """``wake`` is called when there is work; ``inline``: whoever calls for it does the work, calls included."""


class Flusher:
    """Everything behind the handler: takes formatted records from any thread and sees them to the service.

    The rounds are driven by a daemon thread that the first record starts; or, with ``use_thread=False``, by each caller
    for its own record.
    """

    rounds: Rounds
    put: Put
    """`Rounds.put` of this process; any thread may call it."""

    def __init__(
        self,
        client: Client,
        notices: Notices,
        make_rounds: MakeRounds,
        *,
        log_group_name: str,
        send_interval: float,
        close_timeout: float,
        flush_on_sigterm: bool = False,
        use_thread: bool = True,
        clock: Clock,
    ) -> None:
        self._client = client
        self._notices = notices
        self._make_rounds = make_rounds
        self._group = log_group_name
        self._send_interval = send_interval
        self._close_timeout = close_timeout
        self._uses_thread = use_thread
        self._clock = clock
        self._begin()
        lifecycle.flushers.watch(self)
        if flush_on_sigterm:
            signals.handle_sigterm()

    def start_over(self, keeps_records: bool = False) -> None:
        """Begin with nothing in a forked child; or with what is in the inbox."""
        before = self.rounds
        self._client.start_over()
        self._begin()
        if keeps_records:
            before.hand_over(self.rounds)

    def _begin(self) -> None:
        self.pid = getpid()
        self.rounds = self._make_rounds(wake=self._wake, inline=not self._uses_thread)
        # Held by whoever drives.
        self._driving = allocate_lock()
        self._has_thread = False
        self._starter: int | None = None
        self._retired = False
        self._is_closed = False
        self._must_end = False
        self._threadless = not self._uses_thread
        self._give_up_at: float | None = None
        self._has_given_up = False
        self._flushed_in_vain_at = -inf
        self.put = self.rounds.put

    def notice_fork(self) -> None:
        """Begin anew if the process was forked without Python's hooks."""
        if self.pid != getpid():
            forks.start_over(keeps_records=runtimes.inherits_records())

    # -- from any thread -------------------------------------------------------------------------------------------

    def flush(self, timeout: float | None) -> bool:
        """Wait until all that was put in before is settled; False if ``timeout`` seconds were not enough.

        None is ``close_timeout``, or what is left of it once the interpreter ends: one deadline for all.
        """
        if is_own_thread() or self.is_interrupted:
            return False
        self.notice_fork()
        if timeout is not None:
            return self._flush(timeout)
        timeout = (
            self._close_timeout
            if self._give_up_at is None
            else self._ends_at(self._give_up_at) - self._clock.monotonic()
        )
        # Once the exit has waited in vain, it is not tried again.
        is_over = self._has_given_up and timeout <= 0 < self._close_timeout
        settled = self.rounds.is_settled if is_over else self._flush(max(0.0, timeout))
        self._flushed_in_vain_at = -inf if settled else self._clock.monotonic()
        if not settled and self._give_up_at is not None and not self._has_given_up:
            # What handlers in front of this one have handed on meanwhile.
            self._has_given_up = True
            self._say_what_is_left()
        return settled

    def _flush(self, timeout: float) -> bool:
        if sys.is_finalizing():
            timeout = min(timeout, LAST_MOMENT)
        if self._threadless or runtimes.forks_from_c():
            return self.drive(self._clock.monotonic() + timeout)
        if not self._has_thread and self.rounds.is_settled:
            return True
        ticket = self.rounds.ask_for_word(self._clock.monotonic() + timeout)
        return self.rounds.is_settled if self._threadless else ticket.wait(timeout)

    @property
    def has_just_flushed_in_vain(self) -> bool:
        """True if a flush has taken all its ``close_timeout``, for nothing, and that was a moment ago."""
        return self._clock.monotonic() - self._flushed_in_vain_at <= FLUSHED_JUST_NOW

    @property
    def is_interrupted(self) -> bool:
        """True in a signal handler for which nothing can be delivered before the frame below it goes on."""
        return self.rounds.has_interrupted_help

    def stats(self, patience: float = 1.0) -> Stats:
        """Return the counts of this moment; of about this moment if ``patience`` seconds are not enough."""
        return self.rounds.stats(patience)

    def retire(self) -> None:
        """Let the thread end once nothing is left. A record that comes later starts it again."""
        self._is_closed = True
        self._end_thread()

    def _end_thread(self) -> None:
        self._retired = True
        if self._has_thread:
            self.rounds.inbox.ring()

    def begin_to_deliver(self, deadline: float) -> None:
        """Have the thread deliver what waits until the deadline, without waiting for it."""
        self.notice_fork()
        if self._has_thread and not self.rounds.is_settled and deadline > self._clock.monotonic():
            self.rounds.ask_for_word(deadline)

    def finish(self, deadline: float) -> None:
        """At the interpreter's end: deliver until the deadline, say what is left; later records are sent by callers."""
        self.notice_fork()
        self._give_up_at = deadline
        # If logging.shutdown is still to come, it comes to closed handlers, too.
        self._is_closed = False
        delivered = False
        try:
            delivered = self.deliver_until(deadline)
        finally:
            if not delivered:
                # What comes later goes the same way, without a try: it would cost as long again as a request may take.
                # So it is when somebody is impatient and sends Ctrl-C.
                self._has_given_up = True
                self._give_up_at = deadline = min(deadline, self._clock.monotonic())
            self._end_thread()
            if acquire(self._driving, deadline - self._clock.monotonic()):
                self._driving.release()
            self._threadless = True
            self.rounds.go_inline()

    def end_thread(self) -> None:
        """After `finish`: have the thread end, whatever is left; do not wait for it."""
        self._must_end = True
        self.rounds.inbox.ring_bell()

    def deliver_until(self, deadline: float) -> bool:
        """Deliver what waits; say what is left at the deadline, and return False."""
        if self.flush(max(0.0, deadline - self._clock.monotonic())):
            return True
        self._say_what_is_left()
        return False

    def _say_what_is_left(self) -> None:
        if left := self.stats().pending:
            why = self.rounds.last_error or f"not finished within close_timeout={self._close_timeout:g} s"
            self._notices.say("exit", f"log group {self._group!r}: {left} events not delivered at exit: {why}")

    def deadline_from_now(self) -> float:
        """Return when what begins now, and has `close_timeout` for it, must be over."""
        return self._clock.monotonic() + (0.0 if self.has_just_flushed_in_vain else self._close_timeout)

    # -- driving ---------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """See to it that somebody drives."""
        runtimes.look_around(self._notices)
        if self._threadless:
            if self._is_flushed_soon:
                return
            delivered = not self._has_given_up and self.drive(self._patience_ends())
            if not delivered and self._give_up_at is not None and not is_own_thread():
                self._has_given_up = True
                self._say_what_is_left()
        elif self._wants_thread:
            self._has_thread, self._starter = True, get_ident()
            try:
                # Not threading.Thread, for the reason given in `senders`.
                start_thread(self._run)
            except RuntimeError:
                # No more threads, or the interpreter is ending: do it here, and try again with the next record.
                self._has_thread = False
                self.rounds.inbox.always_rings = True
                self.rounds.inbox.alarm_bytes = -1
                self.drive(self._patience_ends())
            else:
                self.rounds.inbox.always_rings = self._threadless
            finally:
                self._starter = None

    @property
    def _is_flushed_soon(self) -> bool:
        # A handler in front hands on what it has kept. That goes together, when logging.shutdown comes to ours.
        can_wait = self.rounds.can_wait and not (self._is_closed or self._has_given_up)
        return can_wait and lifecycle.is_logging_shut_down_for(self)

    @property
    def _wants_thread(self) -> bool:
        # Whoever interrupts the frame that starts one, before it is there, must not take it for started, and starts one
        # too: that one waits until the other ends.
        is_there = self._has_thread and self._starter != get_ident()
        return not is_there and not runtimes.forks_from_c()

    def _patience_ends(self) -> float:
        """Return until when a caller drives for its record: to the exit's own deadline, once there is one."""
        now = self._clock.monotonic()
        if sys.is_finalizing():
            return now + LAST_MOMENT
        return now + self._close_timeout if self._give_up_at is None else self._ends_at(self._give_up_at)

    def _ends_at(self, give_up_at: float) -> float:
        """Return until when what comes during the exit is tried: a moment at least, where it has not waited in vain."""
        if self._has_given_up:
            return give_up_at
        return max(give_up_at, self._clock.monotonic() + min(self._close_timeout, LAST_MOMENT))

    def _run(self) -> None:
        driving = self._driving
        with own_thread(), driving:
            try:
                while not self._must_end and self._run_once():
                    pass
            finally:
                self._has_thread = False
                self.rounds.inbox.alarm_bytes = -1
        # Not only what waits in the inbox: a caller may have helped, and have taken it in already.
        if not self.rounds.is_settled:
            self._wake()

    def _run_once(self) -> bool:
        """Do a round and wait for the next; False if there is none because the thread may end."""
        rounds = self.rounds
        next_at = self._guarded_step(NO_DEADLINE)
        if self._retired and rounds.is_settled:
            return False
        timeout = inf if next_at is None else max(0.0, next_at - self._clock.monotonic())
        # A stream in back-off may have the only date, far away: another's record must not wait for it.
        idle = timeout > self._send_interval
        rounds.inbox.wait(timeout, idle)
        if idle:
            rounds.looked_at = self._clock.monotonic()
        return True

    def drive(self, deadline: float) -> bool:
        """Do the flusher's work on the calling thread until all is settled; False if the deadline came first.

        Another thread that drives is waited for. On the thread that drives already (a signal handler or a ``__del__``
        logged during a round) it returns at once: the round below picks the record up. A call that is being made when
        the deadline comes is not cut short.
        """
        # With no stack left, each request would fail until the deadline: the record is sent with the next.
        while not is_own_thread() and not nesting.is_stack_short():
            driving = self._driving
            with own_thread():
                if not acquire(driving, deadline - self._clock.monotonic()):
                    return False
                try:
                    settled = self._drive(deadline)
                finally:
                    driving.release()
            # A signal handler may have logged after the last look, and left its record to the round that was over.
            if not settled or self.rounds.inbox.is_empty:
                return settled
        return False

    def _drive(self, deadline: float) -> bool:
        while True:
            self.rounds.hasten_all()
            next_at = self._guarded_step(Deadline(deadline))
            if self.rounds.is_settled:
                return True
            now = self._clock.monotonic()
            if now >= deadline:
                return False
            self.rounds.inbox.wait(max(0.0, min(deadline, deadline if next_at is None else next_at) - now))

    def _guarded_step(self, deadline: Deadline) -> float | None:
        try:
            return self.rounds.step(deadline)
        except Exception as error:  # a bug of ours must not end the only thread that delivers
            self._notices.say("bug", f"unexpected error, please report it: {type(error).__name__}: {error}")
            return self._clock.monotonic() + 1.0
