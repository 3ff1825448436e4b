"""The options of one handler that concern delivery, checked and in one value.

Owns: which of the options these are. Must not know: where they come from, how any of them is carried out.
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
    """The most seconds that a record waits for others to share its request."""
    requests_per_second: float | None
    """The limit for each stream; None: no limit."""
    flush_level: int
    """A record of this level or above does not wait for others."""
