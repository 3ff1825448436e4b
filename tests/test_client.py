"""What every answer, every error and every missing thing comes to, with real boto3 clients that end in the fake."""

import concurrent.futures
import json
import re
import socket
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import boto3
import botocore
import pytest
from botocore import exceptions
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.parsers import ResponseParserError
from packaging.version import Version

from cwlog_handler import client as client_module
from cwlog_handler import errors
from cwlog_handler.batches import Batch
from cwlog_handler.client import Client
from cwlog_handler.events import Event
from cwlog_handler.outcomes import (
    Accepted,
    AlreadyAccepted,
    Connected,
    Created,
    Invalid,
    Refused,
    StaleToken,
    Throttled,
    Unavailable,
)
from cwlog_handler.testing import (
    FakeCloudWatchLogs,
    access_denied,
    captive_portal,
    clock_skew,
    connection_refused,
    empty_200,
    error,
    expired_token,
    operation_aborted,
    reset_after_commit,
    server_error,
    stall,
    throttle,
    truncated_answer,
    unrecognized_client,
)

NOW = 1_700_000_000_000
DAY = 86_400_000
SESSION = boto3.Session("key", "secret", region_name="us-east-1")  # one for all: it reads the service model once


def event(message="hello", timestamp=NOW):
    return Event(timestamp, message.encode())


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000)
    yield fake
    fake.release()
    fake.stop()


@pytest.fixture
def ready(fake):
    """The fake, with everything there already."""
    fake.create("g", "s")
    return fake


class Subject:
    """A client and what it told us."""

    def __init__(self, boto3_client=None, **options):
        self.said = []
        self.started = 0
        defaults = {
            "log_group_name": "g",
            "region_name": None,
            "endpoint_url": None,
            "boto3_profile_name": None,
            "create_log_group": True,
            "create_log_stream": True,
            "log_group_retention_days": None,
            "log_group_tags": None,
            "log_group_kms_key_id": None,
            "log_group_class": None,
        }
        say = lambda key, text: self.said.append((key, text))  # noqa: E731
        self.client = Client(boto3_client=boto3_client, say=say, **defaults | options)

    def start(self):
        self.started += 1

    def put(self, *events, token=None, stream="s"):
        return self.client.put(stream, Batch.of(events or [event()]), token, self.start)


@pytest.fixture
def subject(fake):
    return Subject(fake.client())


@pytest.fixture
def environment(monkeypatch):
    """The environment without a region; set what a test needs."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    return monkeypatch


def answering(body, status=200, headers=()):
    """A real client that is answered this, whatever it asks."""
    url = "https://logs.us-east-1.amazonaws.com"
    boto3_client = SESSION.client("logs", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))

    class Raw:
        def stream(self):
            yield body

    def answer(request, **_):
        return AWSResponse(request.url, status, dict(headers), Raw())

    boto3_client.meta.events.register_last("before-send.cloudwatch-logs", answer)
    return Subject(boto3_client)


def answering_json(members, status=200):
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": "r"}
    return answering(json.dumps(members).encode(), status, headers)


def raising(error):
    """A stand-in whose put raises this."""
    stand_in = mock.Mock(spec=["put_log_events"])
    stand_in.put_log_events.side_effect = error
    return Subject(stand_in)


# Making the client


def test_nothing_is_made_and_nothing_asked_before_connect(ready):
    """A constructor does no I/O: it runs on the caller's thread."""
    Subject(ready.client())
    with mock.patch.object(boto3.session, "Session", side_effect=AssertionError):
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
    with mock.patch.object(boto3.session, "Session", wraps=boto3.session.Session) as session:
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
        config = subject.client._boto3.meta.config
    assert len(ready.requests) == 1
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 1)
    assert (config.connect_timeout, config.read_timeout) == (client_module.CONNECT_TIMEOUT, client_module.READ_TIMEOUT)


@pytest.mark.parametrize(
    ("options", "code", "way_out"),
    [
        ({}, "NoRegionError", "pass region_name"),
        ({"boto3_profile_name": "nobody"}, "ProfileNotFound", "boto3_profile_name"),
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
    with mock.patch.object(boto3.session.Session, "client", side_effect=raised):
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
        with mock.patch.object(boto3.session, "Session", wraps=boto3.session.Session) as session:
            assert subject.put() == Accepted(None)
            assert subject.put() == Accepted(None)
    assert session.call_count == 1


def test_a_users_own_client_is_kept_after_refused_credentials(ready):
    """It is not ours to replace, and may refresh its credentials itself."""
    ready.fail(expired_token(), times=1)
    subject = Subject(ready.client())
    with mock.patch.object(boto3.session, "Session", side_effect=AssertionError):
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
    assert Subject(boto3_client).put() == Throttled("ThrottlingException")
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
    before = subject.client._boto3
    subject.client.start_over()
    subject.client.connect()
    assert subject.client._boto3 is not before


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


# Several threads


@pytest.fixture
def slow_credentials(environment, tmp_path):
    """A profile whose credentials come once a file is there; and what tells that somebody asked."""
    asked, come = tmp_path / "asked", tmp_path / "come"
    program = tmp_path / "credentials.py"
    program.write_text(
        "import json, os, sys, time\n"
        f"open({str(asked)!r}, 'a').write('x')\n"
        f"while not os.path.exists({str(come)!r}): time.sleep(0.01)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'a', 'SecretAccessKey': 'b'}))\n"
    )
    config = tmp_path / "config"
    config.write_text(f"[profile slow]\nregion = us-east-1\ncredential_process = {sys.executable} {program}\n")
    environment.setenv("AWS_CONFIG_FILE", str(config))
    yield SimpleNamespace(asked=asked, come=come)
    come.touch()


def until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to it")


def test_a_thread_does_not_wait_without_an_end_for_another_that_makes_the_client(slow_credentials):
    """F25: at exit the caller has a deadline; credentials may take minutes to come."""
    client = Subject(boto3_profile_name="slow").client
    with concurrent.futures.ThreadPoolExecutor() as threads:
        other = threads.submit(client.connect)
        until(slow_credentials.asked.exists)
        outcome = client.connect(0.05)
        assert isinstance(outcome, Unavailable)
        assert not outcome.ambiguous
        # The next try asks for itself: what was waited for may never come.
        third = threads.submit(client.connect, 5.0)
        until(lambda: slow_credentials.asked.read_text() == "xx")
        slow_credentials.come.touch()
        assert isinstance(other.result(), Connected)
        assert isinstance(third.result(), Connected)
    assert isinstance(client.connect(), Connected)


def test_a_client_is_used_while_another_thread_makes_one_with_other_time_outs(ready):
    """Better one with the wrong time-outs than none, and a lock that Ctrl-C has left taken is not waited for again."""
    client = Subject(region_name="us-east-1").client
    client.connect()
    usual = client._boto3
    assert client._lock.acquire()
    assert isinstance(client.connect(0.05), Connected)
    assert client._boto3 is usual
    assert isinstance(client.connect(0.05), Connected)
    assert client._boto3 is not usual


def test_a_client_of_the_programs_own_puts_no_fork_off(ready):
    """Nothing is made for it."""
    entered = []
    Subject(ready.client(), making=lambda: entered.append(1) or nullcontext()).client.connect()
    assert not entered
    Subject(region_name="us-east-1", making=lambda: entered.append(1) or nullcontext()).client.connect()
    assert entered == [1]


# The put


def test_a_put_carries_the_events_as_they_are(ready, subject):
    """Text and timestamps arrive unchanged, in order."""
    assert subject.put(event("ä\n\u2028🎉"), event("zwei", NOW + 1)) == Accepted(None)
    assert ready.messages("g", "s") == ["ä\n\u2028🎉", "zwei"]
    assert [stored.timestamp for stored in ready.events("g", "s")] == [NOW, NOW + 1]


def test_a_put_connects_by_itself(ready, subject):
    """The first put may come without connect."""
    assert subject.put() == Accepted(None)


def test_a_sequence_token_is_sent_only_if_there_is_one():
    """The older service refuses a token before the first put, and its absence later."""
    stand_in = mock.Mock(spec=["put_log_events"])
    subject = Subject(stand_in)
    subject.put()
    subject.put(token="t")
    first, second = stand_in.put_log_events.call_args_list
    assert "sequenceToken" not in first.kwargs
    assert second.kwargs["sequenceToken"] == "t"


def test_tokens_go_from_answer_to_request():
    """The older service: next token, stale token, and no token at all, as one writer meets them."""
    fake = FakeCloudWatchLogs(sequence_tokens=True, requests_per_second=None, clock=lambda: NOW / 1000)
    fake.create("g", "s")
    subject = Subject(fake.client())
    first = subject.put(event("1"))
    assert isinstance(first, Accepted)
    assert first.token
    fake.put_elsewhere("g", "s", "x", NOW)
    stale = subject.put(event("2"), token=first.token)
    assert isinstance(stale, StaleToken)
    assert stale.expected not in (None, first.token)
    second = subject.put(event("2"), token=stale.expected)
    assert subject.put(event("2"), token=stale.expected) == AlreadyAccepted(second.token)
    fake.create("g", "new")
    assert subject.put(token="t", stream="new") == StaleToken(None)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"expectedSequenceToken": "T", "message": "The next expected sequenceToken is: T"}, "T"),
        ({"message": "The given sequenceToken is invalid. The next expected sequenceToken is: T"}, "T"),
        ({"message": "The given sequenceToken is invalid. The next expected sequenceToken is: null"}, None),
        ({"expectedSequenceToken": "null", "message": "is: null"}, None),
        ({"expectedSequenceToken": None, "message": ""}, None),
    ],
)
def test_the_expected_token_is_found_or_known_to_be_none(members, expected):
    """On a stream without any put there is no expectedSequenceToken, and the message ends in "is: null"."""
    outcome = answering_json({"__type": "InvalidSequenceTokenException", **members}, 400).put()
    assert outcome == StaleToken(expected)


@pytest.mark.parametrize(
    ("info", "too_old", "expired", "too_new"),
    [
        ({}, 0, 0, 0),
        ({"tooOldLogEventEndIndex": 1}, 1, 0, 0),
        ({"expiredLogEventEndIndex": 2}, 0, 2, 0),
        ({"tooNewLogEventStartIndex": 3}, 0, 0, 1),
        ({"tooNewLogEventStartIndex": 0}, 0, 0, 4),
        ({"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 3}, 1, 2, 0),
        ({"tooOldLogEventEndIndex": 3, "expiredLogEventEndIndex": 1}, 3, 0, 0),
        ({"tooOldLogEventEndIndex": 2, "expiredLogEventEndIndex": 2, "tooNewLogEventStartIndex": 2}, 2, 0, 2),
        ({"tooOldLogEventEndIndex": 3, "tooNewLogEventStartIndex": 1}, 3, 0, 1),
        ({"tooOldLogEventEndIndex": 9, "expiredLogEventEndIndex": 9, "tooNewLogEventStartIndex": 9}, 4, 0, 0),
    ],
)
def test_rejected_events_are_counted_once_each(info, too_old, expired, too_new):
    """Ends are exclusive, the start is inclusive, too old and expired overlap: together never more than there are."""
    subject = answering_json({"nextSequenceToken": "T", "rejectedLogEventsInfo": info})
    assert subject.put(*[event()] * 4) == Accepted("T", too_old, expired, too_new)


def test_the_fake_service_rejects_at_both_ends(ready, subject):
    """The counts agree with what is stored."""
    outcome = subject.put(event("old", NOW - 15 * DAY), event("good", NOW), event("new", NOW + DAY))
    assert outcome == Accepted(None, too_old=1, too_new=1)
    assert ready.messages("g") == ["good"]


def test_the_start_is_told_once_when_the_request_goes_out(ready):
    """Pacing counts from the moment of sending, not from the look-up of credentials before it."""
    order = []
    boto3_client = ready.client()
    note = lambda name: lambda **_: order.append(name)  # noqa: E731
    boto3_client.meta.events.register("before-sign.cloudwatch-logs", note("signed"))
    boto3_client.meta.events.register_last("before-send.cloudwatch-logs", note("sent"))
    Subject(boto3_client).client.put("s", Batch.of([event()]), None, lambda: order.append("started"))
    assert order == ["signed", "started", "sent"]


def test_a_request_of_our_own_is_seen_once_more_when_the_network_has_all_of_it(ready):
    """Its arrival is what the service counts: a megabyte may be a while on its way, its answer much longer."""
    ready.fail(stall(), times=1)
    seen, is_sent = [], threading.Event()

    def on_progress():
        seen.append(len(ready.requests))
        if len(seen) == 2:
            is_sent.set()

    with ready.serve() as url:
        client = Subject(endpoint_url=url).client
        thread = threading.Thread(target=client.put, args=("s", Batch.of([event()]), None, on_progress))
        thread.start()
        assert is_sent.wait(30)
        assert thread.is_alive()
        assert ready.wait_for(lambda: ready.requests)
        ready.release()
        thread.join()
    assert (len(seen), seen[0]) == (2, 0)


def test_the_start_of_a_put_that_fails_on_the_way_was_told(ready, subject):
    """It may have counted at the service."""
    ready.fail(reset_after_commit())
    subject.put()
    assert subject.started == 1


def test_a_put_that_never_goes_out_does_not_start(ready, subject):
    """botocore refuses an empty message before sending: no request, no quota used."""
    assert isinstance(subject.put(event("")), Invalid)
    assert subject.started == 0
    assert ready.requests == []


def test_handlers_that_share_a_client_each_hear_of_their_own_start(ready):
    """Calls on the same client, by others or on other threads, start nobody else's put, and keep their retries."""
    boto3_client = ready.client(Config(retries={"total_max_attempts": 2}))
    one, two = Subject(boto3_client), Subject(boto3_client)
    one.put()
    two.put()
    ready.fail(stall(), times=1)
    thread = threading.Thread(target=one.put)
    thread.start()
    assert ready.wait_for(lambda: len(ready.requests) == 3)
    ready.fail(throttle(), times=1)
    boto3_client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "m"}])
    two.put()
    ready.release()
    thread.join()
    assert (one.started, two.started) == (2, 2)


# Stand-ins of the user's


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


# Answers that are not the service's


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
        (407, Unavailable("the answer is not from CloudWatch Logs: HTTP 407", ambiguous=False)),
        (429, Throttled("429")),
    ],
)
def test_a_proxys_refusal_is_told_from_the_services(status, expected):
    """The service's errors have a code; where there is none, somebody on the way has answered."""
    assert answering(b"<p>no</p>", status, {"content-type": "text/html"}).put() == expected


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"upstream failed"])
def test_a_gateways_error_is_ambiguous(body):
    """A 502 or 504 may come after the service has stored the batch."""
    outcome = answering(body, 502).put()
    assert isinstance(outcome, Unavailable)
    assert outcome.ambiguous


def test_a_request_too_large_for_a_proxy_is_invalid():
    """HTTP 413: half of it may pass."""
    assert isinstance(answering(b"", 413).put(), Invalid)


# Errors by code


def refused_with(code, message, status=400):
    return answering_json({"__type": code, "message": message}, status).put()


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


# Errors without an answer


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


def test_an_answer_that_breaks_off_is_still_the_services_yes(environment, ready):
    """200 with a request id: the events are stored, and sending them again would certainly store them twice."""
    ready.fail(truncated_answer())
    with ready.serve() as url:
        outcome = Subject(region_name="us-east-1", endpoint_url=url).put()
    if Version(botocore.__version__) >= Version("1.43.127"):
        assert outcome == Accepted(None)
    else:
        # Older ones tell nothing of an answer that breaks off.
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


# Creating what is missing


def operations(fake):
    return [request.operation for request in fake.requests]


def test_a_missing_stream_is_created(fake, subject):
    """Nothing is described first: the put itself tells."""
    fake.create("g")
    assert subject.put() == Created()
    assert operations(fake) == ["PutLogEvents", "CreateLogStream"]
    assert subject.put() == Accepted(None)


def test_a_missing_group_is_created_with_all_that_was_asked_for(fake):
    """Tags, class, key and retention."""
    subject = Subject(
        fake.client(),
        log_group_retention_days=30,
        log_group_tags={"team": "a"},
        log_group_kms_key_id="arn:aws:kms:k",
        log_group_class="INFREQUENT_ACCESS",
    )
    assert subject.put() == Created(retention_days=30)
    group = fake.groups["g"]
    assert (group.retention_days, dict(group.tags), group.streams) == (30, {"team": "a"}, ("s",))
    assert (group.kms_key_id, group.log_group_class) == ("arn:aws:kms:k", "INFREQUENT_ACCESS")
    assert subject.put() == Accepted(None)
    assert subject.said == []


def test_a_group_is_created_with_nothing_that_was_not_asked_for(fake, subject):
    """Old implementations do not know newer parameters; no retention means that none is set."""
    assert subject.put() == Created()
    assert operations(fake) == ["PutLogEvents", "CreateLogStream", "CreateLogGroup", "CreateLogStream"]
    assert list(fake.requests[2].parameters) == ["logGroupName"]


def test_only_four_operations_are_ever_called(fake):
    """A policy with these four is enough; no Describe, no STS."""
    Subject(fake.client(), log_group_retention_days=1).put()
    assert set(operations(fake)) == {"PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy"}


def test_a_group_that_is_there_already_keeps_its_retention(fake):
    """Somebody else has decided it."""
    fake.create("g", retention_days=7)
    Subject(fake.client(), log_group_retention_days=30).put()
    assert fake.groups["g"].retention_days == 7


@pytest.mark.parametrize(
    ("options", "way_out"),
    [({"create_log_stream": False}, "create_log_stream=True"), ({"create_log_group": False}, "create_log_group=True")],
)
def test_what_may_not_be_created_is_refused(fake, options, way_out):
    """The events wait for somebody to create it, or to change the option."""
    outcome = Subject(fake.client(), **options).put()
    assert isinstance(outcome, Refused)
    assert outcome.code == "ResourceNotFoundException"
    assert way_out in outcome.advice
    assert "CreateLogGroup" not in operations(fake)
    assert fake.groups == {}


def test_a_stream_is_created_in_a_group_that_may_not_be(fake):
    """The two options are independent."""
    fake.create("g")
    assert Subject(fake.client(), create_log_group=False).put() == Created()


def already_exists(what):
    return error("ResourceAlreadyExistsException", f"The specified log {what} already exists")


def test_a_stream_that_somebody_else_has_just_created_is_fine(fake, subject):
    """Two processes start at the same time."""
    fake.create("g")
    fake.fail(already_exists("stream"), operation="CreateLogStream")
    assert subject.put() == Created()


def test_a_group_that_somebody_else_has_just_created_is_fine_and_gets_its_retention(fake):
    """The other process may have been stopped before it set the retention."""
    fake.fail(replace(already_exists("group"), commits=True), operation="CreateLogGroup")
    subject = Subject(fake.client(), log_group_retention_days=30)
    assert subject.put() == Created()
    assert fake.groups["g"].retention_days == 30


def test_a_new_group_that_cannot_be_seen_yet_is_waited_for(fake, subject):
    """Creation and visibility are not one."""
    missing = error("ResourceNotFoundException", "The specified log group does not exist.")
    fake.fail(missing, operation="CreateLogStream")
    outcome = subject.put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous


@pytest.mark.parametrize("operation", ["CreateLogGroup", "CreateLogStream"])
@pytest.mark.parametrize("fault", [operation_aborted, server_error, reset_after_commit, stall])
def test_weather_during_creation_is_never_ambiguous(fake, operation, fault):
    """The put was refused: none of its events is stored, whatever becomes of the creation."""
    fake.fail(fault() if fault is not stall else stall(2), operation=operation)
    outcome = Subject(fake.client(Config(read_timeout=0.1))).put()
    assert isinstance(outcome, Unavailable)
    assert not outcome.ambiguous


@pytest.mark.parametrize("operation", ["CreateLogGroup", "CreateLogStream"])
def test_a_creation_that_is_not_allowed_names_the_missing_action(fake, subject, operation):
    """The policy often allows PutLogEvents only."""
    fake.fail(access_denied(), operation=operation)
    outcome = subject.put()
    assert isinstance(outcome, Refused)
    assert outcome.advice.startswith(f"logs:{operation} is not allowed")


@pytest.mark.parametrize("operation", ["CreateLogGroup", "CreateLogStream"])
def test_a_creation_denied_without_a_reason_names_the_action_called(fake, subject, operation):
    """Not every denial names the action."""
    fake.fail(error("AccessDeniedException", "no"), operation=operation)
    assert subject.put().advice.startswith(f"logs:{operation} is not allowed")


@pytest.mark.parametrize(
    ("code", "in_advice"),
    [("LimitExceededException", "quota"), ("InvalidParameterException", "correct the log group's name")],
)
def test_a_creation_that_cannot_succeed_is_refused(fake, subject, code, in_advice):
    """Unlike for a put: too many groups is no throttling, and no event is to blame for a bad name."""
    fake.fail(error(code, "Resource limit exceeded."), operation="CreateLogGroup")
    outcome = subject.put()
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert in_advice in outcome.advice


def test_a_throttled_creation_is_throttled(fake, subject):
    """Creations have quotas of their own, and back off like puts."""
    fake.fail(throttle(), operation="CreateLogGroup")
    assert subject.put() == Throttled("ThrottlingException")


def test_credentials_that_expire_before_the_creation_are_read_again(environment, fake):
    """The same as for a put."""
    fake.fail(expired_token(), times=1, operation="CreateLogStream")
    with fake.serve() as url:
        subject = Subject(region_name="us-east-1", endpoint_url=url)
        assert subject.put().renew
        with mock.patch.object(boto3.session, "Session", wraps=boto3.session.Session) as session:
            assert subject.put() == Created()
    assert session.call_count == 1


def test_a_stand_ins_missing_stream_is_created():
    """By code, also where the exception is a stand-in's own."""
    stand_in = mock.Mock()
    missing = exceptions.ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "PutLogEvents")
    stand_in.put_log_events.side_effect = missing
    assert Subject(stand_in).put() == Created()


# Retention and tags are wishes


@pytest.mark.parametrize("fault", [access_denied, throttle, connection_refused])
def test_a_retention_that_cannot_be_set_loses_nothing_and_is_told(fake, fault):
    """The group is there, and its events matter more."""
    fake.fail(fault(), operation="PutRetentionPolicy")
    subject = Subject(fake.client(), log_group_retention_days=30)
    assert subject.put() == Created()
    assert [key for key, _ in subject.said] == ["retention"]
    assert "allow logs:PutRetentionPolicy" in subject.said[0][1]
    assert "'g'" in subject.said[0][1]


@pytest.mark.parametrize(
    "fault",
    [
        error("AccessDeniedException", "User: u is not authorized to perform: logs:TagResource"),
        error("InvalidParameterException", "1 validation error detected: Value at 'tags' failed to satisfy constraint"),
    ],
)
def test_tags_that_are_refused_are_left_out_and_told_of(fake, fault):
    """A group without tags takes events; none takes none."""
    fake.fail(fault, times=1, operation="CreateLogGroup")
    subject = Subject(fake.client(), log_group_tags={"team": "a"})
    assert subject.put() == Created()
    assert dict(fake.groups["g"].tags) == {}
    assert [key for key, _ in subject.said] == ["tags"]
    assert "allow logs:TagResource" in subject.said[0][1]


def test_tags_that_botocore_refuses_are_left_out(fake):
    """The same, before sending."""
    subject = Subject(fake.client(), log_group_tags={"": "a"})
    assert subject.put() == Created()
    assert [key for key, _ in subject.said] == ["tags"]


def test_a_group_that_cannot_be_made_with_its_key_is_told_as_that(fake):
    """It is not there: that it would take no events is no help."""
    message = "The specified KMS key does not exist or is not allowed to be used with LogGroup 'g'"
    fake.fail(error("InvalidParameterException", message), operation="CreateLogGroup")
    outcome = Subject(fake.client(), log_group_kms_key_id="key").put()
    assert isinstance(outcome, Refused)
    assert outcome.advice.startswith(f"the service does not create it this way [{message}]")


def test_nothing_is_said_of_tags_if_the_group_may_not_be_created_at_all(fake):
    """The advice is about what was missing in the end."""
    fake.fail(access_denied(), operation="CreateLogGroup")
    subject = Subject(fake.client(), log_group_tags={"team": "a"})
    assert subject.put().advice.startswith("logs:CreateLogGroup is not allowed")
    assert subject.said == []


@pytest.mark.parametrize("fault", [throttle(), error("InvalidParameterException", "Bad name")])
def test_a_failure_that_is_not_about_tags_is_not_tried_without_them(fake, fault):
    """Tags are given up only where they may be the reason."""
    fake.fail(fault, operation="CreateLogGroup")
    Subject(fake.client(), log_group_tags={"team": "a"}).put()
    assert operations(fake).count("CreateLogGroup") == 1


# The code


def test_error_codes_stand_in_one_file():
    """A code that two files know is a code that one of them forgets."""
    codes = set(errors._CODES) | {errors.RESOURCE_NOT_FOUND, errors.RESOURCE_ALREADY_EXISTS}
    package = Path(errors.__file__).parent
    for path in package.glob("*.py"):
        if path.name != "errors.py":
            found = set(re.findall(r'"(\w+)"', path.read_text())) & codes
            assert not found, (path.name, found)


def test_a_client_has_the_time_outs_that_the_time_left_allows_and_one_that_was_passed_in_is_left_alone(fake):
    """F25, F50: on the calling thread an answer may take what is left of a deadline; later as long as usual again."""
    client = Subject(region_name="us-east-1").client
    client.connect()
    usual = client._boto3
    client.connect(14.0)
    assert client._boto3 is usual, "a client is made anew for next to nothing"
    assert isinstance(client.connect(2.5), Connected)
    config = client._boto3.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2.5, 2.5)
    hasty = client._boto3
    client.connect(2.2)
    assert client._boto3 is hasty
    client.connect()
    assert client._boto3.meta.config.read_timeout == usual.meta.config.read_timeout
    users = Subject(fake.client()).client
    users.connect()
    users.connect(2.5)
    assert users._boto3 is users._users_client
