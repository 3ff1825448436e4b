"""What time it is, and waiting for a time: one value, composed at the top and handed down.

Owns: the system's clock. Must not know: who asks. Nothing in `core`, `delivery`, `aws` or `process` reads a clock of
its own: a simulation hands in another one, with its own monotonic time and its own time of day.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from .primitives import sleep
from .stdlib import monotonic, times_of_day_ms

# Seconds that one wait takes at most. A test may have frozen the clock from which an instant comes: the instant may be
# years ahead by now.
_LONGEST_WAIT: Final = 1.0


class Clock(NamedTuple):
    """A monotonic clock, the time of day, and how to wait. Any thread may call all three."""

    monotonic: Callable[[], float]
    """Seconds that never go backwards and never stand still. Instants are of this clock unless they say otherwise."""
    times_of_day_ms: Callable[[], tuple[int, ...]]
    """The time of day in milliseconds, by each clock that may be right: an event is too old only by all of them."""
    sleep_until: Callable[[float], None]
    """Sleep until an instant of `monotonic`; return at once if it has passed, and after a second in any case."""


def _sleep_until(instant: float) -> None:
    if (seconds := instant - monotonic()) > 0:
        sleep(min(seconds, _LONGEST_WAIT))


SYSTEM_CLOCK: Final = Clock(monotonic, times_of_day_ms, _sleep_until)
