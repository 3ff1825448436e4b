"""One call at a time: `logging` promises to formatters, and to a subclass's `emit` and `format`, never to overlap.

Owns: the lock that keeps this promise, and which formatters do not need it. Must not know: what the call does.

`logging` keeps the promise with the handler's lock. That lock cannot be used here: ``logging.shutdown`` holds it while
it waits for `flush` and `close`, which may take seconds.
"""

from __future__ import annotations

import _thread
import logging
from collections.abc import Callable
from threading import RLock
from types import BuiltinFunctionType
from typing import Any, Final, TypeVar

from ..system.primitives import acquire, pause
from ..system.register import Register
from ..system.stdlib import getpid

_Result = TypeVar("_Result")

# After 5 seconds nobody waits for a call any longer: a formatter that hangs must not hang the whole program.
_PATIENCE: Final = 5
# A thread that waits checks each second whether other calls were finished meanwhile.
_LOOK_EVERY: Final = 1.0
# Greenlets of one thread own that thread's lock together, so that it cannot make one wait for the other. A greenlet
# checks at this interval, in seconds, whether the other has finished.
_POLL: Final = 0.01

_STYLES: Final = (logging.PercentStyle, logging.StrFormatStyle, logging.StringTemplateStyle)
_STYLE_ATTRIBUTES: Final = frozenset({"_fmt", "_defaults", "_tpl"})
_ATTRIBUTES: Final = frozenset(
    {"_style", "_fmt", "datefmt", "converter", "default_time_format", "default_msec_format"},
)
_METHODS: Final = ("format", "formatTime", "formatMessage", "formatException", "formatStack", "usesTime")


def needs_no_turn(formatter: Any) -> bool:
    """True for an unchanged ``logging.Formatter``: it changes only the record it is given, so its calls may overlap.

    A subclass may keep state between calls. So may a function that replaces one of its methods, in the class or in this
    object. A ``converter`` written in C, such as ``time.gmtime``, keeps no state.
    """
    if type(formatter) is not logging.Formatter:
        return False
    style = getattr(formatter, "_style", None)
    return (
        vars(formatter).keys() <= _ATTRIBUTES
        and type(style) in _STYLES
        and vars(style).keys() <= _STYLE_ATTRIBUTES
        and type(formatter.converter) is BuiltinFunctionType
        # The globals are compared because a wrapper may carry the name and the module of the function it wraps.
        and all(getattr(getattr(logging.Formatter, name), "__globals__", None) is vars(logging) for name in _METHODS)
    )


class _Room:
    """One lock and the thread or greenlet that is in its call; a hung call is left behind in its own room."""

    __slots__ = ("entries", "lock", "next_room", "process", "who")

    def __init__(self) -> None:
        # An RLock is written in C: no signal handler can run between taking it and becoming its owner.
        self.lock: Any = RLock()
        # The ident of the thread or greenlet that is in its call.
        self.who: int | None = None
        self.entries = 0
        self.process = getpid()
        self.next_room: dict[int, _Room] = {}


class Turn:
    """Lets threads and greenlets make their calls one after another. No thread waits for ever.

    A thread that is in a call may make another one at once: a formatter may log, and so may a signal handler or a
    finalizer that interrupts it. If a call lasts longer than 5 seconds, waiting threads go on without it, because it
    may itself wait for one of them. The same rule helps if the lock was left taken: see ARCHITECTURE, Ctrl-C, 4.
    """

    def __init__(self) -> None:
        self.start_over()
        _turns.add(self)

    def start_over(self) -> None:
        """Forget who is in a call. In a forked child the parent's other threads do not exist."""
        self._room = _Room()

    def take(self, call: Callable[[logging.LogRecord], _Result], record: logging.LogRecord) -> _Result:
        """Return ``call(record)``, made while no other thread makes one."""
        # Looked up at each call: gevent may have replaced `_thread.get_ident` after this module was imported.
        me = _thread.get_ident()
        room = self._room
        if room.who == me:
            return call(record)
        try:
            # `blocking` is given by position: a named argument would take twice as long.
            if not room.lock.acquire(False):
                room = self._wait(room)
            elif room.who is not None:
                # gevent patched after the lock was made. Another greenlet of this thread is in its call: the lock is
                # re-entrant for the thread, so it was granted to us too.
                room.lock.release()
                room = self._wait(room)
            room.who = me
            room.entries += 1
            return call(record)
        finally:
            # An exception may have come while we waited. Then the lock is not ours: another thread owns it
            # (`room.who`), or `release` raises RuntimeError.
            if room.who is None or room.who == me:
                room.who = None
                try:  # noqa: SIM105, a context manager needs another frame, and the stack may be almost used up
                    room.lock.release()
                except RuntimeError:
                    pass

    def _wait(self, room: _Room) -> _Room:
        """Wait until a room is free, enter it, and return it. After 5 seconds without progress, enter a new room."""
        entries, patience = room.entries, _PATIENCE
        while True:
            if room.process != getpid():
                # This process was forked without Python's fork hooks, as a server written in C does.
                self.start_over()
            if room is not self._room:
                room = self._room
                entries, patience = room.entries, _PATIENCE
            if _enter(room):
                return room
            patience -= 1
            if room.entries != entries:
                entries, patience = room.entries, _PATIENCE
            elif not patience:
                # `setdefault` is atomic: all waiting threads move on to the same new room.
                self._room = room.next_room.setdefault(0, _Room())


def _enter(room: _Room) -> bool:
    """Wait up to a second until the room is free, and enter it; False if it was not free in time."""
    for _ in range(int(_LOOK_EVERY / _POLL)):
        if not acquire(room.lock, _LOOK_EVERY):
            return False
        if room.who is None:
            return True
        # Another greenlet of this thread is in its call: see `take`.
        room.lock.release()
        pause(_POLL)
    return False


_turns: Final[Register[Turn]] = Register()


def start_over() -> None:
    """Forget, in a forked child, who is in a call: the parent's other threads do not exist there."""
    for turn in _turns:
        turn.start_over()
