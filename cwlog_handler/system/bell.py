"""A bell that wakes one thread, and may be rung by any other, by a signal handler and by a finalizer.

Owns: the lock that is taken while nobody has rung. Must not know: who sleeps, and why.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from .primitives import allocate_lock, sleep

# The longest sleep in seconds. A lock accepts a time-out of 290 years at most; one wake-up an hour costs nothing.
LONGEST_SLEEP: Final = 3600.0


class Bell:
    """Wakes the thread that waits. A ring while nobody waits is kept for the next who does."""

    def __init__(self) -> None:
        # Taken while nobody has rung. It is not a SimpleQueue, because up to Python 3.12 `SimpleQueue.get` may wait for
        # ever: it does so if its time-out is over when a signal handler returns.
        self._lock = allocate_lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake who waits. Never waits itself."""
        with suppress(RuntimeError):  # it has been rung already
            self._lock.release()

    @property
    def is_rung(self) -> bool:
        """True if somebody has rung since the last `reset`."""
        return not self._lock.locked()

    def wait(self, timeout: float) -> None:
        """Wait until somebody rings, at most ``timeout`` seconds. `reset` has to follow."""
        if timeout <= 0:
            return
        timeout = min(timeout, LONGEST_SLEEP)
        try:
            self._lock.acquire(timeout=timeout)
        except RuntimeError:
            # Python 3.15 refuses to wait for a lock while modules are torn down. No other thread could ring then.
            sleep(timeout)

    def reset(self) -> None:
        """Have the next ring wake who waits. What came before this is looked at afterwards, so that no ring is lost."""
        # A lock of eventlet counts how often it was released: take it until it is locked again.
        while self._lock.acquire(blocking=False):
            pass
