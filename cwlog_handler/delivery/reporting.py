"""Tells the program's own function (option ``on_lost``) which events were lost.

Owns: the thread that calls that function, and what is done if it is slow, hangs or raises. Must not know: why an event
was lost, who drives the rounds, when the process ends.

The function runs on a thread of its own, so that nobody who logs or delivers waits for it. That thread is started with
the first record, and not with the first loss: while the interpreter ends, no thread can be started. Where callers drive
(``use_queues=False``, no thread can be started, the very end of the interpreter), the thread that drives calls the
function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from math import inf
from typing import Any, Final, TypeAlias

from ..core.losses import UNTOLD
from ..core.lost import LostEvent
from ..core.targets import Target
from ..system.clock import Clock
from ..system.own_calls import start_thread
from ..system.own_threads import own_thread, signals_let_through
from ..system.primitives import acquire, allocate_lock, get_ident, pause
from ..system.stderr import Notices
from .untold import MOST_EVENTS, Untold

OnLost: TypeAlias = "Callable[[Sequence[LostEvent]], object]"
"""The program's function. It gets lost events in the order in which they were lost."""

# `wait` looks at this interval, in seconds.
POLL: Final = 0.005
# While records come faster than they are taken in, the thread rests for so many seconds before each call: otherwise it
# would take the CPU from who takes them in, and what waits to be taken in would grow.
REST: Final = 0.05

# The idents of threads that are in the program's function at this moment.
_telling: Final[set[int]] = set()


class Reporter:
    """Who calls the function, for what is in `untold`. Any thread may use it, except where a method says otherwise."""

    def __init__(
        self,
        on_lost: OnLost,
        notices: Notices,
        clock: Clock,
        *,
        log_group_name: str,
        most_bytes: int,
        start_thread: Callable[[Callable[[], object]], None] = start_thread,
    ) -> None:
        self._on_lost = on_lost
        self._notices = notices
        self._clock = clock
        self._group = log_group_name
        self._start_thread = start_thread
        self.untold = Untold(notices, self._ring, log_group_name=log_group_name, most_bytes=most_bytes)
        """Where the driver notes what is lost. That has the lock of `rounds` meanwhile."""
        # Held while the function is called: one thread at a time calls it.
        self._calling = allocate_lock()
        # When the present call of the function began; ``inf`` if there is none.
        self._call_began = inf
        # Taken while the thread has nothing to do.
        self._bell = allocate_lock()
        self._bell.acquire()
        self._is_behind: Callable[[], bool] = lambda: False
        self._may_start = False
        self._may_end = False
        self._has_thread = False
        # Taken while that thread is being started. Nobody waits for it.
        self._starting = allocate_lock()
        # The ident of that thread, and of the one that prepares or makes a call at this moment.
        self._thread: int | None = None
        self._worker: int | None = None

    def rest_while(self, is_behind: Callable[[], bool]) -> None:
        """Have the thread rest before each call (see `REST`) while ``is_behind`` says that records come too fast."""
        self._is_behind = is_behind

    @property
    def is_at_work(self) -> bool:
        """True in a finalizer that has interrupted code here which may hold the lock: it must not report anything."""
        me = get_ident()
        return self._worker == me and me not in _telling

    # -- calling the function ----------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """True if the function has been told of all that was lost. Any thread may ask."""
        # In this order: what was taken out of `untold` is in a call, until that call has ended.
        return self.untold.is_empty and self._call_began == inf

    def call(self, until: float = inf) -> None:
        """Tell the function what waits, on the calling thread; begin no second call after the instant ``until``."""
        # Somebody who is in the function on this very thread does not wait for himself.
        if self.is_idle or get_ident() in _telling:
            return
        with own_thread():
            # While the interpreter tears modules down, a thread that is in the function does not go on.
            patience = 0.0 if sys.is_finalizing() else until - self._clock.monotonic()
            if not acquire(self._calling, patience):
                return
            try:
                self._worker = get_ident()
                while not self.untold.is_empty:
                    if self._worker == self._thread and self._is_behind():
                        pause(REST)
                    self._call_once()
                    if self._clock.monotonic() > until:
                        return
            finally:
                self._worker = None
                self._call_began = inf
                self._calling.release()

    def _call_once(self) -> None:
        # First of all, for `is_idle`.
        self._call_began = self._clock.monotonic()
        events, size_bytes = self.untold.take()
        try:
            while lot := tuple(islice(events, MOST_EVENTS)):
                self._call_began = self._clock.monotonic()
                self._tell(lot)
        except BaseException:
            # Ctrl-C on a thread of the program. What the function has not got yet waits for the next call.
            self.untold.put_back(events, size_bytes)
            raise
        self.untold.give_back(size_bytes)

    def _tell(self, events: tuple[LostEvent, ...]) -> None:
        me = get_ident()
        try:
            _telling.add(me)
            result: Any = self._on_lost(events)
            # A task or a future has no such method: somebody else runs it.
            if hasattr(result, "__await__") and hasattr(result, "close"):
                result.close()
                self._say(f"returned {type(result).__name__}, which nobody awaits: give a plain function")
        except BaseException as error:
            if me != self._thread and not isinstance(error, Exception):
                # Perhaps Ctrl-C, or a signal handler that ends the program.
                raise
            self._say(f"raised {_words(error)}")
        finally:
            _telling.discard(me)

    def _say(self, what: str) -> None:
        self._notices.say("on_lost", f"log group {self._group!r}: on_lost, called for lost events, {what}")

    def wait(self, until: float, *, patience: float = inf) -> bool:
        """Wait until the function has been told of all that was lost so far; False if that is not so at ``until``.

        Do not wait for a call that takes longer than ``patience`` seconds.
        """
        while not self.is_idle:
            now = self._clock.monotonic()
            if now >= until or now - self._call_began > patience:
                return False
            pause(min(POLL, until - now))
        return True

    def marking(self, put: Callable[..., None], put_untold: Callable[..., None]) -> Callable[..., None]:
        """Return ``put`` of a record, with another way for what the function itself logs: `UNTOLD`, by ``put_untold``.

        Otherwise it might go on for ever: what it logs is lost, it is told of that, and logs again.
        """

        def marked(created: float, text: str, target: Target | None, level: float, is_surplus: bool = False) -> None:
            if get_ident() in _telling:
                put_untold(created, text, target, UNTOLD)
            else:
                put(created, text, target, level, is_surplus)

        return marked

    # -- the thread --------------------------------------------------------------------------------------------------

    @property
    def has_thread(self) -> bool:
        """True while there is a thread that calls the function."""
        return self._has_thread

    @property
    def is_to_have_thread(self) -> bool:
        """True while a thread of ours drives: then another one is to call the function, sooner or later."""
        return self._may_start

    def begin(self) -> None:
        """Have a thread that calls the function: a thread of ours drives from now on. Any thread may call this."""
        self._may_start, self._may_end = True, False
        self.start_if_needed()

    def start_if_needed(self) -> None:
        """Start the thread if there is to be one and it could not be started before."""
        if self._has_thread or not self._may_start or not self._starting.acquire(blocking=False):
            return
        try:
            if not self._has_thread:
                self._has_thread = True
                self._start_thread(self._run)
        except RuntimeError:
            # The system has no thread left, or the interpreter is ending.
            self._has_thread = False
        finally:
            self._starting.release()

    def let_end(self) -> None:
        """Have the thread end when nothing waits any more."""
        self._may_start, self._may_end = False, True
        self._ring()

    def release(self) -> None:
        """In a forked child: forget which threads of the parent were in a function of the program."""
        _telling.clear()

    def _ring(self) -> None:
        # The exception is for two who ring at the same time, and costs a microsecond.
        if self._bell.locked():
            with suppress(RuntimeError):
                self._bell.release()

    def _call_safely(self) -> None:
        try:
            self.call()
        except Exception as error:
            # Only MemoryError is known to occur here, while events become values. This thread must not end of it:
            # nobody would be told of anything any more.
            self._say(f"did not get some of them: {_words(error)}")
            pause(REST)
            self._ring()

    def _run(self) -> None:
        self._thread = get_ident()
        with own_thread():
            while True:
                if not self.is_idle:
                    # A child process that the function starts must not inherit that all signals are blocked.
                    with signals_let_through():
                        self._call_safely()
                if self._may_end and self.untold.is_empty:
                    self._has_thread = False
                    if self.untold.is_empty:
                        return
                    # Something was lost between these two lines, and nobody else may be told to tell it.
                    self._has_thread = True
                    continue
                try:
                    self._bell.acquire()
                except RuntimeError:
                    # Python 3.15 refuses to wait for a lock while modules are torn down.
                    self._has_thread = False
                    return
                # A lock of eventlet counts how often it was released: take it until it is locked again.
                while self._bell.acquire(blocking=False):
                    pass


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        # The program's own class may raise here, too.
        return type(error).__name__
