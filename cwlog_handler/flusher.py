"""The thread: drain, ask, call, settle.

Owns: the only clock, the rounds, who drives them, the bounds on what waits. Must not know: the service's limits, error
codes, what a record looks like. One round (`step`) never waits; whoever drives waits between rounds: the flusher's own
daemon thread, or a caller where no thread can be (``use_queues=False``, the interpreter's end).
"""

from __future__ import annotations

import _thread
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Final, Literal

from . import lifecycle
from .batches import Rules
from .dispatch import Client, Dispatch
from .events import NotAnEvent, Oversize, make_events
from .inbox import Emitted, Inbox, Ticket
from .ledger import EVENT_COST_BYTES, Ledger, Stats
from .notices import Notices
from .own_threads import is_own_thread, own_thread
from .senders import Job, Senders
from .stream import Stream

Driver = Literal["thread", "caller", "outside"]

Overflow = Literal["drop_oldest", "drop_newest", "block"]
OVERFLOW: Final = ("drop_oldest", "drop_newest", "block")

# Not time.monotonic where it can be helped: freezegun freezes that, and every wait here would be endless.
monotonic: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic
)

# How long a record may take that a finalizer logs while the interpreter is torn down: a request or two.
LAST_MOMENT: Final = 1.0


@dataclass(frozen=True)
class Bounds:
    """How much may wait (``max_bytes`` as memory, see `ledger`), and what happens to what is too much."""

    max_bytes: int
    max_count: int | None
    overflow: Overflow
    block_timeout: float


class Flusher:
    """Everything behind the handler: takes formatted records from any thread and sees them to the service.

    ``driver`` says who does the rounds: a daemon "thread" that the first record starts; each "caller", for its own
    record; or nobody here, but a simulation "outside" that calls `step` on a clock of its own.
    """

    def __init__(
        self,
        client: Client,
        notices: Notices,
        *,
        log_group_name: str,
        rules: Rules,
        bounds: Bounds,
        max_event_bytes: int,
        oversize: Oversize,
        send_interval: float,
        requests_per_second: float | None,
        close_timeout: float,
        driver: Driver = "thread",
        clock: Callable[[], float] = monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._notices = notices
        self._group = log_group_name
        self._rules = rules
        self._bounds = bounds
        self._max_event_bytes = max_event_bytes
        self._oversize: Oversize = oversize
        self._send_interval = send_interval
        self._rate = requests_per_second
        self._close_timeout = close_timeout
        self._who_drives: Driver = driver
        self._clock = clock
        self._jitter = jitter
        self.start_over()
        if driver != "outside":
            lifecycle.watch(self)

    def start_over(self) -> None:
        """Begin with nothing: at first, and in a forked child, where the parent's records are the parent's."""
        self._client.start_over()
        self.inbox = Inbox(self._wake, self._clock, always_rings=self._who_drives == "caller")
        self._ledger = Ledger()
        self._senders = Senders(inline=self._who_drives != "thread")
        self._dispatch = Dispatch(
            self._client,
            self._notices,
            self._ledger,
            self._senders,
            log_group_name=self._group,
            rules=self._rules,
            send_interval=self._send_interval,
            requests_per_second=self._rate,
            clock=self._clock,
            jitter=self._jitter,
            ring=self.inbox.ring_bell,
        )
        self._jobs: deque[Job] = deque()
        self._tickets: list[tuple[Ticket, dict[Stream, int]]] = []
        self._looked_at = self._clock()
        # Held during a round, never while waiting or calling: what keeps `stats` consistent.
        self._books = _thread.allocate_lock()
        # Held by whoever drives.
        self._driver = _thread.allocate_lock()
        self._has_thread = False
        self._retired = False
        self._threadless = self._who_drives == "caller"
        self._give_up_at: float | None = None

    # -- from any thread -------------------------------------------------------------------------------------------

    def put(self, created: float, text: str, stream_name: str, urgent: bool) -> None:
        """Take a record over. Never waits, except for room where ``overflow="block"`` asks for it."""
        item = Emitted(created, text, stream_name, urgent)
        blocks = self._bounds.overflow == "block" and not is_own_thread()
        if blocks and not self.inbox.wait_for_room(self._has_room, self._bounds.block_timeout):
            item = item._replace(text=None)
        self.inbox.put(item)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was put in before is settled; False if ``timeout`` seconds were not enough."""
        if is_own_thread():
            return False
        if self._threadless:
            return self.drive(self._clock() + timeout)
        if not self._has_thread and self.inbox.is_empty:
            return True
        ticket = Ticket()
        self.inbox.put_ticket(ticket)
        return self.is_settled if self._threadless else ticket.wait(timeout)

    @property
    def is_settled(self) -> bool:
        """True if nothing is pending or waits to be looked at; for the driver, or once no thread drives."""
        return self._ledger.pending == 0 and self.inbox.is_empty

    def stats(self) -> Stats:
        """Return the counts of this moment."""
        # A signal handler may ask while the frame below it holds the lock: then a count may be halfway through a round.
        locked = self._books.acquire(timeout=1.0)
        try:
            return self._ledger.snapshot(len(self.inbox), self.inbox.size_bytes)
        finally:
            if locked:
                self._books.release()

    def retire(self) -> None:
        """Let the thread end once nothing is left. A record that comes later starts it again."""
        self._retired = True
        if self._has_thread:
            self.inbox.ring()

    def finish(self, deadline: float) -> None:
        """At the interpreter's end: deliver until the deadline, say what is left; later records are sent by callers."""
        settled = self.flush(max(0.0, deadline - self._clock()))
        self._give_up_at = deadline
        self.retire()
        if self._driver.acquire(timeout=max(0.0, deadline - self._clock())):
            self._driver.release()
        self._go_threadless()
        if not settled:
            self._say_what_is_left()

    def _say_what_is_left(self) -> None:
        if left := self.stats().pending:
            why = self._ledger.last_error or f"not finished within close_timeout={self._close_timeout:g} s"
            self._notices.say("exit", f"log group {self._group!r}: {left} events not delivered at exit: {why}")

    def finish_within_timeout(self) -> float:
        """Return the deadline for `finish` if it begins now."""
        return self._clock() + self._close_timeout

    def _has_room(self) -> bool:
        bounds, ledger = self._bounds, self._ledger
        if bounds.max_count is not None and ledger.pending + len(self.inbox) >= bounds.max_count:
            return False
        return ledger.pending_bytes + self.inbox.size_bytes < bounds.max_bytes

    # -- driving ---------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """See to it that somebody drives."""
        if self._threadless:
            if not self.drive(self._patience_ends()) and self._give_up_at is not None and not is_own_thread():
                self._say_what_is_left()
        elif not self._has_thread and self._who_drives == "thread":
            self._has_thread = True
            lifecycle.finish_in_multiprocessing_child()
            try:
                # Not threading.Thread, for the reason given in `senders`.
                _thread.start_new_thread(self._run, ())
            except RuntimeError:
                # No more threads, or the interpreter is ending: do it here, and try again with the next record.
                self._has_thread = False
                self.inbox.alarm_bytes = -1
                self.drive(self._patience_ends())

    def _patience_ends(self) -> float:
        """Return until when a caller drives for its record: to the exit's own deadline, once there is one."""
        now = self._clock()
        if sys.is_finalizing():
            # Modules are being torn down: what does not work within a moment never will.
            return now + LAST_MOMENT
        return self._give_up_at or now + self._close_timeout

    def _go_threadless(self) -> None:
        self._threadless = True
        self._senders.inline = True
        self.inbox.always_rings = True
        self.inbox.alarm_bytes = -1

    def _run(self) -> None:
        driver = self._driver
        with own_thread(), driver:
            try:
                while True:
                    next_at = self._guarded_step()
                    if self._retired and self.is_settled:
                        break
                    timeout = inf if next_at is None else max(0.0, next_at - self._clock())
                    # A stream in back-off may have the only date, far away: another's record must not wait for it.
                    idle = timeout > self._send_interval
                    self.inbox.wait(timeout, idle)
                    if idle:
                        self._looked_at = self._clock()
            finally:
                self._has_thread = False
                self.inbox.alarm_bytes = -1
        if not self.inbox.is_empty:
            self._wake()

    def drive(self, deadline: float) -> bool:
        """Do the flusher's work on the calling thread until all is settled; False if the deadline came first.

        Another thread that drives is waited for. On the thread that drives already (a signal handler or a ``__del__``
        logged during a round) it returns at once: the round below picks the record up. A call that is being made when
        the deadline comes is not cut short.
        """
        if is_own_thread():
            return False
        driver = self._driver
        with own_thread():
            if not driver.acquire(timeout=min(max(0.0, deadline - self._clock()), _thread.TIMEOUT_MAX)):
                return False
            try:
                return self._drive(deadline)
            finally:
                driver.release()

    def _drive(self, deadline: float) -> bool:
        while True:
            with self._books:
                self._dispatch.hasten_all(self._clock())
            next_at = self._guarded_step()
            if self.is_settled:
                return True
            now = self._clock()
            if now >= deadline:
                return False
            self.inbox.wait(max(0.0, min(deadline, deadline if next_at is None else next_at) - now))

    def _guarded_step(self) -> float | None:
        try:
            return self.step()
        except Exception as error:  # a bug of ours must not end the only thread that delivers
            self._notices.say("bug", f"unexpected error, please report it: {type(error).__name__}: {error}")
            return self._clock() + 1.0

    def step(self) -> float | None:
        """Do one round without waiting; return when the next is due, or None if only a ring can bring work."""
        now = self._clock()
        with self._books:
            self._dispatch.collect(now)
            self._take_in(now)
            jobs, next_at = self._dispatch.decide(now, int(time.time() * 1000))
            self._finish_tickets()
            self._dispatch.sweep(now)
            self._jobs.extend(jobs)
        # Outside the lock: without threads the call is made right here and may take long, or be broken off by Ctrl-C.
        while self._jobs:
            self._senders.run(self._jobs.popleft())
        return now if jobs and self._senders.inline else next_at

    # -- taking records in -----------------------------------------------------------------------------------------

    def _take_in(self, now: float) -> None:
        # A record may have come right after the last look: counting from there, none waits longer than the interval.
        arrived, self._looked_at = self._looked_at, now
        lost_before = self._ledger.dropped["overflow"]
        items, tickets = self.inbox.drain()
        for item in items:
            entered = self._ledger.emitted
            try:
                self._take_in_record(item, arrived, now)
            except Exception as error:
                # Nothing is known to raise here but MemoryError; one record must not take the others along uncounted.
                self._ledger.last_error = f"{type(error).__name__}: {error}"
                if self._ledger.emitted == entered:
                    self._ledger.turn_away("error")
        if tickets:
            chunks = self._dispatch.hasten_all(now)
            self._tickets += [(ticket, chunks) for ticket in tickets]
        if lost := self._ledger.dropped["overflow"] - lost_before:
            self._notices.say("overflow", f"log group {self._group!r}: the buffer is full: {lost} records dropped")

    def _take_in_record(self, item: Emitted, arrived: float, now: float) -> None:
        if item.text is None:
            self._ledger.turn_away("overflow")
            return
        try:
            events = make_events(item.created, item.text, self._max_event_bytes, self._oversize)
        except NotAnEvent as refusal:
            self._ledger.turn_away(refusal.reason)
            return
        stream = self._dispatch.stream(item.stream_name)
        for event in events:
            if self._bounds.overflow == "drop_newest" and self._is_over(event.size_bytes + EVENT_COST_BYTES, 1):
                self._ledger.turn_away("overflow")
                continue
            stream.add(event, arrived)
            while self._bounds.overflow == "drop_oldest" and self._is_over() and self._dispatch.fullest().drop_oldest():
                pass
        if item.urgent:
            stream.hasten(now)
        self._dispatch.plan(stream, now)

    def _is_over(self, more_bytes: int = 0, more: int = 0) -> bool:
        bounds, ledger = self._bounds, self._ledger
        if bounds.max_count is not None and ledger.pending + more > bounds.max_count:
            return True
        return ledger.pending_bytes + more_bytes > bounds.max_bytes

    def _finish_tickets(self) -> None:
        waiting = []
        for ticket, chunks in self._tickets:
            if ticket.abandoned:
                continue
            if all(stream.first_chunk > chunk for stream, chunk in chunks.items()):
                ticket.finish()
            else:
                waiting.append((ticket, chunks))
        self._tickets = waiting
