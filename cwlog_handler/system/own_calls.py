"""Which records are our own: all that is logged because of a call of ours, whoever's logger it is.

Owns: which thread is in a call of ours, and when it was. Must not know: what is called.

While a thread makes a call of ours it runs nothing else. So what it logs is our own (botocore at DEBUG, tracing tools,
hooks and audit hooks of the program's), and taking it would make each request cause another. But Python calls
finalizers and signal handlers in between: theirs is the program's, and is taken. How they are told apart:

- A record that is being logged right now is looked for in the stack: it is the program's if a frame between it and the
  call is an interruption (see `interruptions`), or if a garbage collection is going on.
- A record that somebody kept and hands on later, maybe on another thread (QueueListener, MemoryHandler), is our own if
  its thread was in a call of ours when it was made, unless a garbage collection went on at that time there, or its
  function is a ``__del__`` or a signal handler.

What cannot be told: whose a record is that somebody made anew on another thread (loguru with ``enqueue=True``); and, of
a record that was kept, that it was logged by what a signal handler called, or by a finalizer without a collection.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from math import inf
from types import FrameType
from typing import Final, ParamSpec, TypeVar

from . import stdlib
from .interruptions import is_interruption, looks_like_one
from .primitives import get_ident as _native_ident
from .starting import start_thread as start_native_thread
from .tracing import no_spans

P = ParamSpec("P")
R = TypeVar("R")

# Of each thread so many times in a call are known, and collections. Threads whose only work are our calls need one.
_MOST_SPANS: Final = 1000
# The system gives a number anew when a thread has ended, so there are few.
_MOST_THREADS: Final = 300

_HANDLE: Final = logging.Logger.handle.__code__


class _Times:
    """Spans of time by the wall clock, as records have it, each from a beginning to an end; ascending."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        # One list, that a thread which asks never sees half changed.
        self._spans: list[list[float]] = []

    def begin(self) -> None:
        now = _now()
        if self._spans and now < self._spans[-1][1]:
            # The clock was set back, or an end was never said: what is known by it would hit the program's records.
            self._spans = []
        if len(self._spans) >= _MOST_SPANS:
            del self._spans[: _MOST_SPANS // 2]
        self._spans.append([now, inf])

    def end(self) -> None:
        if self.is_open:
            self._spans[-1][1] = _now()

    def forget_open(self) -> None:
        """Forget a span whose end was never said: nobody knows when it was."""
        if self.is_open:
            self._spans = self._spans[:-1]

    @property
    def is_open(self) -> bool:
        return bool(self._spans) and self._spans[-1][1] == inf

    def hold(self, instant: float) -> bool:
        """True between a beginning and its end. Neither of them counts: where the clock stands, all are one."""
        spans = self._spans
        place = bisect_left(spans, [instant]) - 1
        return 0 <= place < len(spans) and instant < spans[place][1]


class _Thread:
    """What is known of a thread that makes, or made, calls of ours."""

    __slots__ = ("collections", "is_collecting", "is_in_call", "is_ours_alone", "spans", "taken")

    def __init__(self) -> None:
        self.is_in_call = False
        self.is_ours_alone = False
        """True while it lives for our calls only: its life is one span."""
        self.is_collecting = False
        self.spans = _Times()
        self.collections = _Times()
        self.taken: dict[tuple[int, int], logging.LogRecord] = {}
        """What was handed on during the call, by record and handler; kept, as the numbers are given anew."""

    def break_off(self) -> None:
        """Be in no call any more."""
        self.is_in_call = self.is_collecting = False
        self.taken.clear()
        if not self.is_ours_alone:
            self.spans.forget_open()


suspects: Final[dict[int | None, _Thread]] = {None: _Thread()}
"""Threads whose records may be our own, by the ident that records have. To look here first saves most of the answer.

None stands for the current thread, where ``logging.logThreads`` is off.
"""


class _EveryThread:
    def __contains__(self, _ident: object) -> bool:
        return True


EVERY_THREAD: Final = _EveryThread()
"""In the place of `suspects` where each caller makes its own call: all that is handed on meanwhile is looked at."""


def _now() -> float:
    # As logging does it when a record is made: whatever a test has put in the place of the clock, both see it.
    return stdlib.from_program(lambda: float(time.time()), inf)


def _current() -> int:
    # As logging does it, and so not of `primitives`: where gevent patched late, records have the idents of greenlets.
    return stdlib.from_program(threading.get_ident, 0)


def own_call(function: Callable[P, R]) -> Callable[P, R]:
    """Make of a function one that calls of ours are made in. It may call another one, and any thread may call it."""

    @wraps(function)
    def the_call(*args: P.args, **kwargs: P.kwargs) -> R:
        thread = _this_thread()
        if thread.is_in_call:
            return function(*args, **kwargs)
        try:
            thread.is_in_call = True
            if not thread.is_ours_alone:
                thread.spans.begin()
            with no_spans():
                return function(*args, **kwargs)
        finally:
            # Last, and first above: while a span is open, what a signal handler logs here is looked for in the stack.
            thread.taken.clear()
            if not thread.is_ours_alone:
                thread.spans.end()
            thread.is_in_call = False

    return the_call


# Of every function that it makes: the mark of our calls in a stack.
_THE_CALL: Final = own_call(_now).__code__


@contextmanager
def thread_of_calls() -> Iterator[None]:
    """Say that the current thread does nothing but our calls for as long as the block runs."""
    thread = _this_thread()
    thread.spans.begin()
    thread.is_ours_alone = True
    try:
        yield
    finally:
        thread.is_ours_alone = False
        thread.spans.end()


def start_thread(run: Callable[[], object]) -> None:
    """Start a thread of ours. What an audit hook logs about it is our own, too: it would start another."""
    ident = _current()
    is_known = ident in suspects
    try:
        own_call(start_native_thread)(run)
    finally:
        if not is_known:
            # A thread of the program's, that logs on: each of its records would be looked at more closely.
            suspects.pop(ident, None)


def is_our_own(record: logging.LogRecord) -> bool:
    """True for what is logged because of a call of ours. Any thread, at any time after the record was made."""
    if _is_from_another_process(record):
        # A forked worker's threads may have the numbers of ours; its records come here through a queue.
        return False
    current = _current()
    ident = current if record.thread is None else record.thread
    here = suspects.get(current)
    if here is None or not here.is_in_call:
        return _was_made_in_a_call(record, ident)
    logged, is_the_programs, call = _look_below(sys._getframe(1))
    if call is None and current == _native_ident():
        # Ctrl-C has broken the call off before it could say that it was over.
        here.break_off()
        return _was_made_in_a_call(record, ident)
    if logged is None:
        is_new = here.spans.hold(_made_at(record))
    else:
        # Also one that somebody made of the one that is logged, as loguru does. What is older was kept until now.
        is_new = record is logged or _made_at(record) >= _made_at(logged)
    if ident == current and is_new and call is not None:
        return not (is_the_programs or here.is_collecting)
    return _was_made_in_a_call(record, ident)


def _is_from_another_process(record: logging.LogRecord) -> bool:
    if record.process in (None, stdlib.getpid()):
        return False
    # A test may have replaced it, and then records have its number.
    return record.process != stdlib.from_program(os.getpid, record.process)


def was_taken(record: logging.LogRecord, handler: logging.Handler) -> bool:
    """True if the handler has taken this very record for the call that this thread makes, or since that began.

    Where a MemoryHandler fills up with what our call logs, while it hands on the record that we call for, it begins
    anew, and hands on again what it has handed on already.
    """
    here = suspects.get(_current())
    if here is None or not here.is_in_call:
        return False
    _, _, call = _look_below(sys._getframe(1))
    key = (id(record), id(handler))
    is_again = key in here.taken or _is_being_taken(record, handler, call)
    here.taken[key] = record
    return is_again


def _was_made_in_a_call(record: logging.LogRecord, ident: int) -> bool:
    thread = suspects.get(ident)
    if thread is None or not thread.spans.hold(_made_at(record)):
        return False
    return not (thread.collections.hold(_made_at(record)) or looks_like_one(record))


def _look_below(frame: FrameType | None) -> tuple[logging.LogRecord | None, bool, FrameType | None]:
    """Return which record is being logged, whether the program interrupted our call to do so, and our call's frame."""
    logged = None
    is_the_programs = False
    while frame is not None and frame.f_code is not _THE_CALL:
        if logged is None and frame.f_code is _HANDLE:
            logged = frame.f_locals.get("record")
        is_the_programs = is_the_programs or is_interruption(frame)
        frame = frame.f_back
    return logged, is_the_programs, frame


def _is_being_taken(record: logging.LogRecord, handler: logging.Handler, frame: FrameType | None) -> bool:
    while frame is not None:
        # A method of the handler's that is about this very record, whichever it is.
        names = frame.f_code.co_varnames
        if "record" in names and "self" in names:
            values = frame.f_locals
            if values.get("self") is handler and values.get("record") is record:
                return True
        frame = frame.f_back
    return False


def _made_at(record: logging.LogRecord) -> float:
    # A record made by hand may have anything, or nothing.
    created = getattr(record, "created", None)
    return created if isinstance(created, (int, float)) else -inf


def _this_thread() -> _Thread:
    thread = _known(_current())
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None and not thread.is_in_call:
        # gevent or eventlet may patch while the call is being made: from then on records have this ident.
        suspects[id(greenlet.getcurrent())] = thread
    return thread


def _known(ident: int) -> _Thread:
    thread = suspects.get(ident)
    if thread is None:
        if len(suspects) > _MOST_THREADS:
            for other, old in list(suspects.items()):
                if other is not None and not (old.is_in_call or old.spans.is_open):
                    suspects.pop(other, None)
        thread = suspects.setdefault(ident, _Thread())
        # Once, whichever thread is first.
        with suppress(IndexError):
            gc.callbacks.append(_to_install.pop())
    return thread


def _watch_collection(
    phase: str,
    _info: object,
    suspects: dict[int | None, _Thread] = suspects,
    current: Callable[[], int] = _current,
) -> None:
    # Cheap, as it is called for every collection of the program's: some are known, few of them are in a call.
    try:
        thread = suspects.get(current())
        if thread is None or not thread.spans.is_open:
            return
        if phase == "start":
            thread.is_collecting = True
            thread.collections.begin()
        else:
            thread.is_collecting = False
            thread.collections.end()
    except Exception:
        # At the interpreter's end the names above are gone; nobody is to read about it.
        return


_to_install: Final = [_watch_collection]


def forget_all() -> None:
    """Start over in a forked child: its parent's threads are not there."""
    suspects.clear()
    suspects[None] = _Thread()
