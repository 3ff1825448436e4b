"""One round of the work: take records in, ask streams, hand calls to `senders`, settle. A round does not wait.

Owns: the inbox, the streams, the lock on the ledger, and who waits for what to be settled. Must not know: who drives,
whether the driver is a thread of ours, how the program ends. A simulation calls `step` with its own clock.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from ..core.ledger import Ledger, Stats
from ..core.retry import NO_DEADLINE, Deadline
from ..core.stream import Stream
from ..core.terms import Terms
from ..system.clock import Clock
from ..system.own_threads import is_own_thread
from ..system.primitives import acquire, allocate_lock, frame_owner
from ..system.stderr import Notices
from .calls import Client
from .dispatch import Dispatch
from .inbox import Inbox, Ticket
from .intake import Intake
from .senders import Job, Senders

if TYPE_CHECKING:
    from ..spool.spool import Spool
    from .storing import Storing

# This many records are taken in while the lock is held once: about 1 ms of work (6 ms if one of them is odd). So no
# thread that needs the lock waits for long.
SLICE: Final = 2000
# With more bytes than this in the inbox, the flusher gets too little CPU. Then each caller takes in the first HELPING
# records after it has added one, so that the inbox becomes shorter.
MUCH_BYTES: Final = 4 * 1024 * 1024
HELPING: Final = 20


Put: TypeAlias = Callable[[float, str, "str | None", int], None]
"""Takes a record over: when it was made, its text, its stream (None: that of the process), its level."""


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
        own_stream_name: Callable[[], str],
        senders: Senders | None = None,
        make_spool: Callable[[Ledger], Spool] | None = None,
    ) -> None:
        bounds = terms.bounds
        self._much_bytes = min(MUCH_BYTES, bounds.max_bytes // 4)
        self.inbox = Inbox(
            wake,
            self._attend,
            clock.monotonic,
            most_bytes=self._much_bytes,
            urgent_level=terms.flush_level,
            always_rings=inline,
        )
        self.senders = senders or Senders(inline=inline)
        self._clock = clock
        self._own_stream_name = own_stream_name()
        self._bounds = bounds
        self._ledger = Ledger()
        spool = make_spool(self._ledger) if make_spool is not None else None
        self._dispatch = dispatch = Dispatch(
            client,
            notices,
            self._ledger,
            self.senders,
            terms,
            clock=clock,
            jitter=jitter,
            ring=self.inbox.ring_bell,
            spool=spool,
        )
        self._storing: Storing | None = None
        if spool is not None:
            # Imported only here: most programs have no spool.
            from .storing import Storing

            self._storing = Storing(
                spool, self._ledger, dispatch.streams, dispatch.stream, dispatch.plan, terms, takes_over=not inline
            )
        # The instant at which the process must have ended; ``inf``: it does not end yet.
        self._ends_at = inf
        self._leaves_others = False
        self._intake = Intake(self.inbox, dispatch, self._ledger, notices, terms, self._own_stream_name, self._storing)
        self._hand_over: Callable[..., None] = self.inbox.put
        if spool is not None and spool.journal is not None:
            spool.journal.hand_over_to(self.inbox.put)
            self._hand_over = spool.journal.put
        # No method around it: one more Python call would make `put` 5 % slower for every caller.
        self.put: Put = self._put_where_there_is_room if bounds.overflow == "block" else self._hand_over
        """Takes a record over. It never waits, except for room if ``overflow="block"``."""
        self._jobs: deque[Job] = deque()
        self._tickets: list[tuple[Ticket, int, list[Stream]]] = []
        # The inbox was last looked at, or found empty, at this instant. What no look has found arrived later.
        self._looked_at = clock.monotonic()
        # This lock is held while streams or ledger are changed, so that `stats` is consistent. It is never held while
        # waiting or making a request. With a spool it is held while files are read and written.
        self._books = allocate_lock()
        # The callers that hold the lock or are about to take it, as `frame_owner` numbers them.
        self._at_the_books: set[int] = set()

    # -- any thread ------------------------------------------------------------------------------------------------

    def _put_where_there_is_room(self, created: float, text: str, stream_name: str | None, level: int) -> None:
        # A thread of ours would wait for itself, and so would code that has interrupted a frame holding the lock. While
        # modules are torn down, a finalizer is alone: no other thread could make room.
        may_wait = not is_own_thread() and not self.has_interrupted_help and not sys.is_finalizing()
        is_surplus = may_wait and not self._wait_for_room(text)
        self._hand_over(created, text, stream_name, level, is_surplus)

    def _attend(self) -> None:
        self.inbox.ring()
        if self.inbox.size_bytes > self._much_bytes:
            self._help()

    def _wait_for_room(self, text: str) -> bool:
        size = len(text) if text.isascii() else len(text.encode(errors="replace"))
        return self.inbox.wait_for_room(lambda: self._intake.has_room(size), self._bounds.block_timeout)

    def _help(self) -> None:
        # Do not wait for the lock: a round is under way, or another caller helps, or a signal handler has interrupted a
        # frame of this very thread that helps.
        with self._books_for_caller(0.0) as is_taken:
            if is_taken:
                self._intake.take_in(HELPING, self._looked_at, self._clock.monotonic())
        if is_taken:
            # The streams have new dates now. The flusher may be about to sleep for long and would find the inbox empty.
            self.inbox.ring_bell()

    @contextmanager
    def _books_for_caller(self, patience: float) -> Iterator[bool]:
        """Take the lock on a caller's thread, if it is free within ``patience`` seconds; yield whether it is held."""
        me = frame_owner()
        if me in self._at_the_books:
            yield False
            return
        is_taken = False
        try:
            # Before the lock is taken: from then on a signal handler must not wait for anything that needs the lock.
            self._at_the_books.add(me)
            is_taken = acquire(self._books, patience)
            yield is_taken
        finally:
            if is_taken:
                self._books.release()
            self._at_the_books.discard(me)

    @property
    def has_interrupted_help(self) -> bool:
        """True in a signal handler or a finalizer that has interrupted a frame holding the lock: it must not wait."""
        return frame_owner() in self._at_the_books

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
        with self._books_for_caller(0.0 if is_own_thread() else patience):
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

    def go_inline(self) -> None:
        """Have the thread that drives also make the requests from now on."""
        self.senders.go_inline()
        self.inbox.ring_for_each_record()

    def wait(self, timeout: float, idle: bool = False) -> None:
        """Sleep until the bell rings, at most ``timeout`` seconds; ``idle``: see `Inbox.wait`."""
        self.inbox.wait(timeout, idle)
        if idle:
            self._looked_at = self._clock.monotonic()

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
        for created, text, stream_name, level, is_surplus, *_ in zip(*self.inbox.take_all(), strict=True):
            to.inbox.put(created, text, stream_name or self._own_stream_name, level, is_surplus)

    def store_all(self, patience: float = 1.0) -> None:
        """Write all that is in memory to disk, if there is one: the process ends. Any thread may call this."""
        if self._storing is None:
            return
        with self._books_for_caller(0.0 if is_own_thread() else patience) as is_taken:
            if is_taken:
                now = self._clock.monotonic()
                # Not until the inbox is empty: other threads may go on logging, faster than their records are taken in.
                todo = len(self.inbox)
                while todo > 0 and (taken := self._intake.take_in(min(todo, SLICE), now, now)):
                    todo -= taken
                self._storing.store_all()
                self._storing.tidy()

    def put_away(self) -> None:
        """Remove the files in which nothing is left: no more records are expected. Any thread may call this."""
        if self._storing is None:
            return
        with self._books_for_caller(1.0) as is_taken:
            if is_taken:
                self._storing.put_away()

    def release(self) -> None:
        """In a forked child: let go of what is the parent's."""
        if self._storing is not None:
            self._storing.release()

    def hasten_all(self) -> None:
        """Have all that waits sent as soon as possible."""
        with self._books:
            self._dispatch.hasten_all(self._clock.monotonic())

    def step(self, deadline: Deadline = NO_DEADLINE) -> float | None:
        """Do one round without waiting; return when the next is due, or None if only a ring can bring work.

        ``deadline`` says until when the driver itself goes on; NO_DEADLINE: for ever.
        """
        now = self._clock.monotonic()
        # A record may have arrived right after the last look. Its send interval counts from there: none waits longer.
        arrived, self._looked_at = self._looked_at, now
        tickets = self.inbox.take_tickets()
        todo = len(self.inbox)
        with self._books:
            self._dispatch.collect(now)
            self._intake.tell_losses(now)
        while todo > 0:
            with self._books:
                taken = self._intake.take_in(min(todo, SLICE), arrived, now)
            if not taken:
                # A caller that helps has taken them in.
                break
            todo -= taken
        with self._books:
            self._intake.tell_losses(now)
            if tickets:
                busy = self._dispatch.hasten_all(now)
                self._tickets += [(ticket, self._intake.last_number, busy) for ticket in tickets]
            self._finish_tickets(now)
            if self._storing is not None:
                self._storing.look(now, self._ends_at)
                self._storing.take_over(now, self._ends_at)
            deadline = min([deadline, *(ticket.deadline for ticket, _, _ in self._tickets)])
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
            return None if next_at == inf else next_at
        # If the caller's time is over now, it does no further round. The request that it has just made must not count
        # as pending.
        with self._books:
            later = self._clock.monotonic()
            self._dispatch.collect(later)
            self._intake.tell_losses(later)
            self._finish_tickets(later)
            if self._storing is not None:
                self._storing.tidy()
        return now

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
