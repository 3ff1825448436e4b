"""What threads are made of: of one kind for the life of the process, native or gevent's.

gevent may replace all of this in the standard library, before this package is imported or after. Then native threads
and greenlets would wait for each other with locks of either kind, some of them for ever. So the names are bound here,
once: patched before, all of ours are greenlets; patched later, they stay the threads that they were.
"""

from __future__ import annotations

import _thread
import os
import time
from _thread import TIMEOUT_MAX, LockType, allocate_lock, get_ident
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final
from weakref import ref

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
    "wait_for_all",
]

sleep: Final = time.sleep
# How often a greenlet looks whether a native lock is free, which cannot wake it.
_POLL: Final = 0.01
# How often to look whether threads have ended.
_BRIEFLY: Final = 0.001

_start_new_thread: Final = _thread.start_new_thread
_of_this_thread: Final = _thread._local()


class _Mark:
    """Lives as long as a thread does, for which nothing else can be asked on every version of Python."""

    __slots__ = ("__weakref__",)


_alive: Final[set[ref[_Mark]]] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alive.clear)


def start_new_thread(run: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """Start a thread of ours. Raises RuntimeError where none can be started, as at the interpreter's end."""
    mark = _Mark()
    # Python clears what is local to a thread as the last thing of all, in C: no code of Python runs on it afterwards.
    is_alive = ref(mark, _alive.discard)
    _alive.add(is_alive)
    try:
        _start_new_thread(_run, (mark, run, arguments))
    except BaseException:
        # The error may be kept, and the mark with it.
        _alive.discard(is_alive)
        raise


def _run(mark: _Mark, run: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    _of_this_thread.mark = mark
    del mark
    run(*arguments)


def wait_for_all() -> None:
    """Wait until each thread that was started here has ended, to the last of what Python does for it."""
    while _alive:
        sleep(_BRIEFLY)


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
