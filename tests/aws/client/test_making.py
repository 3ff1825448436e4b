"""How the boto3 client is made: settings, time-outs, credentials read again, and starting over in a child."""

import socket
from contextlib import contextmanager
from unittest import mock

import botocore.session
import pytest
from botocore import exceptions
from botocore.config import Config

from cwlog_handler.aws import destination, making
from cwlog_handler.core.outcomes import Accepted, Connected, Refused, Throttled, Unavailable
from cwlog_handler.testing import expired_token, server_error, throttle

from .subject import NOW, Subject


def test_nothing_is_made_and_nothing_asked_before_connect(ready):
    """A constructor does no I/O: it runs on the caller's thread."""
    Subject(ready.client())
    with mock.patch.object(botocore.session, "get_session", side_effect=AssertionError):
        Subject()
    assert ready.requests == []


def test_connecting_tells_the_endpoint_and_makes_no_request(ready, environment):
    """Clients of one service share its endpoint, and so a rate limit."""
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert Subject().client.connect() == Connected("https://logs.eu-west-1.amazonaws.com")
    assert Subject(region_name="us-west-2").client.connect() == Connected("https://logs.us-west-2.amazonaws.com")
    assert Subject(endpoint_url="http://localhost:1").client.connect() == Connected("http://localhost:1")


def test_connecting_again_keeps_the_client(environment):
    """Connect is idempotent: a connection pool is not thrown away."""
    subject = Subject(region_name="us-east-1")
    with mock.patch.object(botocore.session, "get_session", wraps=botocore.session.get_session) as session:
        assert subject.client.connect() == subject.client.connect()
    assert session.call_count == 1


def test_the_client_makes_one_attempt_even_if_the_environment_wants_more(environment, ready):
    """Retries are decided elsewhere; "adaptive" would also wait before requests."""
    environment.setenv("AWS_RETRY_MODE", "adaptive")
    environment.setenv("AWS_MAX_ATTEMPTS", "7")
    ready.fail(server_error())
    with ready.serve() as url:
        subject = Subject(region_name="us-east-1", endpoint_url=url)
        assert isinstance(subject.put(), Unavailable)
        config = subject.client._maker.client.meta.config
    assert len(ready.requests) == 1
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 1)
    assert (config.connect_timeout, config.read_timeout) == (making.CONNECT_TIMEOUT, making.READ_TIMEOUT)


@pytest.mark.parametrize(
    ("options", "code", "way_out"),
    [
        ({}, "NoRegionError", "pass region_name"),
        ({"profile_name": "nobody"}, "ProfileNotFound", "boto3_profile_name"),
        ({"region_name": "us east 1"}, "InvalidRegionError", "correct region_name"),
        ({"region_name": "us-east-1", "endpoint_url": "not a url"}, "ValueError", "endpoint_url"),
    ],
)
def test_a_configuration_without_a_client_in_it_is_refused_with_the_way_out(environment, options, code, way_out):
    """Nothing is raised: the events wait until somebody has put it right."""
    outcome = Subject(**options).client.connect()
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert way_out in outcome.advice
    assert "'g'" in outcome.advice


@pytest.mark.parametrize(("region", "hint"), [("us-est-1", "'us-east-1'"), ("eu-cntral-1", "'eu-central-1'")])
def test_a_region_that_nobody_knows_is_told_where_its_host_is_not_found(monkeypatch, region, hint):
    """F59: it may be newer than this botocore, so that only the failure makes it suspicious."""

    def not_found(host, *_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    subject = Subject(region_name=region)
    assert isinstance(subject.put(), Unavailable)
    ((key, text),) = subject.said
    assert key == "region"
    assert repr(region) in text
    assert hint in text
    known = Subject(region_name="us-east-1")
    assert isinstance(known.put(), Unavailable)
    assert known.said == []


@pytest.mark.parametrize("region", ["us east 1", "us-est-1"])
def test_no_fork_comes_while_the_nearest_region_is_looked_for(environment, monkeypatch, region):
    """A module is loaded for it. A child that is forked meanwhile could never load it, and would wait for ever."""
    held, seen = [], []

    @contextmanager
    def making():
        held.append(True)
        try:
            yield
        finally:
            held.pop()

    def not_found(host, *_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    monkeypatch.setattr(destination, "nearest_region", lambda name: seen.append((name, bool(held))) or "so it is")
    Subject(region_name=region, making=making).put()
    assert seen == [(region, True)]
    assert held == []


def test_a_configuration_that_has_been_put_right_is_seen(environment):
    """After a refusal, connect tries anew."""
    subject = Subject()
    assert isinstance(subject.put(), Refused)
    environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert isinstance(subject.client.connect(), Connected)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (exceptions.CredentialRetrievalError(provider="container-role", error_msg="no"), Refused),
        (exceptions.MetadataRetrievalError(error_msg="no"), Refused),
        (exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), Refused),
        (exceptions.ConnectTimeoutError(endpoint_url="http://169.254.169.254"), Unavailable),
        (RuntimeError("can't register atexit after shutdown"), Unavailable),
    ],
)
def test_whatever_keeps_a_client_from_being_made_is_an_outcome(environment, raised, expected):
    """Container credentials are fetched while the client is made; nothing is raised out of connect."""
    with mock.patch.object(botocore.session.Session, "create_client", side_effect=raised):
        outcome = Subject().client.connect()
    assert isinstance(outcome, expected)
    assert getattr(outcome, "renew", True)
    assert not getattr(outcome, "ambiguous", False)


def test_refused_credentials_are_read_again(environment, ready):
    """A client keeps the credentials it was made with: after a refusal that they explain, a new one is made."""
    ready.fail(expired_token(), times=1)
    with ready.serve() as url:
        subject = Subject(region_name="us-east-1", endpoint_url=url)
        assert subject.put().renew
        with mock.patch.object(botocore.session, "get_session", wraps=botocore.session.get_session) as session:
            assert subject.put() == Accepted(None)
            assert subject.put() == Accepted(None)
    assert session.call_count == 1


def test_a_users_own_client_is_kept_after_refused_credentials(ready):
    """It is not ours to replace, and may refresh its credentials itself."""
    ready.fail(expired_token(), times=1)
    subject = Subject(ready.client())
    with mock.patch.object(botocore.session, "get_session", side_effect=AssertionError):
        assert isinstance(subject.put(), Refused)
        assert isinstance(subject.client.connect(), Connected)
        assert subject.put() == Accepted(None)


@pytest.mark.parametrize("mode", ["standard", "legacy"])
def test_a_users_own_client_does_not_retry_our_calls_but_still_its_own(ready, mode):
    """Its retries would run past our limiter; its other calls are none of our business."""
    boto3_client = ready.client(Config(retries={"total_max_attempts": 2, "mode": mode}))
    ready.fail(throttle(), times=3, operation=None)
    assert Subject(boto3_client).put() == Throttled("ThrottlingException")
    assert len(ready.requests) == 1
    with pytest.raises(exceptions.ClientError):
        boto3_client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "m"}])
    assert len(ready.requests) == 3


def test_a_users_own_client_does_not_retry_creations_either(fake):
    """CreateLogStream has a quota of its own."""
    boto3_client = fake.client(Config(retries={"total_max_attempts": 3}))
    fake.fail(throttle(), times=3, operation="CreateLogStream")
    assert Subject(boto3_client).put() == Throttled("ThrottlingException", is_creation=True)
    assert [request.operation for request in fake.requests] == ["PutLogEvents", "CreateLogStream"]


def test_an_adaptive_client_is_told_of(ready):
    """It holds requests back before they start, which we cannot prevent; once, as connect is."""
    subject = Subject(ready.client(Config(retries={"mode": "adaptive"})))
    subject.client.connect()
    subject.client.connect()
    assert [key for key, _ in subject.said] == ["adaptive"]
    assert "'adaptive'" in subject.said[0][1]


def test_a_standard_client_is_not_worth_a_word(ready):
    """A notice is for what the operator should change."""
    subject = Subject(ready.client(Config(retries={"total_max_attempts": 5, "mode": "standard"})))
    subject.put()
    assert subject.said == []


def test_starting_over_makes_a_new_client(environment):
    """In a forked child the parent's connections would swap the answers of the two processes."""
    subject = Subject(region_name="us-east-1")
    subject.client.connect()
    before = subject.client._maker.client
    subject.client.start_over()
    subject.client.connect()
    assert subject.client._maker.client is not before


def test_starting_over_drops_the_connections_of_a_users_own_client(ready):
    """It cannot be made anew, but it can open connections of its own; before the first use there are none of ours."""
    boto3_client = ready.client()
    subject = Subject(boto3_client)
    with mock.patch.object(boto3_client, "close") as close:
        subject.client.start_over()
        subject.client.connect()
        assert close.call_count == 0
        subject.client.start_over()
        assert close.call_count == 0
        subject.client.connect()
        assert close.call_count == 1
    assert subject.put() == Accepted(None)


def test_a_child_of_a_child_that_has_logged_nothing_drops_them_too(ready):
    """Forked twice before the client is used again: the connections are the grandparent's."""
    boto3_client = ready.client()
    subject = Subject(boto3_client)
    subject.client.connect()
    subject.client.start_over()
    subject.client.start_over()
    with mock.patch.object(boto3_client, "close") as close:
        subject.client.connect()
        assert close.call_count == 1


def test_a_client_has_the_time_outs_that_the_time_left_allows_and_one_that_was_passed_in_is_left_alone(fake):
    """F25, F50: on the calling thread an answer may take what is left of a deadline; later as long as usual again."""
    client = Subject(region_name="us-east-1").client
    client.connect()
    usual = client._maker.client
    client.connect(14.0)
    assert client._maker.client is usual, "a client is made anew for next to nothing"
    assert isinstance(client.connect(2.5), Connected)
    config = client._maker.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2.5, 2.5)
    hasty = client._maker.client
    client.connect(2.2)
    assert client._maker.client is hasty
    client.connect()
    assert client._maker.client.meta.config.read_timeout == usual.meta.config.read_timeout
    mine = fake.client()
    users = Subject(mine).client
    users.connect()
    users.connect(2.5)
    assert users._maker.client is mine
