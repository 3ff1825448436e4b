"""The queue between the threads that log and the flusher. A record enters it without a lock and without waiting.

Owns: the queue, an estimate of its bytes, and the bell that wakes the flusher. Must not know: what an event is.

A signal handler or a finalizer may interrupt any line here and log on the same thread. So only primitives that may be
re-entered are used: ``list.extend`` and a lock's ``release``. See ARCHITECTURE, Signal handlers and finalizers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from ..core.conversion import FIELDS, Records
from ..core.retry import NO_DEADLINE, Deadline
from ..core.targets import Target
from ..system.bell import Bell
from ..system.primitives import acquire, allocate_lock, pause

# The flusher is woken when this many bytes wait, not for each record: a context switch costs more than a record.
# 512 KiB are about 2,000 short records, which are taken in at a time. The more there are, the cheaper each of them is,
# above all if they go to a hundred streams. It is half of a full request, so that a burst fills requests and causes few
# wake-ups. Where the buffer is small, the flusher is woken sooner: see `rounds`.
WAKE_BYTES: Final = 512 * 1024
# If more waits than ``most_bytes``, a caller attends each time that so many bytes more have come: about eight short
# records, fewer than it takes in. So the queue becomes shorter, and the median call costs what it costs otherwise. If
# each caller attended, it would cost half as much again.
HELP_BYTES: Final = 2 * 1024
# Bytes of memory that a record takes in the queue in addition to its characters: its places in the list (56, and 7 of
# spare room), the float (24), the header of the text (49) and the rounding of its size (8).
RECORD_COST_BYTES: Final = 144
# Seconds after which a caller that waits for room looks again.
ROOM_POLL: Final = 0.01


class Ticket:
    """A flush that waits: the driver calls `finish` when each record put in earlier is delivered, rejected or dropped.

    The caller of the flush waits at most until the deadline.
    """

    def __init__(self, deadline: Deadline = NO_DEADLINE) -> None:
        self.deadline = deadline
        self._done = allocate_lock()
        self._done.acquire()
        self.abandoned = False

    def finish(self) -> None:
        """Let the waiting thread go on."""
        with suppress(RuntimeError):  # Ctrl-C may have made us finish it twice
            self._done.release()

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; return False if the time ran out first."""
        # Not SimpleQueue.get, for the reason given in `Inbox`.
        done = acquire(self._done, timeout)
        self.abandoned = not done
        return done


def _nothing() -> None:
    pass


class Inbox:
    """Records that wait for the flusher. Any thread may `put`; one thread at a time may take out."""

    def __init__(
        self,
        wake: Callable[[], None],
        attend: Callable[[], None],
        clock: Callable[[], float],
        *,
        most_bytes: int,
        wake_bytes: int = WAKE_BYTES,
        urgent_level: int,
        always_rings: bool = False,
    ) -> None:
        # The fields of all records, one record after another. With a tuple for each record the garbage collector would
        # look at all waiting records again and again. That would cost as much as all that the flusher does for them.
        self._items: list[Any] = []
        self._tickets: deque[Ticket] = deque()
        self._bell = Bell()
        self._on_ring: Callable[[], None] = _nothing
        self._wake = wake
        self._attend = attend
        self._most_bytes = most_bytes
        self._wake_bytes = wake_bytes
        self._urgent_level = urgent_level
        self._clock = clock
        # An estimate, because ``+=`` may lose an update if threads switch. `remove_first` corrects it.
        self.size_bytes = 0
        # True if no thread of ours sleeps here: then each caller attends to its own record.
        self._always_rings = always_rings
        # If `size_bytes` is above this, the caller must also `attend`. It is more than ``most_bytes`` only if more
        # waits, and then by HELP_BYTES. It is below zero if the flusher sleeps until the next record, or has never run.
        self._alarm_bytes = -1

    def __len__(self) -> int:
        return len(self._items) // FIELDS

    def put(
        self,
        created: float,
        text: str,
        target: Target | None,
        level: int,
        is_surplus: bool = False,
        file: object = None,
        number: int = 0,
    ) -> None:
        """Hand over a record, whose fields are those of `Records`.

        The caller also runs `attend` if much waits, if the flusher sleeps, or if the record is urgent.
        """
        # One call of C code: no thread, and no signal handler, comes between two fields.
        self._items.extend((created, text, target, level, is_surplus, file, number))
        self.size_bytes = size_bytes = self.size_bytes + len(text) + RECORD_COST_BYTES
        if size_bytes > self._alarm_bytes or level >= self._urgent_level:
            self._attend()

    def put_ticket(self, ticket: Ticket) -> None:
        """Ask for word when all records that are here now are settled."""
        self._tickets.append(ticket)
        self.ring()

    def ring(self) -> None:
        """Wake the flusher, or have it started."""
        self.ring_bell()
        self._wake()

    def ring_bell(self) -> None:
        """Wake the thread that sleeps in `wait`, if there is one."""
        self._set_alarm(self.size_bytes + self._wake_bytes)
        self._bell.ring()
        self._on_ring()

    def ring_also(self, on_ring: Callable[[], None]) -> None:
        """Have each ring call ``on_ring``, too: the driver sleeps elsewhere, see `fall_asleep`."""
        self._on_ring = on_ring

    def ring_for_each_record(self) -> None:
        """Note that no thread sleeps here from now on: each caller attends to its own record."""
        self._always_rings = True
        self.ring_for_next_record()

    def ring_when_much_waits(self) -> None:
        """Note that a thread sleeps here from now on, unless it has ended: records may wait until they are many."""
        self._always_rings = False

    def ring_for_next_record(self) -> None:
        """Note that no thread is here: the caller of the next record attends to it and has a thread started."""
        self._alarm_bytes = -1

    def _set_alarm(self, size_bytes: int) -> None:
        # Above ``most_bytes`` no caller waits until ``wake_bytes`` more have come.
        most = max(self._most_bytes, self.size_bytes + HELP_BYTES)
        self._alarm_bytes = -1 if self._always_rings else min(size_bytes, most)

    def wait(self, timeout: float, idle: bool = False) -> None:
        """Sleep until the bell rings, at most ``timeout`` seconds. Only the driver calls this.

        ``idle``: the next record ends the sleep. Otherwise records may wait until the time is over, or much has come.

        The bell is reset before the driver looks at the inbox. So no ring is lost: a later one ends the next sleep.
        """
        if self.fall_asleep(idle):
            self._bell.wait(timeout)
            self._bell.reset()

    def fall_asleep(self, idle: bool = False) -> bool:
        """Note that the driver is about to sleep; return False if it must not. ``idle``: see `wait`."""
        self._set_alarm(-1 if idle else self._wake_bytes)
        return not idle or self.is_empty

    def wake_up(self) -> None:
        """Note that the driver has slept elsewhere, and is about to look."""
        self._bell.reset()

    @property
    def is_rung(self) -> bool:
        """True if somebody has rung since the driver has looked."""
        return self._bell.is_rung

    @property
    def is_empty(self) -> bool:
        """True if neither a record nor a ticket is here."""
        return not (self._items or self._tickets)

    @property
    def has_tickets(self) -> bool:
        """True if a caller waits for word, or for room, and the driver has not seen it yet."""
        return bool(self._tickets)

    def take_tickets(self) -> list[Ticket]:
        """Take out the tickets. Each was put in after the records that it asks about."""
        return [self._tickets.popleft() for _ in range(len(self._tickets))]

    def first(self, most: int, about_bytes: int) -> Records:
        """Return the first records without taking them out: at most ``most``, and about ``about_bytes`` at most.

        Only one thread at a time may call this, `remove_first` or `take_all`.
        """
        waiting = len(self)
        count = min(most, waiting)
        if count > 1 and self.size_bytes > about_bytes:
            count = min(count, max(1, waiting * about_bytes // self.size_bytes))
        return Records.of(self._items[: count * FIELDS])

    def remove_first(self, records: Records) -> None:
        """Take out the records that `first` has returned."""
        # Removed last: see ARCHITECTURE, Ctrl-C, 2.
        items, end = self.about_to_remove(records)
        del items[:end]

    def about_to_remove(self, records: Records) -> tuple[list[Any], int]:
        """Return the list of which the first part is to be deleted, and its end, for the records of `first`.

        `size_bytes` is estimated anew, as if the records that are left were like these on average. If it were only
        reduced, every lost update would stay in it for ever.
        """
        count = len(records.texts)
        removed_bytes = sum(map(len, records.texts)) + RECORD_COST_BYTES * count
        self.size_bytes = (len(self) - count) * removed_bytes // count
        return self._items, count * FIELDS

    def take_all(self) -> Records:
        """Take out all records, in order."""
        records = Records.of(self._items[: len(self) * FIELDS])
        if records.texts:
            self.remove_first(records)
        return records

    def wait_for_room(self, has_room: Callable[[], bool], timeout: float) -> bool:
        """Wait on the caller's thread until there is room; False if there is none after ``timeout`` seconds."""
        if has_room():
            return True
        give_up = self._clock() + timeout
        # The ticket makes the driver send at once what fills the buffer, without waiting for more. Nobody waits for it.
        hurry = Ticket()
        hurry.abandoned = True
        self.put_ticket(hurry)
        while not has_room():
            left = give_up - self._clock()
            if left <= 0:
                return False
            pause(min(ROOM_POLL, left))
        return True
