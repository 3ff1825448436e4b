"""Faults that a test can order: what a fault is, and a function for each kind.

Owns: the kinds of faults, and the bodies of answers that only faults give. Must not know: when a fault happens
(`orders`), how it looks on a wire (`inprocess`, `server`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from .answers import Answer, Refusal, foreign
from .calls import Call
from .entities import unknown_key
from .store import ACCOUNT, REGION


class Ending(Enum):
    """How a request ends on the wire; each value describes it in words."""

    ANSWER = "the answer arrives whole"
    TRUNCATED = "the answer breaks off half-way, and so does the connection"
    RESET = "the connection is cut, the answer is lost"
    REFUSED = "the connection is not accepted"


@dataclass(frozen=True)
class Fault:
    """What happens to a request that is hit. The steps are: hold, process, hold, answer; each can be left out.

    ``name`` becomes the ``answer`` of the request in the ledger. ``commits``: the service processes the request by its
    rules. ``hold_before`` and ``hold_after`` are how many seconds the request is held before and after this step;
    ``FakeCloudWatchLogs.release()`` ends a hold earlier. ``answer`` makes an answer in place of the service's.
    ``adds`` are more members of the service's own answer if that is a success. ``ending`` says how much of the answer
    arrives. ``concerns`` tells which requests it can hit at all; None: every one. A fault is an immutable value:
    ``dataclasses.replace(throttle(), hold_before=1.0)`` is a slow refusal.
    """

    name: str
    commits: bool = False
    hold_before: float = 0.0
    hold_after: float = 0.0
    answer: Callable[[Call], Answer] | None = None
    ending: Ending = Ending.ANSWER
    adds: Mapping[str, Any] | None = None
    concerns: Callable[[Call], bool] | None = None

    def __post_init__(self) -> None:
        leaves_an_answer = self.commits or self.answer is not None
        if not leaves_an_answer and self.ending in (Ending.ANSWER, Ending.TRUNCATED):
            raise ValueError(f"The fault {self.name!r} has no answer: commit, give one, or cut the connection.")


def error(code: str, message: str, status: int = 400, *, after_commit: bool = False) -> Fault:
    """Any error with this code and message. ``after_commit``: the request is processed nevertheless."""
    return _refusal(lambda _: Refusal(code, message, status=status), code, commits=after_commit)


def throttle() -> Fault:
    """ThrottlingException, as if a quota of the account were used up."""
    return error("ThrottlingException", "Rate exceeded")


def server_error(
    status: int = 503,
    code: str = "ServiceUnavailableException",
    message: str = "The service cannot complete the request.",
    *,
    after_commit: bool = False,
) -> Fault:
    """An error of the service itself, HTTP 5xx. ``after_commit``: the events are stored, but an error is returned."""
    return error(code, message, status, after_commit=after_commit)


def operation_aborted() -> Fault:
    """OperationAbortedException, as when two clients make the same log group at once."""
    return error(
        "OperationAbortedException",
        "A conflicting operation is currently in progress against this resource. Please try again.",
    )


def access_denied() -> Fault:
    """AccessDeniedException for the request's operation and resource; the key is ``Message``, as in the service."""
    return _refusal(_access_denied, "AccessDeniedException")


def unrecognized_client() -> Fault:
    """UnrecognizedClientException: the access key is not known."""
    return error("UnrecognizedClientException", "The security token included in the request is invalid.")


def expired_token() -> Fault:
    """ExpiredTokenException: the temporary credentials have expired."""
    return error("ExpiredTokenException", "The security token included in the request is expired")


def clock_skew() -> Fault:
    """InvalidSignatureException: the client's clock is more than five minutes behind."""
    return error(
        "InvalidSignatureException",
        "Signature expired: 20151120T200815Z is now earlier than 20151120T201846Z (20151120T202346Z - 5 min.)",
    )


def connection_refused() -> Fault:
    """No server listens. With the client of ``FakeCloudWatchLogs.client`` this raises EndpointConnectionError.

    Over HTTP an open port cannot refuse a single request, so the connection is reset. For a true refusal stop the
    server.
    """
    return Fault("connection_refused", ending=Ending.REFUSED)


def reset_before_commit() -> Fault:
    """The connection is cut before the request is processed: nothing is stored."""
    return Fault("reset_before_commit", ending=Ending.RESET)


def reset_after_commit() -> Fault:
    """The request is processed, then the connection is cut: the events are stored, but the answer is lost."""
    return Fault("reset_after_commit", commits=True, ending=Ending.RESET)


def stall(seconds: float | None = None, *, after_commit: bool = False) -> Fault:
    """The request is held for ``seconds``, or until ``release()`` if None, and then answered as usual.

    If the client gives up before that, the request is processed only with ``after_commit``.
    """
    hold = math.inf if seconds is None else seconds
    if after_commit:
        return Fault("stall", commits=True, hold_after=hold)
    return Fault("stall", commits=True, hold_before=hold)


def slow(seconds: float) -> Fault:
    """The request is processed at once, but the answer comes ``seconds`` later."""
    return Fault("slow", commits=True, hold_after=seconds)


def truncated_answer() -> Fault:
    """The request is processed; only half of the answer's body arrives. Today's botocore takes that for a success."""
    return Fault("truncated_answer", commits=True, ending=Ending.TRUNCATED)


def captive_portal() -> Fault:
    """HTTP 200 with an HTML page from a portal on the way: the request did not reach the service."""
    return Fault("captive_portal", answer=lambda _: foreign(_PORTAL_PAGE, "text/html", "captive_portal"))


def empty_200() -> Fault:
    """HTTP 200 with an empty body from a proxy on the way: the request did not reach the service."""
    return Fault("empty_200", answer=lambda _: foreign(b"", "text/plain", "empty_200"))


def entity_rejected(error_type: str = "InvalidEntity") -> Fault:
    """The service takes the events without their entity, and says so in ``rejectedEntityInfo``.

    Only requests with an entity are hit. ``error_type`` is one of the model's, such as "UnsupportedLogGroupType".
    """
    info = {"rejectedEntityInfo": {"errorType": error_type}}
    return Fault("entity_rejected", commits=True, adds=info, concerns=lambda call: call.entity is not None)


def entity_refused(key: str = "AccountId") -> Fault:
    """ValidationException for the whole request, as for a key attribute that the service does not know.

    Only requests with an entity are hit.
    """
    fault = _refusal(lambda _: unknown_key(key), "ValidationException")
    return replace(fault, concerns=lambda call: call.entity is not None)


def gzip_refused(status: int = 415) -> Fault:
    """An endpoint, or a proxy on the way, that takes no compressed body: 415 without a word, or 400.

    Only compressed requests are hit. ``status`` 400 is the answer of an endpoint that takes the body for broken JSON.
    """
    concerns: Callable[[Call], bool] = lambda call: call.content_encoding is not None  # noqa: E731
    if status == 400:
        return replace(error("SerializationException", "The request body is not JSON in UTF-8."), concerns=concerns)
    page = b"<html><head><title>Unsupported Media Type</title></head></html>"
    answer = replace(foreign(page, "text/html", "gzip_refused"), status=status)
    return Fault("gzip_refused", answer=lambda _: answer, concerns=concerns)


_PORTAL_PAGE: Final = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please log in.</body></html>"


def _refusal(refusal: Callable[[Call], Refusal], code: str, *, commits: bool = False) -> Fault:
    return Fault(code, commits=commits, answer=lambda call: refusal(call).answer())


def _access_denied(call: Call) -> Refusal:
    resource = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{call.group}:log-stream:{call.stream}"
    action = f"logs:{call.operation}"
    return Refusal(
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:user/testing is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action",
        message_key="Message",
    )
