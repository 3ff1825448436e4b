"""All flushers of the process, and what happens to them when it ends.

Owns: which flushers there are, the ``atexit`` hook, what ``logging.shutdown`` is doing. Must not know: what a flusher
does meanwhile, nor what kind of process it is (`runtimes`), nor when it forks (`forks`).
"""

from __future__ import annotations

import atexit
import logging
import sys
from contextlib import suppress
from math import inf
from typing import Final, Protocol
from weakref import WeakSet

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


_SHUTDOWN: Final = logging.shutdown.__code__


class Flushers:
    """All flushers of a process, for as long as each of them lives."""

    def __init__(self) -> None:
        self._watched: WeakSet[Watched] = WeakSet()
        self._has_finished = False

    def watch(self, flusher: Watched) -> None:
        """Look after a flusher."""
        self._watched.add(flusher)
        if self._has_finished:
            flusher.finish(flusher.deadline_from_now())

    def finish_all(self, *_args: object, **_kwargs: object) -> None:
        """See all flushers to their end: no code of ours may run once this process is over."""
        self._has_finished = True
        waiting = self._deadlines()
        try:
            while waiting:
                flusher, deadline = waiting.pop(0)
                flusher.finish(deadline)
        finally:
            # Ctrl-C: the others say what they have left, and wait for nothing. See ARCHITECTURE, Ctrl-C, 5.
            for flusher, _ in waiting:
                flusher.finish(-inf)
        if subinterpreters.is_one():
            # After all of them: a request that is waited for takes no time from another handler.
            for flusher in list(self._watched):
                flusher.end_thread()
            subinterpreters.end_threads()

    def is_interrupted(self) -> bool:
        """True in a signal handler for which nothing can be delivered before the frame below it goes on."""
        return any(flusher.is_interrupted for flusher in list(self._watched))

    def deliver_all(self) -> None:
        """Have all flushers deliver what waits, as far as they can within their time-outs."""
        for flusher, deadline in self._deadlines():
            flusher.deliver_until(deadline)

    def start_over(self, keeps_records: bool = False) -> None:
        """Have all flushers begin anew in a forked child; see `forks`, which calls this."""
        self._has_finished = False
        for flusher in list(self._watched):
            flusher.start_over(keeps_records)

    def _deadlines(self) -> list[tuple[Watched, float]]:
        # All of them first, so that several handlers wait side by side and not one after another; and none of them
        # loses its time to one that comes before and whose endpoint does not answer.
        deadlines = [(flusher, flusher.deadline_from_now()) for flusher in list(self._watched)]
        for flusher, deadline in deadlines:
            flusher.begin_to_deliver(deadline)
        return deadlines


flushers: Final = Flushers()


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


# Registered after logging's own, so it runs before: no lock of logging is held while we wait.
atexit.register(flushers.finish_all)
