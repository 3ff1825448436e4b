"""STS on the fake's own port: as strict as the service, and its credentials are looked at in each request."""

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from cwlog_handler.testing import FakeCloudWatchLogs, error, server_error, throttle

ARN = "arn:aws:iam::222222222222:role/path/logs"
SESSION = "arn:aws:sts::222222222222:assumed-role/logs/shop"


class Now:
    def __init__(self):
        self.seconds = 1_700_000_000.0


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def fake(now):
    fake = FakeCloudWatchLogs(clock=lambda: now.seconds)
    fake.create("g", "s")
    return fake


@pytest.fixture
def url(fake):
    with fake.serve() as url:
        yield url


def client(url, service="sts", **keys):
    return boto3.Session(**keys).client(service, endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


def assume(url, **request):
    given = {"RoleArn": ARN, "RoleSessionName": "shop"} | request
    return client(url).assume_role(**given)


def keys_of(answer):
    key = answer["Credentials"]
    return {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
        "aws_session_token": key["SessionToken"],
    }


def refused(call, code):
    with pytest.raises(ClientError) as raised:
        call()
    assert raised.value.response["Error"]["Code"] == code
    return raised.value.response["Error"]["Message"]


def test_a_role_that_was_created_is_assumed(fake, url, now):
    fake.create_role(ARN, external_id="4711", lifetime=1800)

    answer = assume(url, ExternalId="4711")

    assert answer["AssumedRoleUser"]["Arn"] == SESSION
    assert answer["Credentials"]["Expiration"].timestamp() == now.seconds + 1800
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    (request,) = fake.requests
    assert (request.operation, request.answer) == ("AssumeRole", "accepted")
    assert request.parameters["ExternalId"] == "4711"
    assert "Boto3/" in request.user_agent


@pytest.mark.parametrize("given", [{}, {"ExternalId": "0815"}])
def test_another_external_id_is_refused_as_aws_does_it(fake, url, given):
    fake.create_role(ARN, external_id="4711")
    message = refused(lambda: assume(url, **given), "AccessDenied")
    assert message == (
        f"User: arn:aws:iam::123456789012:user/testing is not authorized to perform: sts:AssumeRole on resource: {ARN}"
    )


def test_a_role_that_wants_none_takes_any(fake, url):
    fake.create_role(ARN)
    assert assume(url)["AssumedRoleUser"]["Arn"] == SESSION
    assert assume(url, ExternalId="4711")["AssumedRoleUser"]["Arn"] == SESSION


def test_a_role_that_does_not_exist_any_more_is_refused(fake, url):
    refused(lambda: assume(url), "AccessDenied")
    fake.create_role(ARN)
    assume(url)
    fake.delete_role(ARN)
    refused(lambda: assume(url), "AccessDenied")
    with pytest.raises(KeyError):
        fake.delete_role(ARN)
    with pytest.raises(ValueError, match="no ARN of a role"):
        fake.create_role("logs")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"RoleSessionName": "a b"}, "at 'roleSessionName' failed to satisfy constraint"),
        ({"RoleSessionName": "x" * 65}, "length less than or equal to 64"),
        ({"ExternalId": "ä" * 3}, "at 'externalId' failed"),
        ({"ExternalId": "x" * 1225}, "length less than or equal to 1224"),
        ({"RoleArn": "arn:aws:iam::222222222222:user/somebody"}, "arn:aws:iam::222222222222:user/somebody is invalid"),
        ({"DurationSeconds": 43201}, "durationSeconds"),
    ],
)
def test_what_sts_does_not_take_is_a_validation_error(fake, url, given, words):
    fake.create_role(ARN)
    assert words in refused(lambda: assume(url, **given), "ValidationError")


def test_what_sts_needs_may_not_be_missing(fake, url):
    fake.create_role(ARN)
    sts = boto3.Session().client("sts", endpoint_url=url, config=Config(parameter_validation=False))
    assert "at 'roleSessionName'" in refused(lambda: sts.assume_role(RoleArn=ARN), "ValidationError")


def test_requests_with_its_credentials_are_known_as_the_roles(fake, url):
    fake.create_role(ARN)
    keys = keys_of(assume(url))
    logs = client(url, "logs", **keys)
    logs.put_log_events(
        logGroupName="g", logStreamName="s", logEvents=[{"timestamp": 1_700_000_000_000, "message": "m"}]
    )
    assert fake.requests[-1].assumed_role == SESSION
    assert client(url, **keys).get_caller_identity()["Arn"] == SESSION
    assert client(url).get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/testing"
    assert fake.requests[0].assumed_role == ""


def test_credentials_expire_and_need_their_own_token(fake, url, now):
    fake.create_role(ARN)
    keys = keys_of(assume(url))
    wrong = client(url, "logs", **(keys | {"aws_session_token": "another"}))
    refused(wrong.describe_log_groups, "UnrecognizedClientException")
    logs = client(url, "logs", **keys)
    logs.describe_log_groups()
    now.seconds += 3599
    logs.describe_log_groups()
    now.seconds += 1
    refused(logs.describe_log_groups, "ExpiredTokenException")
    refused(client(url, **keys).get_caller_identity, "ExpiredTokenException")


def signed_for(name, of):
    """The same client, whose signatures name another service."""
    of.meta.events.register("before-sign", lambda request, **_: request.context.update(
        signing={**request.context.get("signing", {}), "signing_name": name}
    ))  # fmt: skip
    return of


def test_a_signature_for_another_service_is_refused(fake, url):
    """A client that signs for STS and asks for logs, or the other way round, is wrong."""
    logs, sts = signed_for("sts", client(url, "logs")), signed_for("logs", client(url))
    assert "correct service: 'logs'" in refused(logs.describe_log_groups, "SignatureDoesNotMatch")
    assert "correct service: 'sts'" in refused(sts.get_caller_identity, "SignatureDoesNotMatch")


def test_who_does_not_sign_is_refused(fake, url):
    fake.create_role(ARN)
    sts = boto3.Session().client("sts", endpoint_url=url, config=Config(signature_version=UNSIGNED))
    refused(lambda: sts.assume_role(RoleArn=ARN, RoleSessionName="shop"), "MissingAuthenticationToken")


def test_another_version_of_the_interface_is_refused(fake, url):
    """botocore names the one that it speaks."""
    sts = client(url)
    sts.meta.events.register("before-call", lambda params, **_: params["body"].update(Version="2009-01-01"))
    assert "GetCallerIdentity" in refused(sts.get_caller_identity, "InvalidAction")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (error("RegionDisabledException", "not <here> & now", 403), "RegionDisabledException"),
        (throttle(), "ThrottlingException"),
        (server_error(), "ServiceUnavailableException"),
    ],
)
def test_faults_can_be_ordered_for_it_and_come_in_its_own_form(fake, url, fault, code):
    """STS answers in XML."""
    fake.create_role(ARN)
    fake.fail(fault, times=1, operation="AssumeRole")
    message = refused(lambda: assume(url), code)
    assert message == {"RegionDisabledException": "not <here> & now"}.get(code, message)
    assert fake.requests[0].ordered
    assert assume(url)["AssumedRoleUser"]["Arn"] == SESSION
