"""Answers that are not the service's: stand-ins of the user's, captive portals, proxies and gateways."""

import concurrent.futures
from types import SimpleNamespace
from unittest import mock

import pytest

from cwlog_handler.core.outcomes import Accepted, Connected, Invalid, Refused, Throttled, Unavailable
from cwlog_handler.testing import captive_portal, empty_200

from .subject import Subject, answering


@pytest.mark.parametrize("answer", [{}, mock.Mock(), mock.MagicMock(), mock.Mock(spec={}), {"ResponseMetadata": None}])
def test_what_a_stand_in_or_a_mock_answers_is_a_success(answer):
    """Users' tests pass mocks as boto3_client."""
    stand_in = mock.Mock()
    stand_in.put_log_events.return_value = answer
    subject = Subject(stand_in)
    assert subject.put() == Accepted(None)
    assert subject.started == 1
    assert subject.client.connect() == Connected(f"client-{id(stand_in)}")


async def nobody_awaits():
    return {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: None, "returns None,"),
        (lambda: True, "returns True,"),
        (lambda: "geheim", "returns an object of type str,"),
        (lambda: concurrent.futures.Future(), "returns an object of type Future,"),
        (lambda: [{}], "returns an object of type list,"),
        (nobody_awaits, "returns a coroutine that nobody awaits,"),
    ],
)
def test_what_is_no_answer_is_no_success(answer, said):
    """F59: an asynchronous client's coroutine counted as delivered. It is closed, so that Python does not warn."""
    stand_in = SimpleNamespace(put_log_events=lambda **_: answer())
    outcome = Subject(stand_in).put()
    assert isinstance(outcome, Refused)
    assert not outcome.renew
    assert said in outcome.advice
    assert "'g'" in outcome.advice
    assert "pass what boto3.client('logs') returns" in outcome.way_out


def test_a_captive_portals_page_is_no_success(ready, subject):
    """HTTP 200 with HTML comes out of botocore as an empty success; the service has not seen the request."""
    ready.fail(captive_portal())
    outcome = subject.put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous
    assert "not from CloudWatch Logs" in outcome.cause


def test_an_empty_answer_without_a_request_id_is_no_success(ready, subject):
    """Whoever emptied it may have passed the request on: not sure either way."""
    ready.fail(empty_200())
    outcome = subject.put()
    assert isinstance(outcome, Unavailable)
    assert outcome.ambiguous


@pytest.mark.parametrize(
    "headers",
    [{"x-amzn-requestid": "r"}, {"content-type": "application/x-amz-json-1.1"}, {"content-type": "application/json"}],
)
def test_an_answer_with_a_mark_of_the_service_is_a_success(headers):
    """A request id, or JSON as other implementations send it."""
    assert answering(b"{}", headers=headers).put() == Accepted(None)


def test_an_answer_with_a_token_is_a_success():
    """Only something that speaks the protocol gives tokens."""
    assert answering(b'{"nextSequenceToken":"T"}').put() == Accepted("T")


def test_an_answer_that_cannot_be_read_is_ambiguous():
    """Invalid UTF-8 raises a bare UnicodeDecodeError out of botocore."""
    outcome = answering(b'{"nextSequenceToken":"\xff"}', headers={"x-amzn-requestid": "r"}).put()
    assert isinstance(outcome, Unavailable)
    assert outcome.ambiguous
    assert outcome.cause.startswith("UnicodeDecodeError: ")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, Unavailable("the answer is not from CloudWatch Logs: HTTP 302", ambiguous=False)),
        (403, Unavailable("the answer is not from CloudWatch Logs: HTTP 403", ambiguous=False)),
        (429, Throttled("429")),
    ],
)
def test_a_proxys_refusal_is_told_from_the_services(status, expected):
    """The service's errors have a code; where there is none, somebody on the way has answered."""
    assert answering(b"<p>no</p>", status, {"content-type": "text/html"}).put() == expected


def test_a_proxy_that_wants_a_password_says_what_to_do():
    """A proxy for http:// endpoints answers in the service's place."""
    outcome = answering(b"<p>no</p>", 407, {"content-type": "text/html"}).put()
    assert isinstance(outcome, Refused)
    assert outcome.code == "proxy-407"
    assert "the proxy wants a user and a password" in outcome.advice
    assert "http://user:password@host:port" in outcome.way_out


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"upstream failed"])
def test_a_gateways_error_is_ambiguous(body):
    """A 502 or 504 may come after the service has stored the batch."""
    outcome = answering(body, 502).put()
    assert isinstance(outcome, Unavailable)
    assert outcome.ambiguous


def test_a_request_too_large_for_a_proxy_is_invalid():
    """HTTP 413: half of it may pass."""
    assert isinstance(answering(b"", 413).put(), Invalid)
