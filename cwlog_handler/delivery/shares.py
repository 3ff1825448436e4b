"""How many threads each handler may have: its share. No trouble of one may delay the others.

Owns: the rules. Must not know: threads, jobs. The caller holds the lock of `pool`, but for what says otherwise.

Trouble is a handler whose requests hang, or an endpoint that does not answer, however many handlers use it. So a
handler that is not alone gets at most half of the threads that are free, and so do all handlers of one endpoint
together, if there are others. What is free is then halved by each trouble, and used up by none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final
from weakref import ref

# Who waits for a thread asks again after `ASKS_AGAIN` seconds at the latest, and nobody gives way any more to one that
# has not asked for so many seconds.
ASKS_AGAIN: Final = 0.1
FORGOTTEN_AFTER: Final = 0.3


class Share:
    """What one handler has of the threads. Only `Shares` changes it."""

    __slots__ = ("__weakref__", "asked_at", "ended_lost", "group", "jobs", "lost", "ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        self.ring = ring
        """Called when a thread has become free for which this handler waits."""
        self.group: object = None
        """The same for handlers whose calls are likely to hang together: the endpoint, or None before it is known."""
        self.jobs = 0
        """Places that are taken: jobs that have not ended, and those about to be started."""
        self.lost = 0
        """How many of the jobs are presumed lost."""
        self.ended_lost = 0
        """How many of those have ended, and count as lost no more, although their results have not come in."""
        self.asked_at = 0.0

    @property
    def weight(self) -> int:
        """How many jobs count: a job that is presumed lost has a thread beside the usual ones."""
        return max(0, self.jobs - self.lost)


class Shares:
    """The shares of all handlers in a number of threads. ``most`` jobs may go on at the same time.

    There may be more only while jobs are presumed lost, and if a handler that was alone had them all when a second one
    came.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        # Not a WeakSet: while one is iterated over, another thread may add something.
        self._members: set[ref[Share]] = set()
        # Replaced after each change of a member: it tells whether they have to be counted again.
        self._version = object()
        # The version that was counted: how many members there were, in how many groups, of how many known endpoints.
        self._counted = (object(), 0, 0, 0)
        self._of_group: Counter[object] = Counter()
        self._line: dict[Share, None] = {}
        self.lost = 0
        """How many jobs are presumed lost."""

    def join(self, share: Share) -> None:
        """Note that this handler exists: others leave it something. Needs no lock."""
        self._members.add(ref(share, self._forget))
        self._version = object()

    def leave(self, share: Share) -> None:
        """Note that this handler has no more jobs for now. Needs no lock."""
        self._line.pop(share, None)
        self._forget(ref(share))

    def _forget(self, member: ref[Share]) -> None:
        self._members.discard(member)
        self._version = object()

    @property
    def has_members(self) -> bool:
        """True if a handler may have jobs. Needs no lock."""
        return bool(self._present())

    @property
    def used(self) -> int:
        """How many places are taken, without those of jobs that are presumed lost."""
        return self._of_group.total()

    @property
    def most(self) -> int:
        """How many jobs may go on at this moment."""
        members, _, endpoints = self._count()
        return self.lost + max(self._most, self._free(members, endpoints) + self.used)

    def move(self, share: Share, group: object) -> None:
        """Note with whose calls those of this handler are likely to hang."""
        weight = share.weight
        for name, change in ((share.group, -weight), (group, weight)):
            self._count_in(name, change)
        share.group = group
        self._version = object()

    def room_for(self, share: Share) -> int:
        """Return how many jobs this handler could start now. Needs no lock: it is an estimate then."""
        members, groups, endpoints = self._count()
        if members <= 1:
            return self._most + self.lost
        free = self._free(members, endpoints) - self._ahead_of(share)
        room = min(free, _half(free, share.weight))
        if groups > 1:
            room = min(room, _half(free, self._of_group[share.group]))
        elif all(member.weight <= self._most // 2 for member in self._present()):
            # The last one is for whoever comes next, with another endpoint.
            room = min(room, free - 1)
        return max(0, room)

    def take(self, share: Share, wanted: int) -> int:
        """Give this handler at most so many places, and return how many. If it is less, it waits in line."""
        if ref(share) not in self._members:
            self.join(share)
        taken = max(0, min(wanted, self.room_for(share)))
        self.add(share, taken)
        if taken or not wanted:
            self._line.pop(share, None)
        if taken < wanted:
            share.asked_at = self._clock()
            self._line.setdefault(share)
        return taken

    def is_waiting(self, share: Share) -> bool:
        """True if this handler got less than it wanted when it last asked. Needs no lock."""
        return share in self._line

    @property
    def has_line(self) -> bool:
        """True if somebody waits. Needs no lock."""
        return bool(self._line)

    def add(self, share: Share, jobs: int = 0, lost: int = 0) -> None:
        """Count so many more jobs, and so many more of them as lost."""
        before = share.weight
        share.jobs += jobs
        share.lost += lost
        self.lost += lost
        self._count_in(share.group, share.weight - before)

    def end(self, share: Share) -> None:
        """Note that a job has ended. If only lost ones were left, it was one of them."""
        self.add(share, -1)
        if share.lost > share.jobs:
            share.ended_lost += share.lost - share.jobs
            self.add(share, lost=share.jobs - share.lost)

    def found(self, share: Share) -> None:
        """Note that the result of a job has come in that was presumed lost."""
        if share.ended_lost:
            share.ended_lost -= 1
        elif share.lost:
            self.add(share, lost=-1)

    def next_in_line(self) -> Share | None:
        """Return who is to be woken when a place is free: who has fewest; None if nobody waits."""
        fitting = []
        for share in list(self._line):
            if self._clock() - share.asked_at > FORGOTTEN_AFTER:
                # It has been closed, or it asks again and joins the line anew.
                self._line.pop(share, None)
            elif self._could_use(share):
                fitting.append(share)
        return min(fitting, key=lambda share: share.weight, default=None)

    def _present(self) -> list[Share]:
        return [share for member in list(self._members) if (share := member()) is not None]

    def _count_in(self, group: object, change: int) -> None:
        self._of_group[group] += change
        if not self._of_group[group]:
            del self._of_group[group]

    def _count(self) -> tuple[int, int, int]:
        # Before the members are looked at: who comes or leaves meanwhile, in another thread, is counted the next time.
        version = self._version
        if self._counted[0] is not version:
            present = self._present()
            groups = {member.group for member in present}
            self._counted = version, len(present), len(groups), len(groups - {None})
        return self._counted[1:]

    def _free(self, members: int, endpoints: int) -> int:
        used = self._of_group.total()
        # What one has above the half was taken while there was nobody else: nobody can wait until it comes back. A
        # handler whose endpoint is not known yet is no reason: it may be the same one, and a place is left for it.
        half = self._most // 2
        above = max(self._of_group.values(), default=0) - half if endpoints > 1 else 0
        if members > 1 and used > half:
            above = max([above, *(member.weight - half for member in self._present())])
        free = self._most - used
        return min(1, free + above) if free < 1 and above > 0 else free

    def _ahead_of(self, share: Share) -> int:
        """Return how many wait for a place that this handler has to leave to them: they have fewer, or came first."""
        ahead, is_before = 0, True
        for other in list(self._line):
            if other is share:
                is_before = False
            elif other.weight < share.weight or (other.weight == share.weight and is_before):
                ahead += self._could_use(other)
        return ahead

    def _could_use(self, share: Share) -> bool:
        if self._clock() - share.asked_at > FORGOTTEN_AFTER:
            return False
        members, groups, endpoints = self._count()
        return groups <= 1 or self._of_group[share.group] < self._free(members, endpoints)


def _half(free: int, weight: int) -> int:
    """Return how many more places somebody may take who must never have more than are free."""
    return (free - weight + 1) // 2
