"""Delivers what ended processes have left for one destination, until all is settled or waiting has become pointless.

Owns: when it is over, and when to give up. Must not know: arguments, signals, which destinations are wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from ...core.ledger import Stats
from ...handler import CloudWatchLogsHandler

_POLL: Final = 0.05
# The command stores next to nothing, and must not give up anything for it: the bound of the directory is the program's.
_NO_BOUND: Final = 1 << 62


class Delivery:
    """The way of what is left to the service. `deliver` is for one thread; any thread may read the counts meanwhile.

    ``options`` are the handler's. ``is_interrupted()`` is true after the user has asked for an end. ``patience`` is how
    many seconds may pass without any event being settled. Raises ValueError or TypeError for a wrong option.
    """

    def __init__(
        self, directory: str, options: dict[str, Any], *, patience: float, is_interrupted: Callable[[], bool]
    ) -> None:
        # The command does all the waiting, and shows it. So the handler must not wait again when the interpreter ends.
        ours = {"close_timeout": 0, "flush_on_sigterm": False, "spool_dir": directory, "max_spool_size": _NO_BOUND}
        self._handler = CloudWatchLogsHandler(**{**options, **ours})
        self._patience = patience
        self._is_interrupted = is_interrupted
        self.gave_up = False

    @property
    def stats(self) -> Stats:
        """The handler's counts."""
        return self._handler.stats

    @property
    def progress(self) -> int:
        """How many events are settled."""
        stats = self.stats
        return stats.emitted + stats.recovered - stats.pending

    @property
    def told(self) -> str:
        """Nothing but the counts is told."""
        return ""

    @property
    def _is_over(self) -> bool:
        # Between the moments in which a file is chosen and in which it is taken over, nothing seems to be left. The
        # lock of the rounds is held meanwhile, and to read the counts means to wait for it.
        rounds = self._handler._flusher.rounds
        return not rounds.has_left and self.stats.pending == 0 and not rounds.has_left

    def deliver(self) -> None:
        """Take over all that is left, and wait until it is settled or there is no use in waiting."""
        self._handler._flusher.take_over_now()
        settled, settled_at = -1, time.monotonic()
        while not (self._is_over or self._is_interrupted()):
            now, progress = time.monotonic(), self.progress
            if progress != settled:
                settled, settled_at = progress, now
            if now - settled_at > self._patience:
                self.gave_up = True
                return
            time.sleep(_POLL)

    def close(self) -> None:
        """End it. What is not settled stays in the directory, and nobody holds it once this process has ended."""
        self._handler.close()
