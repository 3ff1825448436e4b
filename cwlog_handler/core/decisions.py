"""What a stream decides: values that whoever asked it carries out.

Must not know: why, who asks, how.
"""

from typing import NamedTuple

from .backlog import Rest
from .batches import Batch


class Send(NamedTuple):
    """Send this batch from ``start`` on, with this sequence token."""

    batch: Batch
    token: str | None
    start: float
    place: int
    """Where it stands among others that have to go again: the number of its first event, or that of the batch it is a
    half of."""
    doubts: int = 0
    """How many earlier requests with it may have been stored: their answers were lost, or did not come yet."""
    rest: Rest = ()
    """Events of the batch's last millisecond that did not fit: none of them may travel before it is settled."""

    @property
    def first_number(self) -> int:
        """The lowest number in batch and rest: what tells of a loss may be in the rest, and has a low one."""
        return min([self.batch.first_number, *(events.numbers[0] for _, events in self.rest)])

    @property
    def order(self) -> tuple[int, int, int]:
        """What others that have to go again are sorted by: first by batch, then by the pieces of one."""
        return self.place, self.batch.first_ms, self.batch.columns.numbers[0]


class Wait(NamedTuple):
    """Nothing to do before this instant."""

    until: float
