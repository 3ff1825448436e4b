"""Makes the text of a record if the handler has no formatter, or if the formatter failed.

Owns: message, exception and stack as text; mappings and lists as JSON. Must not know: queues, AWS, event sizes.
Nothing here changes the record or the objects in it: the next handler gets them as they were.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import date
from math import isfinite
from typing import Any, Final

from ..system.nesting import let_recursion_go_up

_FORMATTER: Final = logging.Formatter()

# The attributes that every record has; all others count as extra, also those that the program's record factory adds.
# The list is written down because making a record here could raise: logging then calls time.time and os.getpid, and a
# test may have replaced those by functions that raise.
_PLAIN_ATTRIBUTES: Final = frozenset(
    {
        *("args", "asctime", "created", "exc_info", "exc_text", "filename", "funcName", "levelname", "levelno"),
        *("lineno", "message", "module", "msecs", "msg", "name", "pathname", "process", "processName"),
        *("relativeCreated", "stack_info", "taskName", "thread", "threadName"),
    }
)

# Limits for data that json itself has refused. JSON readers commonly accept 128 levels or more. Objects that refer to
# each other have exponentially many paths, so the number of items is limited: this many take a second, and make more
# text than one event holds.
_MAX_DEPTH: Final = 100
_MAX_ITEMS: Final = 300_000


def json_serialize_default(value: Any) -> str:
    """Return text for a value that JSON cannot represent: dates in ISO 8601, everything else as its ``repr``."""
    return value.isoformat() if isinstance(value, date) else repr(value)


def default_text(record: logging.LogRecord, json_default: Callable[[Any], Any]) -> str:
    """Return the record's message, exception and stack as text; if the message is a mapping or list, as JSON.

    The JSON document also has the record's extra attributes. For a text message this raises what
    ``record.getMessage()`` raises. JSON never raises: values that json refuses are shown as text. Thread-safe.
    """
    message = record.msg
    if isinstance(message, (Mapping, list)):
        return _json_text(_document(record, message), json_default)
    return _with_trace(record.getMessage(), record)


def fallback_text(record: logging.LogRecord, error: BaseException) -> str:
    """Return the text of a record whose formatting raised ``error``: everything that can be shown, and the error.

    Never raises, whatever the message and its arguments are, except a RecursionError that must go up: see `nesting`.
    """
    message = record.msg
    text = str.__str__(message) if _is(message, str) else _shown(message)
    if record.args is not None and not (type(record.args) is tuple and not record.args):
        text += f" (args: {_shown(record.args)})"
    text += f" [formatting failed: {type(error).__name__}: {_printed(str, error)}]"
    try:
        return _with_trace(text, record)
    except Exception as failure:
        let_recursion_go_up(failure)
        return f"{text}\n{_shown(record.exc_info)}\n{_printed(str, record.stack_info)}"


def _exception_text(record: logging.LogRecord) -> str:
    if record.exc_text or not record.exc_info:
        return record.exc_text or ""
    return _FORMATTER.formatException(record.exc_info)


def _with_trace(text: str, record: logging.LogRecord) -> str:
    """Append exception and stack as ``logging.Formatter`` does, but without its change of the record (exc_text)."""
    for trace in (_exception_text(record), record.stack_info):
        if trace:
            text += trace if text.endswith("\n") else "\n" + trace
    return text


def _document(record: logging.LogRecord, message: Mapping[Any, Any] | list[Any]) -> object:
    """Return message, extras, exception and stack as one mapping; the list itself if the record has only a list."""
    beside = {name: value for name, value in record.__dict__.items() if name not in _PLAIN_ATTRIBUTES}
    found: dict[Any, Any] = {**message} if isinstance(message, Mapping) else {"message": message}
    parts = [
        *beside.items(),
        ("args", list(record.args) if isinstance(record.args, tuple) else record.args),
        ("exc_info", _exception_text(record)),
        ("stack", record.stack_info),
    ]
    for number, (name, value) in enumerate(parts):
        if number >= len(beside) and not value:
            continue
        key = name
        while key in found:
            key = "extra." + key
        found[key] = value
    return message if isinstance(message, list) and len(found) == 1 else found


def _json_text(document: object, json_default: Callable[[Any], Any]) -> str:
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, default=json_default)
    except Exception as error:  # json_default and every __repr__ are foreign code: they may raise anything
        let_recursion_go_up(error)
        plain = _PlainData(json_default).of(document, 0)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)


class _PlainData:
    """Turns data that json refused into data that it accepts, and keeps everything that can be shown."""

    def __init__(self, json_default: Callable[[Any], Any]) -> None:
        self._json_default = json_default
        self._path: set[int] = set()
        self._room = _MAX_ITEMS

    def of(self, value: Any, depth: int) -> Any:
        """Return ``value`` as data that json accepts; ``depth`` is how many levels down it was found."""
        if value is None or _is(value, str, int, float):
            return _scalar(value)
        if id(value) in self._path:
            return "<circular>"
        if depth >= _MAX_DEPTH:
            return _printed(repr, value) if _is_tree(value) else f"<{type(value).__name__} too deep>"
        if self._room <= 0:
            return f"<{type(value).__name__} not shown>"
        self._path.add(id(value))
        try:
            return self._inside(value, depth + 1)
        finally:
            self._path.discard(id(value))

    def _inside(self, value: Any, depth: int) -> Any:
        self._room -= 1
        if _is(value, list, tuple):
            self._room -= len(value)
            return [self.of(item, depth) for item in value]
        if _is(value, dict):
            self._room -= len(value)
            return self._mapping(value, depth)
        try:
            known = self._json_default(value)
        except RecursionError as error:
            let_recursion_go_up(error)
            # `json_default` itself logs a value that needs `json_default`. It would recurse again for each value, so
            # `repr` replaces it for the rest of this document.
            self._json_default = repr
            return _printed(repr, value)
        except Exception:
            return _printed(repr, value)
        return _printed(repr, value) if known is value else self.of(known, depth)

    def _mapping(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in list(value.items()):
            name = _key(key)
            while name in found:
                name += "_"
            found[name] = self.of(item, depth)
        return found


def _is_tree(value: Any) -> bool:
    """Return whether no container occurs twice inside ``value``: only then its ``repr`` cannot grow exponentially."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if _is(item, list, tuple, dict) and item:
            if id(item) in seen:
                return False
            seen.add(id(item))
            waiting += item.values() if _is(item, dict) else item
    return True


def _scalar(value: bool | str | int | float | None) -> bool | str | int | float | None:
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            int.__repr__(value)
        except ValueError:  # more digits than sys.set_int_max_str_digits allows; hexadecimal has no such limit
            return hex(value)
    return value


def _key(key: Any) -> str:
    """Return a mapping's key as text. Keys that json accepts are spelled as json spells them: None is "null"."""
    if _is(key, str):
        return str.__str__(key)
    if key is None or _is(key, int, float):
        plain = _scalar(key)
        return plain if isinstance(plain, str) else json.dumps(plain)
    return _printed(str, key)


def _is(value: Any, *kinds: type) -> bool:
    """Check the type, as json does. ``isinstance`` would also read ``__class__``: an unbound werkzeug proxy raises."""
    return issubclass(type(value), kinds)


def _printed(how: Callable[[Any], str], value: Any) -> str:
    """Return ``how(value)``, where ``how`` is ``repr`` or ``str``: both run the program's code, which may raise."""
    try:
        return how(value)
    except Exception as error:
        let_recursion_go_up(error)
        return f"<unprintable {type(value).__name__}>"


def _shown(value: Any) -> str:
    """Return the ``repr`` of a value. If one item of a tuple, list or dict cannot be printed, the others still are."""
    if type(value) is tuple:
        return f"({', '.join(_printed(repr, item) for item in value)}{',' if len(value) == 1 else ''})"
    if type(value) is list:
        return f"[{', '.join(_printed(repr, item) for item in value)}]"
    if type(value) is dict:
        return f"{{{', '.join(f'{_printed(repr, k)}: {_printed(repr, v)}' for k, v in list(value.items()))}}}"
    return _printed(repr, value)
