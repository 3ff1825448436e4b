"""What the system is asked for: clocks, sleep, the process's number, chance; whatever tests put in their places.

Tests of programs replace names of the standard library (``time.sleep`` by nothing, ``os.getpid`` by a number), before
this package is imported or while a handler delivers. So nothing here is looked up where they do that: these functions
come from a copy of the module `time` that nobody else has, and from the module that `os` has its own from.

Must not know: greenlets (`primitives`), who asks.
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

__all__ = ["from_program", "getpid", "kill", "monotonic", "random", "sleep", "times_of_day_ms"]

# As many as a float has between 0 and 1.
_RANDOM_BITS: Final = 53


def _copy_of_time() -> Any:
    # Where `time` is not built into the interpreter, there is no copy.
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
"""Seconds of a clock that never stands still: freezegun freezes ``time.monotonic``, and every wait would be endless."""
sleep: Final[Callable[[float], None]] = _time.sleep
"""Sleep, with all greenlets of the thread."""


def times_of_day_ms() -> tuple[int, ...]:
    """Return the time of day in milliseconds: by the program's clock, which its records have; and by the system's.

    They differ where a test has replaced the program's. It may give anything there, or raise.
    """
    system = int(_time.time() * 1000)
    return from_program(lambda: (int(float(time.time()) * 1000), system), (system,))


def from_program(ask: Callable[[], T], instead: T) -> T:
    """Return what a name of the standard library says that a test may have replaced, or ``instead`` if it raises."""
    try:
        return ask()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # What pytest.fail raises is no Exception.
        return instead


def random() -> float:
    """Return a number from 0 up to but not including 1; not the program's generator, nor a state that forks share."""
    return (int.from_bytes(urandom(8), "little") >> (64 - _RANDOM_BITS)) / 2.0**_RANDOM_BITS
