"""What a stream decides, as values that its caller carries out.

Owns: what a decision says. Must not know: why it was made, who carries it out, and how.
"""

from typing import Final, NamedTuple

from .backlog import Rest
from .batches import Batch
from .values import Value


class Send(NamedTuple):
    """Send this batch with this sequence token, not before the instant ``start``."""

    batch: Batch
    token: str | None
    start: float
    place: int
    """Its place among batches that have to be sent again: the number of its first event. A piece of a batch keeps the
    place of the whole batch."""
    doubts: int = 0
    """How many earlier requests with this batch the service may have stored: their answers are missing."""
    rest: Rest | tuple[()] = ()
    """Events with the batch's last timestamp that did not fit into it. They must not be sent before it is settled."""
    creates: bool = False
    """Only create the stream, which is known to be missing. The batch is sent after that."""

    @property
    def may_be_stored(self) -> bool:
        """True if the service may have stored the batch by now, when this request is under way."""
        return not self.creates or self.doubts > 0

    @property
    def first_number(self) -> int:
        """The lowest event number in batch and rest. A loss event in the rest has the low number of a lost event."""
        return min([self.batch.first_number, *(events.numbers[0] for _, events in self.rest)])

    @property
    def order(self) -> tuple[int, int, int]:
        """The sort key of batches that have to be sent again: first by batch, then by the pieces of one batch."""
        return self.place, self.batch.first_ms, self.batch.columns.numbers[0]


class Wait(Value):
    """Do nothing before the instant ``until``."""

    __slots__ = __match_args__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until: Final = until
