"""The place where held requests wait.

Owns the waiting and its end. Must not know why a request is held, nor what happens to it afterwards.
"""

import math
import threading
from collections.abc import Callable


class Gate:
    """Holds requests for some time, until released, or until their wait has become pointless. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._releases = 0

    def ticket(self) -> int:
        """What to wait with: a release after this call ends the wait, even if it comes before the wait begins."""
        with self._condition:
            return self._releases

    def wait(self, ticket: int, seconds: float, pointless: Callable[[], bool] = lambda: False) -> bool:
        """Wait, for ever if ``seconds`` is infinite; returns whether a release ended it.

        ``pointless`` is asked at the start and at each wake-up.
        """
        timeout = None if math.isinf(seconds) else seconds
        with self._condition:
            self._condition.wait_for(lambda: self._releases != ticket or pointless(), timeout)
            return self._releases != ticket

    def release(self) -> None:
        """Let all requests go that are held now."""
        with self._condition:
            self._releases += 1
            self._condition.notify_all()

    def wake_up(self) -> None:
        """Make every waiting request ask again whether its wait is pointless."""
        with self._condition:
            self._condition.notify_all()
