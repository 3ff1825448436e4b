"""The text of a record that has no formatter, and of one whose formatting failed.

Owns: message, exception and stack as text; mappings and lists as JSON. Must not know: queues, AWS, sizes.
Nothing here changes the record or what it refers to: the next handler gets them as they were.
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

# The attributes that every record has. Written down, not taken from a record made here: to make one, logging asks for
# the time and the process, and a test may have replaced these by what raises. Others are extra: those that a record
# factory of the program's adds, too.
_PLAIN_ATTRIBUTES: Final = frozenset(
    {
        *("args", "asctime", "created", "exc_info", "exc_text", "filename", "funcName", "levelname", "levelno"),
        *("lineno", "message", "module", "msecs", "msg", "name", "pathname", "process", "processName"),
        *("relativeCreated", "stack_info", "taskName", "thread", "threadName"),
    }
)

# Bounds for what json itself refused. Readers commonly stop at 128 levels or more. A web of objects that refer to each
# other has exponentially many paths: this many items are a second of work, and more text than one event holds.
_MAX_DEPTH: Final = 100
_MAX_ITEMS: Final = 300_000


def json_serialize_default(value: Any) -> str:
    """Return text for a value that JSON has no form for: dates in ISO 8601, everything else as its ``repr``."""
    return value.isoformat() if isinstance(value, date) else repr(value)


def default_text(record: logging.LogRecord, json_default: Callable[[Any], Any]) -> str:
    """Return the record's message, exception and stack as text; a mapping or list as one JSON document.

    A mapping carries the record's extras too. Raises what ``record.getMessage()`` raises; JSON itself never fails.
    """
    message = record.msg
    if isinstance(message, (Mapping, list)):
        return _json_text(_document(record, message), json_default)
    return _with_trace(record.getMessage(), record)


def fallback_text(record: logging.LogRecord, error: BaseException) -> str:
    """Return the text of a record whose formatting raised ``error``: all of it that can be shown, and what went wrong.

    Never raises, whatever the message and its arguments are; but for a RecursionError that is to go up, see `nesting`.
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
    """Append exception and stack as ``logging.Formatter`` does, which would also write to the record."""
    for trace in (_exception_text(record), record.stack_info):
        if trace:
            text += trace if text.endswith("\n") else "\n" + trace
    return text


def _document(record: logging.LogRecord, message: Mapping[Any, Any] | list[Any]) -> object:
    """Return what the record says as one mapping, or the list itself when there is nothing beside it."""
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
    """Makes data that JSON always takes from data that it refused, keeping all that can be shown."""

    def __init__(self, json_default: Callable[[Any], Any]) -> None:
        self._json_default = json_default
        self._path: set[int] = set()
        self._room = _MAX_ITEMS

    def of(self, value: Any, depth: int) -> Any:
        """Return ``value``, found ``depth`` levels down, as plain data."""
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
            # It logs what needs it again, and would each time.
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
    """Return whether no container is reached twice: then its ``repr`` is no longer than what it holds."""
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
        except ValueError:  # past sys.set_int_max_str_digits, which hexadecimal is not subject to
            return hex(value)
    return value


def _key(key: Any) -> str:
    """Return a mapping's key as text, spelled as json spells the kinds that it takes."""
    if _is(key, str):
        return str.__str__(key)
    if key is None or _is(key, int, float):
        plain = _scalar(key)
        return plain if isinstance(plain, str) else json.dumps(plain)
    return _printed(str, key)


def _is(value: Any, *kinds: type) -> bool:
    """Ask the type, as json does: ``isinstance`` also asks ``__class__``, which raises in an unbound werkzeug proxy."""
    return issubclass(type(value), kinds)


def _printed(how: Callable[[Any], str], value: Any) -> str:
    """Return ``how(value)``, ``how`` being ``repr`` or ``str``: foreign code that may raise anything."""
    try:
        return how(value)
    except Exception as error:
        let_recursion_go_up(error)
        return f"<unprintable {type(value).__name__}>"


def _shown(value: Any) -> str:
    """Return the ``repr`` of a value; one bad item does not hide the others."""
    if type(value) is tuple:
        return f"({', '.join(_printed(repr, item) for item in value)}{',' if len(value) == 1 else ''})"
    if type(value) is list:
        return f"[{', '.join(_printed(repr, item) for item in value)}]"
    if type(value) is dict:
        return f"{{{', '.join(f'{_printed(repr, k)}: {_printed(repr, v)}' for k, v in list(value.items()))}}}"
    return _printed(repr, value)
