"""What all streams of one handler share.

Owns: nothing of a stream; whom a stream tells, and the objects that all of them use. Must not know: what is done with
them. Not thread-safe.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .batches import AgeLimit, Batch, Rules
from .columns import Gone
from .interval import SendInterval
from .ledger import Ledger
from .pacing import Overlap
from .requests import Resends

if TYPE_CHECKING:
    from .lost import Reports
    from .shelves import Shelves
    from .stream import Stream


class Shared:
    """What all streams of one handler share."""

    __slots__ = (
        "age_limit", "gone", "interval", "ledger", "lost", "no_resends", "overlap", "random", "reports", "rules",
        "settled", "shelves",
    )  # fmt: skip

    def __init__(
        self,
        rules: Rules,
        age_limit: AgeLimit,
        ledger: Ledger,
        interval: SendInterval,
        overlap: Overlap,
        random: Callable[[], float],
        settled: Callable[[Batch], None] = Batch.settle,
        lost: "Callable[[Stream], None] | None" = None,
        shelves: "type[Shelves] | None" = None,
        gone: Callable[[Gone], None] | None = None,
        reports: "Reports | None" = None,
    ) -> None:
        self.rules: Final = rules
        self.no_resends: Final = Resends(rules)
        """One empty object for all streams that have nothing to send again. Nothing may be put in there."""
        self.age_limit: Final = age_limit
        """That of the stream's log group: of all these, it alone is not shared by all groups."""
        self.ledger: Final = ledger
        self.interval: Final = interval
        self.overlap: Final = overlap
        self.random: Final = random
        """Returns a number from 0 to 1, for the jitter of back-off."""
        self.settled: Final = settled
        """Called with a batch, or a part of one, whose events need no delivery any more."""
        self.lost: Final = lost
        """Called with each stream that has lost an event, and therefore needs a loss event."""
        self.shelves: Final = shelves
        """What each stream has for its events on disk. None: there is no disk."""
        self.gone: Final = gone
        """Called with each event that is dropped although it was taken in. None: nobody has to know."""
        self.reports: Final = reports
        """Takes down each event that is lost, for the program. None: the program has not asked for that."""

    def in_group(self, age_limit: AgeLimit) -> "Shared":
        """Return what the streams of another log group share, which has this age limit."""
        others = {name: getattr(self, name) for name in self.__slots__ if name not in ("age_limit", "no_resends")}
        return Shared(age_limit=age_limit, **others)
