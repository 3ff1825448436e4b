"""Everything behind the handler in one process: what a caller may ask of it, and who does the work then.

Owns: the rounds of this process, their driver and their exit; flush, retire and finish. Must not know: what happens in
a round (`rounds`), how a round is driven (`driver`), how long anything may take (`exit`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from ..core.ledger import Stats
from ..delivery.rounds import Put, Rounds
from ..system.clock import Clock
from ..system.own_threads import is_own_thread
from ..system.primitives import pause
from ..system.stderr import Notices
from ..system.stdlib import getpid
from . import forks, lifecycle, runtimes, signals
from .carriers import Carrier, carrier_of
from .driver import CALLERS, Driver, State
from .exit import LAST_MOMENT, Exit

# Seconds after which the exit looks again whether what others have left is delivered.
OTHERS_POLL: Final = 0.02
# If for so many seconds no event of it is accepted and no further file is taken over, the exit waits no longer. A large
# request may take some seconds on a slow line.
OTHERS_PATIENCE: Final = 5.0
# A flush waits so many seconds at most until the program has been told of all that was lost before. It does not wait at
# all while one call of the program's function has taken longer.
REPORTS_PATIENCE: Final = 1.0


class Client(Protocol):
    """The part of `aws.client.Client` that a flusher needs."""

    def start_over(self) -> None:
        """Forget the boto3 client: the process was forked."""

    def let_go(self) -> None:
        """Close the connections that no other handler uses: the handler is closed."""


class MakeRounds(Protocol):
    """Makes the rounds of a process. The flusher says how these rounds get driven."""

    def __call__(self, *, wake: Callable[[], None], inline: bool) -> Rounds:
        """``wake`` is called when there is work. ``inline``: the thread that drives also makes the requests."""


class Flusher:
    """Everything behind the handler: takes formatted records from any thread and delivers them to the service.

    The first record has the thread of a carrier drive the rounds; ``carrier`` returns it. With ``use_thread=False``
    each caller drives them for its own record instead.
    """

    rounds: Rounds
    driver: Driver
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
        kept_for_reports: float = 0.0,
        flush_on_sigterm: bool = False,
        use_thread: bool = True,
        clock: Clock,
        kept_in: str = "",
        carrier: Callable[[], Carrier] = lambda: carrier_of(""),
        getpid: Callable[[], int] = getpid,
    ) -> None:
        self._client = client
        self._notices = notices
        self._make_rounds = make_rounds
        self._group = log_group_name
        self._send_interval = send_interval
        self._close_timeout = close_timeout
        self._kept = kept_for_reports
        self._use_thread = use_thread
        self._clock = clock
        self._kept_in = kept_in
        self._carrier = carrier
        self._getpid = getpid
        self._begin()
        lifecycle.flushers.watch(self)
        if flush_on_sigterm:
            signals.handle_sigterm()

    def _begin(self) -> None:
        rounds = self._make_rounds(wake=self._wake, inline=not self._use_thread)
        driver = Driver(
            rounds,
            self._clock,
            self._notices,
            self._wake,
            send_interval=self._send_interval,
            use_thread=self._use_thread,
            carrier=self._carrier(),
            at_rest=self._let_go,
        )
        self.pid = self._getpid()
        self._exit = Exit(self._close_timeout, self._kept)
        self.rounds, self.driver, self.put = rounds, driver, rounds.put

    def start_over(self, keeps_records: bool = False) -> None:
        """Begin anew in a forked child: with nothing, or with the records in the inbox if ``keeps_records``."""
        before = self.rounds
        before.release()
        self._client.start_over()
        self._begin()
        if keeps_records:
            before.hand_over(self.rounds)

    def notice_fork(self) -> None:
        """Begin anew if this process was forked without Python's fork hooks."""
        if self.pid != self._getpid():
            forks.start_over(keeps_records=runtimes.inherits_records())

    # -- from any thread -------------------------------------------------------------------------------------------

    def flush(self, timeout: float | None) -> bool:
        """Wait until all records that were put in before are settled; False if ``timeout`` seconds were not enough.

        None means ``close_timeout``, or what is left of the exit's time once the interpreter ends: all flushes during
        the exit have one deadline.
        """
        if not self._may_wait:
            return False
        self.notice_fork()
        now = self._clock.monotonic()
        if timeout is not None:
            return self._flush(now + timeout)
        is_over = self._exit.is_over(now)
        settled = self.rounds.is_settled if is_over else self._flush(max(now, self._exit.tried_until(now)))
        self._exit.flushed(settled, self._clock.monotonic())
        if not settled and self._exit.has_begun and not self._exit.has_given_up:
            # The exit itself had delivered everything. What is left was logged or handed on to us after it.
            self._give_up()
        return settled

    @property
    def _may_wait(self) -> bool:
        return not (is_own_thread() or self.is_interrupted)

    def _flush(self, deadline: float) -> bool:
        settled = self._deliver(deadline)
        # A function of the program that hangs must not make each flush wait.
        until = min(deadline, self._clock.monotonic() + REPORTS_PATIENCE)
        self.rounds.wait_for_reports(until, patience=REPORTS_PATIENCE)
        return settled

    def _deliver(self, deadline: float) -> bool:
        now = self._clock.monotonic()
        if sys.is_finalizing():
            deadline = min(deadline, now + LAST_MOMENT)
        state = self.driver.state
        if state in CALLERS or state is State.FORKS_FROM_C:
            return self.driver.drive(deadline)
        if not self.driver.has_thread:
            if self.rounds.is_settled:
                return True
            if not self.driver.start_thread():
                return self.driver.drive(deadline)
        ticket = self.rounds.ask_for_word(deadline)
        # The ticket has rung the bell. If the callers had taken over by then, this thread has just driven the rounds.
        # No other thread will settle anything, so there is nothing to wait for.
        return self.rounds.is_settled if self.driver.state in CALLERS else ticket.wait(deadline - now)

    @property
    def has_just_flushed_in_vain(self) -> bool:
        """True if a flush without a time-out of its own has timed out, about a second ago at most."""
        return self._exit.has_just_flushed_in_vain(self._clock.monotonic())

    @property
    def is_interrupted(self) -> bool:
        """True in a signal handler that has interrupted our code: nothing can be delivered before that code goes on."""
        return self.rounds.has_interrupted_help

    def stats(self, patience: float = 1.0) -> Stats:
        """Return the present counts. They may be those of a round half done if it lasts over ``patience`` seconds."""
        return self.rounds.stats(patience)

    def take_over_now(self) -> None:
        """Deliver what ended processes have left, without a first record of this one: for ``spool send``."""
        self.rounds.take_over_now()

    def retire(self) -> None:
        """Note that the handler is closed: the thread ends once nothing is left. A later record starts it again."""
        self._exit.close()
        self.driver.let_thread_end()
        # A finalizer may have interrupted a request, and with it the pool of the connections that are to be closed.
        if not self.driver.has_thread and self.rounds.is_settled and not is_own_thread():
            self._let_go()

    def _let_go(self) -> None:
        # At the end of the process the connections are kept: what is logged after this may need them.
        if not self._exit.has_begun:
            self.rounds.senders.leave()
            self._client.let_go()

    def deadline_from_now(self) -> float:
        """Return the instant at which a close or an exit that begins now must be over."""
        return self._exit.ends_at_if_begun(self._clock.monotonic())

    # -- the end of the process --------------------------------------------------------------------------------------

    def begin_to_deliver(self, deadline: float, *, is_exit: bool = False) -> None:
        """Have the thread deliver, until the deadline, the records that wait. Return at once.

        ``is_exit``: the interpreter ends. Otherwise the process may live on.
        """
        self.notice_fork()
        if is_exit:
            self._exit.begin(deadline - self._kept)
        self.rounds.process_ends_at(deadline)
        if self.driver.has_thread and not self.rounds.is_settled and deadline > self._clock.monotonic():
            self.rounds.ask_for_word(deadline - self._kept)

    def deliver_until(self, deadline: float) -> bool:
        """After `begin_to_deliver`: deliver what waits. If some is left at the deadline, say so and return False.

        What is left is also reported, but nobody waits here until the program's function knows it.
        """
        try:
            delivered = self._may_wait and self._deliver(max(deadline - self._kept, self._clock.monotonic()))
        except BaseException:
            # See ARCHITECTURE, Ctrl-C, 5. Where the interpreter does not end, the program goes on with what is left.
            if self._exit.has_begun:
                self._give_up()
            raise
        if not delivered:
            self._say_what_is_left(min(deadline, self._clock.monotonic() + self._kept))
        return delivered

    def wait_until_told(self, deadline: float) -> None:
        """Wait until the program's function knows what was lost, until the deadline at most."""
        self.rounds.wait_for_reports(deadline)

    def live_on(self) -> None:
        """After `deliver_until`: note that the process lives on. In a container SIGTERM does not end it."""
        if not self._exit.has_begun:
            self.rounds.process_ends_at(inf)

    def finish(self, deadline: float) -> None:
        """Deliver until the deadline, say what is left, and `end`."""
        self.begin_to_deliver(deadline, is_exit=True)
        try:
            delivered = self.deliver_until(deadline)
        except BaseException:
            self.end(-inf, delivered=False)
            raise
        self.end(deadline, delivered)

    def end(self, deadline: float, delivered: bool) -> None:
        """At the interpreter's end, after `deliver_until`: put things away. Callers drive from then on."""
        try:
            if delivered:
                self._deliver_for_others(deadline - self._kept)
                self.rounds.put_away()
            self.rounds.wait_for_reports(deadline)
        finally:
            if not delivered:
                # First, so that it has not got the lock when Python stops it.
                self.rounds.keep_thread_out()
                # After Ctrl-C nothing may have been written yet.
                self.rounds.store_all()
                # Records that come later are not even tried: each would again take as long as a request may take. The
                # same holds after Ctrl-C: see ARCHITECTURE, Ctrl-C, 5.
                now = self._clock.monotonic()
                self._exit.cut_short(now)
                deadline = min(deadline, now)
            # Otherwise the thread would not end before the deadline, and `leave_to_callers` waits for that.
            self.rounds.leave_others()
            self.driver.leave_to_callers(deadline)

    def _deliver_for_others(self, deadline: float) -> None:
        """Go on delivering what processes that have ended left on disk, as long as there is time and it works."""
        progress, since = -1, 0.0
        while self.rounds.has_left:
            now = self._clock.monotonic()
            if self.rounds.progress > progress:
                progress, since = self.rounds.progress, now
            if now >= deadline or now >= since + OTHERS_PATIENCE:
                return
            if not self.driver.has_thread:
                self.driver.drive(min(deadline, since + OTHERS_PATIENCE))
            pause(min(OTHERS_POLL, deadline - now))

    def end_thread(self) -> None:
        """After `end`: have the thread end, even if something is left. Return at once."""
        self.driver.end_thread()

    def _say_what_is_left(self, until: float) -> None:
        """Say what is not delivered, and report it until the instant ``until``."""
        are_stored = self.rounds.store_all()
        stats = self.stats()
        if not stats.pending:
            return
        why = self.rounds.last_error or f"not finished within close_timeout={self._close_timeout:g} s"
        kept = f" ({stats.spooled} of them are kept in {self._kept_in})" if stats.spooled else ""
        self._notices.say(
            "exit", f"log group {self._group!r}: {stats.pending} events not delivered at exit{kept}: {why}"
        )
        if not are_stored and sys.is_finalizing() and not self.is_interrupted:
            # The thread goes on no more, and has the lock. What the line of the exit said of the disk does not hold.
            self._notices.say(
                "not kept",
                f"log group {self._group!r}: what is logged from now on, while the interpreter ends, is neither "
                f"delivered nor kept in {self._kept_in}: the handler's thread has stopped in the middle of its work",
            )
        self.rounds.report_what_is_left(until)

    def _give_up(self) -> None:
        """Note that what has come during the exit could not be delivered; say what that is, and report it."""
        self._exit.give_up()
        until = self._clock.monotonic() + self._kept
        self._say_what_is_left(until)
        self.rounds.wait_for_reports(until)

    # -- when there is work ------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Make sure that somebody drives. The inbox calls this when its bell is rung."""
        runtimes.look_around(self._notices)
        match self.driver.state:
            case State.CALLERS_BY_OPTION | State.CALLERS_AT_EXIT:
                self._drive_for_caller()
            case State.NO_THREAD | State.STARTING | State.NO_MORE_THREADS:
                if not self.driver.start_thread():
                    self.driver.drive(self._patience_ends())
            case State.THREAD | State.FORKS_FROM_C:
                pass

    def _drive_for_caller(self) -> None:
        if self._is_flushed_soon:
            return
        delivered = not self._exit.has_given_up and self.driver.drive(self._patience_ends())
        if not delivered and self._exit.has_begun and not is_own_thread():
            self._give_up()

    def _patience_ends(self) -> float:
        return self._exit.late_record_until(self._clock.monotonic(), sys.is_finalizing())

    @property
    def _is_flushed_soon(self) -> bool:
        # While logging.shutdown runs, a handler in front, such as a MemoryHandler, hands on the records that it kept.
        # They are sent together when logging.shutdown flushes our handler.
        return self.rounds.can_wait and self._exit.expects_a_flush and lifecycle.is_logging_shut_down_for(self)
