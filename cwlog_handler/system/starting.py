"""How a thread of ours is started: no signal of the process is delivered to it, and it can be seen to end.

Must not know: what it does. Why it must be seen to end: see `subinterpreters`.
"""

from __future__ import annotations

# What `signal` wraps in Python, between whose lines Ctrl-C could come.
import _signal  # type: ignore[import-not-found]
import _thread
import signal
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from weakref import ref

from .primitives import are_greenlets, sleep

# How often to look whether threads have ended.
_BRIEFLY: Final = 0.001

_of_this_thread: Final = _thread._local()


class _Mark:
    """Lives as long as a thread does, for which nothing else can be asked on every version of Python."""

    __slots__ = ("__weakref__",)


_alive: Final[set[ref[_Mark]]] = set()


def _signals_to_block() -> set[Any]:
    """Return the signals that threads of ours leave to the program's; none where there is no such thing, as on Windows.

    Not those that say what the thread itself has done wrong: blocked, they kill the process without a word of
    faulthandler's. And a greenlet's thread is the program's.
    """
    if are_greenlets() or not hasattr(_signal, "pthread_sigmask"):
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
        _start(function, arguments)
        return
    # Asked first: a signal handler that raises in the next call leaves the signals blocked.
    before = _signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        _signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        _start(function, arguments)
    finally:
        _signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    mark = _Mark()
    # Python clears what is local to a thread as the last thing of all, in C: no code of Python runs on it afterwards.
    is_alive = ref(mark, _alive.discard)
    _alive.add(is_alive)
    try:
        start_new_thread(_run, (mark, function, arguments))
    except BaseException:
        # The error may be kept, and the mark with it.
        _alive.discard(is_alive)
        raise


def _run(mark: _Mark, run: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    _of_this_thread.mark = mark
    del mark
    run(*arguments)


def forget_all() -> None:
    """Start over in a forked child: its parent's threads are not there."""
    _alive.clear()


def wait_for_all() -> None:
    """Wait until each thread that was started here has ended, to the last of what Python does for it."""
    while _alive:
        sleep(_BRIEFLY)
