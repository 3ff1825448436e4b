"""SIGINT and SIGTERM: a signal ends the reading at once, but never interrupts the handing over of a record.

Owns: the two signal handlers, and the read that they may end. Must not know: what is read, what happens afterwards.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class _StopReading(BaseException):
    """Raised by the signal handler to end a read that may never return."""


class Interruption:
    """A context in which the first signal asks for an orderly end, and the second one raises KeyboardInterrupt.

    Only for the main thread, because only it may set signal handlers.
    """

    def __init__(self) -> None:
        self.is_wanted = False
        self._is_reading = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        # A signal that is ignored stays ignored: a shell, for example, ignores SIGINT for background processes.
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
        """Read at most ``size`` bytes, as ``os.read`` does. Return b"" after the first signal.

        Return None if ``longest`` is given and there was nothing to read for that many seconds.
        """
        try:
            self._is_reading = True
            # Bytes that were read but not yet returned when the signal comes count as not read.
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
            # Another process that shares the pipe has made it non-blocking.
            select.select([descriptor], [], [])
