"""What threads are made of: of one kind for the life of the process, native or greenlets.

gevent or eventlet may replace all of this in the standard library, before this package is imported or after. Then
native threads and greenlets would wait for each other with locks of either kind, some of them for ever. So the names
are bound here, once: patched before, all of ours are greenlets; patched later, they stay the threads that they were.
Which it is, gevent and eventlet are asked: tests replace the same names as they do.
"""

from __future__ import annotations

import sys
from _thread import TIMEOUT_MAX, LockType, allocate_lock, get_ident
from collections.abc import Callable
from typing import Final

from . import stdlib

__all__ = [
    "Empty",
    "LockType",
    "SimpleQueue",
    "acquire",
    "allocate_lock",
    "are_greenlets",
    "are_greenlets_late",
    "get_ident",
    "give_way",
    "pause",
    "sleep",
]

# How often a greenlet looks whether a native lock is free, which cannot wake it.
_POLL: Final = 0.01


def _has_patched(module: str) -> Callable[[float], None] | None:
    """Return the sleep of the library that has replaced this module of the standard library; None if none has."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched(module):
        return _sleep_of("gevent")
    # It knows this module by the name that it had in Python 2.
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched(module.strip("_")):
        return _sleep_of("eventlet")
    return None


def _sleep_of(library: str) -> Callable[[float], None] | None:
    sleep: Callable[[float], None] | None = getattr(sys.modules.get(library), "sleep", None)
    return sleep


_sleep_of_greenlets: Final = _has_patched("_thread")

if _sleep_of_greenlets is None:
    # Where `queue` has them from: nobody replaces them there.
    from _queue import Empty, SimpleQueue
else:
    from queue import Empty, SimpleQueue

sleep: Final = _sleep_of_greenlets or stdlib.sleep
"""Sleep, for threads of ours and whoever does their work."""


def _late_sleep() -> Callable[[float], None] | None:
    """Return how a greenlet sleeps while ours are native threads; None if it need not care."""
    return None if _sleep_of_greenlets is not None else _has_patched("time") or _has_patched("_thread")


def are_greenlets() -> bool:
    """True where threads of ours are greenlets."""
    return _sleep_of_greenlets is not None


def are_greenlets_late() -> bool:
    """True where the program's threads are greenlets by now, and ours are native."""
    return _late_sleep() is not None


def pause(seconds: float) -> None:
    """Sleep on a thread of the program's, or in a greenlet, and let the others go on."""
    (_late_sleep() or sleep)(seconds)


def acquire(lock: LockType, timeout: float) -> bool:
    """Acquire a lock of ours within so many seconds; False if that was not enough.

    A greenlet that waits for a native thread lets the others go on meanwhile.
    """
    timeout = min(max(0.0, timeout), TIMEOUT_MAX)
    late_sleep = _late_sleep()
    if late_sleep is None:
        try:
            return lock.acquire(timeout=timeout)
        except RuntimeError:
            # Python 3.15 refuses to wait while modules are torn down: no thread is there that could release it.
            return False
    give_up = stdlib.monotonic() + timeout
    while not lock.acquire(blocking=False):
        left = give_up - stdlib.monotonic()
        if left <= 0:
            return False
        late_sleep(min(_POLL, left))
    return True


def give_way() -> None:
    """Let others run that wait for the GIL: they would get it only after the 5 ms of Python's switch interval."""
    sleep(0)
