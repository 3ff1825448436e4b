"""The thread that drives the rounds of several handlers: of each in turn, when it is due or somebody has rung.

Owns: which handlers are driven by the same thread, and that thread. Must not know: in which order (`turns`), what
happens in a round, who drives at the moment (`driver`), when a process ends.

A round waits for nothing but a disk, and some milliseconds for a caller that is at the streams of its handler. So all
handlers without a spool share one thread, and of those with a spool all with the same directory: a disk that is slow
delays nobody else. Greenlets of different threads cannot wait for each other. If ours are greenlets, each handler has
its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from ..system.bell import Bell
from ..system.clock import SYSTEM_CLOCK
from ..system.own_calls import start_thread as start_own_thread
from ..system.own_threads import own_thread
from ..system.primitives import allocate_lock, are_greenlets, get_ident
from .turns import Carried, Turns

_NEXT: Final = "next"

StartThread: TypeAlias = Callable[[Callable[[], object]], None]


class Carrier:
    """Drives whoever asked for it, on a daemon thread that lives as long as there is somebody.

    Any thread may call `carry` and `ring`, also in a signal handler: they take no lock.
    """

    def __init__(
        self, start_thread: StartThread = start_own_thread, clock: Callable[[], float] = SYSTEM_CLOCK.monotonic
    ) -> None:
        self._start_thread = start_thread
        self._clock = clock
        self._bell = Bell()
        self._coming: deque[Carried] = deque()
        self._rung: deque[Carried] = deque()
        # Held by the thread, for its life. Nobody waits for it.
        self._carrying = allocate_lock()
        # The start of a thread that does not run yet. Whoever comes until then relies on it, instead of starting one
        # more. In a mapping, whose `setdefault` is one call of C code: threads that come together have the same one.
        self._starts: dict[str, _Start] = {}
        self.is_crowded = False
        """True if others may wait while a round goes on."""

    def ring(self, carried: Carried) -> None:
        """Have this driver do a round soon. Never waits."""
        if self._carrying.locked():
            self._rung.append(carried)
            self._bell.ring()

    def carry(self, carried: Carried) -> None:
        """Drive this driver from now on. Raises RuntimeError if there is no thread, and none can be started."""
        self._coming.append(carried)
        self._bell.ring()
        if self._carrying.locked():
            # If that thread is about to end, it looks once more after it has released the lock.
            return
        start = None
        try:
            start = self._starts.setdefault(_NEXT, _Start())
            if start.is_by_another and start.note(carried):
                return
            self._start_thread(self._run)
            start.starter = None
        except RuntimeError:
            self._starts.clear()
            is_left = self._take_back(carried)
            self._let_go_all(start.fail() if start is not None else [])
            if is_left:
                raise
        except BaseException:
            # Ctrl-C. Whether the thread has been started is not known: who relies on it needs one. Of two, one ends.
            self._starts.clear()
            if start is not None and (relying := start.fail()):
                try:
                    self._start_thread(self._run)
                except RuntimeError:
                    self._let_go_all(relying)
            raise

    def _take_back(self, carried: Carried) -> bool:
        """Let nobody drive this driver; False if a thread has come to it meanwhile."""
        try:
            self._coming.remove(carried)
        except ValueError:
            return False
        return True

    def _let_go_all(self, relying: list[Carried]) -> None:
        let_go = [carried for carried in relying if self._take_back(carried)]
        for carried in let_go:
            carried.let_go()
        # Each may drive now, for long. Ctrl-C goes up: from here on their next records start a thread.
        for carried in let_go:
            with suppress(Exception):
                carried.has_been_let_go()

    def _run(self) -> None:
        is_carrying = self._carrying.acquire(blocking=False)
        # From here on, whoever comes starts a thread if none has the lock. Who came before, and has relied on this one,
        # is seen by the thread that has the lock: this one, or another one that looks again when it has released it.
        self._starts.clear()
        # Of several threads that were started at the same time, the others end here.
        while is_carrying or (self._coming and self._carrying.acquire(blocking=False)):
            try:
                # What is raised here ends the thread, but for those who came meanwhile.
                with suppress(BaseException):
                    self._carry_all(Turns())
            finally:
                self._rung.clear()
                self._carrying.release()
                is_carrying = False

    def _carry_all(self, turns: Turns) -> None:
        try:
            while True:
                with own_thread():
                    self._carry_until_one_leaves(turns)
                turns.tell_who_has_left()
                if not (turns or self._coming):
                    return
        finally:
            # A program can raise an exception in another thread. Then somebody else has to drive.
            turns.let_all_go()
            turns.tell_who_has_left()

    def _carry_until_one_leaves(self, turns: Turns) -> None:
        while True:
            self._bell.reset()
            while self._coming:
                turns.add(self._coming.popleft())
            self.is_crowded = len(turns) > 1
            while self._rung:
                turns.hasten(self._rung.popleft())
            turns.do_all_due(self._clock())
            if turns.has_left or not turns:
                return
            self._bell.wait(turns.next_at - self._clock())


class _Start:
    """A thread that is being started, and those who rely on it."""

    def __init__(self) -> None:
        self.starter: int | None = get_ident()
        """The thread that is at it; None if it has succeeded."""
        self._relying: deque[Carried] = deque()
        self._has_failed = False

    @property
    def is_by_another(self) -> bool:
        """False for who is at it, and for a signal handler that has interrupted that: there it does not go on."""
        return self.starter != get_ident()

    def note(self, relying: Carried) -> bool:
        """Note who relies on the thread; False if it has turned out that there is none."""
        self._relying.append(relying)
        if not self._has_failed:
            return True
        try:
            self._relying.remove(relying)
        except ValueError:
            # Who has failed has just found it, and lets it go.
            return True
        return False

    def fail(self) -> list[Carried]:
        """Note that no thread can be started; return those who have relied on it."""
        self._has_failed = True
        return [self._relying.popleft() for _ in range(len(self._relying))]


_known: Final[WeakValueDictionary[str, Carrier]] = WeakValueDictionary()


def carrier_of(directory: str) -> Carrier:
    """Return the carrier of the handlers with a spool in this directory, or of those without one if it is empty."""
    if are_greenlets():
        return Carrier()
    carrier = _known.get(directory)
    if carrier is None:
        carrier = _known[directory] = Carrier()
    return carrier


def start_over() -> None:
    """Begin with new ones, in a forked child: the parent's threads do not exist there."""
    _known.clear()
