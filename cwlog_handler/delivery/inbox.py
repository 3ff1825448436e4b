"""The hand-off from the threads that log to the flusher, without a lock and without waiting.

Owns: the queue, an estimate of what it holds, and the bell that wakes the flusher. Must not know: what an event is.

A signal handler or a finalizer may interrupt any line here and log, on the same thread. So only primitives that may be
re-entered are used: ``list.extend`` and a lock's ``release``. See ARCHITECTURE, Signal handlers and finalizers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from ..core.conversion import FIELDS, Records
from ..core.retry import NO_DEADLINE, Deadline
from ..system.primitives import acquire, allocate_lock, pause, sleep

# The flusher is woken when this much waits, not for each record: a context switch costs more than a record. 256 KiB is
# some 900 short records: few enough that the bound is not overshot by much before the flusher looks, and a quarter of
# a full request, so that a burst fills requests rather than causes wake-ups.
WAKE_BYTES: Final = 256 * 1024
# What a record costs in the queue beyond its characters: its places (40, and 5 to grow into), float (24), head of the
# text (49, and 8 lost in rounding up).
RECORD_COST_BYTES: Final = 126
# A lock takes no more than some 290 years; an hour is as good, and one wake-up an hour costs nothing.
LONGEST_SLEEP: Final = 3600.0
# How often a caller that waits for room looks again.
ROOM_POLL: Final = 0.01


class Ticket:
    """Somebody waits until all that was put in before this is settled, or until a deadline."""

    def __init__(self, deadline: Deadline = NO_DEADLINE) -> None:
        self.deadline = deadline
        self._done = allocate_lock()
        self._done.acquire()
        self.abandoned = False

    def finish(self) -> None:
        """Let the waiting thread go on."""
        with suppress(RuntimeError):  # Ctrl-C may have had it said before
            self._done.release()

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; False if time ran out first."""
        # Not SimpleQueue.get, for the reason given in `Inbox`.
        done = acquire(self._done, timeout)
        self.abandoned = not done
        return done


class Inbox:
    """Records that wait for the flusher. Any thread may `put`; one thread at a time may take out."""

    def __init__(
        self,
        wake: Callable[[], None],
        attend: Callable[[], None],
        clock: Callable[[], float],
        *,
        most_bytes: int,
        urgent_level: int,
        always_rings: bool = False,
    ) -> None:
        # The fields of one record behind those of the other. A tuple for each would have the garbage collector look at
        # all that wait, again and again: that alone costs as much as all that the flusher does for them.
        self._items: list[Any] = []
        self._tickets: deque[Ticket] = deque()
        # Locked: nobody has rung. Not a SimpleQueue: up to Python 3.12 its `get` waits for ever if its time is over
        # when it looks a second time, as after a signal handler that takes longer.
        self._bell = allocate_lock()
        self._bell.acquire()
        self._wake = wake
        self._attend = attend
        self._most_bytes = most_bytes
        self._urgent_level = urgent_level
        self._clock = clock
        # An estimate: ``+=`` may lose an update, as threads switch. `remove_first` sets it right.
        self.size_bytes = 0
        # True where no thread sleeps: each caller sees to its own record.
        self._always_rings = always_rings
        # Above this the caller must do more than append: never above ``most_bytes``, where each is to do something.
        # Below zero: the flusher sleeps (or never ran), so always.
        self._alarm_bytes = -1

    def __len__(self) -> int:
        return len(self._items) // FIELDS

    def put(self, created: float, text: str, stream_name: str | None, level: int, is_surplus: bool = False) -> None:
        """Hand a record over, see `Records`.

        The caller is to `attend` if much waits, if the flusher sleeps, or if the record is urgent.
        """
        # One call of C code: no thread, and no signal handler, comes between two fields.
        self._items.extend((created, text, stream_name, level, is_surplus))
        self.size_bytes = size_bytes = self.size_bytes + len(text) + RECORD_COST_BYTES
        if size_bytes > self._alarm_bytes or level >= self._urgent_level:
            self._attend()

    def put_ticket(self, ticket: Ticket) -> None:
        """Ask for word when all that is here now is settled."""
        self._tickets.append(ticket)
        self.ring()

    def ring(self) -> None:
        """Wake the flusher, or have it started."""
        self.ring_bell()
        self._wake()

    def ring_bell(self) -> None:
        """Wake whoever sleeps in `wait`."""
        self._set_alarm(self.size_bytes + WAKE_BYTES)
        with suppress(RuntimeError):  # it has been rung already
            self._bell.release()

    def ring_for_each_record(self) -> None:
        """From now on no thread sleeps here: each caller attends to its own record."""
        self._always_rings = True
        self.ring_for_next_record()

    def ring_when_much_waits(self) -> None:
        """From now on a thread sleeps here, unless it has ended: records may wait for it until they are many."""
        self._always_rings = False

    def ring_for_next_record(self) -> None:
        """No thread is here: the caller of the next record attends to it, and has one started."""
        self._alarm_bytes = -1

    def _set_alarm(self, size_bytes: int) -> None:
        self._alarm_bytes = -1 if self._always_rings else min(size_bytes, self._most_bytes)

    def wait(self, timeout: float, idle: bool = False) -> None:
        """Sleep until the bell rings, at most ``timeout`` seconds. Only the driver calls it.

        ``idle``: the next record is to wake it; else records may wait until the time is over, or much has come.

        The bell is emptied before anything is looked at, so no ring is lost: what rings later wakes the next sleep.
        """
        self._set_alarm(-1 if idle else WAKE_BYTES)
        if idle and not self.is_empty:
            return
        if timeout > 0:
            self._sleep(min(timeout, LONGEST_SLEEP))
        # eventlet's lock counts: let several rings be one.
        while self._bell.acquire(blocking=False):
            pass

    def _sleep(self, timeout: float) -> None:
        try:
            self._bell.acquire(timeout=timeout)
        except RuntimeError:
            # Python 3.15 refuses to wait for a lock while modules are torn down: no other thread is there to ring.
            sleep(timeout)

    @property
    def is_empty(self) -> bool:
        """True if nothing is here that wants a round of its own."""
        return not (self._items or self._tickets)

    @property
    def has_tickets(self) -> bool:
        """True if somebody waits for word, or for room."""
        return bool(self._tickets)

    def take_tickets(self) -> list[Ticket]:
        """Take out the tickets; each was put in no earlier than the records it asks for."""
        return [self._tickets.popleft() for _ in range(len(self._tickets))]

    def first(self, most: int, about_bytes: int) -> Records:
        """Look at the records that came first, ``most`` at most, and not much more than so many bytes.

        One thread at a time, as for `remove_first` and `take_all`.
        """
        waiting = len(self)
        count = min(most, waiting)
        if count > 1 and self.size_bytes > about_bytes:
            count = min(count, max(1, waiting * about_bytes // self.size_bytes))
        return Records.of(self._items[: count * FIELDS])

    def remove_first(self, records: Records) -> None:
        """Take out the records that came first.

        What is left is taken to be like them: counting down would keep every lost update for ever.
        """
        count = len(records.texts)
        removed_bytes = sum(map(len, records.texts)) + RECORD_COST_BYTES * count
        self.size_bytes = (len(self) - count) * removed_bytes // count
        # Removed last: see ARCHITECTURE, Ctrl-C, 2.
        del self._items[: count * FIELDS]

    def take_all(self) -> Records:
        """Take out all records, in order."""
        records = Records.of(self._items[: len(self) * FIELDS])
        if records.texts:
            self.remove_first(records)
        return records

    def wait_for_room(self, has_room: Callable[[], bool], timeout: float) -> bool:
        """Wait on the caller's thread until there is room; False if ``timeout`` seconds were not enough."""
        if has_room():
            return True
        give_up = self._clock() + timeout
        # What fills the buffer may still wait for company, as long as the caller for room; nobody waits for the ticket.
        hurry = Ticket()
        hurry.abandoned = True
        self.put_ticket(hurry)
        while not has_room():
            left = give_up - self._clock()
            if left <= 0:
                return False
            pause(min(ROOM_POLL, left))
        return True
