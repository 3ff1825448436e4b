"""Checks of the constructor's options. Each check returns the accepted value or raises an error with a way out.

Owns: what counts as wrong use. Must not know: threads, AWS calls, what an option is used for.
A wrong type raises TypeError, a wrong value ValueError. Both name the option and show the value, except where the value
is a secret or too long.
"""

from __future__ import annotations

import logging
import math
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import Any, Final, TypeVar

from .core.limits import (
    COMPRESSIONS,
    LOG_FORMATS,
    LOG_GROUP_CLASSES,
    LOG_GROUP_NAME,
    MAX_KMS_KEY_ID_LENGTH,
    MAX_NAME_LENGTH,
    MAX_TAG_KEY_LENGTH,
    MAX_TAG_VALUE_LENGTH,
    MAX_TAGS,
    RESERVED_LOG_GROUP_PREFIX,
    RETENTION_DAYS,
)
from .record.formatting import json_serialize_default
from .record.names import GroupName

T = TypeVar("T")


# Both are compiled only for a message about a wrong value.
_GROUP_ARN: Final = r"arn:[^:]*:logs:[^:]*:[^:]*:log-group:([^:]+)(?::.*)?"
# Numbers and booleans as YAML, JSON and Python write them.
_UNQUOTED: Final = r"[+-]?[0-9][0-9_]*(?:\.[0-9]+)?|true|false|yes|no|on|off"


def log_group_name(value: str) -> str:
    """Accept a name that CreateLogGroup takes, or a template of one."""
    _text("log_group_name", value)
    if "{" in value or "}" in value:
        GroupName(value)
        return value
    if not 1 <= len(value) <= MAX_NAME_LENGTH:
        raise _wrong("log_group_name", value, f"{len(value)} characters; give 1 to {MAX_NAME_LENGTH}")
    if not LOG_GROUP_NAME.fullmatch(value):
        if arn := re.fullmatch(_GROUP_ARN, value):
            raise _wrong("log_group_name", value, f"write the group's name, not its ARN: {arn[1]!r}")
        raise _wrong("log_group_name", value, "use only letters a-z A-Z, digits and . - _ / # (the name, not its ARN)")
    if value.startswith(RESERVED_LOG_GROUP_PREFIX):
        way_out = f"names cannot start with {RESERVED_LOG_GROUP_PREFIX!r}, which AWS reserves; say '/{value}' instead"
        raise _wrong("log_group_name", value, way_out)
    return value


def one_of(name: str, value: T, allowed: Sequence[object]) -> T:
    """Accept one of the ``allowed`` values."""
    if value not in allowed:
        raise _wrong(name, value, f"give one of {', '.join(map(repr, allowed))}")
    return value


def yes_or_no(name: str, value: bool) -> bool:
    """Accept True and False, and integers in their place. Text is refused, because even "false" would be true."""
    if not isinstance(value, int):
        raise _wrong_type(name, value, "give True or False")
    return bool(value)


def text(name: str, value: str | None) -> str | None:
    """Accept text; None leaves the choice to boto3."""
    if value is not None:
        _text(name, value)
    return value


def directory(name: str, value: str | PathLike[str] | None) -> str | None:
    """Accept the path of a directory, as text or as a path, and make it absolute; None means none.

    The directory is not looked at. A relative path counts from the directory in which the program is now.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, PathLike)):
        raise _wrong_type(name, value, "give the path of a directory as text")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise _wrong_type(name, value, "give the path of a directory as text, not as bytes")
    if not path or "\0" in path:
        raise _wrong(name, value, "give the path of a directory, such as '/var/lib/my-app/spool', or None")
    return os.path.abspath(os.path.expanduser(path))


def whole_number(name: str, value: int, minimum: int, maximum: int | None = None) -> int:
    """Accept an int from ``minimum`` to ``maximum``, both included; True and False are refused."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(name, value, f"give a whole number such as {minimum}")
    if maximum is None and value < minimum:
        raise _wrong(name, value, f"give at least {minimum}")
    if maximum is not None and not minimum <= value <= maximum:
        raise _wrong(name, value, f"give {minimum} to {maximum}")
    return value


def seconds(name: str, value: float | timedelta, allow_zero: bool = True) -> float:
    """Accept a finite duration of 0 or more, in seconds or as a timedelta, and return it in seconds."""
    number = value.total_seconds() if isinstance(value, timedelta) else _finite(name, value, "seconds or a timedelta")
    if number < 0 or (number == 0 and not allow_zero):
        raise _wrong(name, value, f"give {'0 or more' if allow_zero else 'more than 0'} seconds")
    return number


def rate(name: str, value: float | None) -> float | None:
    """Accept a rate per second above 0; None means no limit."""
    if value is None:
        return None
    number = _finite(name, value, "a number per second, or None for no limit")
    if number <= 0:
        raise _wrong(name, value, "give more than 0, or None for no limit")
    return number


def retention_days(value: int | None) -> int | None:
    """Accept a number of days that PutRetentionPolicy takes; None leaves the group's retention as it is."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type("log_group_retention_days", value, "give a whole number of days such as 30, or None")
    if value not in RETENTION_DAYS:
        place = bisect_left(RETENTION_DAYS, value)
        nearest = " or ".join(map(str, RETENTION_DAYS[max(place - 1, 0) : place + 1]))
        raise _wrong(
            "log_group_retention_days", value, f"the service has no such period; the nearest it takes: {nearest}"
        )
    return value


def tags(value: Mapping[str, str] | None) -> dict[str, str]:
    """Accept tags for a log group and return a copy; None means no tags."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong_type("log_group_tags", value, "give a mapping such as {'team': 'search'}")
    if len(value) > MAX_TAGS:
        raise ValueError(f"log_group_tags: {len(value)} of them; give at most {MAX_TAGS}")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise _wrong_type("log_group_tags", {key: text}, "keys and values are text; say str(…)")
        if not 1 <= len(key) <= MAX_TAG_KEY_LENGTH:
            raise _wrong(
                "log_group_tags", {key: text}, f"a key of {len(key)} characters; give 1 to {MAX_TAG_KEY_LENGTH}"
            )
        if len(text) > MAX_TAG_VALUE_LENGTH:
            raise _wrong(
                "log_group_tags", {key: text}, f"a value of {len(text)} characters; give at most {MAX_TAG_VALUE_LENGTH}"
            )
    return dict(value)


def kms_key_id(value: str | None) -> str | None:
    """Accept the ARN of a KMS key; only its length is checked. None means no customer-managed key."""
    if value is None:
        return None
    _text("log_group_kms_key_id", value)
    if not 1 <= len(value) <= MAX_KMS_KEY_ID_LENGTH:
        way_out = f"{len(value)} characters; give the key's ARN, 1 to {MAX_KMS_KEY_ID_LENGTH} characters, or None"
        raise _wrong("log_group_kms_key_id", value, way_out)
    return value


def log_group_class(value: str | None) -> str | None:
    """Accept a class that CreateLogGroup takes; None leaves the choice to the service."""
    return None if value is None else one_of("log_group_class", value, LOG_GROUP_CLASSES)


def log_format(value: str | None) -> str | None:
    """Accept a message format that the header of PutLogEvents can name; None means that no header is sent."""
    if value is None:
        return None
    _text("log_format", value)
    return one_of("log_format", value, LOG_FORMATS)


def compression(value: str | None) -> str | None:
    """Accept a coding for the bodies of requests; None means that they are sent as they are."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type("compression", value, f"give one of {', '.join(map(repr, COMPRESSIONS))}")
    return one_of("compression", value, COMPRESSIONS)


def level(value: int | str, name: str = "level") -> int:
    """Accept a level as `logging` does, a number or a registered name, and return the number."""
    number = logging.getLevelName(value) if isinstance(value, str) else value
    if isinstance(value, str) and not isinstance(number, int):
        raise _wrong(name, value, "no such level; give a number or a name such as 'ERROR' (capitals count)")
    if not isinstance(number, int) or isinstance(number, bool):
        raise _wrong_type(name, value, "give a number such as logging.ERROR or a name such as 'ERROR'")
    return number


def json_default(value: Callable[[Any], Any] | str | None) -> Callable[[Any], Any]:
    """Accept a function for ``json.dumps(default=…)``, or its import path; None means this package's own function.

    An import path is ``"pkg.mod:func"`` or ``"pkg.mod.func"``: a JSON or YAML file cannot contain a function.
    """
    return json_serialize_default if value is None else _function("json_serialize_default", value)


def on_lost(value: Callable[[Any], object] | str | None) -> Callable[[Any], object] | None:
    """Accept a function that takes lost events, or its import path as for `json_default`; None means none.

    A function that would do nothing when it is called is refused: a coroutine function or a generator function.
    """
    if value is None:
        return None
    # Imported here because few programs ask for lost events.
    import inspect

    found = _function("on_lost", value)
    # Of an object that is called like a function, the method says what the call does.
    for function in (found, type(found).__call__):
        if inspect.iscoroutinefunction(function):
            raise _wrong_type("on_lost", value, "a coroutine function, which nobody would await; give a plain function")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise _wrong_type("on_lost", value, "a generator function, which would not run; give one without yield")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        # Written in C: there is nothing to be read.
        return found
    try:
        signature.bind(())
    except TypeError as error:
        way_out = f"it is called with one argument, the lost events ({error}); give a function that takes it"
        raise _wrong_type("on_lost", value, way_out) from error
    return found


def _function(name: str, value: Callable[..., Any] | str) -> Callable[..., Any]:
    found: object = value
    if isinstance(value, str):
        # Imported here because few programs give an import path; the others save the time.
        import pkgutil

        try:
            found = pkgutil.resolve_name(value)
        except (ValueError, ImportError, AttributeError) as error:
            way_out = f"cannot be imported ({error}); write it as 'package.module:function'"
            raise _wrong(name, value, way_out) from error
    if not callable(found):
        raise _wrong_type(name, value, "not callable; give a function or 'package.module:function'")
    return found


def own_client(client: object, others: Mapping[str, Any]) -> None:
    """Raise ValueError if a client is given together with an option that is about a client of the handler's own.

    ``others`` are these options and their values; a value may be a secret, unless it is text.
    """
    given = [name for name, value in others.items() if value is not None]
    if client is not None and given:
        shown = f"{given[0]}={others[given[0]]!r}" if isinstance(others[given[0]], str) else given[0]
        way_out = "boto3_client was given too, which has credentials and settings of its own; give one or the other"
        raise ValueError(f"{shown}: {way_out}")


def role(given: Mapping[str, Any]) -> bool:
    """Return whether there is a role to assume. Raises ValueError for options that need one, or exclude one."""
    if given["role_arn"] is None:
        for name in ("external_id", "role_session_name"):
            if given[name] is not None:
                raise ValueError(f"{name}={given[name]!r}: it belongs to a role; give role_arn too, or leave it out")
        return False
    if given["boto3_profile_name"] is not None:
        way_out = (
            "boto3_profile_name was given too; give one or the other: a profile can have role_arn and source_profile "
            "of its own, and AWS_PROFILE may name the one whose credentials assume the role"
        )
        raise ValueError(f"role_arn={given['role_arn']!r}: {way_out}")
    return True


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _wrong_type(name, value, "give text")


def _finite(name: str, value: object, wanted: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong_type(name, value, f"give {wanted}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wrong(name, value, f"not a finite number; give {wanted}")
    return number


def _wrong(name: str, value: object, way_out: str) -> ValueError:
    return ValueError(f"{name}={value!r}: {way_out}")


def _wrong_type(name: str, value: object, way_out: str) -> TypeError:
    return TypeError(f"{name}={value!r} is of type {type(value).__name__}: {way_out}{_of_text(value)}")


def _of_text(value: object) -> str:
    """Return a hint if the value is text although it looks like a number or a boolean, as from an INI file."""
    if not isinstance(value, str):
        return ""
    if value.lower() in ("none", "null"):
        return "; write null in YAML or JSON, None in Python"
    is_unquoted = re.fullmatch(_UNQUOTED, value, re.IGNORECASE)
    return f"; write {value} without quotation marks, it is text now" if is_unquoted else ""
