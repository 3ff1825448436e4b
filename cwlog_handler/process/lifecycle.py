"""What happens to flushers when the process forks and when it ends.

Must not know: what a flusher does between, nor what kind of process it is (`runtimes`).
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Final, Protocol
from weakref import WeakSet

from ..delivery import buckets
from ..system import own_calls, own_threads
from ..system.primitives import LockType, acquire, allocate_lock, get_ident
from . import subinterpreters


class Watched(Protocol):
    """What is needed of a flusher here."""

    @property
    def is_interrupted(self) -> bool:
        """True in a signal handler for which nothing can be delivered before the frame below it goes on."""

    def start_over(self, keeps_records: bool = False) -> None:
        """Begin with nothing, or with what nobody has looked at yet, in a forked child."""

    def deadline_from_now(self) -> float:
        """Return when what begins now, and has `close_timeout` for it, must be over."""

    def begin_to_deliver(self, deadline: float) -> None:
        """Have what waits delivered until the deadline, without waiting for it."""

    def deliver_until(self, deadline: float) -> bool:
        """Deliver what waits; say what is left at the deadline, and return False."""

    def finish(self, deadline: float) -> None:
        """The same at the interpreter's end, when no thread will be there any more."""

    def end_thread(self) -> None:
        """After `finish`: have the thread end, whatever is left; do not wait for it."""


# How many seconds `no_fork` is waited for. Making a client takes some 60 ms, unless credentials are slow to come.
_WAITS: Final = 2.0

_SHUTDOWN: Final = logging.shutdown.__code__

_watched: WeakSet[Watched] = WeakSet()
_has_finished = False


class _NoFork:
    """Held while something is done in which a fork would leave locks behind that nobody in the child could release.

    OpenSSL's are such, while a context is made: the child would wait for them for ever, as soon as it makes its own.
    Nobody waits for it for longer than two seconds; then they go on all the same.
    """

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Be free: at first, and in the child of a fork."""
        self._lock = allocate_lock()
        self._held_by_fork: tuple[int, LockType] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put forks of other threads off, as long as the block runs."""
        lock = self._lock
        is_taken = False
        try:
            is_taken = acquire(lock, _WAITS)
            if not is_taken:
                # Held for very long, or left taken by Ctrl-C between two instructions: nobody need wait for it again.
                self._lock = allocate_lock()
            yield
        finally:
            if is_taken:
                lock.release()

    def before_fork(self) -> None:
        """Wait until nobody is at it, but not for ever."""
        lock = self._lock
        # On a thread of ours it may be this very thread.
        if not own_threads.is_own_thread() and acquire(lock, _WAITS):
            # Others may fork at the same time, and wait here in vain: it is not theirs to release, nor to forget.
            self._held_by_fork = get_ident(), lock

    def after_fork(self) -> None:
        """Go on, in the parent."""
        if self._held_by_fork is not None and self._held_by_fork[0] == get_ident():
            lock = self._held_by_fork[1]
            self._held_by_fork = None
            lock.release()


no_fork: Final = _NoFork()


def watch(flusher: Watched) -> None:
    """Look after a flusher for as long as it lives."""
    _watched.add(flusher)
    if _has_finished:
        flusher.finish(flusher.deadline_from_now())


def finish_all(*_args: object, **_kwargs: object) -> None:
    """See all flushers to their end: no code of ours may run once this process is over."""
    global _has_finished
    _has_finished = True
    waiting = _deadlines()
    try:
        while waiting:
            flusher, deadline = waiting.pop(0)
            flusher.finish(deadline)
    finally:
        # Somebody is impatient and has sent Ctrl-C: the others say what they have left, and wait for nothing.
        for flusher, _ in waiting:
            flusher.finish(-inf)
    if subinterpreters.is_one():
        # After all of them: a request that is waited for takes no time from another handler.
        for flusher in list(_watched):
            flusher.end_thread()
        subinterpreters.end_threads()


def is_interrupted() -> bool:
    """True in a signal handler for which nothing can be delivered before the frame below it goes on."""
    return any(flusher.is_interrupted for flusher in list(_watched))


def deliver_all() -> None:
    """Have all flushers deliver what waits, as far as they can within their time-outs."""
    for flusher, deadline in _deadlines():
        flusher.deliver_until(deadline)


def is_logging_shut_down_for(flusher: Watched) -> bool:
    """True while ``logging.shutdown`` runs on this thread, if it will come, or is coming, to this flusher's handler."""
    frame = sys._getframe(1) if hasattr(sys, "_getframe") else None
    while frame is not None:
        if frame.f_code is _SHUTDOWN:
            handlers = frame.f_locals.get("handlerList") or ()
            return any(getattr(handler(), "_flusher", None) is flusher for handler in handlers)
        frame = frame.f_back
    return False


def flush_those_in_front(handler: logging.Handler) -> None:
    """Have each MemoryHandler whose target this is hand on what it keeps, before ``logging.shutdown`` comes to it.

    It comes to handlers in reverse order of their making. What a MemoryHandler that is older than its target hands on
    would find the target closed, and have to be sent record by record.
    """
    for reference in list(getattr(logging, "_handlerList", ())):
        front = reference()
        if getattr(front, "target", None) is handler and getattr(front, "flushOnClose", False):
            with suppress(Exception):
                front.flush()


def _deadlines() -> list[tuple[Watched, float]]:
    # All of them first, so that several handlers wait side by side and not one after another; and none of them loses
    # its time to one that comes before and whose endpoint does not answer.
    deadlines = [(flusher, flusher.deadline_from_now()) for flusher in list(_watched)]
    for flusher, deadline in deadlines:
        flusher.begin_to_deliver(deadline)
    return deadlines


def start_over(keeps_records: bool = False) -> None:
    """Begin anew in a forked child; the parent's records are the parent's, unless it could not send them."""
    global _has_finished
    _has_finished = False
    no_fork.start_over()
    own_threads.forget_all()
    own_calls.forget_all()
    buckets.forget_all()
    for flusher in list(_watched):
        flusher.start_over(keeps_records)


# Registered after logging's own, so it runs before: no lock of logging is held while we wait.
atexit.register(finish_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=no_fork.before_fork, after_in_parent=no_fork.after_fork, after_in_child=start_over)
