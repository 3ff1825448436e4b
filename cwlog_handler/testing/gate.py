"""The place where held requests wait.

Owns: the waiting and its end. Must not know: why a request is held, what happens to it afterwards.
"""

import math
import threading
from collections.abc import Callable


class Gate:
    """Holds requests until their time is over, until they are released, or until waiting is pointless. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._releases = 0

    def ticket(self) -> int:
        """Return a ticket for `wait`: a release after this call ends the wait, even if the wait has not begun yet."""
        with self._condition:
            return self._releases

    def wait(self, ticket: int, seconds: float, pointless: Callable[[], bool] = lambda: False) -> bool:
        """Wait for ``seconds``, which may be infinite, or until a release; return whether a release ended the wait.

        The wait also ends if ``pointless()`` is true: it is called at the start, at each release and each `wake_up`.
        """
        timeout = None if math.isinf(seconds) else seconds
        with self._condition:
            self._condition.wait_for(lambda: self._releases != ticket or pointless(), timeout)
            return self._releases != ticket

    def release(self) -> None:
        """Let all requests go on that are held now."""
        with self._condition:
            self._releases += 1
            self._condition.notify_all()

    def wake_up(self) -> None:
        """Make every waiting request check again whether its wait is pointless."""
        with self._condition:
            self._condition.notify_all()
