"""STS as far as a log shipper needs it: AssumeRole and GetCallerIdentity, on the same port as the service.

Owns: which roles exist, the credentials that were given out for them, and what these calls look like on the wire. Must
not know: log groups, faults. Not thread-safe: its owner holds a lock.
"""

import json
import re
import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from .answers import ACCEPTED, Answer, Refusal
from .calls import Call
from .store import ACCOUNT

_VERSION: Final = "2011-06-15"
_NAMESPACE: Final = f"https://sts.amazonaws.com/doc/{_VERSION}/"
_FORM: Final = "application/x-www-form-urlencoded"
_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
_ROLE: Final = re.compile(r"arn:aws[a-z0-9-]*:iam::(\d{12}):role/(?:[\x21-\x7e]*/)?([^/]+)")
# From botocore's model sts/2011-06-15: the length and the pattern of each member.
_MEMBERS: Final[Mapping[str, tuple[int, int, str]]] = {
    "RoleArn": (20, 2048, r"[\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd]+"),
    "RoleSessionName": (2, 64, r"[A-Za-z0-9_+=,.@-]*"),
    "ExternalId": (2, 1224, r"[A-Za-z0-9_+=,.@:/-]*"),
}
_OWN_USER: Final = f"arn:aws:iam::{ACCOUNT}:user/testing"
_KEY_LETTERS: Final = string.ascii_uppercase + "234567"


class Origin(NamedTuple):
    """What a request's headers say about who sends it."""

    user_agent: str = ""
    access_key_id: str = ""
    service: str = ""
    """The service in the scope of the signature."""
    session_token: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Origin":
        """Read the headers, whose names are in lower case."""
        found = _CREDENTIAL.search(headers.get("authorization", ""))
        key, service = (found[1], found[2]) if found else ("", "")
        return cls(headers.get("user-agent", ""), key, service, headers.get("x-amz-security-token"))


@dataclass
class _Role:
    external_id: str | None
    lifetime: float


@dataclass(frozen=True)
class _Session:
    arn: str
    token: str
    expires: float


class Sts:
    """Gives out credentials for the roles that a test has created. ``now`` returns seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.roles: dict[str, _Role] = {}
        self._sessions: dict[str, _Session] = {}
        self._now = now

    def create(self, arn: str, external_id: str | None, lifetime: float) -> None:
        """Have a role that may be assumed."""
        if _ROLE.fullmatch(arn) is None:
            raise ValueError(f"{arn!r} is no ARN of a role")
        self.roles[arn] = _Role(external_id, lifetime)

    def session_of(self, origin: Origin) -> str:
        """Return the ARN of the role's session whose credentials were used; empty if they were no role's."""
        session = self._sessions.get(origin.access_key_id)
        return session.arn if session else ""

    def check(self, origin: Origin, service: str) -> None:
        """Raise Refusal if the credentials are a role's and do not hold, or if they were used for another service."""
        if origin.service and origin.service != service:
            raise Refusal("SignatureDoesNotMatch", f"Credential should be scoped to correct service: '{service}'.")
        session = self._sessions.get(origin.access_key_id)
        if session is None:
            return
        if origin.session_token != session.token:
            raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
        if self._now() >= session.expires:
            raise Refusal("ExpiredTokenException", "The security token included in the request is expired")

    def answer(self, call: Call, origin: Origin) -> Answer:
        """Return the answer to a call of STS, as XML. Never raises."""
        try:
            self.check(origin, "sts")
            if not origin.access_key_id:
                raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
            if call.params.get("Version") != _VERSION:
                raise Refusal("InvalidAction", f"Could not find operation {call.operation} for that version")
            members = self._identity(origin) if call.operation == "GetCallerIdentity" else self._assumed(call, origin)
        except Refusal as refusal:
            return as_xml(refusal.answer())
        name = call.operation
        body = f"<{name}Result>{_elements(members)}</{name}Result>{_metadata()}"
        return _xml(200, f'<{name}Response xmlns="{_NAMESPACE}">{body}</{name}Response>', ACCEPTED)

    def _identity(self, origin: Origin) -> dict[str, Any]:
        arn = self.session_of(origin) or _OWN_USER
        return {"Arn": arn, "UserId": "AIDATESTING", "Account": arn.split(":")[4]}

    def _assumed(self, call: Call, origin: Origin) -> dict[str, Any]:
        given = call.params
        _require(given)
        arn, name = given["RoleArn"], given["RoleSessionName"]
        role, found = self.roles.get(arn), _ROLE.fullmatch(arn)
        if role is None or found is None or role.external_id not in (None, given.get("ExternalId")):
            who = self.session_of(origin) or _OWN_USER
            message = f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise Refusal("AccessDenied", message, status=403)
        key = "ASIA" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(16))
        session_arn = f"arn:aws:sts::{found[1]}:assumed-role/{found[2]}/{name}"
        session = _Session(session_arn, secrets.token_urlsafe(200), self._now() + role.lifetime)
        self._sessions[key] = session
        expiration = datetime.fromtimestamp(session.expires, timezone.utc).isoformat(timespec="milliseconds")
        return {
            "AssumedRoleUser": {"AssumedRoleId": f"AROATESTING:{name}", "Arn": session_arn},
            "Credentials": {
                "AccessKeyId": key,
                "SecretAccessKey": secrets.token_urlsafe(30),
                "SessionToken": session.token,
                "Expiration": expiration.replace("+00:00", "Z"),
            },
            "PackedPolicySize": 0,
        }


def parse(headers: Mapping[str, str], body: bytes) -> Call | None:
    """Decode a call of STS; None if the request is none."""
    if not headers.get("content-type", "").startswith(_FORM):
        return None
    params = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    operation = params.pop("Action", "")
    return Call(operation, params, len(body)) if operation in ("AssumeRole", "GetCallerIdentity") else None


def as_xml(answer: Answer) -> Answer:
    """Return an error in JSON as an error of STS; any other answer as it is."""
    try:
        error = json.loads(answer.body)
        code = error["__type"]
    except (ValueError, KeyError, TypeError):
        return answer
    message = escape(str(error.get("message") or error.get("Message") or ""))
    kind = "Sender" if answer.status < 500 else "Receiver"
    inner = f"<Error><Type>{kind}</Type><Code>{escape(code)}</Code><Message>{message}</Message></Error>"
    body = f'<ErrorResponse xmlns="{_NAMESPACE}">{inner}<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>'
    return _xml(answer.status, body, answer.code)


def _require(given: Mapping[str, str]) -> None:
    """Raise Refusal for a member that is missing, or that the service does not take."""
    for name, (least, most, pattern) in _MEMBERS.items():
        value = given.get(name)
        if value is None:
            if name != "ExternalId":
                raise _invalid(name, "null", "Member must not be null")
        elif not least <= len(value) <= most:
            bound = f"greater than or equal to {least}" if len(value) < least else f"less than or equal to {most}"
            raise _invalid(name, value, f"Member must have length {bound}")
        elif re.fullmatch(pattern, value) is None:
            raise _invalid(name, value, f"Member must satisfy regular expression pattern: {pattern}")
    if _ROLE.fullmatch(given["RoleArn"]) is None:
        raise Refusal("ValidationError", f"{given['RoleArn']} is invalid")
    duration = given.get("DurationSeconds", "3600")
    if not duration.isdigit() or not 900 <= int(duration) <= 43200:
        raise _invalid("DurationSeconds", duration, "Member must have value greater than or equal to 900")


def _invalid(name: str, value: str, constraint: str) -> Refusal:
    place = name[0].lower() + name[1:]
    text = f"1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: {constraint}"
    return Refusal("ValidationError", text)


def _elements(members: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_elements(value) if isinstance(value, Mapping) else escape(str(value))}</{name}>"
        for name, value in members.items()
    )


def _metadata() -> str:
    return f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"


def _xml(status: int, text: str, code: str) -> Answer:
    body = text.encode()
    headers = {
        "x-amzn-RequestId": str(uuid.uuid4()),
        "Content-Type": "text/xml",
        "Content-Length": str(len(body)),
    }
    return Answer(status, headers, body, code)
