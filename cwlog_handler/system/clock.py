"""A clock as a value: it tells the time and waits for an instant. `composition` hands it to all that needs it.

Owns: the system's clock. Must not know: who asks. `core`, `delivery` and `process` use only the clock that they are
given. So a simulation can give them another one, with its own monotonic time and its own time of day. What all handlers
of a process share (`pool`, `carriers`) is made before any of them, with the system's clock.
"""

from collections.abc import Callable
from typing import Final

from .primitives import sleep
from .stdlib import monotonic, times_of_day_ms

# One wait takes at most this many seconds. An instant may be years ahead by mistake, if a test has replaced the clock
# from which it was computed.
_LONGEST_WAIT: Final = 1.0


class Clock:
    """A monotonic clock, the time of day, and how to wait. Any thread may call all three."""

    __slots__ = ("monotonic", "sleep_until", "times_of_day_ms")

    def __init__(
        self,
        monotonic: Callable[[], float],
        times_of_day_ms: Callable[[], tuple[int, ...]],
        sleep_until: Callable[[float], None],
    ) -> None:
        self.monotonic: Final = monotonic
        """Return seconds that never go backwards and never stand still. "Instant" means a time by this clock."""
        self.times_of_day_ms: Final = times_of_day_ms
        """Return the time of day in milliseconds, by each clock that may be right.

        There are several if a test has replaced ``time.time``. An event counts as too old only if it is so by all of
        them.
        """
        self.sleep_until: Final = sleep_until
        """Sleep until an instant of `monotonic`, but for one second at most; return at once if it has passed."""


def _sleep_until(instant: float) -> None:
    if (seconds := instant - monotonic()) > 0:
        sleep(min(seconds, _LONGEST_WAIT))


SYSTEM_CLOCK: Final = Clock(monotonic, times_of_day_ms, _sleep_until)
