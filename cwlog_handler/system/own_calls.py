"""Which records are our own: those that are logged because the handler makes a call, with whichever logger.

Owns: which threads are in a call of ours, and when they were. Must not know: what is called.

While a thread makes a call of ours, it runs nothing else. What it logs meanwhile is our own record: botocore's at
DEBUG, and those of tracing tools, hooks and audit hooks. They are not sent, because each request would cause another
one. But Python also runs finalizers and signal handlers on this thread. Their records are the program's, and are sent.
The two are told apart in this way:

- The record is being logged right now: its stack is searched. It is the program's if a frame between the record and our
  call is an interruption (see `interruptions`), or if a garbage collection is going on.
- The record was kept and is handed on later, maybe by another thread (QueueListener, MemoryHandler). It is our own if
  its thread was in a call of ours when it was made. It is the program's nevertheless if that thread was in a garbage
  collection at that time, or if the function that logged it is a ``__del__`` or a signal handler.

Two cases cannot be told apart. One is a record that is made anew on another thread (loguru with ``enqueue=True``). The
other is a kept record that was logged by a function which a signal handler called, or by a finalizer that ran without a
garbage collection.
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
from .own_threads import is_started_here
from .own_threads import start_thread as start_native_thread
from .primitives import are_greenlets_late
from .primitives import get_ident as _native_ident
from .tracing import no_spans

P = ParamSpec("P")
R = TypeVar("R")

# For each thread this many calls and this many collections are remembered, as spans of time. A thread that makes only
# our calls needs one span.
_MOST_SPANS: Final = 1000
# The system reuses the ident of a thread that has ended, so that there are seldom more.
_MOST_THREADS: Final = 300

# Seconds by which the wall clock may have gone ahead of the monotonic one in a span, as it is corrected now and then.
_CLOCKS_DIFFER_BY: Final = 1.0

_HANDLE: Final = logging.Logger.handle.__code__


class _Times:
    """Spans of time in ascending order, each from a beginning to an end: wall-clock seconds, like `record.created`."""

    __slots__ = ("_began", "_spans")

    def __init__(self) -> None:
        # When the last span began, on a clock that nobody sets.
        self._began = 0.0
        # One list of pairs, so that another thread never reads a beginning without its end.
        self._spans: list[list[float]] = []

    def begin(self) -> None:
        now = _now()
        if self._spans and now < self._spans[-1][1]:
            # The clock was set back, or `end` was not called. The old spans would cover records of the program.
            self._spans = []
        if len(self._spans) >= _MOST_SPANS:
            del self._spans[: _MOST_SPANS // 2]
        self._began = stdlib.monotonic()
        self._spans.append([now, inf])

    def end(self) -> None:
        if not self.is_open:
            return
        now = _now()
        lasted = now - self._spans[-1][0]
        if 0 <= lasted <= stdlib.monotonic() - self._began + _CLOCKS_DIFFER_BY:
            self._spans[-1][1] = now
        else:
            # The clock was set meanwhile, as tests do. To the end of such a span there may be years, in which the
            # thread's ident is given to a thread of the program.
            self.forget_open()

    def go_on(self) -> None:
        """Begin anew if the clock was set back since the open span began: no record of it would be inside."""
        if self.is_open and _now() < self._spans[-1][0]:
            self.forget_open()
            self.begin()

    def forget_open(self) -> None:
        """Forget a span that never ended, because `end` was not called: its end is unknown."""
        if self.is_open:
            self._spans = self._spans[:-1]

    @property
    def is_open(self) -> bool:
        return bool(self._spans) and self._spans[-1][1] == inf

    def hold(self, instant: float) -> bool:
        """True if ``instant`` is inside a span. Its ends are outside: with a frozen clock, all instants are equal."""
        spans = self._spans
        place = bisect_left(spans, [instant]) - 1
        return 0 <= place < len(spans) and instant < spans[place][1]


class _Thread:
    """What we know about a thread that makes or has made calls of ours."""

    __slots__ = ("collections", "is_collecting", "is_in_call", "is_ours_alone", "spans", "taken")

    def __init__(self) -> None:
        self.is_in_call = False
        self.is_ours_alone = False
        """True while the thread makes nothing but our calls: all that time is one span."""
        self.is_collecting = False
        self.spans = _Times()
        self.collections = _Times()
        self.taken: dict[tuple[int, int], logging.LogRecord] = {}
        """Records handed on during the call, by the ids of record and handler. Kept alive because ids are reused."""

    def break_off(self) -> None:
        """Note that the thread is in no call any more, although the call did not end in the usual way."""
        self.is_in_call = self.is_collecting = False
        self.taken.clear()
        if not self.is_ours_alone:
            self.spans.forget_open()


suspects: Final[dict[int | None, _Thread]] = {None: _Thread()}
"""Threads whose records may be our own, by `record.thread`. A record of any other thread needs no further check.

The key None stands for the current thread: records have no ident if ``logging.logThreads`` is off.
"""


class _EveryThread:
    def __contains__(self, _ident: object) -> bool:
        return True


EVERY_THREAD: Final = _EveryThread()
"""Used in place of `suspects` if each caller makes its own requests: then every record is checked."""


def _now() -> float:
    # Read as logging reads it for `record.created`: if a test has replaced time.time, both see the same time.
    return stdlib.from_program(lambda: float(time.time()), inf)


def _current() -> int:
    # Read as logging reads it for `record.thread`. `primitives.get_ident` would differ if gevent patched later: records
    # then have the idents of greenlets.
    return stdlib.from_program(threading.get_ident, 0)


def own_call(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that makes calls of ours. It may call another such function; any thread may call it."""

    @wraps(function)
    def the_call(*args: P.args, **kwargs: P.kwargs) -> R:
        thread = _this_thread()
        if thread.is_in_call:
            return function(*args, **kwargs)
        try:
            thread.is_in_call = True
            if thread.is_ours_alone:
                thread.spans.go_on()
            else:
                thread.spans.begin()
            with no_spans():
                return function(*args, **kwargs)
        finally:
            # `is_in_call` is set first above and cleared last here. So whenever a span is open, a signal handler's
            # record is searched for in the stack, and is found to be the program's.
            thread.taken.clear()
            if not thread.is_ours_alone:
                thread.spans.end()
            thread.is_in_call = False

    return the_call


# The code object that all functions decorated by `own_call` share: it marks our calls in a stack.
_THE_CALL: Final = own_call(_now).__code__


@contextmanager
def thread_of_calls() -> Iterator[None]:
    """Note that the current thread makes nothing but our calls while the block runs."""
    thread = _this_thread()
    thread.spans.begin()
    thread.is_ours_alone = True
    try:
        yield
    finally:
        thread.is_ours_alone = False
        thread.spans.end()


def is_thread_of_calls() -> bool:
    """True on a thread that makes nothing but our calls."""
    thread = suspects.get(_current())
    return thread is not None and thread.is_ours_alone


def start_thread(run: Callable[[], object]) -> None:
    """Start a thread of ours. What an audit hook logs about this is our own record: it must not start a thread, too."""
    call_once(lambda: start_native_thread(run))


def call_once(function: Callable[[], R]) -> R:
    """Call a function that makes a call of ours, on a thread of the program that makes no more of them."""
    ident = _current()
    is_known = ident in suspects
    try:
        return own_call(function)()
    finally:
        if not is_known:
            # The current thread is the program's. If it stayed in `suspects`, each of its records would be checked.
            suspects.pop(ident, None)


def is_our_own(record: logging.LogRecord) -> bool:
    """True if the record was logged because of a call of ours. Any thread may ask, also long after it was made."""
    if _is_from_another_process(record):
        # The record came through a queue from another process, where a thread may have the same ident as one of ours.
        return False
    current = _current()
    ident = current if record.thread is None else record.thread
    here = suspects.get(current)
    if here is None or not here.is_in_call:
        return _was_made_in_a_call(record, ident)
    logged, is_the_programs, call = _look_below(sys._getframe(1))
    if call is None and current == _native_ident():
        # The thread counts as in a call, but its stack has none: Ctrl-C ended the call before it could note its end.
        here.break_off()
        return _was_made_in_a_call(record, ident)
    if logged is None:
        is_new = here.spans.hold(_made_at(record))
    else:
        # A new record is the one being logged, or a copy made of it, as loguru does. An older one was kept until now.
        is_new = record is logged or _made_at(record) >= _made_at(logged)
    if ident == current and is_new and call is not None:
        return not (is_the_programs or here.is_collecting)
    return _was_made_in_a_call(record, ident)


def _is_from_another_process(record: logging.LogRecord) -> bool:
    if record.process in (None, stdlib.getpid()):
        return False
    # A test may have replaced os.getpid: then records have the number that this returns.
    return record.process != stdlib.from_program(os.getpid, record.process)


def may_reach_handlers(record: logging.LogRecord) -> bool:
    """A filter for loggers: False for a record of ours that a native thread logs although handlers have green locks.

    gevent's lock may never wake a greenlet that waits for it while a native thread takes it twice in a row. A greenlet
    of the program that logs would wait for the next record of another one, or for ever.
    """
    return not (are_greenlets_late() and is_started_here() and is_our_own(record))


def was_taken(record: logging.LogRecord, handler: logging.Handler) -> bool:
    """True if the handler has already taken this record while this thread makes its present call.

    A MemoryHandler may hand on records to us, and we make a call for one of them. If what this call logs fills the
    MemoryHandler again, it starts to hand on from the first record once more.
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
    """Search the stack: return the record being logged, whether an interruption logs it, and the frame of our call."""
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
        # Any method of this handler that has this record as an argument.
        names = frame.f_code.co_varnames
        if "record" in names and "self" in names:
            values = frame.f_locals
            if values.get("self") is handler and values.get("record") is record:
                return True
        frame = frame.f_back
    return False


def _made_at(record: logging.LogRecord) -> float:
    # A record made by hand may lack the attribute, or have a value that is no number.
    created = getattr(record, "created", None)
    return created if isinstance(created, (int, float)) else -inf


def _this_thread() -> _Thread:
    thread = _known(_current())
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None and not thread.is_in_call:
        # gevent or eventlet may patch during this call. From then on records have the greenlet's id as their ident.
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
        # `pop` succeeds once in a process: the first thread installs the callback.
        with suppress(IndexError):
            gc.callbacks.append(_to_install.pop())
    return thread


def _watch_collection(
    phase: str,
    _info: object,
    suspects: dict[int | None, _Thread] = suspects,
    current: Callable[[], int] = _current,
) -> None:
    # Python calls this at the start and end of every garbage collection in the program, so it must be cheap: it returns
    # at once unless the current thread is in a call of ours.
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
        # At the interpreter's end module globals may be gone. Python would print an error of a callback on stderr.
        return


_to_install: Final = [_watch_collection]


def forget_all() -> None:
    """Forget all threads, in a forked child: the parent's other threads do not exist there."""
    suspects.clear()
    suspects[None] = _Thread()
