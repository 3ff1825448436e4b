"""Recognises the frames of finalizers, signal handlers and callbacks that Python calls between two instructions.

Owns: how such a frame looks. Must not know: what the answer is used for. Python runs these functions on whatever thread
is running, also on ours, but they belong to the program. Python does not mark them. They are recognised by their name
or by their arguments.
"""

from __future__ import annotations

import logging
import signal
import weakref
from types import CodeType, FrameType
from typing import Any, Final

# inspect.CO_VARARGS. The module `inspect` takes milliseconds to import.
_CO_VARARGS: Final = 0x04
_FINALIZER: Final = "__del__"
_WEAKREF_FINALIZE: Final = weakref.finalize.__call__.__code__
_COLLECTION_PHASES: Final = ("start", "stop")


def is_interruption(frame: FrameType) -> bool:
    """True if the frame is of a finalizer, a signal handler, or a callback of a weak reference or of the collector."""
    code = frame.f_code
    if code.co_name == _FINALIZER or code is _WEAKREF_FINALIZE:
        return True
    arguments = _arguments(frame)
    if not arguments:
        return False
    if _finalizer_of(type(arguments[0])) is code:
        return True
    last = arguments[-1]
    # The callback of a weak reference gets that reference as its last argument, and the reference is dead by then.
    # (Types are compared, here and below, because isinstance may run the program's code, which may log.)
    if issubclass(type(last), weakref.ref) and last() is None:
        return True
    if len(arguments) == 1:
        return False
    before = arguments[-2]
    # A signal handler gets a signal number and the frame that it interrupts. That frame is also the one below it in the
    # stack. (A trace function gets that frame too, but as its first argument.)
    if last is frame.f_back and type(before) is int:
        return True
    return type(last) is dict and type(before) is str and before in _COLLECTION_PHASES


def looks_like_one(record: logging.LogRecord) -> bool:
    """True if the function that logged this record has the name of a finalizer or is a signal handler.

    For a record that is handled after its frames are gone.
    """
    if record.funcName == _FINALIZER:
        return True
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        # The handler may also be an object with __call__.
        code = _code_of(handler) or _code_of(vars(type(handler)).get("__call__"))
        if code is not None and (code.co_name, code.co_filename) == (record.funcName, record.pathname):
            return True
    return False


def _arguments(frame: FrameType) -> list[Any]:
    """Return the positional arguments of a running function, with their present values."""
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
    # After `__del__ = close` the function's own name is "close", so the class is searched. getattr is not used: it may
    # run the program's code in a metaclass.
    for base in kind.__mro__:
        if (function := base.__dict__.get(_FINALIZER)) is not None:
            return _code_of(function)
    return None


def _code_of(function: Any) -> CodeType | None:
    # A bound method passes `__code__` on from its function.
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
