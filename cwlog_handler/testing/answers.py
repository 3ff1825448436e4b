"""One HTTP answer, a success or a refusal, in the same form as the real service's.

Owns: status, headers and body of an answer. Must not know: which rule or fault asked for it, how it is transmitted.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

ACCEPTED: Final = "accepted"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: ``status``, ``headers`` and ``body``.

    ``code`` is "accepted" or the error code. It is for the ledger only, and is not sent. If the body is shorter than
    its Content-Length header says, the answer was cut off on its way.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    code: str

    def with_members(self, members: Mapping[str, Any]) -> "Answer":
        """Return this answer with more members in its JSON body."""
        body = _compact(json.loads(self.body or b"{}") | dict(members))
        return replace(self, body=body, headers={**self.headers, "Content-Length": str(len(body))})

    @property
    def is_cut(self) -> bool:
        """Whether the body is shorter than its Content-Length header says."""
        return len(self.body) < int(self.headers["Content-Length"])


class Refusal(Exception):
    """The service refuses a request, with an error ``code``, a ``message`` and an HTTP ``status``.

    ``members`` are more members of the JSON body, between ``__type`` and the message. ``message_key`` is the key of the
    message: some AWS services write "Message" instead of "message".
    """

    def __init__(
        self,
        code: str,
        message: str | None,
        *,
        status: int = 400,
        members: Mapping[str, str] | None = None,
        message_key: str = "message",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members: dict[str, str] = dict(members or {})
        self.message_key = message_key

    def answer(self) -> Answer:
        """The refusal as an HTTP answer; in its body ``__type`` comes first and the message last."""
        body = {"__type": self.code, **self.members}
        if self.message is not None:
            body[self.message_key] = self.message
        return _service_answer(self.status, _compact(body), self.code)


def success(output: Mapping[str, Any] | None) -> Answer:
    """HTTP 200 with ``output`` as JSON. None, for an operation without output, gives an empty body, as in AWS."""
    return _service_answer(200, b"" if output is None else _compact(output), ACCEPTED)


def foreign(body: bytes, content_type: str, code: str) -> Answer:
    """HTTP 200 from something that is not the service, such as a proxy: it has no request id."""
    return Answer(200, {"Content-Type": content_type, "Content-Length": str(len(body))}, body, code)


def _compact(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def _service_answer(status: int, body: bytes, code: str) -> Answer:
    headers = {
        "x-amzn-RequestId": str(uuid.uuid4()),
        "Content-Type": "application/x-amz-json-1.1",
        "Content-Length": str(len(body)),
    }
    return Answer(status, headers, body, code)
