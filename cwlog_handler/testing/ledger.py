"""Records which requests were made, and how each was answered.

Owns: the list of requests. Must not know: rules, faults. Not thread-safe: its owner holds a lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .calls import Call

UNANSWERED: Final = "unanswered"


@dataclass(frozen=True)
class Request:
    """One request: its ``operation``, ``group`` and ``stream``, and how it was answered.

    ``number`` counts all requests from 1. ``started`` is its arrival in monotonic seconds. ``parameters`` are its
    members without the events: retention, tags, class, key and so on. ``wire_bytes`` is the length of its body as it
    was sent. ``content_encoding`` is its header Content-Encoding: "gzip" for a compressed body, or None. ``log_format``
    is its header x-amzn-logs-format, such as "json/emf", or None.

    For a put, ``batch`` has the events as they were sent: (timestamp in ms, message). ``events`` is their number and
    ``size_bytes`` their size as the service counts it: UTF-8 bytes plus 26 for each event. ``sequence_token`` is the
    token in the request, ``entity`` its entity, or None. ``stored`` is how many of the events were stored.

    ``user_agent`` is its header User-Agent. ``assumed_role`` is the ARN of the role's session whose credentials have
    signed it; empty if they were no role's. Calls of STS (AssumeRole) are among the requests, with their
    ``parameters``.

    ``answer`` is "accepted", an error code, the name of a fault, or "unanswered". ``ordered`` is true for a fault.
    """

    number: int
    operation: str
    group: str
    stream: str
    started: float
    events: int
    size_bytes: int
    wire_bytes: int
    batch: tuple[tuple[int | None, str | None], ...]
    sequence_token: str | None
    parameters: Mapping[str, Any]
    log_format: str | None = None
    user_agent: str = ""
    assumed_role: str = ""
    content_encoding: str | None = None
    entity: Mapping[str, Any] | None = None
    answer: str = UNANSWERED
    ordered: bool = False
    stored: int = 0


class Ledger:
    """All requests, numbered from 1 in the order of their arrival."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def open(self, call: Call, now: float) -> int:
        """Add a request that has arrived at ``now`` (monotonic seconds); return its number."""
        number = len(self.requests) + 1
        parameters = {name: value for name, value in call.params.items() if name != "logEvents"}
        self.requests.append(
            Request(
                number=number,
                operation=call.operation,
                group=call.group,
                stream=call.stream,
                started=now,
                events=len(call.batch),
                size_bytes=call.size_bytes,
                wire_bytes=call.wire_bytes,
                batch=call.batch,
                sequence_token=call.params.get("sequenceToken"),
                parameters=parameters,
                log_format=call.log_format,
                content_encoding=call.content_encoding,
                entity=call.entity,
            )
        )
        return number

    def amend(self, number: int, **changes: Any) -> None:
        """Change fields of a recorded request: its answer, or how many events were stored."""
        self.requests[number - 1] = replace(self.requests[number - 1], **changes)
