"""Threads, locks, queues and sleep, all of one kind for the life of the process: native or greenlets.

Owns: the choice of the kind. Must not know: what the threads do. gevent or eventlet may replace these parts of the
standard library, before or after this package is imported. If we then used both kinds, native threads and greenlets
would wait for each other's locks, some of them for ever. So each name is bound once, at import. If the library has
patched before, all our threads are greenlets. If it patches later, our threads stay native. gevent and eventlet
themselves are asked whether they have patched: a changed name is no proof, because tests replace the same names.
"""

from __future__ import annotations

import _thread
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
    "frame_owner",
    "get_ident",
    "give_way",
    "pause",
    "sleep",
]

# A native lock cannot wake a greenlet. The greenlet checks the lock at this interval, in seconds.
_POLL: Final = 0.01


def _has_patched(module: str) -> Callable[[float], None] | None:
    """Return the sleep function of gevent or eventlet if it has patched this standard module; else None."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched(module):
        return _sleep_of("gevent")
    # eventlet uses Python 2's names: `thread` for `_thread`.
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched(module.strip("_")):
        return _sleep_of("eventlet")
    return None


def _sleep_of(library: str) -> Callable[[float], None] | None:
    sleep: Callable[[float], None] | None = getattr(sys.modules.get(library), "sleep", None)
    return sleep


_sleep_of_greenlets: Final = _has_patched("_thread")

if _sleep_of_greenlets is None:
    # `_queue` is where `queue` imports them from; nobody patches `_queue`.
    from _queue import Empty, SimpleQueue
else:
    from queue import Empty, SimpleQueue

sleep: Final = _sleep_of_greenlets or stdlib.sleep
"""Sleep in seconds, on threads of ours and on a caller's thread that does their work."""


def _late_sleep() -> Callable[[float], None] | None:
    """Return the greenlets' sleep if the program uses greenlets but our threads are native; else None."""
    return None if _sleep_of_greenlets is not None else _has_patched("time") or _has_patched("_thread")


def are_greenlets() -> bool:
    """True if our threads are greenlets."""
    return _sleep_of_greenlets is not None


def are_greenlets_late() -> bool:
    """True if the program's threads are greenlets by now, and ours are native."""
    return _late_sleep() is not None


def frame_owner() -> int:
    """Return a number of the thread, or greenlet, whose frame runs: code that interrupts the frame gets the same.

    Looked up late: if gevent or eventlet patches after our import, the greenlets of one thread differ in it.
    """
    return _thread.get_ident()


def pause(seconds: float) -> None:
    """Sleep on one of the program's threads or greenlets, in seconds; other greenlets go on meanwhile."""
    (_late_sleep() or sleep)(seconds)


def acquire(lock: LockType, timeout: float) -> bool:
    """Acquire a lock of ours; False if that takes longer than ``timeout`` seconds.

    While a greenlet waits for a native thread, other greenlets go on.
    """
    timeout = min(max(0.0, timeout), TIMEOUT_MAX)
    late_sleep = _late_sleep()
    if late_sleep is None:
        try:
            return lock.acquire(timeout=timeout)
        except RuntimeError:
            # Python 3.15 raises this while the interpreter shuts down: no thread exists that could release the lock.
            return False
    give_up = stdlib.monotonic() + timeout
    while not lock.acquire(blocking=False):
        left = give_up - stdlib.monotonic()
        if left <= 0:
            return False
        late_sleep(min(_POLL, left))
    return True


def give_way() -> None:
    """Yield the GIL to waiting threads; otherwise they wait for Python's switch interval, 5 ms by default."""
    sleep(0)
