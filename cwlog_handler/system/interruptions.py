"""Frames that run although nobody called them: finalizers and signal handlers, told by their shape.

Must not know: why it is asked. Python calls these between two steps of whatever runs, on whatever thread: they belong
to the program, even on a thread of ours. Nothing marks them as such, but each is called in a way of its own.
"""

from __future__ import annotations

import logging
import signal
import weakref
from types import CodeType, FrameType
from typing import Any, Final

# As in `inspect`, which takes milliseconds to load.
_CO_VARARGS: Final = 0x04
_FINALIZER: Final = "__del__"
_WEAKREF_FINALIZE: Final = weakref.finalize.__call__.__code__
_COLLECTION_PHASES: Final = ("start", "stop")


def is_interruption(frame: FrameType) -> bool:
    """True for a finalizer, the callback of a weak reference or of the garbage collector, and a signal handler."""
    code = frame.f_code
    if code.co_name == _FINALIZER or code is _WEAKREF_FINALIZE:
        return True
    arguments = _arguments(frame)
    if not arguments:
        return False
    if _finalizer_of(type(arguments[0])) is code:
        return True
    last = arguments[-1]
    # The callback of a weak reference is given that reference, which is dead by then. (Types are compared, here and
    # below, because isinstance may run code of the program's, which may log.)
    if issubclass(type(last), weakref.ref) and last() is None:
        return True
    if len(arguments) == 1:
        return False
    before = arguments[-2]
    # A signal handler is given the frame that it interrupts, which is therefore the one below it. (A trace function is
    # given that frame too, but as its first argument.)
    if last is frame.f_back and type(before) is int:
        return True
    return type(last) is dict and type(before) is str and before in _COLLECTION_PHASES


def looks_like_one(record: logging.LogRecord) -> bool:
    """True if a record that comes later, without its frames, names one of these as the function that logged it."""
    if record.funcName == _FINALIZER:
        return True
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        # An object is called by a method of its type.
        code = _code_of(handler) or _code_of(vars(type(handler)).get("__call__"))
        if code is not None and (code.co_name, code.co_filename) == (record.funcName, record.pathname):
            return True
    return False


def _arguments(frame: FrameType) -> list[Any]:
    """Return the positional arguments of a function that runs, as they are now."""
    code = frame.f_code
    has_more = bool(code.co_flags & _CO_VARARGS)
    if not (code.co_argcount or has_more):
        return []
    values = frame.f_locals
    arguments = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if has_more:
        more = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        if type(more) is tuple:
            arguments += more
    return arguments


def _finalizer_of(kind: type) -> CodeType | None:
    # `__del__ = close` has another name. Not getattr, for which a metaclass may run code of the program's.
    for base in kind.__mro__:
        if (function := base.__dict__.get(_FINALIZER)) is not None:
            return _code_of(function)
    return None


def _code_of(function: Any) -> CodeType | None:
    # Of a bound method it is the function's.
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
