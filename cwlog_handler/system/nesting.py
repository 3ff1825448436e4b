"""Records that are logged while another one is: by a formatter, by a ``__str__``, by what stderr is redirected into.

Owns: which records are such, and two rules that end a recursion of them at once. Must not know: formats, queues.

The first rule: a RecursionError goes up, as in the standard library, until it reaches the record that was logged first.
There it ends, so that the program never sees it. Further in there is hardly any stack left. To deal with it there, and
to let the formatter of a record further out go on, would double the work at each of a hundred levels.

The second rule: while stderr is told of one failure, it is not told of those of the records that are logged by that.

The stack itself says what is nested. To note it down would cost each record its time.
"""

from __future__ import annotations

import logging
import sys
from types import CodeType, FrameType
from typing import Final

# Two rounds or three of a recursion, at some seven calls each.
_MOST_LINES: Final = 20
# As measured with a client that is made for the first request: 150 calls within each other.
_FRAMES_OF_A_REQUEST: Final = 160

_handle: CodeType
_emit: CodeType
_handle_error: CodeType


def know(handler: type[logging.Handler]) -> None:
    """Take note of the class of handlers that this is about."""
    global _handle, _emit, _handle_error
    _handle, _emit, _handle_error = (method.__code__ for method in (handler.handle, handler.emit, handler.handleError))


def is_nested() -> bool:
    """True if what runs here is done for a record that was logged while another one was being formatted or filtered."""
    frame: FrameType | None = sys._getframe(1)
    records, is_in_emit = 0, False
    while frame is not None:
        code = frame.f_code
        if code is _emit:
            records, is_in_emit = records + 1, True
        elif code is _handle:
            # `emit` has counted this record, if it was `handle` that called it.
            records, is_in_emit = records + (not is_in_emit), False
        if records > 1:
            return True
        frame = frame.f_back
    return False


def let_recursion_go_up(error: BaseException | None) -> None:
    """Raise the exception that is being handled again, if it is a RecursionError that does not end here."""
    if isinstance(error, RecursionError) and is_nested() and (_came_through_a_record(error) or is_stack_short()):
        raise error


def _came_through_a_record(error: BaseException) -> bool:
    """Tell a recursion of records from one of something else, as of JSON in data that is a thousand levels deep."""
    trace = error.__traceback__
    # The first line is of where it is handled.
    while trace is not None and (trace := trace.tb_next) is not None:
        if trace.tb_frame.f_code is _emit or trace.tb_frame.f_code is _handle:
            return True
    return False


def complain(handler: logging.Handler, record: logging.LogRecord) -> None:
    """Have `handleError` called for the exception that is being handled, as every handler does.

    It may be the program's own, and raise: then it is meant to reach the program.
    """
    error = sys.exc_info()[1]
    let_recursion_go_up(error)
    if isinstance(error, RecursionError):
        _shorten(error)
    if _is_below(sys._getframe(1), complain.__code__, _handle_error):
        return
    try:
        handler.handleError(record)
    except RecursionError as another:
        # What it prints of the record logs, too.
        let_recursion_go_up(another)


def _shorten(error: BaseException) -> None:
    """Let a traceback end after the first lines: a hundred levels of the same are as many kilobytes of stderr."""
    trace = error.__traceback__
    for _ in range(_MOST_LINES):
        trace = trace and trace.tb_next
    if trace is not None:
        trace.tb_next = None


def is_told_of_another() -> bool:
    """True in a `handleError` for what was logged by another `handleError` further out."""
    return _is_below(sys._getframe(2), _handle_error)


def is_stack_short() -> bool:
    """True if the program has recursed so far that a request made here would only meet a RecursionError."""
    try:
        _recurse(_FRAMES_OF_A_REQUEST)
    except RecursionError:
        return True
    return False


def _recurse(depth: int) -> None:
    if depth:
        _recurse(depth - 1)


def _is_below(frame: FrameType | None, *codes: CodeType) -> bool:
    while frame is not None:
        if any(frame.f_code is code for code in codes):
            return True
        frame = frame.f_back
    return False
