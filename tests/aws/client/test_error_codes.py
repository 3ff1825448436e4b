"""What every error code comes to, and that each code stands in one file."""

import re
from pathlib import Path

import pytest
from botocore import exceptions

from cwlog_handler.aws import errors
from cwlog_handler.core.outcomes import Invalid, Refused, Throttled, Unavailable
from cwlog_handler.testing import access_denied, clock_skew, expired_token, unrecognized_client

from .subject import NOW, answering_json, event, raising, refused_with


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "SlowDown",
    ],
)
@pytest.mark.parametrize("status", [400, 503])
def test_every_word_for_too_fast_is_throttled(code, status):
    """By code, whatever the status: ThrottlingException is not even modelled."""
    assert refused_with(code, "Rate exceeded", status) == Throttled(code)


def test_status_429_is_throttled_whatever_the_code():
    """The status says it."""
    assert refused_with("NeverHeardOf", "", 429) == Throttled("NeverHeardOf")


@pytest.mark.parametrize(
    "code",
    [
        "ServiceUnavailableException",
        "ServiceUnavailable",
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "InternalServiceException",
        "RequestTimeout",
        "RequestTimeoutException",
    ],
)
def test_trouble_inside_the_service_is_ambiguous(code):
    """The events may be stored before the answer goes wrong."""
    assert refused_with(code, "Sorry", 400) == Unavailable(f"{code}: Sorry", ambiguous=True)


def test_any_other_5xx_is_ambiguous():
    """The status says it."""
    assert refused_with("NeverHeardOf", "Sorry", 500) == Unavailable("NeverHeardOf: Sorry", ambiguous=True)


@pytest.mark.parametrize(
    ("code", "message", "in_advice", "renew"),
    [
        ("UnrecognizedClientException", "The security token …", "access key id or secret access key is wrong", True),
        ("InvalidClientTokenId", "", "access key id or secret access key is wrong", True),
        ("InvalidAccessKeyId", "", "access key id or secret access key is wrong", True),
        ("AuthFailure", "", "access key id or secret access key is wrong", True),
        ("ExpiredTokenException", "is expired", "have expired", True),
        ("ExpiredToken", "is expired", "have expired", True),
        ("RequestExpired", "has expired", "have expired", True),
        (
            "InvalidSignatureException",
            "Signature expired: 2015Z is now earlier than …",
            "set the clock",
            False,
        ),
        ("InvalidSignatureException", "Signature not yet current: 2015Z is still later …", "set the clock", False),
        ("SignatureDoesNotMatch", "Signature expired: …", "set the clock", False),
        ("RequestTimeTooSkewed", "", "set the clock", False),
        ("InvalidSignatureException", "The request signature we calculated …", "correct the secret access key", True),
        ("SignatureDoesNotMatch", "The request signature …", "correct the secret access key", True),
        ("IncompleteSignature", "", "correct the secret access key", True),
        ("MissingAuthenticationTokenException", "Missing", "no usable AWS credentials", True),
        ("MissingAuthenticationToken", "Missing", "no usable AWS credentials", True),
        ("OptInRequired", "", "opt in to the region", False),
        ("SubscriptionRequiredException", "", "activate the account", False),
        ("AccessDeniedException", "User: u is not authorized …", "logs:PutLogEvents is not allowed", False),
        ("AccessDenied", "", "logs:PutLogEvents is not allowed", False),
        ("NotAuthorized", "", "logs:PutLogEvents is not allowed", False),
        ("UnauthorizedOperation", "", "logs:PutLogEvents is not allowed", False),
        ("NeverHeardOfException", "Strange {things}", "NeverHeardOfException: Strange {things}", False),
    ],
)
def test_a_refusal_says_what_is_wrong_where_and_the_way_out(code, message, in_advice, renew):
    """The events are kept; a person reads this sentence, and a new client is made where that could help."""
    outcome = refused_with(code, message)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.renew) == (code, renew)
    assert in_advice in outcome.advice
    assert "(log group 'g', stream 's'): " in outcome.advice
    assert outcome.advice.endswith(".")


@pytest.mark.parametrize("fault", [unrecognized_client, expired_token, clock_skew, access_denied])
def test_the_fakes_refusals_are_refused(ready, subject, fault):
    """Verbatim answers."""
    ready.fail(fault())
    assert isinstance(subject.put(), Refused)


def test_the_missing_permission_is_read_from_the_message(ready, subject):
    """IAM names action and resource, which may be another than was called: a KMS key, say."""
    ready.fail(access_denied())
    advice = subject.put().advice
    assert advice.startswith("logs:PutLogEvents is not allowed on arn:aws:logs:")
    other = refused_with("AccessDeniedException", "User: u is not authorized to perform: kms:Decrypt on resource: k")
    assert other.advice.startswith("kms:Decrypt is not allowed on k [")


@pytest.mark.parametrize(
    ("reason", "way_out"),
    [
        ("because no identity-based policy allows the action", "allow it in the IAM policy of the user or role"),
        ("because no permissions boundary allows the action", "allow it in the permissions boundary"),
        ("because no VPC endpoint policy allows the action", "allow it in the VPC endpoint policy"),
        (
            "with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/p",
            "take the deny out of the IAM policy of the user or role",
        ),
        ("with an explicit deny in a service control policy", "take the deny out of the service control policy"),
    ],
)
def test_the_way_out_of_a_denial_names_the_policy_that_denies(reason, way_out):
    """No statement in the role's policy helps against a deny, or where another policy has to allow it as well."""
    message = f"User: u is not authorized to perform: logs:PutLogEvents on resource: r {reason}"
    assert refused_with("AccessDeniedException", message).way_out == way_out


def test_a_code_may_come_with_its_namespace():
    """As in ``com.amazon.coral.service#AccessDeniedException``; stand-ins may leave it on."""
    refusal = exceptions.ClientError({"Error": {"Code": "com.amazon#ThrottlingException"}}, "PutLogEvents")
    assert raising(refusal).put() == Throttled("ThrottlingException")
    assert answering_json({"__type": "a.b#ThrottlingException"}, 400).put() == Throttled("ThrottlingException")


@pytest.mark.parametrize("code", ["InvalidParameterException", "ValidationException", "SerializationException"])
def test_an_invalid_request_is_invalid(code):
    """To be bisected until the bad event is alone."""
    assert refused_with(code, "Upload too large") == Invalid(f"{code}: Upload too large")


@pytest.mark.parametrize(
    ("message", "names_event"),
    [
        ("1 validation error detected: Value '' at 'logEvents.4.member.message' failed to satisfy constraint: …", True),
        ("Invalid length for parameter logEvents[0].message, value: 0, valid min length: 1", True),
        ("Log event too large: 292824 bytes exceeds limit of 262144", True),
        ("Upload too large: 1049882 bytes exceeds limit of 1048576", True),
        ("1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: …", False),
        ('Unknown parameter in input: "entity", must be one of: logGroupName, logStreamName, logEvents', False),
        ("1 validation error detected: Value at 'entity.keyAttributes' failed to satisfy constraint: …", False),
        ("The entity is too large: 3000 bytes", False),
        ("Unrecognized member", False),
    ],
)
def test_only_words_that_name_an_event_blame_it_by_themselves(message, names_event):
    """F63: whatever else is invalid may be the request as a whole, and costs no event then."""
    outcome = refused_with("InvalidParameterException", message)
    assert isinstance(outcome, Invalid)
    assert (outcome.refusal is None) == names_event
    assert names_event or message in outcome.refusal.advice


def test_two_refusals_in_the_same_words_are_known_by_all_but_their_values():
    """F63: of two events each has its own number, text and size."""
    first, second, other = (
        refused_with("ValidationException", message).words
        for message in (
            "Value 'a' of 12 bytes is bad (request 0f3e5c1a-22bc)",
            "Value 'it is longer' of 1,234 bytes is bad (request 9b3e5c1a-77de)",
            "Value 'a' of 12 bytes is worse (request 0f3e5c1a-22bc)",
        )
    )
    assert first == second != other


def test_the_fakes_validation_is_invalid(ready, subject):
    """Order is broken in the batch."""
    outcome = subject.put(event("2", NOW + 1), event("1", NOW))
    assert isinstance(outcome, Invalid)
    assert "chronological" in outcome.message


@pytest.mark.parametrize(
    "message",
    [
        "1 validation error detected: Value 'a:b' at 'logStreamName' failed to satisfy constraint: …",
        "1 validation error detected: Value 'g g' at 'logGroupName' failed to satisfy constraint: …",
        "PutLogEvents is not supported for this log group class",
        "The specified KMS key is disabled",
    ],
)
def test_a_bad_destination_is_refused_rather_than_bisected(message):
    """Bisecting would end in every event being rejected, though none is at fault."""
    outcome = refused_with("InvalidParameterException", message)
    assert isinstance(outcome, Refused)
    assert message in outcome.advice


def test_a_name_that_botocore_refuses_is_refused_rather_than_bisected(ready, subject):
    """The same, before sending."""
    assert isinstance(subject.put(stream=""), Refused)


def test_error_codes_stand_in_one_file():
    """A code that two files know is a code that one of them forgets."""
    codes = set(errors._CODES) | {errors.RESOURCE_NOT_FOUND, errors.RESOURCE_ALREADY_EXISTS}
    package = Path(errors.__file__).parents[1]
    beside = [package / "cli", package / "testing", Path(errors.__file__)]
    for path in package.rglob("*.py"):
        if not any(path.is_relative_to(place) for place in beside):
            found = set(re.findall(r'"(\w+)"', path.read_text())) & codes
            assert not found, (path.name, found)
