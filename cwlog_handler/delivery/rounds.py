"""One round of the work: take records in, ask streams, hand calls to `senders`, settle. A round does not wait.

Owns: the inbox, the streams, the lock on the ledger, and who waits for what to be settled. Must not know: who drives,
whether the driver is a thread of ours, how the program ends. A simulation calls `step` with its own clock.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from ..core.ledger import Ledger, Stats
from ..core.retry import NO_DEADLINE, Deadline
from ..core.stream import Stream
from ..core.targets import Target
from ..core.terms import Terms
from ..system.clock import Clock
from ..system.own_threads import is_own_thread
from ..system.primitives import pause
from ..system.stderr import Notices
from .books import Books
from .calls import Client
from .dispatch import Dispatch
from .inbox import RECORD_COST_BYTES, WAKE_BYTES, Inbox, Ticket
from .intake import Intake
from .senders import Job, Senders

if TYPE_CHECKING:
    from ..core.lost import Reports
    from ..core.shedding import Bounds
    from ..spool.spool import Spool
    from .reporting import Reporter
    from .storing import Storing
    from .telling import Telling

# This many records are taken in while the lock is held once: about 1 ms of work (6 ms if one of them is odd). So no
# thread that needs the lock waits for long.
SLICE: Final = 2000
# So many slices are taken in before other handlers get their turn: 10 to 60 ms of work.
MOST_SLICES: Final = 10
# With more bytes than this in the inbox, the flusher gets too little CPU. Then each caller takes in the first HELPING
# records after it has added one, so that the inbox becomes shorter.
MUCH_BYTES: Final = 4 * 1024 * 1024
HELPING: Final = 20
# With more than TOO_MUCH times as many bytes, and more than LEAST_STARVED_BYTES, helping is not enough: whoever
# has the lock may wait for a processor, and nobody can help then. A caller pauses until less waits. It looks so many
# times at most, at this interval in seconds. That leaves its share of the processor to the driver, which takes records
# in at a fifth of what logging them costs.
TOO_MUCH: Final = 2
LEAST_STARVED_BYTES: Final = 256 * 1024
STARVED_POLLS: Final = 25
STARVED_POLL: Final = 0.002

# The driver is woken when this share of ``max_count`` waits, at the latest.
SHARE_OF_COUNT: Final = 1 / 8

Put: TypeAlias = Callable[[float, str, "Target | None", int], None]
"""Takes a record over: when it was made, its text, its stream (None: that of the process), its level."""


def _wake_bytes(bounds: Bounds) -> int:
    """Return how many bytes of records wait until the driver is woken, if none of them is urgent."""
    if bounds.max_count is None:
        return WAKE_BYTES
    # As if the texts were empty: then no more records wait than that, however short they are.
    return min(WAKE_BYTES, int(bounds.max_count * SHARE_OF_COUNT) * RECORD_COST_BYTES)


class Rounds:
    """The records of one handler in one process, from the inbox to the answers of the service.

    Any thread may `put`, `ask_for_word` and read `stats`. Only one thread at a time, the driver, may call `step` and
    the other methods in its section below.
    """

    def __init__(
        self,
        client: Client,
        notices: Notices,
        terms: Terms,
        *,
        wake: Callable[[], None],
        inline: bool,
        clock: Clock,
        jitter: Callable[[], float],
        own_target: Callable[[], Target | None],
        senders: Senders | None = None,
        make_spool: Callable[[Ledger], Spool] | None = None,
        make_reporter: Callable[[], Reporter] | None = None,
    ) -> None:
        self._bounds = bounds = terms.bounds
        self._clock = clock
        self._own_target = own_target()
        self._much_bytes = min(MUCH_BYTES, bounds.max_bytes // 16)
        self.inbox = Inbox(
            wake,
            self._attend,
            clock.monotonic,
            most_bytes=self._much_bytes,
            wake_bytes=_wake_bytes(bounds),
            urgent_level=terms.flush_level,
            always_rings=inline,
        )
        self.senders = senders or Senders(inline=inline)
        self.senders.wake_by(self.inbox.ring_bell)
        self._ledger = Ledger()
        spool = make_spool(self._ledger) if make_spool is not None else None
        self._reporter = reporter = make_reporter() if make_reporter is not None else None
        reports = reporter.untold if reporter is not None else None
        self._dispatch = Dispatch(
            client,
            notices,
            self._ledger,
            self.senders,
            terms,
            clock=clock,
            jitter=jitter,
            ring=self.inbox.ring_bell,
            spool=spool,
            reports=reports,
        )
        self._storing = None if spool is None else self._store_in(spool, terms, reports, takes_over=not inline)
        self._telling = None if reporter is None else self._tell_by(reporter)
        # The instant at which the process must have ended; ``inf``: it does not end yet.
        self._ends_at = inf
        self._leaves_others = False
        self._intake = Intake(
            self.inbox, self._dispatch, self._ledger, notices, terms, self._own_target, self._storing, reports
        )
        self._hand_over: Callable[..., None] = self.inbox.put
        if spool is not None and spool.journal is not None:
            spool.journal.hand_over_to(self.inbox.put)
            self._hand_over = spool.journal.put
        if reporter is not None:
            # Past the files into which callers write: see `core.losses.UNTOLD`.
            self._hand_over = reporter.marking(self._hand_over, self.inbox.put)
        # No method around it: one more Python call would make `put` 5 % slower for every caller.
        self.put: Put = self._put_where_there_is_room if bounds.overflow == "block" else self._hand_over
        """Takes a record over. It never waits, except for room if ``overflow="block"``."""
        self._jobs: deque[Job] = deque()
        self._tickets: list[tuple[Ticket, int, list[Stream]]] = []
        # Tickets that ask about records of which so many have been left to the next round.
        self._asked: list[Ticket] = []
        self._left_over = 0
        self.has_taken_in = False
        """True if the last round has taken in any records."""
        self.looked_at = clock.monotonic()
        """The inbox was last looked at, or found empty, at this instant. What no look has found arrived later."""
        self._sleeps_idly = False
        # Its lock is held while streams or ledger are changed, so that `stats` is consistent. It is not held while
        # waiting or making a request, except at the end of the process: see `report_what_is_left`. With a spool it is
        # held while files are read and written.
        self._books = Books()

    # Both are imported only here: most programs have neither a spool nor a function for lost events.

    def _store_in(self, spool: Spool, terms: Terms, reports: Reports | None, *, takes_over: bool) -> Storing:
        from .storing import Storing

        dispatch = self._dispatch
        return Storing(
            *(spool, self._ledger, dispatch.streams, dispatch.stream, dispatch.plan, terms),
            takes_over=takes_over,
            reports=reports,
        )

    def _tell_by(self, reporter: Reporter) -> Telling:
        from .telling import Telling

        reporter.rest_while(lambda: self.inbox.size_bytes > self._much_bytes)
        return Telling(reporter, self.senders, self._clock, self._storing)

    # -- any thread ------------------------------------------------------------------------------------------------

    def _put_where_there_is_room(self, created: float, text: str, target: Target | None, level: int) -> None:
        is_surplus = self._may_wait and not self._wait_for_room(text)
        self._hand_over(created, text, target, level, is_surplus)

    def _attend(self) -> None:
        self.inbox.ring()
        if self.inbox.size_bytes > self._much_bytes and (self._reporter is None or not self._reporter.is_at_work):
            # Where callers make the requests, no other thread drives.
            if self._is_starved and self._may_wait and not self.senders.inline:
                self._wait_for_driver()
            self._help()

    @property
    def _may_wait(self) -> bool:
        # A thread of ours would wait for itself, and so would code that has interrupted a frame holding the lock. While
        # modules are torn down, a finalizer is alone: no other thread could make room.
        return not is_own_thread() and not self.has_interrupted_help and not sys.is_finalizing()

    @property
    def _is_starved(self) -> bool:
        return self.inbox.size_bytes > max(LEAST_STARVED_BYTES, TOO_MUCH * self._much_bytes)

    def _wait_for_driver(self) -> None:
        for _ in range(STARVED_POLLS):
            if not self._is_starved:
                return
            pause(STARVED_POLL)

    def _wait_for_room(self, text: str) -> bool:
        size = len(text) if text.isascii() else len(text.encode(errors="replace"))
        return self.inbox.wait_for_room(lambda: self._intake.has_room(size), self._bounds.block_timeout)

    def _help(self) -> None:
        # Do not wait for the lock: a round is under way, or another caller helps, or a signal handler has interrupted a
        # frame of this very thread that helps.
        with self._books.for_caller(0.0) as is_taken:
            if is_taken:
                self._intake.take_in(HELPING, self.looked_at, self._clock.monotonic())
        if is_taken:
            # The streams have new dates now. The flusher may be about to sleep for long and would find the inbox empty.
            self.inbox.ring_bell()

    @property
    def has_interrupted_help(self) -> bool:
        """True in a signal handler or a finalizer that has interrupted a frame holding the lock: it must not wait."""
        return self._books.are_interrupted

    def ask_for_word(self, deadline: float) -> Ticket:
        """Return a ticket with which to wait until all records put in before are settled, or until the deadline.

        Until then retries are spread over the time that is left, whether a thread waits with the ticket or not.
        """
        ticket = Ticket(Deadline(deadline, since=self._clock.monotonic()))
        self.inbox.put_ticket(ticket)
        return ticket

    def stats(self, patience: float = 1.0) -> Stats:
        """Return the present counts. They are approximate if the lock is not free within ``patience`` seconds."""
        # A signal handler may ask while the frame below it holds the lock. Then counts may be those of half a step.
        with self._books.for_caller(0.0 if is_own_thread() else patience):
            return self._ledger.snapshot(len(self.inbox), self.inbox.size_bytes)

    @property
    def can_wait(self) -> bool:
        """True while half of the buffer is free and the inbox has no ticket. Any thread may ask: it is an estimate."""
        return not self.inbox.has_tickets and self._intake.has_room(self._bounds.max_bytes // 2)

    @property
    def last_error(self) -> str | None:
        """The last error in words; None: there was none."""
        return self._ledger.last_error

    # -- the driver --------------------------------------------------------------------------------------------------

    def keep_thread_out(self) -> None:
        """Have the handler's thread change streams and ledger no more: the process ends, and it may stop anywhere.

        The round that it is in raises BooksInUse.
        """
        self._books.keep_thread_out()

    def go_inline(self) -> None:
        """Have the thread that drives also make the requests from now on."""
        self.senders.go_inline()
        self.inbox.ring_for_each_record()

    def wait(self, timeout: float, idle: bool = False) -> None:
        """Sleep until the bell rings, at most ``timeout`` seconds; ``idle``: see `Inbox.wait`."""
        self.inbox.wait(timeout, idle)
        if idle:
            self.looked_at = self._clock.monotonic()

    def fall_asleep(self, idle: bool) -> bool:
        """Note that the driver is about to sleep elsewhere; False if it must not. `wake_up` has to follow."""
        self._sleeps_idly = idle
        return self.inbox.fall_asleep(idle)

    def wake_up(self) -> None:
        """Note that the driver has slept elsewhere, and is about to do a round."""
        self.inbox.wake_up()
        if self._sleeps_idly:
            self.looked_at = self._clock.monotonic()

    @property
    def is_settled(self) -> bool:
        """True if no event is pending and the inbox is empty."""
        # The inbox first: a record is pending before it leaves the inbox.
        if self._storing is None:
            return self.inbox.is_empty and self._ledger.pending == 0
        return self.inbox.is_empty and self._ledger.pending == self._storing.left

    def process_ends_at(self, deadline: float) -> None:
        """Note that the process ends, and by when; ``inf``: it lives on. Any thread may call this."""
        self._ends_at = deadline

    @property
    def progress(self) -> int:
        """A number that rises when the service accepts events, and when events of an ended process are taken over."""
        return self._ledger.delivered + self._ledger.recovered

    @property
    def has_left(self) -> bool:
        """True while events of processes that have ended can be delivered, or looked for."""
        return self._storing is not None and not self._leaves_others and self._storing.has_left

    def leave_others(self) -> None:
        """Have nobody wait any more for the delivery of what ended processes have left. Any thread may call this."""
        self._leaves_others = True

    def take_over_now(self) -> None:
        """Have what ended processes have left delivered now, without a record of this process. Any thread may call."""
        if self._storing is not None:
            self._storing.take_over_now()
            self.inbox.ring()

    def hand_over(self, to: Rounds) -> None:
        """Put the records of the inbox into that of other rounds; each keeps the stream to which it belongs."""
        # Where a file has them, that is the parent's, which goes on with it.
        for created, text, target, level, is_surplus, *_ in zip(*self.inbox.take_all(), strict=True):
            to.inbox.put(created, text, target or self._own_target, level, is_surplus)

    def store_all(self, patience: float = 1.0) -> bool:
        """Write all that is in memory to disk, if there is one: the process ends. Any thread may call this.

        Return False if somebody has had the lock for longer than ``patience`` seconds, so that nothing was written.
        """
        if self._storing is None:
            return True
        with self._books.for_caller(0.0 if is_own_thread() else patience) as is_taken:
            if is_taken:
                self._take_in_what_is_here()
                self._storing.store_all()
                self._storing.tidy()
        return is_taken

    def _take_in_what_is_here(self) -> None:
        now = self._clock.monotonic()
        # Not until the inbox is empty: other threads may go on logging, faster than their records are taken in.
        todo = len(self.inbox)
        while todo > 0 and (taken := self._intake.take_in(min(todo, SLICE), now, now)):
            todo -= taken

    # -- the program's function for lost events ----------------------------------------------------------------------

    def thread_begins(self) -> None:
        """Note that a thread of ours drives from now on: more of them may be started."""
        if self._reporter is not None:
            self._reporter.begin()

    def thread_ends(self) -> None:
        """Note that the thread that drove has ended."""
        if self._reporter is not None:
            self._reporter.let_end()

    def wait_for_reports(self, until: float, *, patience: float = inf) -> None:
        """Wait until the program knows of all that was lost before, until the instant ``until`` at most.

        Do not wait while its function takes longer than ``patience`` seconds. Any thread may call this.
        """
        if self._telling is not None and not is_own_thread() and not self.has_interrupted_help:
            self._telling.wait(until, patience)

    def report_what_is_left(self, until: float) -> None:
        """Report what is pending and not on disk: the process ends. Any thread may call this.

        Until the instant ``until``, wait for room whenever too much waits to be told. The lock is held meanwhile, so
        that nothing of it is settled or sent.
        """
        if self._telling is None or is_own_thread():
            return
        with self._books.for_caller(max(0.0, until - self._clock.monotonic())) as is_taken:
            if is_taken:
                self._take_in_what_is_here()
                self._telling.report_what_is_left(self._dispatch.streams.values(), self._intake.last_number, until)

    # ----------------------------------------------------------------------------------------------------------------

    def put_away(self) -> None:
        """Remove the files in which nothing is left: no more records are expected. Any thread may call this."""
        if self._storing is None:
            return
        with self._books.for_caller(1.0) as is_taken:
            if is_taken:
                self._storing.put_away()

    def release(self) -> None:
        """In a forked child: let go of what is the parent's."""
        if self._storing is not None:
            self._storing.release()
        if self._reporter is not None:
            self._reporter.release()

    def hasten_all(self) -> None:
        """Have all that waits sent as soon as possible."""
        with self._books.lock:
            self._dispatch.hasten_all(self._clock.monotonic())

    def step(self, deadline: Deadline = NO_DEADLINE, is_brief: bool = False, patience: float = inf) -> float | None:
        """Do one round without waiting; return when the next is due, or None if only a ring can bring work.

        ``deadline`` says until when the driver itself goes on; NO_DEADLINE: for ever. ``is_brief``: others wait for the
        thread, so that a large inbox takes several rounds. Raises BooksInUse if somebody else keeps the streams for
        longer than ``patience`` seconds; the next round then does what this one has not done.
        """
        now = self._clock.monotonic()
        books = self._books.for_driver(patience)
        # If records were left over, this round takes in only those. What has come since may have rung for this round,
        # and does not ring again.
        only_left_over = self._left_over > 0
        if not only_left_over:
            self._asked += self.inbox.take_tickets()
            self._left_over = len(self.inbox)
        with books:
            self._dispatch.collect(now)
            self._intake.tell_losses(now)
        self._take_in(books, now, MOST_SLICES if is_brief else inf)
        self.looked_at = now
        with books:
            self._intake.tell_losses(now)
            if self._asked and not self._left_over:
                busy = self._dispatch.hasten_all(now)
                self._tickets += [(ticket, self._intake.last_number, busy) for ticket in self._asked]
                self._asked = []
            self._finish_tickets(now)
            if self._storing is not None:
                self._storing.look(now, self._ends_at)
                self._storing.take_over(now, self._ends_at)
            deadline = min([deadline, *(ticket.deadline for ticket, _, _ in self._tickets)])
            if self.senders.inline and not self._jobs:
                self._dispatch.find_unmade(now)
            jobs, next_at = self._dispatch.decide(now, *self._clock.times_of_day_ms(), deadline=deadline)
            # `decide` has dropped events that are too old, and so settled them.
            self._finish_tickets(now)
            if self._storing is not None:
                self._storing.tidy()
                next_at = min(inf if next_at is None else next_at, self._storing.next_at(now))
            self._dispatch.sweep(now)
            self._jobs.extend(jobs)
        # Outside the lock: inline, the request is made right here. It may take long, or Ctrl-C may break it off.
        while self._jobs:
            self.senders.run(self._jobs.popleft())
        if not (jobs and self.senders.inline):
            self._report(deadline)
            is_behind = self._left_over > 0 or (only_left_over and not self.inbox.is_empty)
            return now if is_behind else None if next_at == inf else next_at
        # If the caller's time is over now, it does no further round. The request that it has just made must not count
        # as pending.
        with books:
            later = self._clock.monotonic()
            self._dispatch.collect(later)
            self._intake.tell_losses(later)
            self._finish_tickets(later)
            if self._storing is not None:
                self._storing.tidy()
        self._report(deadline)
        return now

    def _take_in(self, books: AbstractContextManager[object], now: float, most_slices: float) -> None:
        """Take in what `_left_over` counts, or the first slices of it."""
        slices = 0
        self.has_taken_in = self._left_over > 0
        while self._left_over > 0 and slices < most_slices:
            with books:
                # A record may have arrived right after the last look. Its send interval counts from there: none waits
                # longer.
                taken = self._intake.take_in(min(self._left_over, SLICE), self.looked_at, now)
            # If there is nothing, a caller that helps has taken it in.
            self._left_over = self._left_over - taken if taken else 0
            slices += 1

    def _report(self, deadline: Deadline) -> None:
        if self._telling is not None:
            self._telling.after_round(deadline.at)

    def _finish_tickets(self, now: float) -> None:
        waiting = []
        for ticket, number, streams in self._tickets:
            # A stream that is settled up to a number stays so. It is removed and not looked at again for this ticket.
            while streams and streams[-1].is_settled_up_to(number):
                streams.pop()
            if streams and not ticket.abandoned and now < ticket.deadline.at:
                waiting.append((ticket, number, streams))
            elif not streams:
                ticket.finish()
        self._tickets = waiting
