"""What the program is told of an event that was lost: the value that it gets, and what the core has to say for it.

Owns: `LostEvent`, which events are left out. Must not know: who is told, when, and on which thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

from .batches import Batch
from .ledger import DropReason, RejectReason
from .losses import UNTOLD
from .targets import Target

CountedAs = Literal["dropped", "rejected", "pending"]
LostReason = Literal[DropReason, RejectReason, "exit"]


@dataclass(frozen=True, slots=True)
class LostEvent:
    """An event that did not reach the service and never will, or several of which only the number is known.

    A record is one event, unless it was split because it is longer than the service takes.
    """

    timestamp: int
    """The time of the record in milliseconds since the epoch; 0 if that is no number (``invalid_time``). If several
    events are meant, that of the earliest."""
    level: int | None
    """The level of the record. Events that were on disk have the tens of it, 50 at most. None: it is not known any
    more, or the event is one in which the handler itself said what a stream has lost."""
    log_group: str
    """The log group to which it was to go; the option ``log_group_name`` if ``log_stream`` is empty."""
    log_stream: str
    """The stream to which it was to go; "" if nobody knows it, or if ``count`` is a sum over more streams than are told
    apart."""
    text: str | None
    """The message; None if it is not known any more. Then ``count`` says how many events are meant."""
    counted_as: CountedAs
    """The counter of `Stats` in which it is: "dropped", "rejected", or "pending" (at the end of the process)."""
    reason: LostReason
    """A key of `Stats.dropped_by_reason` or `Stats.rejected_by_reason`; "exit" for what is pending at the end."""
    count: int = 1
    """How many events are meant. More than 1 only if ``text`` is None."""
    may_be_stored: bool = False
    """True if a request with it was not answered: the service may have stored it all the same."""


class Reports(Protocol):
    """Takes down what is lost. The caller holds the lock of `rounds`, so nothing here waits."""

    def has_room(self, size_bytes: int) -> bool:
        """True if texts of so many bytes could be taken down now."""

    def event(
        self, target: Target, level: float | None, timestamp: int, text: bytes | str | None, reason: DropReason
    ) -> None:
        """Take down one event that was dropped. ``text`` None: there was no room for it."""

    def batch(
        self,
        target: Target,
        batch: Batch,
        counted_as: CountedAs,
        reason: LostReason,
        may_be_stored: bool = False,
    ) -> None:
        """Take down all events of a batch. It must not change any more."""

    def unknown(self, target: Target, level: float | None, first_ms: int, count: int, reason: DropReason) -> None:
        """Take down events that were dropped and whose texts are not known."""


def is_told(level: float | None) -> bool:
    """True unless an event has the mark `UNTOLD`."""
    return level != UNTOLD


def shown(level: float | None) -> int | None:
    """Return a level as `LostEvent.level` has it."""
    # Not by `isfinite`, which raises for a whole number that is too large for a float.
    return int(level) if level is not None and level != inf else None
