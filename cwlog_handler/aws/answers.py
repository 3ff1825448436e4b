"""What an answer to PutLogEvents comes to.

Must not know: the request, what is done about it. Errors that boto3 raises are the business of `errors`.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from ..core import advice
from ..core.advice import Call
from ..core.outcomes import Accepted, Refused, Unavailable


def outcome_of_answer(answer: Any, count: int, call: Call) -> Accepted | Unavailable | Refused:
    """Return the outcome of a put of ``count`` events. Anything that is not the service's answer is no success.

    HTTP 200 with the service's request id and an empty body is a success: endpoints that are newer than botocore answer
    like that. The answer of a ``unittest.mock`` object counts as a success.
    """
    if _is_mock(answer):
        return Accepted(None)
    if not isinstance(answer, Mapping):
        return call.refuse("NoAnswer", advice.NO_ANSWER, answer=_no_answer(answer))
    token = answer.get("nextSequenceToken")
    metadata = answer.get("ResponseMetadata")
    if isinstance(metadata, Mapping) and not token:
        headers = metadata.get("HTTPHeaders") or {}
        content_type = str(headers.get("content-type", ""))
        if "x-amzn-requestid" not in headers and "json" not in content_type:
            # An HTML page comes from a captive portal or a proxy: the service did not get the events. With any other
            # content it may have got them.
            cause = f"the answer is not from CloudWatch Logs: HTTP 200 with content type {content_type or 'none'!r}"
            return Unavailable(cause, ambiguous="html" not in content_type)
    return _accepted(token, answer.get("rejectedLogEventsInfo") or {}, count)


def _is_mock(answer: object) -> bool:
    # Compared by name: importing unittest.mock takes milliseconds, and the PyPI package `mock` has its own classes.
    return any(kind.__name__ == "NonCallableMock" for kind in type(answer).__mro__)


def _no_answer(answer: object) -> str:
    """Describe, for the operator, what was returned in place of an answer."""
    if isinstance(answer, Coroutine):
        # Closed because Python would warn "was never awaited" otherwise.
        answer.close()
        return "a coroutine that nobody awaits"
    # The repr of other objects may be long or contain secrets.
    return repr(answer) if answer is None or isinstance(answer, bool) else f"an object of type {type(answer).__name__}"


def _accepted(token: str | None, rejected: Mapping[str, int], count: int) -> Accepted:
    """Turn the indexes in ``rejectedLogEventsInfo`` into counts that do not overlap.

    The service counts from the oldest event on: "expired" up to its end index includes "too old" up to its own.
    """
    too_old = min(rejected.get("tooOldLogEventEndIndex", 0), count)
    old = max(too_old, min(rejected.get("expiredLogEventEndIndex", 0), count))
    start = max(old, min(rejected.get("tooNewLogEventStartIndex", count), count))
    return Accepted(token, too_old, old - too_old, count - start)
