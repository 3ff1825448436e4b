"""The options of one handler that concern delivery, checked and in one value.

Owns: which of the options these are. Must not know: where they come from, how any of them is carried out.
"""

from typing import Final

from .batches import Rules
from .events import Oversize
from .shedding import Bounds


class Terms:
    """The terms on which the records of one handler are delivered."""

    __slots__ = (
        "bounds", "flush_level", "likely_endpoint", "log_group_name", "max_event_bytes", "oversize",
        "requests_per_second", "rules", "send_interval",
    )  # fmt: skip

    def __init__(
        self,
        log_group_name: str,
        rules: Rules,
        bounds: Bounds,
        max_event_bytes: int,
        oversize: Oversize,
        send_interval: float,
        requests_per_second: float | None,
        flush_level: int,
        likely_endpoint: str | None = None,
    ) -> None:
        self.log_group_name: Final = log_group_name
        self.rules: Final = rules
        """How large a batch may be."""
        self.bounds: Final = bounds
        """How much may wait."""
        self.max_event_bytes: Final = max_event_bytes
        """How large one event may be, the service's 26 bytes included."""
        self.oversize: Final = oversize
        self.send_interval: Final = send_interval
        """The most seconds that a record waits for others to share its request."""
        self.requests_per_second: Final = requests_per_second
        """The limit for each stream; None: no limit."""
        self.flush_level: Final = flush_level
        """A record of this level or above does not wait for others."""
        self.likely_endpoint: Final = likely_endpoint
        """Where the requests will go, as far as is known before there is a client. None: nothing is known."""
