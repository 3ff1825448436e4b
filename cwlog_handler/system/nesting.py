"""Nested records: those logged while another record is being handled, by a formatter, a ``__str__`` or sys.stderr.

Owns: which records are nested, and two rules that end their recursion at once. Must not know: formats, queues.

Rule 1: a RecursionError goes up, as in the standard library, to the record that was logged first. It ends there, so
that the program never sees it. Deeper in the stack there is hardly any room left. Handling the error there would let
each outer formatter go on, and so double the work at each of about a hundred levels.

Rule 2: while one failure is being printed on stderr, failures of records that are logged by this printing are not
printed.

The stack itself shows what is nested. Keeping a note instead would cost time for each record.
"""

from __future__ import annotations

import logging
import sys
from types import CodeType, FrameType
from typing import Final

# Lines of a traceback that are kept: two or three rounds of a recursion, with about seven calls each.
_MOST_LINES: Final = 20
# Frames that a request needs. Measured: the first request, which also makes the client, nests 150 calls.
_FRAMES_OF_A_REQUEST: Final = 160

# Those of the handler's methods, once it is known; until then of a function that is in no stack.
_handle: CodeType = (lambda: None).__code__
_emit = _handle_error = _handle


def know(handler: type[logging.Handler]) -> None:
    """Remember the methods of the handler's class: their frames mark a record in the stack. Called once, at import."""
    global _handle, _emit, _handle_error
    _handle, _emit, _handle_error = (method.__code__ for method in (handler.handle, handler.emit, handler.handleError))


def is_nested() -> bool:
    """True if the record being handled was logged while another record was being handled on this thread."""
    frame: FrameType | None = sys._getframe(1)
    records, is_in_emit = 0, False
    while frame is not None:
        code = frame.f_code
        if code is _emit:
            records, is_in_emit = records + 1, True
        elif code is _handle:
            # If `handle` called `emit`, the record has already been counted there.
            records, is_in_emit = records + (not is_in_emit), False
        if records > 1:
            return True
        frame = frame.f_back
    return False


def let_recursion_go_up(error: BaseException | None) -> None:
    """Raise ``error`` again if it is a RecursionError that must end further up (rule 1); else do nothing."""
    if isinstance(error, RecursionError) and is_nested() and (_came_through_a_record(error) or is_stack_short()):
        raise error


def _came_through_a_record(error: BaseException) -> bool:
    """True if the recursion went through records; False for any other, such as in JSON a thousand levels deep."""
    trace = error.__traceback__
    # The first entry is skipped: it is the frame that handles the error.
    while trace is not None and (trace := trace.tb_next) is not None:
        if trace.tb_frame.f_code is _emit or trace.tb_frame.f_code is _handle:
            return True
    return False


def complain(handler: logging.Handler, record: logging.LogRecord) -> None:
    """Call `handler.handleError` for the exception that is being handled, as every `logging.Handler` does.

    A subclass may override `handleError`. What it raises goes up to the program.
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
        # Printing the record has itself logged records, and recursed.
        let_recursion_go_up(another)


def _shorten(error: BaseException) -> None:
    """Cut a traceback after its first lines: a hundred equal levels would print a hundred kilobytes on stderr."""
    trace = error.__traceback__
    for _ in range(_MOST_LINES):
        trace = trace and trace.tb_next
    if trace is not None:
        trace.tb_next = None


def is_told_of_another() -> bool:
    """True if the caller, a `handleError`, handles a record that another `handleError` further out has logged."""
    return _is_below(sys._getframe(2), _handle_error)


def is_stack_short() -> bool:
    """True if the stack is so deep that a request made here would end in a RecursionError."""
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
