"""A role to assume: what the options take, when its credentials are renewed, and what each failure comes to."""

import platform
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.aws import errors, roles
from cwlog_handler.core import advice
from cwlog_handler.core.advice import Call
from cwlog_handler.core.outcomes import Refused, Unavailable
from cwlog_handler.system.clock import Clock

ARN = "arn:aws:iam::222222222222:role/logs"
CALL = Call(advice.PUT, "g")
HOUR = 3600.0
# A time-out for a thread that would hang, in seconds.
LONG = 30.0


# -- options


@pytest.mark.parametrize(
    "arn",
    [
        ARN,
        "arn:aws-cn:iam::222222222222:role/path/to/logs",
        "arn:aws-us-gov:iam::000000000000:role/a+=,.@-_b",
        "arn:aws:iam::222222222222:role/" + "x" * (2048 - len("arn:aws:iam::222222222222:role/")),
    ],
)
def test_an_arn_of_a_role_is_accepted(arn):
    """In every partition, with a path or without, up to the length that AssumeRole takes."""
    assert roles.role(arn, None, None).arn == arn
    assert roles.role(arn, None, None).account == arn.split(":")[4]


@pytest.mark.parametrize(
    ("arn", "way_out"),
    [
        ("logs", "write 'arn:aws:iam::<account, 12 digits>:role/<name>'"),
        ("", "write 'arn:aws:iam::<account"),
        ("arn:aws:iam::222222222222:user/logs", "is no ARN of a role"),
        ("arn:aws:iam::2222:role/logs", "12 digits"),
        ("arn:aws:iam::222222222222:role/two words", "is no ARN of a role"),
        (ARN + "x" * 2048, "is no ARN of a role"),
        (
            "arn:aws:sts::222222222222:assumed-role/logs/me",
            "that is a session's; the role's is 'arn:aws:iam::222222222222:role/logs'",
        ),
    ],
)
def test_what_is_no_arn_of_a_role_is_refused_with_the_way_out(arn, way_out):
    """STS would refuse it at each try."""
    with pytest.raises(ValueError, match=r"^role_arn=") as raised:
        CloudWatchLogsHandler("g", role_arn=arn)
    assert way_out in str(raised.value)


@pytest.mark.parametrize("value", ["ab", "x" * 1224, "a_+=,.@:/-0"])
def test_an_external_id_that_sts_takes_is_accepted(value):
    """2 to 1224 characters."""
    assert roles.role(ARN, value, None).external_id == value


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        ("a", "1 characters; give 2 to 1224"),
        ("x" * 1225, "give 2 to 1224"),
        ("a b", "use only letters"),
        ("ä" * 3, "use"),
    ],
)
def test_an_external_id_that_sts_refuses_is_refused(value, way_out):
    """The service's pattern, which knows no letters but those of ASCII."""
    with pytest.raises(ValueError, match=r"^external_id=") as raised:
        CloudWatchLogsHandler("g", role_arn=ARN, external_id=value)
    assert way_out in str(raised.value)


@pytest.mark.parametrize("value", ["ab", "x" * 64, "shop@a.b=c,d+e_f-0"])
def test_a_session_name_that_sts_takes_is_accepted(value):
    """2 to 64 characters."""
    assert roles.role(ARN, None, value).session_name == value


@pytest.mark.parametrize(
    ("value", "way_out"), [("a", "give 2 to 64"), ("x" * 65, "give 2 to 64"), ("a/b", "use only"), ("a:b", "use only")]
)
def test_a_session_name_that_sts_refuses_is_refused(value, way_out):
    """It has fewer signs than an external id."""
    with pytest.raises(ValueError, match=r"^role_session_name=") as raised:
        CloudWatchLogsHandler("g", role_arn=ARN, role_session_name=value)
    assert way_out in str(raised.value)


@pytest.mark.parametrize("option", ["role_arn", "external_id", "role_session_name"])
def test_what_yaml_has_read_as_a_number_is_told_as_that(option):
    """``external_id: 4711`` in YAML is no text."""
    with pytest.raises(TypeError, match=f"^{option}=4711 is of type int: write it in quotation marks"):
        CloudWatchLogsHandler("g", **({"role_arn": ARN} | {option: 4711}))


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("ip-10-0-0-1.ec2.internal", "cwlog-handler-ip-10-0-0-1.ec2.internal"),
        ("", "cwlog-handler"),
        ("größe/1", "cwlog-handler-gr--e-1"),
        ("x" * 100, "cwlog-handler-" + "x" * 50),
    ],
)
def test_a_session_without_a_name_is_recognised_in_cloudtrail(monkeypatch, machine, expected):
    """It names this package and the machine, in characters that are legal."""
    monkeypatch.setattr(platform, "node", lambda: machine)
    name = roles.default_session_name()
    assert name == expected
    assert roles.role(ARN, None, name).session_name == name


# -- credentials


class Time:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 1_700_000_000.0
        self.clock = Clock(lambda: self.now, lambda: (1, int(self.now * 1000)), lambda _: None)


class Sts:
    """STS as a client of boto3, which answers what a test says."""

    def __init__(self, time):
        self.time = time
        self.life = HOUR
        self.asked = []
        self.patiences = []
        self.closed = 0
        self.error = None

    def client(self, patience):
        self.patiences.append(patience)
        return self

    def assume_role(self, **request):
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        expires = datetime.fromtimestamp(self.time.now, timezone.utc) + timedelta(seconds=self.life)
        key = {"AccessKeyId": f"key-{len(self.asked)}", "SecretAccessKey": "secret", "SessionToken": "token"}
        return {"Credentials": key | {"Expiration": expires}, "AssumedRoleUser": {"Arn": "arn:me"}}

    def close(self):
        self.closed += 1


def denied(code="AccessDenied", message="no"):
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}, "AssumeRole")


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def sts(time):
    return Sts(time)


@pytest.fixture
def assumed(time, sts):
    return roles.AssumedRole(roles.Role(ARN, "me", "4711"), sts.client, time.clock)


def key(assumed):
    return assumed.get_frozen_credentials().access_key


def test_nothing_is_asked_before_the_first_request(assumed, sts):
    """STS must not be asked while a client is made, on whichever thread that is."""
    assert assumed.is_due
    assert not assumed.is_valid
    assert sts.asked == []
    assert assumed.session().core.get_credentials() is assumed


def test_the_role_is_asked_for_with_what_the_options_say(assumed, sts):
    """The external id only if there is one: STS refuses an empty one."""
    assert assumed.renew(10.0) is None
    assert sts.asked == [{"RoleArn": ARN, "RoleSessionName": "me", "ExternalId": "4711"}]
    assert tuple(assumed.get_frozen_credentials())[:3] == ("key-1", "secret", "token")
    assert assumed.session_arn == "arn:me"
    assert sts.closed == 1
    without = roles.AssumedRole(roles.Role(ARN, "me"), sts.client, assumed._clock)
    without.renew(10.0)
    assert "ExternalId" not in sts.asked[-1]


def test_sts_gets_half_of_the_time_of_the_request_that_needs_it(assumed, sts):
    """A client connects, and then waits for the answer: together these must not take longer than the request may."""
    assumed.renew(3.0)
    assert sts.patiences == [1.5]


@pytest.mark.parametrize(("life", "ahead"), [(12 * HOUR, 600.0), (HOUR, 600.0), (1200.0, 300.0)])
def test_credentials_are_renewed_before_they_expire(assumed, sts, time, life, ahead):
    """Ten minutes before, or in the last quarter of a short life; not earlier."""
    sts.life = life
    assumed.renew(10.0)
    time.now += life - ahead - 1
    assert not assumed.is_due
    time.now += 1
    assert assumed.is_due
    assumed.renew(10.0)
    assert key(assumed) == "key-2"
    assert not assumed.is_due


def test_old_credentials_are_used_as_long_as_they_are_valid(assumed, sts, time):
    """An outage of STS must not stop deliveries: it is asked again once a minute, and not at each request."""
    assumed.renew(10.0)
    sts.error = EndpointConnectionError(endpoint_url="https://sts")
    time.now += HOUR - 600
    assert assumed.renew(10.0) is None, "one failure is not worth a line"
    assert assumed.is_valid
    assert not assumed.is_due
    time.now += 59
    assert not assumed.is_due
    time.now += 1
    assert assumed.is_due
    assert assumed.renew(10.0) is None
    time.now += 60
    assert "Could not connect" in assumed.renew(10.0)
    assert key(assumed) == "key-1"
    time.now += 480
    assert assumed.is_due
    assert not assumed.is_valid
    with pytest.raises(roles.NotAssumed):
        assumed.renew(10.0)
    sts.error = None
    assert assumed.renew(10.0) is None
    assert key(assumed) == "key-6"


def test_failures_are_counted_anew_after_a_renewal(assumed, sts, time):
    """Two in an hour are no trouble, however many hours the process lives."""
    for _ in range(3):
        sts.error = None
        assumed.renew(10.0)
        sts.error = EndpointConnectionError(endpoint_url="https://sts")
        time.now += HOUR - 600
        assert [assumed.renew(10.0), assumed.renew(10.0)] == [None, None]


def test_a_refusal_of_a_renewal_is_worth_a_line_at_once(assumed, sts, time):
    """Somebody has to act before the old credentials expire."""
    assumed.renew(10.0)
    sts.error = denied()
    time.now += HOUR - 600
    assert assumed.renew(10.0) == f"{ARN}: AccessDenied: no"


def test_who_finds_a_renewal_under_way_goes_on_with_the_old_credentials(assumed, sts, time):
    """STS may take long to answer: the other senders must not wait for it."""
    assumed.renew(10.0)
    time.now += HOUR - 600
    begun, go_on = threading.Event(), threading.Event()

    @contextmanager
    def making():
        begun.set()
        assert go_on.wait(LONG)
        yield

    renewing = threading.Thread(target=assumed.renew, args=(10.0, making))
    assert assumed.is_due
    renewing.start()
    assert begun.wait(LONG)
    assert not assumed.is_due
    assert key(assumed) == "key-1"
    go_on.set()
    renewing.join(LONG)
    assert key(assumed) == "key-2"


@pytest.mark.parametrize("life", [-10 * HOUR, 0.0, 59.0])
def test_a_wrong_clock_does_not_make_each_request_assume_the_role(assumed, sts, time, life):
    """The machine's clock says that new credentials have expired: whether they have is for the service to say."""
    sts.life = life
    assumed.renew(10.0)
    assert assumed.is_valid
    assert not assumed.is_due
    time.now += 60
    assert assumed.is_due


@pytest.mark.parametrize(
    "answer", [{}, {"Credentials": {}}, {"Credentials": {"AccessKeyId": "k"}}, {"Credentials": None}]
)
def test_an_answer_without_credentials_is_none_of_sts(assumed, sts, monkeypatch, answer):
    """A captive portal, or an empty 200: it passes by itself."""
    monkeypatch.setattr(sts, "assume_role", lambda **_: answer)
    with pytest.raises(roles.NotAssumed) as raised:
        assumed.renew(10.0)
    outcome = raised.value.outcome(CALL)
    assert isinstance(outcome, Unavailable)
    assert "the answer is not from STS" in outcome.cause


# -- failures


def outcome_of(error, external_id=None):
    failed = roles.NotAssumed(roles.Role(ARN, "me", external_id), error)
    outcome = errors.connect_outcome_of(failed, CALL)
    # A request is refused in the same way, should it ever be signed without credentials.
    assert errors.outcome_of(failed, CALL) == outcome
    return outcome


@pytest.mark.parametrize(
    ("code", "external_id", "words"),
    [
        ("AccessDenied", None, [ARN, "may not be assumed [no]", "trust policy", "give external_id"]),
        ("AccessDenied", "4711", ["trust policy", "with the very external_id in its condition sts:ExternalId"]),
        ("RegionDisabledException", None, ["STS is not activated", "AWS_ENDPOINT_URL_STS"]),
        ("ValidationError", None, ["correct role_arn, external_id or role_session_name"]),
        ("ExpiredToken", None, ["the temporary credentials have expired"]),
        ("ExpiredTokenException", None, ["the temporary credentials have expired"]),
        ("InvalidClientTokenId", None, ["the access key id or secret access key is wrong"]),
        ("SignatureDoesNotMatch", None, ["correct the secret access key"]),
        ("MalformedPolicyDocument", None, ["the service refuses sts:AssumeRole [MalformedPolicyDocument: no]"]),
        ("PackedPolicyTooLarge", None, ["the service refuses sts:AssumeRole"]),
        ("InvalidAction", None, ["the service refuses sts:AssumeRole"]),
    ],
)
def test_a_refusal_of_sts_is_told_with_the_way_out(code, external_id, words):
    """Like missing permissions: the events wait."""
    outcome = outcome_of(denied(code), external_id)
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert "log group 'g'" in outcome.advice
    for word in words:
        assert word in outcome.advice


@pytest.mark.parametrize("policy", ["service control policy", "identity-based policy"])
def test_an_explicit_deny_is_told_with_the_policy_that_has_it(policy):
    """As that of a put: no other policy can allow what is denied."""
    message = f"u is not authorized to perform: sts:AssumeRole on resource: {ARN} with an explicit deny in a {policy}"
    outcome = outcome_of(denied("AccessDenied", message), "4711")
    assert isinstance(outcome, Refused)
    assert outcome.advice.startswith(f"sts:AssumeRole is not allowed on {ARN} [{message}]")
    where = "IAM policy of the user or role" if policy == "identity-based policy" else policy
    assert outcome.way_out == f"take the deny out of the {where}"


def test_a_clock_that_is_off_is_told_as_that():
    """STS refuses the signature before anything else."""
    outcome = outcome_of(denied("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2"))
    assert "set the clock" in outcome.way_out


def test_no_credentials_to_assume_it_with_are_told_as_that():
    """The role has to be assumed by somebody."""
    assert "no usable AWS credentials" in outcome_of(NoCredentialsError()).advice


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (denied("Throttling"), ["sts:AssumeRole is throttled [Throttling]"]),
        (denied("ThrottlingException"), ["throttled"]),
        (denied("ServiceUnavailable"), ["cannot be assumed: ServiceUnavailable: no"]),
        (EndpointConnectionError(endpoint_url="https://sts"), ["cannot be assumed", "https://sts"]),
        (RuntimeError("can't start new thread"), ["can't start new thread"]),
    ],
)
def test_what_passes_by_itself_is_tried_again_and_leaves_no_doubt(error, words):
    """Nothing was sent: no event can be stored twice."""
    outcome = outcome_of(error)
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous
    for word in [ARN, *words]:
        assert word in outcome.cause
