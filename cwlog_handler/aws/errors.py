"""Which outcome an error leads to: one table of error codes, and one of exception classes.

Owns: every error code of the service, and botocore's exceptions. Must not know: how a call is made, when a batch is
retried, threads. Errors of the service are classified by code, not by class: botocore has no class for most codes.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from botocore import exceptions
from botocore.parsers import ResponseParserError

from ..core import advice
from ..core.advice import Advice, Call
from ..core.outcomes import AlreadyAccepted, Invalid, Outcome, Refused, StaleToken, Throttled, Unavailable
from . import destination, network

RESOURCE_NOT_FOUND: Final = "ResourceNotFoundException"
RESOURCE_ALREADY_EXISTS: Final = "ResourceAlreadyExistsException"
_LIMIT_EXCEEDED: Final = "LimitExceededException"

# Patterns are plain text, which `re` compiles at first use: to compile them here would add a millisecond to the import.
_NOT_AUTHORIZED: Final = r"(?s)not authorized to perform: ([\w:*]+)(?:.*? on resource: (\S+))?"
_CLOCK: Final = r"(?i)Signature (expired|not yet current)"
_TOKEN_IN_MESSAGE: Final = r"(?:is|sequenceToken): (\S+)$"
_TAGS: Final = r"(?i)\btag"
_KNOWN_PARAMETERS: Final = r", must be one of: .*"
_PROTECTION: Final = r"(?i)deletion ?protection"
# Says that the destination is wrong, not one of the events. Taken for an invalid event, every event would be rejected.
_DESTINATION: Final = r"(?i)(?:at '|parameter:? ['\"]?)log(?:Group|Stream)Name\b|log ?group ?class|\bKMS\b"
# Says that one event is invalid: it is named by its number in the request, or it is too large. All other messages may
# mean an event or the whole request.
_EVENT: Final = r"(?i)\blogEvents(?:[./](?:member[./])?\d+|\[\d+\])|\b(?:log ?event|upload) (?:is )?too large\b"
# The parts of a message that differ between two events that are refused for the same reason: values, ids, numbers.
_VALUES: Final = r"'[^']*'|\"[^\"]*\"|\b[0-9a-fA-F]{8}[0-9a-fA-F-]*\b|\d[\d,.]*"
# The policy that denies, in IAM's words: "because no … allows", "with an explicit deny in a …". Some messages lack it.
_DENIED_BY: Final = r"(because no|explicit deny in an?) ([\w -]+? (?:policy|boundary))\b"
_NONE_ALLOWS: Final = "because no"

# Secrets that occur in messages, and what replaces them: user and password of a URL; what urllib3 takes for its host if
# the password has a "/" or "#" in it; the key id of an Authorization header; and the signed text. The service repeats
# that text, which contains the session token.
_SECRETS: Final = (
    (r"(?<=://)[^\s\"']*@", "…@"),
    (r"'[^']*'(?= is not a valid host)", "'…'"),
    (r"(?<=Credential=)[^\s/,'\"]+", "…"),
    (r"(?s)\s*The (?:Canonical String|String-to-Sign)\b.*", ""),
)
# http.client's words for an invalid header; its value follows. Only credentials can make one of our headers invalid.
_BAD_HEADER: Final = "Invalid header value"


class Explained(Exception):
    """An error of a module that is not always loaded, and that knows by itself what the error comes to."""

    def outcome(self, call: Call) -> Refused | Unavailable:
        """Return the outcome of ``call``, which was not made because of this error."""
        raise NotImplementedError


class _Answer:
    """An error answer of the service."""

    __slots__ = ("call", "code", "members", "message", "status")

    def __init__(self, code: str, message: str, status: int, members: Mapping[str, Any], call: Call) -> None:
        self.code: Final = code
        self.message: Final = message
        self.status: Final = status
        self.members: Final = members
        self.call: Final = call

    @property
    def token(self) -> str | None:
        """The sequence token that the service expects; None where it expects none."""
        token = self.members.get("expectedSequenceToken")
        if token is None and (in_message := re.search(_TOKEN_IN_MESSAGE, self.message)):
            token = in_message[1]
        return None if token in (None, "", "null") else str(token)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def outcome_of(error: Exception, call: Call) -> Outcome:
    """Return the outcome of a failed call. Never raises.

    An unknown exception is Unavailable, an unknown error code is Refused.
    """
    if isinstance(error, Explained):
        return error.outcome(call)
    if _is_answer(error):
        return _of_answer(_answer_of(error, call))
    if (on_the_way := network.outcome_of(error, text_of(error), call)) is not None:
        return on_the_way
    if _BAD_HEADER in str(error):
        return call.refuse(code_of(error), advice.BAD_CREDENTIALS)
    for classes, maker in _CLASSES:
        if isinstance(error, classes):
            return maker(error, call)
    return _failed(True, error, call)


def creation_outcome_of(error: Exception, call: Call) -> Outcome:
    """Return the outcome, for the waiting batch, of a failed creation of its stream or group.

    It is never ambiguous and never Invalid, because the events were not sent.
    """
    code = code_of(error)
    message = message_of(error)
    if code == _LIMIT_EXCEEDED:
        return call.refuse(code, advice.NO_ROOM, message=message)
    if code in _INVALID or isinstance(error, exceptions.ParamValidationError):
        return call.refuse(code, advice.NOT_CREATABLE, message=message)
    match outcome_of(error, call):
        case Invalid(message):
            return call.refuse(code, advice.NOT_CREATABLE, message=message)
        case Unavailable(cause):
            return Unavailable(cause, ambiguous=False)
        case Throttled(code):
            return Throttled(code, is_creation=True)
        case outcome:
            return outcome


def connect_outcome_of(error: Exception, call: Call) -> Refused | Unavailable:
    """Return the outcome of failing to make a client. No event was sent, so it is never ambiguous."""
    if isinstance(error, Explained):
        return error.outcome(call)
    if isinstance(error, exceptions.NoRegionError):
        return call.refuse(code_of(error), advice.NO_REGION)
    if isinstance(error, exceptions.ProfileNotFound):
        return call.refuse(code_of(error), advice.NO_PROFILE, message=text_of(error))
    if isinstance(error, exceptions.InvalidRegionError):
        hint = destination.nearest_region(error.kwargs["region_name"])
        return call.refuse(code_of(error), advice.BAD_REGION, message=text_of(error), hint=hint)
    if isinstance(error, ValueError) and str(error).startswith(destination.INVALID_ENDPOINT):
        hint = destination.url_meant(str(error).removeprefix(destination.INVALID_ENDPOINT))
        return call.refuse(code_of(error), advice.BAD_ENDPOINT, message=text_of(error), hint=hint)
    outcome = outcome_of(error, call)
    if isinstance(outcome, Refused):
        return outcome
    if isinstance(error, _NETWORK) or not isinstance(error, (exceptions.BotoCoreError, ValueError, TypeError)):
        cause = outcome.cause if isinstance(outcome, Unavailable) else _named(error)
        return Unavailable(cause, ambiguous=False)
    return call.refuse(code_of(error), advice.BAD_CONFIGURATION, message=text_of(error))


def refuses_tags(error: Exception) -> bool:
    """True if the creation of a log group might succeed without its tags."""
    return _refuses(error, _TAGS, _PROTECTION)


def refuses_protection(error: Exception) -> bool:
    """True if the creation of a log group might succeed without deletion protection: older versions know none."""
    return _refuses(error, _PROTECTION, _TAGS)


def _refuses(error: Exception, wish: str, other: str) -> bool:
    # botocore lists all parameters that it knows: they are not what is wrong.
    code, text = code_of(error), re.sub(_KNOWN_PARAMETERS, "", str(error))
    if code in ACCESS_DENIED:
        # If it names only the other one, this one is not to blame. It may also name none of them.
        return bool(re.search(wish, text)) or not re.search(other, text)
    return (code in _INVALID or isinstance(error, exceptions.ParamValidationError)) and bool(re.search(wish, text))


def code_of(error: Exception) -> str:
    """Return the service's code without its namespace, or the name of the exception."""
    if not _is_answer(error):
        return type(error).__name__
    details = error.response.get("Error")  # type: ignore[attr-defined]
    code = details.get("Code") if isinstance(details, Mapping) else None
    return str(code or "Unknown").rpartition("#")[2]


def status_of(error: Exception) -> int:
    """Return the HTTP status of the answer that raised this error; 0 if there was none."""
    return _answer_of(error, Call("", "")).status if _is_answer(error) else 0


def is_known(code: str) -> bool:
    """True if it is known what a code of the service means."""
    return code in _CODES


def is_denied(error: Exception) -> bool:
    """True if the message names a policy that denies what was asked. To allow it in another one is of no use then."""
    by = re.search(_DENIED_BY, message_of(error))
    return by is not None and by[1] != _NONE_ALLOWS


def without_values(message: str) -> str:
    """Return the part of a message that is the same for all refusals for the same reason."""
    return re.sub(_VALUES, "…", message)


def text_of(error: Exception) -> str:
    """Return the message of an exception as one line, without secrets."""
    text = str(error)
    return _fit_to_tell(text[: text.index(_BAD_HEADER)] + _BAD_HEADER if _BAD_HEADER in text else text)


def message_of(error: Exception) -> str:
    """Return the service's own message, or that of the exception, as one line without secrets."""
    return _answer_of(error, Call("", "")).message if _is_answer(error) else text_of(error)


def _is_answer(error: Exception) -> bool:
    # Connection errors have a ``response`` too, but it is None.
    return isinstance(getattr(error, "response", None), Mapping)


def _answer_of(error: Exception, call: Call) -> _Answer:
    members: Mapping[str, Any] = error.response  # type: ignore[attr-defined]
    details, metadata = members.get("Error"), members.get("ResponseMetadata")
    message = details.get("Message") or details.get("message") or "" if isinstance(details, Mapping) else ""
    status = metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else 0
    return _Answer(code_of(error), _fit_to_tell(message), int(status or 0), members, call)


def _of_answer(answer: _Answer) -> Outcome:
    maker = _CODES.get(answer.code)
    if maker is not None:
        return maker(answer)
    if answer.status == 429:
        return _throttled(answer)
    if answer.status == 413:
        return _invalid(answer)
    if answer.status >= 500:
        return _unavailable(True, answer)
    if answer.code == network.WANTS_A_PASSWORD:
        return answer.call.refuse(f"proxy-{answer.code}", advice.PROXY_WANTS_A_PASSWORD, message=answer.message)
    if answer.code.isdigit():  # botocore puts the status where an answer has no code; the service's always have one
        return Unavailable(f"the answer is not from CloudWatch Logs: HTTP {answer.code}", ambiguous=False)
    return _refuse(advice.UNKNOWN, answer)


def _refuse(why: Advice, answer: _Answer) -> Refused:
    call = answer.call
    return call.refuse(answer.code, why, action=call.action, code=answer.code, message=answer.message)


def _throttled(answer: _Answer) -> Throttled:
    return Throttled(answer.code)


def _unavailable(ambiguous: bool, answer: _Answer) -> Unavailable:
    return Unavailable(str(answer), ambiguous)


def _already_accepted(answer: _Answer) -> AlreadyAccepted:
    return AlreadyAccepted(answer.token)


def _stale_token(answer: _Answer) -> StaleToken:
    return StaleToken(answer.token)


def _invalid(answer: _Answer) -> Invalid | Refused:
    if re.search(_DESTINATION, answer.message):
        return _refuse(advice.BAD_DESTINATION, answer)
    return _invalid_in(str(answer), answer.code, answer.call)


def _bad_signature(answer: _Answer) -> Refused:
    return _refuse(advice.WRONG_CLOCK if re.search(_CLOCK, answer.message) else advice.WRONG_SECRET, answer)


def _denied(answer: _Answer) -> Refused:
    said = re.search(_NOT_AUTHORIZED, answer.message)
    action, resource = said.groups() if said else (None, None)
    details = {"action": action or answer.call.action, "resource": resource or "it", "message": answer.message}
    why, policy = advice.NO_PERMISSION, ""
    if by := re.search(_DENIED_BY, answer.message):
        policy = advice.IAM_POLICY if by[2] == "identity-based policy" else by[2]
        why = advice.NOT_ALLOWED_BY if by[1] == _NONE_ALLOWS else advice.DENIED_BY
    return answer.call.refuse(answer.code, why, policy=policy, **details)


ACCESS_DENIED: Final = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized")
_INVALID: Final = ("InvalidParameterException", "ValidationException", "ValidationError", "SerializationException")

_ROWS: Final[tuple[tuple[Callable[[_Answer], Outcome], tuple[str, ...]], ...]] = (
    (_already_accepted, ("DataAlreadyAcceptedException",)),
    (_stale_token, ("InvalidSequenceTokenException",)),
    (_throttled, ("ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "SlowDown",
                  "RequestThrottledException", "TooManyRequestsException", "RequestLimitExceeded", _LIMIT_EXCEEDED,
                  "BandwidthLimitExceeded", "ProvisionedThroughputExceededException", "PriorRequestNotComplete")),
    (partial(_unavailable, True), ("ServiceUnavailableException", "ServiceUnavailable", "InternalFailure",
                                   "InternalError", "InternalServerError", "InternalServiceException",
                                   "RequestTimeout", "RequestTimeoutException")),
    (partial(_unavailable, False), ("OperationAbortedException",)),
    (_invalid, _INVALID),
    (_denied, ACCESS_DENIED),
    (_bad_signature, ("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature")),
    (partial(_refuse, advice.WRONG_CLOCK), ("RequestTimeTooSkewed",)),
    (partial(_refuse, advice.WRONG_KEY), ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId",
                                          "AuthFailure")),
    (partial(_refuse, advice.EXPIRED), ("ExpiredTokenException", "ExpiredToken", "RequestExpired")),
    (partial(_refuse, advice.NO_CREDENTIALS), ("MissingAuthenticationTokenException", "MissingAuthenticationToken")),
    (partial(_refuse, advice.NOT_OPTED_IN), ("OptInRequired", "SubscriptionRequiredException")),
)  # fmt: skip
_CODES: Final = {code: maker for maker, codes in _ROWS for code in codes}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {text_of(error)}"


def _fit_to_tell(message: object) -> str:
    """Return a message as one line, without secrets."""
    text = str(message)
    for secret, instead in _SECRETS:
        text = re.sub(secret, instead, text)
    return " ".join(text.split())


def _failed(ambiguous: bool, error: Exception, _call: Call) -> Unavailable:
    return Unavailable(_named(error), ambiguous)


def _invalid_parameters(error: Exception, call: Call) -> Invalid | Refused:
    if re.search(_DESTINATION, str(error)):
        return _refuse_error(advice.BAD_DESTINATION, error, call)
    return _invalid_in(_named(error), code_of(error), call)


def _invalid_in(message: str, code: str, call: Call) -> Invalid:
    """Return Invalid for a message of the service or of botocore.

    If the message names no event, the outcome also carries what it is if the request as a whole proves to be at fault.
    """
    if re.search(_EVENT, message):
        return Invalid(message)
    return Invalid(message, without_values(message), call.refuse(code, advice.BAD_REQUEST, message=message))


def _refuse_error(why: Advice, error: Exception, call: Call) -> Refused:
    return call.refuse(code_of(error), why, message=text_of(error))


# LoginError, for `aws login`, exists since botocore 1.41.
_SIGN_IN: Final = (
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    getattr(exceptions, "LoginError", exceptions.SSOError),
)
_CREDENTIALS: Final = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
    exceptions.NoAuthTokenError,
)
_BEFORE_THE_REQUEST: Final = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
    exceptions.SSLError,
)
_NETWORK: Final = (exceptions.HTTPClientError, exceptions.ConnectionError)
_CLASSES: Final[tuple[tuple[Any, Callable[[Exception, Call], Outcome]], ...]] = (
    (_SIGN_IN, partial(_refuse_error, advice.NO_LOGIN)),
    (_CREDENTIALS, partial(_refuse_error, advice.NO_CREDENTIALS)),
    (exceptions.ParamValidationError, _invalid_parameters),
    (_BEFORE_THE_REQUEST, partial(_failed, False)),
    ((*_NETWORK, ResponseParserError, UnicodeDecodeError), partial(_failed, True)),
)
