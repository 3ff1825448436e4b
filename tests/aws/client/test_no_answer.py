"""Errors without an answer: the network, missing credentials, secrets that must not be told, interrupts."""

from unittest import mock

import botocore
import pytest
import urllib3
from botocore import exceptions
from botocore.parsers import ResponseParserError
from packaging.version import Version
from urllib3 import PoolManager
from urllib3.exceptions import LocationParseError

from cwlog_handler.core.outcomes import Accepted, Refused, Unavailable
from cwlog_handler.testing import connection_refused, reset_after_commit, server_error, truncated_answer

from .subject import Subject, raising, refused_with


@pytest.mark.parametrize(
    ("raised", "ambiguous"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="u"), False),
        (exceptions.ConnectTimeoutError(endpoint_url="u"), False),
        (exceptions.ProxyConnectionError(proxy_url="u"), False),
        (exceptions.SSLError(endpoint_url="u", error="bad certificate"), False),
        (exceptions.ReadTimeoutError(endpoint_url="u"), True),
        (exceptions.ConnectionClosedError(endpoint_url="u"), True),
        (exceptions.ResponseStreamingError(error="IncompleteRead"), True),
        (exceptions.HTTPClientError(error="what?"), True),
        (exceptions.HTTPClientError(error=LocationParseError("not a host")), False),
        (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
        (ResponseParserError("not JSON"), True),
        (ConnectionResetError("reset"), True),
        (KeyError("a bug"), True),
    ],
)
def test_a_network_error_is_ambiguous_if_the_request_may_have_arrived(raised, ambiguous):
    """What is ambiguous may be stored twice when it is sent again, and is counted as such."""
    outcome = raising(raised).put()
    assert isinstance(outcome, Unavailable)
    assert outcome.ambiguous is ambiguous
    assert outcome.cause.startswith(type(raised).__name__ + ": ")


@pytest.mark.parametrize(
    ("fault", "ambiguous"),
    [(connection_refused, False), (reset_after_commit, True), (server_error, True)],
)
def test_the_fakes_weather_is_unavailable(ready, subject, fault, ambiguous):
    """The same, as botocore raises it."""
    ready.fail(fault())
    outcome = subject.put()
    assert isinstance(outcome, Unavailable)
    assert outcome.ambiguous is ambiguous


def test_a_request_whose_connections_are_closed_before_it_has_one_was_not_made(environment, ready):
    """Another handler with the same client may close those that are idle, at any moment."""

    def connection_from_url(manager, *arguments, usual=PoolManager.connection_from_url):
        pool = usual(manager, *arguments)
        manager.clear()
        pool.close()
        return pool

    with ready.serve() as url:
        subject = Subject(region_name="us-east-1", endpoint_url=url)
        with mock.patch.object(PoolManager, "connection_from_url", connection_from_url):
            outcome = subject.put()
        assert isinstance(outcome, Unavailable)
        assert not outcome.ambiguous
        assert not ready.messages("g")
        assert subject.put() == Accepted(None)


def test_an_answer_that_breaks_off_is_still_the_services_yes(environment, ready):
    """200 with a request id: the events are stored, and sending them again would certainly store them twice."""
    ready.fail(truncated_answer())
    with ready.serve() as url:
        outcome = Subject(region_name="us-east-1", endpoint_url=url).put()
    if Version(botocore.__version__) >= Version("1.43.127") or Version(urllib3.__version__) < Version("2"):
        assert outcome == Accepted(None)
    else:
        # Older ones tell nothing of an answer that breaks off, if urllib3 has noticed it.
        assert isinstance(outcome, Unavailable)
        assert outcome.ambiguous
    assert ready.messages("g") == ["hello"]


@pytest.mark.parametrize(
    ("raised", "in_advice"),
    [
        (exceptions.NoCredentialsError(), "no usable AWS credentials"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), "no usable AWS credentials"),
        (exceptions.CredentialRetrievalError(provider="process", error_msg="no"), "no usable AWS credentials"),
        (exceptions.NoAuthTokenError(), "no usable AWS credentials"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="no"), "aws sso login"),
        (exceptions.SSOTokenLoadError(error_msg="no"), "aws sso login"),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
    ],
)
def test_missing_credentials_are_refused_and_looked_for_again(raised, in_advice):
    """Somebody has to sign in or configure something; then a new client sees it."""
    outcome = raising(raised).put()
    assert isinstance(outcome, Refused)
    assert outcome.renew
    assert in_advice in outcome.advice


SIGNED = (
    "The request signature we calculated does not match the signature you provided. The Canonical String for this "
    "request should have been 'POST\n/\n\nx-amz-security-token:TOKEN\n' The String-to-Sign should have been 'AWS4…'"
)
HEADER = "Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256 Credential=KEYID/2015"


@pytest.mark.parametrize(
    ("outcome", "hidden", "shown"),
    [
        (lambda: refused_with("InvalidSignatureException", SIGNED), "TOKEN", "does not match"),
        (lambda: refused_with("IncompleteSignature", HEADER), "KEYID", "Authorization header requires"),
        (
            lambda: raising(exceptions.EndpointConnectionError(endpoint_url="http://me:PASS@w.ord@host:1/")).put(),
            "PASS",
            "http://…@host:1/",
        ),
        (
            lambda: raising(exceptions.HTTPClientError(error=LocationParseError("http://me:PASS/word@host:1"))).put(),
            "PASS",
            "http://…@host:1",
        ),
        (lambda: raising(ValueError("Invalid endpoint: http://PASS@host x")).put(), "PASS", "http://…@host x"),
    ],
)
def test_no_secret_gets_into_what_is_told(outcome, hidden, shown):
    """It goes to stderr, and from there into files that many may read."""
    told = repr(outcome())
    assert hidden not in told
    assert shown in told


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_credentials_with_a_line_end_are_refused_and_not_shown(environment, ready, name):
    """As they come from a secret that was made of a file: HTTP cannot carry them, and the error has all of them."""
    environment.setenv(name, "QUITE-SECRET\n")
    with ready.serve() as url:
        outcome = Subject(region_name="us-east-1", endpoint_url=url).put()
    assert isinstance(outcome, Refused)
    assert outcome.renew
    assert "line end" in outcome.advice
    assert "QUITE" not in repr(outcome)


@pytest.mark.parametrize("separator", "/#?")
def test_a_part_of_a_proxys_password_is_not_shown(environment, separator):
    """Not encoded, these end the host of a URL: urllib3 takes what is before them for host and port, and tells it."""
    environment.setenv("HTTPS_PROXY", f"http://me:PASS{separator}word@127.0.0.1:1")
    told = repr(Subject(region_name="us-east-1").put())
    assert "PASS" not in told
    assert "127.0.0.1" not in told or "…@" in told


def test_interrupts_are_not_swallowed():
    """KeyboardInterrupt and SystemExit belong to the program."""
    with pytest.raises(KeyboardInterrupt):
        raising(KeyboardInterrupt()).put()


def test_an_error_with_a_strange_answer_does_not_raise():
    """Stand-ins raise ClientError with anything in it."""
    for response in ({}, {"Error": None}, {"Error": {}}, {"Error": {"Code": None}, "ResponseMetadata": None}):
        strange = exceptions.ClientError({}, "PutLogEvents")
        strange.response = response
        assert isinstance(raising(strange).put(), Refused)
