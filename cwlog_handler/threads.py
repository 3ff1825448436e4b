"""What threads are made of: of one kind for the life of the process, native or greenlets.

gevent or eventlet may replace all of this in the standard library, before this package is imported or after. Then
native threads and greenlets would wait for each other with locks of either kind, some of them for ever. So the names
are bound here, once: patched before, all of ours are greenlets; patched later, they stay the threads that they were.
Which it is, gevent and eventlet are asked: tests replace the same names as they do.
"""

from __future__ import annotations

# What `signal` wraps in Python, between whose lines Ctrl-C could come.
import _signal  # type: ignore[import-not-found]
import signal
import sys
from _thread import TIMEOUT_MAX, LockType, allocate_lock, get_ident, start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from . import system

__all__ = [
    "Empty",
    "LockType",
    "SimpleQueue",
    "acquire",
    "allocate_lock",
    "are_greenlets_late",
    "get_ident",
    "give_way",
    "pause",
    "signals_let_through",
    "sleep",
    "start_thread",
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

sleep: Final = _sleep_of_greenlets or system.sleep
"""Sleep, for threads of ours and whoever does their work."""


def _late_sleep() -> Callable[[float], None] | None:
    """Return how a greenlet sleeps while ours are native threads; None if it need not care."""
    return None if _sleep_of_greenlets is not None else _has_patched("time") or _has_patched("_thread")


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
        return lock.acquire(timeout=timeout)
    give_up = system.monotonic() + timeout
    while not lock.acquire(blocking=False):
        left = give_up - system.monotonic()
        if left <= 0:
            return False
        late_sleep(min(_POLL, left))
    return True


def give_way() -> None:
    """Let others run that wait for the GIL: they would get it only after the 5 ms of Python's switch interval."""
    sleep(0)


def _signals_to_block() -> set[Any]:
    """Return the signals that threads of ours leave to the program's; none where there is no such thing, as on Windows.

    Not those that say what the thread itself has done wrong: blocked, they kill the process without a word of
    faulthandler's. And a greenlet's thread is the program's.
    """
    if _sleep_of_greenlets is not None or not hasattr(_signal, "pthread_sigmask"):
        return set()
    own_faults = ("SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    never_blocked = ("SIGKILL", "SIGSTOP")
    return signal.valid_signals() - {getattr(signal, name, None) for name in own_faults + never_blocked}


_BLOCKED: Final = _signals_to_block()


@contextmanager
def signals_let_through() -> Iterator[None]:
    """Block, on a thread of ours, no more than the main thread does: for a child process, which inherits it.

    A signal that the program blocks from here on may still be delivered to this thread as long as the block runs.
    """
    before = _signal.pthread_sigmask(signal.SIG_BLOCK, ()) if _BLOCKED else set()
    if not _BLOCKED or not before >= _BLOCKED:
        yield
        return
    _signal.pthread_sigmask(signal.SIG_SETMASK, _blocked_by_main_thread())
    try:
        yield
    finally:
        _signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _blocked_by_main_thread() -> set[int]:
    # Only Linux tells; elsewhere most programs block none.
    with suppress(Exception), open("/proc/self/status", encoding="ascii", errors="replace") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk:"))
        return {int(number) for number in _BLOCKED if mask >> (number - 1) & 1}
    return set()


def start_thread(function: Callable[..., object], arguments: tuple[object, ...] = ()) -> None:
    """Start a daemon thread to which no signal of the process is delivered.

    A signal that all threads of the program block, for a critical section or for sigwait, would be delivered to ours
    otherwise, and end the process there. A thread inherits what its starter blocks; if it blocked them itself, a signal
    could come before. Raises RuntimeError if no thread can be started.

    Not threading.Thread: its start() takes a lock of the threading module that the frame below a signal handler may
    hold, and waits for the new thread.
    """
    if not _BLOCKED:
        start_new_thread(function, arguments)
        return
    # Asked first: a signal handler that raises in the next call leaves the signals blocked.
    before = _signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        _signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        start_new_thread(function, arguments)
    finally:
        _signal.pthread_sigmask(signal.SIG_SETMASK, before)
