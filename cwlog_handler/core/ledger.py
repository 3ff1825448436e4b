"""The ledger: every event that was emitted is counted in exactly one counter, or is pending.

Owns: the counts, the snapshot that users read, and the words for the reasons why events are lost. They are the same in
`Stats`, in Prometheus' labels and in the README. Must not know: when a reason applies.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, astuple, dataclass, field, fields
from typing import Any, Final, Literal, get_args

DropReason = Literal[
    "overflow", "too_old", "too_new", "empty", "oversize", "invalid_time", "error", "spool_full", "corrupt"
]
"""Why an event was never sent."""
RejectReason = Literal["too_old", "expired", "too_new", "invalid"]
"""Why the service refused an event."""

DROP_REASONS: Final[tuple[DropReason, ...]] = get_args(DropReason)
REJECT_REASONS: Final[tuple[RejectReason, ...]] = get_args(RejectReason)

# An event takes 34 bytes of memory in addition to its text in UTF-8: 21 in its columns (see `columns`), and the room
# that columns keep in order to grow. The service's 26 bytes are subtracted because size_bytes includes them already.
EVENT_COST_BYTES: Final = 34 - 26


# Some methods of a dataclass are written out here, those of ``frozen`` too: to make the class would take five times as
# long with them, each time a program starts. Annotations are not postponed, because `dataclass` would parse each.
@dataclass(init=False, repr=False, eq=False)
class Stats:
    """What became of the records so far: a snapshot that does not change.

    ``emitted + recovered == delivered + rejected + dropped + pending``. The unit is the log event: a record is one
    event, unless it was split because it is larger than the service takes. Counts start at zero in each process.
    """

    emitted: Final[int] = 0
    """All events that were logged, whatever became of them."""
    delivered: Final[int] = 0
    """Events that the service has acknowledged."""
    rejected_by_reason: Final[Mapping[str, int]] = field(default_factory=dict)
    """Events that were sent and that the service refused: too_old, expired, too_new, invalid."""
    dropped_by_reason: Final[Mapping[str, int]] = field(default_factory=dict)
    """Events never sent: overflow, too_old, too_new, empty, oversize, invalid_time, error, spool_full, corrupt."""
    pending: Final[int] = 0
    """Events that wait, in memory or on disk, or are in a request under way."""
    pending_bytes: Final[int] = 0
    """Memory of the pending events in bytes, as it counts against ``max_buffer_size``."""
    recovered: Final[int] = 0
    """Events that were taken over from the spool of a process that has ended."""
    spooled: Final[int] = 0
    """Pending events that are on disk, and so survive this process."""
    requests: Final[int] = 0
    """PutLogEvents requests that have ended, including retries."""
    retries: Final[int] = 0
    """Requests after which their batch had to be sent again, whole or in pieces."""
    throttled: Final[int] = 0
    """Requests that the service throttled, tries to create a missing stream among them; their events are sent again."""
    delivered_bytes: Final[int] = 0
    """Size of the delivered events in bytes as the service bills it: the text in UTF-8, and 26 bytes for each event."""
    possibly_duplicated: Final[int] = 0
    """Delivered events that the service may hold twice, because the answer to an earlier request with them was lost."""
    loss_notices: Final[int] = 0
    """Events that the handler itself wrote to a stream to say what the stream lost by an overflow. They are part of
    ``emitted``."""
    entity_rejected: Final[int] = 0
    """Requests whose entity the service did not take. Their events were delivered without it."""
    last_error: Final[str | None] = None
    """The last error in words; it is kept after recovery. None: there was no error."""

    def __init__(self, **counts: Any) -> None:
        """Raises TypeError for a count that does not exist."""
        names = {each.name for each in fields(self)}
        if not counts.keys() <= names:
            raise TypeError(f"no such counts: {', '.join(sorted(counts.keys() - names))}")
        self.__dict__.update({"rejected_by_reason": {}, "dropped_by_reason": {}} | counts)

    def __setattr__(self, name: str, value: object) -> None:
        if type(self) is Stats or name in self.__dataclass_fields__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if type(self) is Stats or name in self.__dataclass_fields__:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super().__delattr__(name)

    def __eq__(self, other: object) -> bool:
        return astuple(self) == astuple(other) if isinstance(other, Stats) else NotImplemented

    def __repr__(self) -> str:
        shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
        return f"Stats({', '.join(shown)})"

    @property
    def rejected(self) -> int:
        """The sum of ``rejected_by_reason``."""
        return sum(self.rejected_by_reason.values())

    @property
    def dropped(self) -> int:
        """The sum of ``dropped_by_reason``."""
        return sum(self.dropped_by_reason.values())


class Ledger:
    """The running counts. Not thread-safe: a thread changes them only while it holds the lock of `rounds`."""

    def __init__(self) -> None:
        self.emitted = self.pending = self.pending_bytes = 0
        self.delivered = self.delivered_bytes = self.possibly_duplicated = 0
        self.rejected: Counter[RejectReason] = Counter()
        self.dropped: Counter[DropReason] = Counter()
        self.requests = self.retries = self.throttled = self.loss_notices = self.entity_rejected = 0
        self.recovered = self.spooled = 0
        # How many of the pending events are on disk only. They count in `pending_bytes` no more.
        self._unloaded = 0
        self.last_error: str | None = None

    def enter(self, count: int, size_bytes: int) -> None:
        """Count new events, which are pending from now on. ``size_bytes`` is their size as the service counts it."""
        self.emitted += count
        self.pending += count
        self.pending_bytes += size_bytes + EVENT_COST_BYTES * count

    def turn_away(self, reason: DropReason, count: int = 1) -> None:
        """Count records that are dropped before they become pending events."""
        self.emitted += count
        self.dropped[reason] += count

    def drop(self, count: int, size_bytes: int, reason: DropReason) -> None:
        """Count events that were pending and will not be sent."""
        self._leave(count, size_bytes)
        self.dropped[reason] += count

    def reject(self, count: int, size_bytes: int, reason: RejectReason) -> None:
        """Count events that were pending and that the service refused."""
        self._leave(count, size_bytes)
        self.rejected[reason] += count

    def deliver(self, count: int, size_bytes: int, is_in_doubt: bool = False) -> None:
        """Count events that were pending and that the service acknowledged.

        ``is_in_doubt``: the service may have stored them in an earlier request, too.
        """
        self._leave(count, size_bytes)
        self.delivered += count
        self.delivered_bytes += size_bytes
        if is_in_doubt:
            self.possibly_duplicated += count

    def _leave(self, count: int, size_bytes: int) -> None:
        self.pending -= count
        self.pending_bytes -= size_bytes + EVENT_COST_BYTES * count

    def charge(self, size_bytes: int) -> None:
        """Count memory that is not an event's against the bound; negative: it is free again."""
        self.pending_bytes += size_bytes

    @property
    def in_memory(self) -> int:
        """How many of the pending events are in memory."""
        return self.pending - self._unloaded

    def recover(self, count: int) -> None:
        """Count events that another process has left on disk. They are pending from now on, on disk only."""
        self.recovered += count
        self.pending += count
        self.spooled += count
        self._unloaded += count

    def recover_in_vain(self, count: int, reason: DropReason) -> None:
        """Count events that another process has left and that cannot be sent."""
        self.recovered += count
        self.dropped[reason] += count

    def store(self, count: int) -> None:
        """Count pending events that are now on disk, too. Negative: they are not on disk any more."""
        self.spooled += count

    def unload(self, count: int, size_bytes: int) -> None:
        """Note that events on disk are not in memory any more."""
        self._unloaded += count
        self.pending_bytes -= size_bytes + EVENT_COST_BYTES * count

    def load(self, count: int, size_bytes: int) -> None:
        """Note that events on disk are in memory again."""
        self._unloaded -= count
        self.pending_bytes += size_bytes + EVENT_COST_BYTES * count

    def lose(self, count: int, reason: DropReason) -> None:
        """Count events that were on disk only and are lost."""
        self.pending -= count
        self._unloaded -= count
        self.dropped[reason] += count

    def end_request(self) -> None:
        """Count a request that has ended, whatever came of it."""
        self.requests += 1

    def send_again(self) -> None:
        """Count a request whose batch has to be sent again, whole or in pieces."""
        self.retries += 1

    def fail(self, words: str) -> None:
        """Keep, in words, why a try has failed: a request, the making of a client, or the conversion of a record."""
        self.last_error = words

    def throttle(self, code: str) -> None:
        """Count a request that the service throttled, with its error code. It has failed of that."""
        self.throttled += 1
        self.fail(code)

    def reject_entity(self) -> None:
        """Count a request whose events were delivered without their entity."""
        self.entity_rejected += 1

    def tell_loss(self) -> None:
        """Count a loss event, which is about to become pending."""
        self.loss_notices += 1

    def snapshot(self, waiting: int, waiting_bytes: int) -> Stats:
        """Return the counts. ``waiting`` records are in the inbox and not in the ledger yet: they count as pending."""
        return Stats(
            emitted=self.emitted + waiting,
            recovered=self.recovered,
            delivered=self.delivered,
            rejected_by_reason=_counted(self.rejected),
            dropped_by_reason=_counted(self.dropped),
            pending=self.pending + waiting,
            pending_bytes=self.pending_bytes + waiting_bytes,
            spooled=self.spooled,
            requests=self.requests,
            retries=self.retries,
            throttled=self.throttled,
            delivered_bytes=self.delivered_bytes,
            possibly_duplicated=self.possibly_duplicated,
            loss_notices=self.loss_notices,
            entity_rejected=self.entity_rejected,
            last_error=self.last_error,
        )


def _counted(by_reason: Mapping[DropReason, int] | Mapping[RejectReason, int]) -> dict[str, int]:
    return {reason: count for reason, count in by_reason.items() if count > 0}
