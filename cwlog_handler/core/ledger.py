"""The books: every event emitted ends in exactly one counter, or is pending.

Owns: the counts and the snapshot that users read. Must not know: why anything was decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .reasons import DropReason, RejectReason

# What an event costs in memory beyond its text in UTF-8: its columns (21, see `columns`) and the room that these grow
# into; less the service's 26, which are in size_bytes already.
EVENT_COST_BYTES: Final = 34 - 26


@dataclass(frozen=True)
class Stats:
    """What became of the records so far: a snapshot that does not change.

    ``emitted == delivered + rejected + dropped + pending``. The unit is the log event: a record is one event, unless it
    was split because it is larger than the service takes. Counts start at zero in each process.
    """

    emitted: int = 0
    """All that were logged, whatever became of them."""
    delivered: int = 0
    """Acknowledged by the service."""
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    """Sent, and refused by the service: too_old, expired, too_new, invalid."""
    dropped_by_reason: Mapping[str, int] = field(default_factory=dict)
    """Never sent: overflow, too_old, too_new, empty, oversize, invalid_time, error."""
    pending: int = 0
    """Waiting, or on their way."""
    pending_bytes: int = 0
    """Memory that the pending events are counted with, against ``max_buffer_size``."""
    requests: int = 0
    """PutLogEvents requests that ended, retries included."""
    retries: int = 0
    """Requests that carried a batch again."""
    throttled: int = 0
    """Requests that the service refused for their rate; what was in them is tried again."""
    delivered_bytes: int = 0
    """As the service bills them: UTF-8 plus 26 for each event."""
    possibly_duplicated: int = 0
    """Delivered events of which an earlier answer was lost, so that the service may hold them twice."""
    loss_notices: int = 0
    """Events of the handler's own, which tell in a stream what an overflow cost it; ``emitted`` counts them too."""
    last_error: str | None = None
    """What went wrong last, in words; it stays when all is well again. None: nothing has gone wrong."""

    @property
    def rejected(self) -> int:
        """All of ``rejected_by_reason``."""
        return sum(self.rejected_by_reason.values())

    @property
    def dropped(self) -> int:
        """All of ``dropped_by_reason``."""
        return sum(self.dropped_by_reason.values())


class Ledger:
    """The running counts. Whoever writes to it holds the books (see `rounds`): one thread at a time."""

    def __init__(self) -> None:
        self.emitted = self.pending = self.pending_bytes = 0
        self.delivered = self.delivered_bytes = self.possibly_duplicated = 0
        self.rejected: Counter[RejectReason] = Counter()
        self.dropped: Counter[DropReason] = Counter()
        self.requests = self.retries = self.throttled = self.loss_notices = 0
        self.last_error: str | None = None

    def enter(self, count: int, size_bytes: int) -> None:
        """Count so many events in, with their size as the service counts it: they are pending from now on."""
        self.emitted += count
        self.pending += count
        self.pending_bytes += size_bytes + EVENT_COST_BYTES * count

    def turn_away(self, reason: DropReason, count: int = 1) -> None:
        """Count records that never became a pending event."""
        self.emitted += count
        self.dropped[reason] += count

    def drop(self, count: int, size_bytes: int, reason: DropReason) -> None:
        """Count pending events out that will not be sent."""
        self._leave(count, size_bytes)
        self.dropped[reason] += count

    def reject(self, count: int, size_bytes: int, reason: RejectReason) -> None:
        """Count pending events out that the service refused."""
        self._leave(count, size_bytes)
        self.rejected[reason] += count

    def deliver(self, count: int, size_bytes: int) -> None:
        """Count pending events out that the service acknowledged."""
        self._leave(count, size_bytes)
        self.delivered += count
        self.delivered_bytes += size_bytes

    def _leave(self, count: int, size_bytes: int) -> None:
        self.pending -= count
        self.pending_bytes -= size_bytes + EVENT_COST_BYTES * count

    def snapshot(self, waiting: int, waiting_bytes: int) -> Stats:
        """Return the counts with ``waiting`` records that were emitted but not looked at yet."""
        return Stats(
            emitted=self.emitted + waiting,
            delivered=self.delivered,
            rejected_by_reason=_counted(self.rejected),
            dropped_by_reason=_counted(self.dropped),
            pending=self.pending + waiting,
            pending_bytes=self.pending_bytes + waiting_bytes,
            requests=self.requests,
            retries=self.retries,
            throttled=self.throttled,
            delivered_bytes=self.delivered_bytes,
            possibly_duplicated=self.possibly_duplicated,
            loss_notices=self.loss_notices,
            last_error=self.last_error,
        )


def _counted(by_reason: Mapping[DropReason, int] | Mapping[RejectReason, int]) -> dict[str, int]:
    return {reason: count for reason, count in by_reason.items() if count > 0}
