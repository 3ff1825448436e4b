"""Which requests were made, and how each was answered.

Owns the list of requests. Must not know rules or faults. Not thread-safe: whoever owns it holds a lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .calls import Call

UNANSWERED: Final = "unanswered"


@dataclass(frozen=True)
class Request:
    """One request, as it came in and as it was answered: ``operation``, ``group`` and ``stream``.

    ``number`` counts all requests from 1, ``started`` is the arrival in monotonic seconds. ``answer`` is "accepted", an
    error code, or the name of the fault that was ordered; ``ordered`` says that it was a fault. ``events`` and
    ``size_bytes`` (UTF-8 bytes + 26 each) count a put's batch, ``batch`` is that batch as sent, (timestamp in ms,
    message), and ``sequence_token`` the token that it came with; ``wire_bytes`` is the length of the request's body and
    ``stored`` how many of its events were stored. ``parameters`` are the members of the request, as retention, tags,
    class and key, without the events. ``log_format`` is the header x-amzn-logs-format, such as "json/emf"; None without
    it.
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
    answer: str = UNANSWERED
    ordered: bool = False
    stored: int = 0


class Ledger:
    """All requests, numbered from 1 in the order of their arrival."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def open(self, call: Call, now: float) -> int:
        """Write down a request that has arrived; returns its number."""
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
            )
        )
        return number

    def amend(self, number: int, **changes: Any) -> None:
        """Write down what became of a request."""
        self.requests[number - 1] = replace(self.requests[number - 1], **changes)
