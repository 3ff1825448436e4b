"""What threads are made of: of one kind for the life of the process, native or gevent's.

gevent may replace all of this in the standard library, before this package is imported or after. Then native threads
and greenlets would wait for each other with locks of either kind, some of them for ever. So the names are bound here,
once: patched before, all of ours are greenlets; patched later, they stay the threads that they were.
"""

from __future__ import annotations

import time
from _thread import TIMEOUT_MAX, LockType, allocate_lock, get_ident, start_new_thread
from queue import Empty, SimpleQueue
from typing import Final

__all__ = [
    "Empty",
    "LockType",
    "SimpleQueue",
    "acquire",
    "allocate_lock",
    "get_ident",
    "give_way",
    "sleep",
    "start_new_thread",
]

sleep: Final = time.sleep
# How often a greenlet looks whether a native lock is free, which cannot wake it.
_POLL: Final = 0.01


def acquire(lock: LockType, timeout: float) -> bool:
    """Acquire a lock of ours within so many seconds; False if that was not enough.

    A greenlet that waits for a native thread lets the others go on meanwhile.
    """
    timeout = min(max(0.0, timeout), TIMEOUT_MAX)
    if time.sleep is sleep:
        try:
            return lock.acquire(timeout=timeout)
        except RuntimeError:
            # Python 3.15 refuses to wait while modules are torn down: no thread is there that could release it.
            return False
    polls = 0
    while not lock.acquire(blocking=False):
        if polls * _POLL >= timeout:
            return False
        polls += 1
        time.sleep(_POLL)
    return True


def give_way() -> None:
    """Let others run that wait for the GIL: they would get it only after the 5 ms of Python's switch interval."""
    sleep(0)
