"""Our threads: how they are started, which of them are alive, and which threads deliver events at this moment.

Owns: blocked signals, which threads started here are alive, the idents of those that deliver. Must not know: what a
thread does, which records are ours (`own_calls`).

The system delivers no signal of the process to a thread that is started here. `process.lifecycle` waits until all of
them have ended, and explains why. A thread that delivers may also be one of the program's. As long as it delivers, it
must never wait for delivery: it would wait for itself.
"""

from __future__ import annotations

# The C module below `signal`. The functions of `signal` itself are Python code: Ctrl-C could come between its lines.
import _signal  # type: ignore[import-not-found]
import _thread
import signal
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from weakref import ref

from .primitives import are_greenlets, get_ident, sleep

# `wait_for_all` checks at this interval, in seconds.
_BRIEFLY: Final = 0.001

_of_this_thread: Final = _thread._local()


class _Mark:
    """An object that lives exactly as long as its thread. Not every version of Python can tell when a thread ends."""

    __slots__ = ("__weakref__",)


_alive: Final[set[ref[_Mark]]] = set()


def _signals_to_block() -> set[Any]:
    """Return the signals that our threads block, so that the program's threads get them; none on Windows.

    Signals about a fault of the thread itself, such as SIGSEGV, are not blocked: blocked, they would kill the process
    before faulthandler can print anything. None are blocked if ours are greenlets, which run on the program's thread.
    """
    if are_greenlets() or not hasattr(_signal, "pthread_sigmask"):
        return set()
    own_faults = ("SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    never_blocked = ("SIGKILL", "SIGSTOP")
    valid: set[int] = _signal.valid_signals()
    return valid - {getattr(_signal, name, None) for name in own_faults + never_blocked}


_BLOCKED: Final = _signals_to_block()


@contextmanager
def signals_let_through() -> Iterator[None]:
    """On a thread of ours, block only what the main thread blocks: a child process started inside inherits that.

    While the block runs, a signal of the process may be delivered to this thread if the program blocks it only later.
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
    # Only Linux shows another thread's blocked signals. Elsewhere none are assumed, as in most programs. Read as bytes:
    # for text, a codec might be imported, and a child forked meanwhile could never import it.
    with suppress(Exception), open("/proc/self/status", "rb") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith(b"SigBlk:"))
        return {int(number) for number in _BLOCKED if mask >> (number - 1) & 1}
    return set()


def start_thread(function: Callable[..., object], arguments: tuple[object, ...] = ()) -> None:
    """Start a daemon thread to which no signal of the process is delivered. Raises RuntimeError if that fails.

    The program may block a signal in all its threads, for a critical section or for sigwait. If ours did not block it,
    the signal would be delivered to ours and could end the process. The signals are blocked here, in the starting
    thread, because the new thread inherits that. If it blocked them itself, a signal could come before.

    threading.Thread is not used. Its start() takes a lock of the threading module and waits for the new thread. A
    signal handler that logs would hang there if the code it interrupted holds that lock.
    """
    if not _BLOCKED:
        _start(function, arguments)
        return
    # The mask is read by a call of its own: if a signal handler raised inside the call that also blocks, the signals
    # would stay blocked and the old mask would be unknown.
    before = _signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        _signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        _start(function, arguments)
    finally:
        _signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    mark = _Mark()
    # The mark is stored in thread-local data. Python clears that last of all, in C: after the mark has gone, no Python
    # code runs on the thread any more.
    is_alive = ref(mark, _alive.discard)
    _alive.add(is_alive)
    try:
        start_new_thread(_run, (mark, function, arguments))
    except BaseException:
        # Removed here because somebody may keep the exception: its traceback would keep the mark alive.
        _alive.discard(is_alive)
        raise


def _run(mark: _Mark, run: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    _of_this_thread.mark = mark
    del mark
    run(*arguments)


def is_started_here() -> bool:
    """True on a thread that was started here."""
    return hasattr(_of_this_thread, "mark")


# -- threads that deliver ------------------------------------------------------------------------------------------

_idents: set[int] = set()


@contextmanager
def own_thread() -> Iterator[None]:
    """Count the current thread as ours while the block runs. Blocks may be nested."""
    ident = get_ident()
    if ident in _idents:
        yield
        return
    try:
        # Inside: Ctrl-C right behind it must not leave the ident there.
        _idents.add(ident)
        yield
    finally:
        _idents.discard(ident)


def is_own_thread() -> bool:
    """True on a thread that is ours at this moment."""
    return get_ident() in _idents


def forget_all() -> None:
    """Forget all threads, in a forked child: the parent's other threads do not exist there."""
    _alive.clear()
    _idents.clear()


def wait_for_all() -> None:
    """Wait, without a limit, until every thread started here has ended and Python has cleaned up after it."""
    while _alive:
        sleep(_BRIEFLY)
