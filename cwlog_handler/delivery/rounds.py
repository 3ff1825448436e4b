"""One round of the work: take in, ask, send off, settle; it does not wait, and calls are the business of `senders`.

Owns: the inbox, the streams, the books and who waits for what to be settled. Must not know: who drives, what thread it
is on, the interpreter's end. A simulation drives it by calling `step` on a clock of its own.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from ..core.ledger import Ledger, Stats
from ..core.retry import NO_DEADLINE, Deadline
from ..core.stream import Stream
from ..core.terms import Terms
from ..system.clock import Clock
from ..system.own_threads import is_own_thread
from ..system.primitives import acquire, allocate_lock, get_ident
from ..system.stderr import Notices
from .calls import Client
from .dispatch import Dispatch
from .inbox import Inbox, Ticket
from .intake import Intake
from .senders import Job, Senders

# Records are taken in so many at a time, about 1 ms of work (6 where one is odd), so that nobody who needs the books
# waits for long.
SLICE: Final = 2000
# With more than this in the inbox the flusher gets no turn, or too few: its callers take in what came first, so many at
# a time that they gain on what they add.
MUCH_BYTES: Final = 4 * 1024 * 1024
HELPING: Final = 20


Put: TypeAlias = Callable[[float, str, "str | None", int], None]
"""Takes over when a record was made, its text, its stream (None: that of the process), its level."""


class Rounds:
    """All that one process has of a handler's records, from the inbox to the answers of the service.

    Any thread may `put`, `ask_for_word` and read `stats`. `step` and what else is the driver's belong to one thread at
    a time.
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
        self._dispatch = Dispatch(
            client, notices, self._ledger, self.senders, terms, clock=clock, jitter=jitter, ring=self.inbox.ring_bell
        )
        self._intake = Intake(self.inbox, self._dispatch, self._ledger, notices, terms, self._own_stream_name)
        # Not a method of our own around it: that would cost every caller a twentieth of what it waits for.
        self.put: Put = self._put_where_there_is_room if bounds.overflow == "block" else self.inbox.put
        """Takes a record over. Does not wait, but for room where ``overflow="block"`` asks for it."""
        self._jobs: deque[Job] = deque()
        self._tickets: list[tuple[Ticket, int, list[Stream]]] = []
        # When the inbox was last known to be empty: what is in it came later.
        self._looked_at = clock.monotonic()
        # Held while the books are changed, never while waiting or calling: what keeps `stats` consistent.
        self._books = allocate_lock()
        # The callers who hold them, or are about to: the idents of their threads.
        self._at_the_books: set[int] = set()

    # -- any thread ------------------------------------------------------------------------------------------------

    def _put_where_there_is_room(self, created: float, text: str, stream_name: str | None, level: int) -> None:
        # Threads of ours would wait for themselves, and so would who interrupts a frame that helps. While modules are
        # torn down a finalizer is alone: nobody else is there who could make room.
        may_wait = not is_own_thread() and not self.has_interrupted_help and not sys.is_finalizing()
        is_surplus = may_wait and not self._wait_for_room(text)
        self.inbox.put(created, text, stream_name, level, is_surplus)

    def _attend(self) -> None:
        self.inbox.ring()
        if self.inbox.size_bytes > self._much_bytes:
            self._help()

    def _wait_for_room(self, text: str) -> bool:
        size = len(text) if text.isascii() else len(text.encode(errors="replace"))
        return self.inbox.wait_for_room(lambda: self._intake.has_room(size), self._bounds.block_timeout)

    def _help(self) -> None:
        # Without waiting: a round is under way, or another caller helps, or a frame of this very thread does, which a
        # signal handler interrupted.
        with self._books_for_caller(0.0) as is_taken:
            if is_taken:
                self._intake.take_in(HELPING, self._looked_at, self._clock.monotonic())
        if is_taken:
            # The flusher, about to sleep for long, would find the inbox empty, and not know of the new dates.
            self.inbox.ring_bell()

    @contextmanager
    def _books_for_caller(self, patience: float) -> Iterator[bool]:
        """Hold the books on a caller's thread, if that takes no longer; say whether they are held."""
        me = get_ident()
        if me in self._at_the_books:
            yield False
            return
        is_taken = False
        try:
            # Before they are taken: from then on a signal handler must not wait for what needs them.
            self._at_the_books.add(me)
            is_taken = acquire(self._books, patience)
            yield is_taken
        finally:
            if is_taken:
                self._books.release()
            self._at_the_books.discard(me)

    @property
    def has_interrupted_help(self) -> bool:
        """True in a signal handler, or a finalizer, below which this very thread holds the books: it must not wait."""
        return get_ident() in self._at_the_books

    def ask_for_word(self, deadline: float) -> Ticket:
        """Return a ticket to wait with until all that was put in before is settled, or until the deadline.

        Until then the tries are spread over what is left of the time, whether somebody waits with it or not.
        """
        ticket = Ticket(Deadline(deadline, since=self._clock.monotonic()))
        self.inbox.put_ticket(ticket)
        return ticket

    def stats(self, patience: float = 1.0) -> Stats:
        """Return the counts of this moment; of about this moment if ``patience`` seconds are not enough."""
        # A signal handler may ask while the frame below it holds the lock: then a count may be halfway through a round.
        with self._books_for_caller(0.0 if is_own_thread() else patience):
            return self._ledger.snapshot(len(self.inbox), self.inbox.size_bytes)

    @property
    def can_wait(self) -> bool:
        """True while half of the buffer is free, and nobody waits for what there is. Any thread: an estimate."""
        return not self.inbox.has_tickets and self._intake.has_room(self._bounds.max_bytes // 2)

    @property
    def last_error(self) -> str | None:
        """What went wrong last."""
        return self._ledger.last_error

    # -- the driver --------------------------------------------------------------------------------------------------

    def go_inline(self) -> None:
        """From now on whoever calls for work does it, calls included."""
        self.senders.go_inline()
        self.inbox.ring_for_each_record()

    def wait(self, timeout: float, idle: bool = False) -> None:
        """Sleep until somebody rings, at most ``timeout`` seconds; ``idle``: see `Inbox.wait`."""
        self.inbox.wait(timeout, idle)
        if idle:
            self._looked_at = self._clock.monotonic()

    @property
    def is_settled(self) -> bool:
        """True if nothing is pending or waits to be looked at."""
        # In this order: a record is pending before it leaves the inbox.
        return self.inbox.is_empty and self._ledger.pending == 0

    def hand_over(self, to: Rounds) -> None:
        """Give what waits in the inbox to other rounds, in the streams that it belongs to."""
        for created, text, stream_name, level, is_surplus in zip(*self.inbox.take_all(), strict=True):
            to.inbox.put(created, text, stream_name or self._own_stream_name, level, is_surplus)

    def hasten_all(self) -> None:
        """Send all that waits as soon as may be."""
        with self._books:
            self._dispatch.hasten_all(self._clock.monotonic())

    def step(self, deadline: Deadline = NO_DEADLINE) -> float | None:
        """Do one round without waiting; return when the next is due, or None if only a ring can bring work.

        ``deadline`` is until when the driver itself waits, if it does not go on for ever.
        """
        now = self._clock.monotonic()
        # A record may have come right after the last look: counting from there, none waits longer than the interval.
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
                # A caller who helped has taken them in.
                break
            todo -= taken
        with self._books:
            self._intake.tell_losses(now)
            if tickets:
                busy = self._dispatch.hasten_all(now)
                self._tickets += [(ticket, self._intake.last_number, busy) for ticket in tickets]
            self._finish_tickets(now)
            deadline = min([deadline, *(ticket.deadline for ticket, _, _ in self._tickets)])
            jobs, next_at = self._dispatch.decide(now, *self._clock.times_of_day_ms(), deadline=deadline)
            # What is too old to be sent is settled by now, too.
            self._finish_tickets(now)
            self._dispatch.sweep(now)
            self._jobs.extend(jobs)
        # Outside the lock: without threads the call is made right here and may take long, or be broken off by Ctrl-C.
        while self._jobs:
            self.senders.run(self._jobs.popleft())
        if not (jobs and self.senders.inline):
            return next_at
        # A caller whose time is over by now does no further round: what it has waited for is not to count as pending.
        with self._books:
            later = self._clock.monotonic()
            self._dispatch.collect(later)
            self._intake.tell_losses(later)
            self._finish_tickets(later)
        return now

    def _finish_tickets(self, now: float) -> None:
        waiting = []
        for ticket, number, streams in self._tickets:
            # What is settled stays so: each stream but the last that is not is looked at once.
            while streams and streams[-1].is_settled_up_to(number):
                streams.pop()
            if streams and not ticket.abandoned and now < ticket.deadline.at:
                waiting.append((ticket, number, streams))
            elif not streams:
                ticket.finish()
        self._tickets = waiting
