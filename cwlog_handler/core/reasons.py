"""The reasons why events are lost: the words in the ledger, in `Stats`, in Prometheus' labels and in the README.

Owns: which reasons there are. Must not know: when each of them applies.
"""

from typing import Final, Literal, TypeAlias, get_args

DropReason = Literal[
    "overflow", "too_old", "too_new", "empty", "oversize", "invalid_time", "error", "spool_full", "corrupt"
]
"""Why an event was never sent."""
RejectReason = Literal["too_old", "expired", "too_new", "invalid"]
"""Why the service refused an event."""
Reason: TypeAlias = DropReason | RejectReason

DROP_REASONS: Final[tuple[DropReason, ...]] = get_args(DropReason)
REJECT_REASONS: Final[tuple[RejectReason, ...]] = get_args(RejectReason)
