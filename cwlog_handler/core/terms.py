"""What one handler was asked for, as far as delivery is concerned: checked options, in one value.

Must not know: where they come from, how any of them is kept.
"""

from typing import NamedTuple

from .batches import Rules
from .events import Oversize
from .shedding import Bounds


class Terms(NamedTuple):
    """The terms on which the records of one handler are delivered."""

    log_group_name: str
    rules: Rules
    """How large a batch may be."""
    bounds: Bounds
    """How much may wait."""
    max_event_bytes: int
    """How large one event may be, the service's 26 bytes included."""
    oversize: Oversize
    send_interval: float
    """Seconds that a record waits for company at most."""
    requests_per_second: float | None
    """For one stream; None: no limit."""
    flush_level: int
    """A record of this level or above does not wait for company."""
