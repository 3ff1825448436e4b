"""SIGINT and SIGTERM: the reading ends at once, and no record is ever half handed over.

Must not know: what is read, and what happens afterwards.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class _StopReading(BaseException):
    """Leaves a read that may never end."""


class Interruption:
    """A context in which a first signal asks for an orderly end, and a second one raises KeyboardInterrupt.

    For the main thread.
    """

    def __init__(self) -> None:
        self.is_wanted = False
        self._is_reading = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        # Ignored by whoever started us: a shell, say, in whose background we run.
        wanted = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._interrupt) for number in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_wanted:
            raise KeyboardInterrupt
        self.is_wanted = True
        if self._is_reading:
            raise _StopReading

    def read(self, descriptor: int, longest: float | None, size: int) -> bytes | None:
        """Read some bytes, as ``os.read`` does; nothing once the end is asked for.

        None if ``longest`` is given and for so many seconds there was nothing to read.
        """
        try:
            self._is_reading = True
            # What the signal finds read, but not returned, counts as not read.
            return b"" if self.is_wanted else _read(descriptor, longest, size)
        except _StopReading:
            return b""
        finally:
            self._is_reading = False


def _read(descriptor: int, longest: float | None, size: int) -> bytes | None:
    if longest is not None and not select.select([descriptor], [], [], longest)[0]:
        return None
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:  # noqa: PERF203
            # Another process that has the same pipe made it so.
            select.select([descriptor], [], [])
