"""One call at a time for a handler: what `logging` promises to formatters, and to a handler's own `emit` and `format`.

Owns: the lock for it, and which formatters do without. Must not know: what is called, and what comes of it.

`logging` keeps this promise with the handler's lock. That one cannot be used here: ``logging.shutdown`` holds it while
it waits for `flush` and `close`, which may take seconds.
"""

from __future__ import annotations

import _thread
import logging
from collections.abc import Callable
from threading import RLock
from types import BuiltinFunctionType
from typing import Any, Final, TypeVar
from weakref import WeakSet

from ..system.primitives import acquire, pause
from ..system.stdlib import getpid

_Result = TypeVar("_Result")

# A call that lasts longer than 5 seconds is waited for no more: what hangs must not hang the program with it.
_PATIENCE: Final = 5
# How long a thread waits, in seconds, before it looks whether the others get on.
_LOOK_EVERY: Final = 1.0
# How often a greenlet looks that shares its thread, and so the thread's lock, with the one that it waits for.
_POLL: Final = 0.01

_STYLES: Final = (logging.PercentStyle, logging.StrFormatStyle, logging.StringTemplateStyle)
_STYLE_ATTRIBUTES: Final = frozenset({"_fmt", "_defaults", "_tpl"})
_ATTRIBUTES: Final = frozenset(
    {"_style", "_fmt", "datefmt", "converter", "default_time_format", "default_msec_format"},
)
_METHODS: Final = ("format", "formatTime", "formatMessage", "formatException", "formatStack", "usesTime")


def needs_no_turn(formatter: Any) -> bool:
    """True for exactly ``logging.Formatter``, as `logging` made it: it changes nothing but the record it is given.

    A derived class may keep something between calls. So may a function that somebody has put in the place of one of its
    methods, for all formatters or for this one. A ``converter`` written in C, such as ``time.gmtime``, keeps nothing.
    """
    if type(formatter) is not logging.Formatter:
        return False
    style = getattr(formatter, "_style", None)
    return (
        vars(formatter).keys() <= _ATTRIBUTES
        and type(style) in _STYLES
        and vars(style).keys() <= _STYLE_ATTRIBUTES
        and type(formatter.converter) is BuiltinFunctionType
        # A wrapper may have the name and the module of what it wraps.
        and all(getattr(getattr(logging.Formatter, name), "__globals__", None) is vars(logging) for name in _METHODS)
    )


class _Room:
    """Where one call at a time is made."""

    __slots__ = ("entries", "lock", "next_room", "process", "who")

    def __init__(self) -> None:
        # Re-entrant, and written in C: to take it and to become its owner is one step for a signal handler.
        self.lock: Any = RLock()
        # The thread or greenlet in its call, as `get_ident` says at that time.
        self.who: int | None = None
        self.entries = 0
        self.process = getpid()
        self.next_room: dict[int, _Room] = {}


class Turn:
    """Lets threads, and greenlets, make their calls one after another. Nothing here waits for ever.

    Whoever is in a call goes straight in again: a formatter that logs, or a signal handler or a finalizer that
    interrupts it and logs. A call that lasts longer than 5 seconds is overtaken by those that wait, as it may be
    waiting for one of them. That is also the end of a lock that an exception of another thread's making (Ctrl-C between
    two instructions) has left taken.
    """

    def __init__(self) -> None:
        self.start_over()
        _turns.add(self)

    def start_over(self) -> None:
        """Be free: at first, and in a forked child, where whoever was in a call in the parent is not there."""
        self._room = _Room()

    def take(self, call: Callable[[logging.LogRecord], _Result], record: logging.LogRecord) -> _Result:
        """Return ``call(record)``, made while no other thread makes one."""
        # Looked up late: gevent may have replaced it since this module was imported.
        me = _thread.get_ident()
        room = self._room
        if room.who == me:
            return call(record)
        try:
            # By position: naming the argument takes twice as long.
            if not room.lock.acquire(False):
                room = self._wait(room)
            elif room.who is not None:
                # gevent was there last: another greenlet of this very thread is in its call, and so the lock is ours.
                room.lock.release()
                room = self._wait(room)
            room.who = me
            room.entries += 1
            return call(record)
        finally:
            # It is not ours if an exception came while we waited: then it has an owner, or `release` refuses.
            if room.who is None or room.who == me:
                room.who = None
                try:  # noqa: SIM105, near the end of the stack there is no room for a context manager
                    room.lock.release()
                except RuntimeError:
                    pass

    def _wait(self, room: _Room) -> _Room:
        """Wait until a room is free, enter it, and return it."""
        entries, patience = room.entries, _PATIENCE
        while True:
            if room.process != getpid():
                # Forked without Python's hooks, as by a server written in C.
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
                # One step: all that wait go on to the same room.
                self._room = room.next_room.setdefault(0, _Room())


def _enter(room: _Room) -> bool:
    """Wait for a while until a room is free; False if that was not enough."""
    for _ in range(int(_LOOK_EVERY / _POLL)):
        if not acquire(room.lock, _LOOK_EVERY):
            return False
        if room.who is None:
            return True
        # Another greenlet of this very thread, as above.
        room.lock.release()
        pause(_POLL)
    return False


_turns: Final[WeakSet[Turn]] = WeakSet()


def start_over() -> None:
    """Begin anew in a forked child."""
    for turn in list(_turns):
        turn.start_over()
