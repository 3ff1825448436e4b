"""What goes back over the wire: one answer, a success or a refusal, dressed as the service dresses it.

Owns status, headers and body of an answer. Must not know which rule or which fault asked for it, nor how it travels.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ACCEPTED: Final = "accepted"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: ``status``, ``headers`` and ``body``.

    ``code`` is "accepted" or the error code, for the ledger; it does not travel by itself. A body shorter than the
    Content-Length header promises is an answer cut off on its way.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    code: str

    @property
    def is_cut(self) -> bool:
        """Whether the header promises more than the body holds."""
        return len(self.body) < int(self.headers["Content-Length"])


class Refusal(Exception):
    """The service says no, with an error ``code``, a ``message`` and an HTTP ``status``.

    ``members`` are extra members of the body, between ``__type`` and the message; ``message_key`` is the message's own
    name there, which some of AWS's services spell with a capital.
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
        """The refusal as it goes over the wire: ``__type`` first, the message last."""
        body = {"__type": self.code, **self.members}
        if self.message is not None:
            body[self.message_key] = self.message
        return _service_answer(self.status, _compact(body), self.code)


def success(output: Mapping[str, Any] | None) -> Answer:
    """HTTP 200. Operations without an output shape (``None``) answer with an empty body, as the service does."""
    return _service_answer(200, b"" if output is None else _compact(output), ACCEPTED)


def foreign(body: bytes, content_type: str, code: str) -> Answer:
    """HTTP 200 from something that is not the service: no request id."""
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
