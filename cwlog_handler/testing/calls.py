"""Decodes a request: the operation and its parameters, or why they cannot be read.

Owns: decoding, and the types of members. Must not know: any rule about values, what is stored.
"""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NoReturn

from .answers import Refusal

EVENT_OVERHEAD_BYTES: Final = 26  # PutLogEvents: "plus 26 bytes for each log event"
MAX_LONG: Final = 2**63 - 1  # the model's "long"

# A lone surrogate can arrive only as a JSON escape, because bytes that are not UTF-8 are refused earlier.
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

# The types of the members, from botocore's model logs/2014-03-28.
_TYPES: Final[Mapping[str, Any]] = {
    "logGroupName": str,
    "logStreamName": str,
    "sequenceToken": str,
    "logEvents": list,
    "kmsKeyId": str,
    "logGroupClass": str,
    "tags": dict,
    "retentionInDays": int,
    "resourceArn": str,
    "logGroupIdentifier": str,
    "logGroupNamePrefix": str,
    "logGroupNamePattern": str,
    "logStreamNamePrefix": str,
    "logStreamNames": list,
    "filterPattern": str,
    "nextToken": str,
    "orderBy": str,
    "descending": bool,
    "startFromHead": bool,
    "startTime": int,
    "endTime": int,
    "limit": int,
    "entity": dict,
    "deletionProtectionEnabled": bool,
}

_GZIP: Final = 16 + zlib.MAX_WBITS  # for zlib: a gzip header is around the data


@dataclass(frozen=True)
class Call:
    """One request as the service understands it: ``operation``, its ``params``, and its body's length, ``wire_bytes``.

    ``problem`` is set if the body cannot be read. ``log_format`` is the header x-amzn-logs-format, and
    ``content_encoding`` the header Content-Encoding, such as "gzip"; None without that header. ``wire_bytes`` is the
    length as sent, compressed if the body is.
    """

    operation: str
    params: Mapping[str, Any]
    wire_bytes: int
    problem: Refusal | None = None
    log_format: str | None = None
    content_encoding: str | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, str], body: bytes, *, takes_gzip: bool = True) -> "Call":
        """Decode a request. Its header x-amz-target is the operation: ``Logs_20140328.PutLogEvents``. Never raises.

        Without ``takes_gzip`` the header Content-Encoding is not looked at, as by an endpoint that does not know it.
        """
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        log_format, encoding = headers.get("x-amzn-logs-format"), headers.get("content-encoding")
        try:
            params = _decode(_unpacked(body) if encoding == "gzip" and takes_gzip else body)
        except Refusal as problem:
            return cls(operation, {}, len(body), problem, log_format, encoding)
        return cls(operation, params, len(body), None, log_format, encoding)

    @property
    def group(self) -> str:
        """The log group named by the request, or an empty string."""
        return str(self.params.get("logGroupName", ""))

    @property
    def stream(self) -> str:
        """The log stream named by the request, or an empty string."""
        return str(self.params.get("logStreamName", ""))

    @property
    def entity(self) -> Mapping[str, Any] | None:
        """The entity of a put, or None."""
        return self.params.get("entity")

    @cached_property
    def batch(self) -> tuple[tuple[int | None, str | None], ...]:
        """The events of a put as (timestamp in ms, message), in the order sent; a missing member is None."""
        return tuple((event.get("timestamp"), event.get("message")) for event in self.params.get("logEvents", ()))

    @cached_property
    def event_sizes(self) -> tuple[int, ...]:
        """The size of each event of a put as the service counts it: UTF-8 bytes of the message + 26."""
        return tuple(len((message or "").encode()) + EVENT_OVERHEAD_BYTES for _, message in self.batch)

    @cached_property
    def size_bytes(self) -> int:
        """The size of a put's batch as the service counts it."""
        return sum(self.event_sizes)


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(body)
    except zlib.error as error:
        raise _unreadable(f"The request body is not compressed with gzip: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise _unreadable("The request body is not one whole gzip stream.")
    return unpacked


def _decode(body: bytes) -> dict[str, Any]:
    try:
        params = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8 or no JSON; RecursionError: nested too deeply
        raise _unreadable(f"The request body is not JSON in UTF-8: {error}") from error
    if not isinstance(params, dict):
        raise _unreadable("The request body is not a JSON object.")
    if _SURROGATE_ESCAPE.search(body):
        _refuse_lone_surrogates(params)
    params = _without_nulls(params)
    for name, value in params.items():
        if name in _TYPES:
            _require_type(value, _TYPES[name], name)
    if "logEvents" in params:
        params["logEvents"] = [_event(event) for event in params["logEvents"]]
    _require_strings(params.get("logStreamNames", ()), "logStreamNames")
    _require_strings(params.get("tags", {}).values(), "tags")
    if "entity" in params:
        params["entity"] = _entity(params["entity"])
    return params


def _event(event: Any) -> dict[str, Any]:
    _require_type(event, dict, "logEvents")
    known = _without_nulls(event)
    if "timestamp" in known:
        _require_type(known["timestamp"], int, "timestamp")
    if "message" in known:
        _require_type(known["message"], str, "message")
    return known


def _entity(entity: Any) -> dict[str, Any]:
    known = _without_nulls(entity)
    for member in ("keyAttributes", "attributes"):
        if member in known:
            _require_type(known[member], dict, f"entity.{member}")
            _require_strings(known[member].values(), f"entity.{member}")
    return known


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _require_type(value: Any, kind: type, name: str) -> None:
    is_wrong = not isinstance(value, kind) or (kind is int and isinstance(value, bool))
    if is_wrong or (kind is int and abs(value) > MAX_LONG):
        raise _unreadable(f"The value of {name} cannot be converted to {kind.__name__}.")


def _require_strings(values: Any, name: str) -> None:
    for value in values:
        _require_type(value, str, name)


def _refuse_lone_surrogates(params: Mapping[str, Any]) -> None:
    try:
        json.dumps(params, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _unreadable(f"A string holds a lone surrogate: {error.reason}.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _unreadable(message: str) -> Refusal:
    return Refusal("SerializationException", message)
