"""All flushers of the process, and what happens to them when it ends.

Owns: which flushers exist, the ``atexit`` hook, what ``logging.shutdown`` is doing, the end of a sub-interpreter. Must
not know: how a flusher delivers, what kind of process this is (`runtimes`), when it forks (`forks`).

mod_wsgi and ``concurrent.interpreters`` make sub-interpreters. If a thread of ours still lives when one of them ends,
Python up to 3.13 aborts the whole process, with all interpreters in it ("Py_EndInterpreter: not the last thread").
Later versions let the thread go on in an interpreter that is gone.
"""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from math import inf
from typing import Any, Final, Protocol

from ..delivery import pool
from ..system import own_threads
from ..system.register import Register


class Watched(Protocol):
    """The part of a flusher that is needed here."""

    @property
    def is_interrupted(self) -> bool:
        """True in a signal handler that has interrupted our code: nothing can be delivered before that code goes on."""

    def start_over(self, keeps_records: bool = False) -> None:
        """Begin anew in a forked child: with nothing, or with the records in the inbox if ``keeps_records``."""

    def deadline_from_now(self) -> float:
        """Return the instant at which a close or an exit that begins now must be over."""

    def begin_to_deliver(self, deadline: float, *, is_exit: bool = False) -> None:
        """Have the thread deliver, until the deadline, the records that wait. Return at once.

        ``is_exit``: the interpreter ends. Otherwise the process may live on.
        """

    def deliver_until(self, deadline: float) -> bool:
        """After `begin_to_deliver`: deliver what waits. If some is left at the deadline, say so and return False."""

    def wait_until_told(self, deadline: float) -> None:
        """Wait until the program's function knows what was lost, until the deadline at most."""

    def live_on(self) -> None:
        """After `deliver_until`: note that the process lives on."""

    def finish(self, deadline: float) -> None:
        """Deliver until the deadline, say what is left, and `end`."""

    def end(self, deadline: float, delivered: bool) -> None:
        """At the interpreter's end, after `deliver_until`: later records are driven by their callers."""

    def end_thread(self) -> None:
        """After `end`: have the thread end, even if something is left. Return at once."""


_SHUTDOWN: Final = logging.shutdown.__code__

# Private modules of Python: the first from 3.13 on, the second before. Before 3.14 there is no public way to learn in
# which interpreter code runs.
_INTERPRETERS: Final = ("_interpreters", "_xxsubinterpreters")


class Flushers:
    """All flushers of a process. They are held by weak references: this keeps none of them alive."""

    def __init__(self) -> None:
        self._watched: Register[Watched] = Register()
        self._has_finished = False

    def watch(self, flusher: Watched) -> None:
        """Add a flusher. If the process has already finished all others, this one is finished at once."""
        self._watched.add(flusher)
        if self._has_finished:
            flusher.finish(flusher.deadline_from_now())

    def __iter__(self) -> Iterator[Watched]:
        """Those that exist at this moment."""
        return iter(self._watched)

    def finish_all(self, *_args: object, **_kwargs: object) -> None:
        """Finish all flushers: each delivers until its deadline. Called once, at the end of the process.

        All of them report what is left before anybody waits until a function of the program knows it: one that hangs
        takes no time from the others.

        In a sub-interpreter this also waits until all threads of ours have ended.
        """
        self._has_finished = True
        # Until their deadlines are known, which Ctrl-C may break off.
        waiting = [(flusher, -inf) for flusher in self]
        # With each of them, whether it has delivered everything.
        to_end: list[tuple[Watched, float, bool]] = []
        try:
            waiting = self._deadlines(is_exit=True)
            while waiting:
                flusher, deadline = waiting.pop(0)
                to_end.append((flusher, deadline, False))
                to_end[-1] = flusher, deadline, flusher.deliver_until(deadline)
            while to_end:
                flusher, deadline, delivered = to_end.pop(0)
                flusher.end(deadline, delivered)
        finally:
            # After Ctrl-C some are still waiting: they only say what they have left. See ARCHITECTURE, Ctrl-C, 5.
            for flusher, _, delivered in to_end:
                flusher.end(-inf, delivered)
            for flusher, _ in waiting:
                flusher.finish(-inf)
        if _is_sub_interpreter():
            # Only after every flusher has finished: waiting here for a request must not take time from another one.
            for flusher in self:
                flusher.end_thread()
            # This wait has no limit: a request that is under way cannot be stopped, but its own time-outs end it. (What
            # `on_lost` has called cannot be stopped either: it has to return.)
            pool.dismiss_all()
            own_threads.wait_for_all()

    def is_interrupted(self) -> bool:
        """True in a signal handler that has interrupted our code: nothing can be delivered before that code goes on."""
        return any(flusher.is_interrupted for flusher in self)

    def deliver_all(self) -> None:
        """Have all flushers deliver the records that wait, each until its own deadline."""
        waiting = self._deadlines(is_exit=False)
        try:
            for flusher, deadline in waiting:
                flusher.deliver_until(deadline)
            for flusher, deadline in waiting:
                flusher.wait_until_told(deadline)
        finally:
            for flusher, _ in waiting:
                flusher.live_on()

    def start_over(self, keeps_records: bool = False) -> None:
        """Have all flushers begin anew in a forked child. `forks` calls this."""
        self._has_finished = False
        for flusher in self:
            flusher.start_over(keeps_records)

    def _deadlines(self, *, is_exit: bool) -> list[tuple[Watched, float]]:
        # All flushers get their deadlines and begin to deliver before anybody waits for one of them. So they deliver
        # side by side, and a flusher whose endpoint does not answer takes no time from the next one.
        deadlines = [(flusher, flusher.deadline_from_now()) for flusher in self]
        for flusher, deadline in deadlines:
            flusher.begin_to_deliver(deadline, is_exit=is_exit)
        return deadlines


flushers: Final = Flushers()


def _is_sub_interpreter() -> bool:
    """True in a sub-interpreter. False in the main one, and in a build of Python that has neither private module."""
    for name in _INTERPRETERS:
        with suppress(ImportError):
            interpreters: Any = import_module(name)
            return bool(interpreters.get_current() != interpreters.get_main())
    return False


def is_logging_shut_down_for(flusher: Watched) -> bool:
    """True while ``logging.shutdown`` runs on this thread, and its list of handlers has this flusher's handler."""
    frame = sys._getframe(1) if hasattr(sys, "_getframe") else None
    while frame is not None:
        if frame.f_code is _SHUTDOWN:
            handlers = frame.f_locals.get("handlerList") or ()
            return any(getattr(handler(), "_flusher", None) is flusher for handler in handlers)
        frame = frame.f_back
    return False


def flush_those_in_front(handler: logging.Handler) -> None:
    """Have each MemoryHandler whose target is ``handler`` hand on the records that it keeps.

    ``logging.shutdown`` closes handlers in reverse order of their creation: a target that is newer than its
    MemoryHandler is closed first. Records that are handed on after that would have to be sent one by one.
    """
    for reference in list(getattr(logging, "_handlerList", ())):
        front = reference()
        if getattr(front, "target", None) is handler and getattr(front, "flushOnClose", False):
            with suppress(Exception):
                front.flush()


# Registered after logging's own hook, so it runs before it: while we wait, logging.shutdown holds no handler's lock.
atexit.register(flushers.finish_all)
