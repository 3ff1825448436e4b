"""Clocks, sleep, the process id and random numbers of the system itself, even where tests have replaced these names.

Owns: these functions, and the one way to ask a name that a test may have replaced (`from_program`). Must not know:
greenlets (`primitives`), who asks.

A program's tests may replace names of the standard library, such as ``time.sleep`` or ``os.getpid``. They may do so
before this package is imported, or while a handler delivers. So the functions here come from a private copy of the
module `time`, and from the C module from which `os` itself takes them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import BuiltinImporter
from typing import Any, Final, TypeVar

T = TypeVar("T")

if sys.platform == "win32":
    from nt import getpid, kill, urandom
else:
    from posix import getpid, kill, urandom

__all__ = ["from_program", "getpid", "kill", "monotonic", "random", "sleep", "times_of_day_ms", "urandom"]

# A float has 53 significant bits.
_RANDOM_BITS: Final = 53


def _copy_of_time() -> Any:
    # If `time` is not built into the interpreter, it cannot be copied: the shared module is used then.
    with suppress(Exception):
        spec = BuiltinImporter.find_spec("time")
        if spec is not None:
            copy = BuiltinImporter.create_module(spec)
            if copy is not None:
                BuiltinImporter.exec_module(copy)
                return copy
    return time


_time: Final = _copy_of_time()

monotonic: Final[Callable[[], float]] = _time.monotonic
"""Seconds of a clock that never stands still. freezegun freezes ``time.monotonic``, so waits by it would never end."""
sleep: Final[Callable[[float], None]] = _time.sleep
"""Sleep for a number of seconds. It stops the whole thread, with all its greenlets."""


def times_of_day_ms() -> tuple[int, ...]:
    """Return the time of day in milliseconds: first by ``time.time``, as in the program's records, then by the system.

    They differ if a test has replaced ``time.time``. If that raises, or returns no number, only the second is returned.
    """
    system = int(_time.time() * 1000)
    return from_program(lambda: (int(float(time.time()) * 1000), system), (system,))


def from_program(ask: Callable[[], T], instead: T) -> T:
    """Return ``ask()``, or ``instead`` if it raises.

    ``ask`` uses a name of the standard library that a test may have replaced by anything. KeyboardInterrupt and
    SystemExit go up to the caller.
    """
    try:
        return ask()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # Not only Exception: pytest.fail raises a class that is not derived from it.
        return instead


def random() -> float:
    """Return a random number, at least 0 and less than 1.

    The program's generator in `random` is left alone, and forked processes get different numbers.
    """
    return (int.from_bytes(urandom(8), "little") >> (64 - _RANDOM_BITS)) / 2.0**_RANDOM_BITS
