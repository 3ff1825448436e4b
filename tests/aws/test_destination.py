"""Where records go: regions, endpoints and clients that can be none are refused, with what to write instead."""

from __future__ import annotations

import functools
import sys
import warnings
from types import SimpleNamespace
from unittest import mock

import boto3
import botocore.session
import pytest
import wrapt
from botocore.stub import Stubber

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.aws import destination

from ..programs import HANG_LIMIT, python, started

SESSION = boto3.Session("key", "secret", region_name="us-east-1")
LOGS = SESSION.client("logs")


def test_while_the_interpreter_ends_a_region_is_suggested_without_what_cannot_be_loaded_any_more(monkeypatch):
    monkeypatch.setitem(sys.modules, "difflib", None)
    assert "such as 'us-east-1'" in destination.nearest_region("us-est-1")


class AsynchronousClient:
    """As aiobotocore's: its methods are coroutine functions."""

    async def put_log_events(self, **_request):
        return {}


class HidingWhatItCalls:
    """As aiobotocore's in another way: the method is none, but what it returns has to be awaited."""

    def put_log_events(self, **request):
        return self._make_api_call("PutLogEvents", request)

    async def _make_api_call(self, _operation, _request):
        return {}


class ContextOfOne:
    """As what ``create_client`` of aiobotocore returns, which an ``async with`` makes a client of."""

    async def __aenter__(self):
        return AsynchronousClient()

    async def __aexit__(self, *_):
        pass


class Wrapper:
    """A user's own, around a client."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)


class Unbound:
    """As a proxy of werkzeug's outside of a request."""

    def __getattr__(self, name):
        raise RuntimeError("working outside of request context")


def make_client():
    return LOGS


def refusal(error=TypeError, **options):
    with pytest.raises(error) as caught:
        CloudWatchLogsHandler("g", **options)
    return str(caught.value)


# -- clients


@pytest.mark.parametrize(
    ("wrong", "kind", "way_out"),
    [
        (AsynchronousClient(), "an asynchronous one", "no event loop waits"),
        (HidingWhatItCalls(), "an asynchronous one", "boto3.client('logs')"),
        (wrapt.ObjectProxy(AsynchronousClient()), "an asynchronous one", "boto3.client('logs')"),
        (ContextOfOne(), "an asynchronous one (ContextOfOne)", "boto3.client('logs')"),
        (mock.AsyncMock(), "an asynchronous one", "boto3.client('logs')"),
        (mock.create_autospec(AsynchronousClient()), "an asynchronous one", "boto3.client('logs')"),
        (SESSION.client("s3"), "one for another service, 's3'", "give what boto3.client('logs') returns"),
        (SESSION.client("cloudwatch"), "one for another service, 'cloudwatch'", "boto3.client('logs')"),
        (Wrapper(SESSION.client("events")), "one for another service, 'events'", "boto3.client('logs')"),
        (mock.create_autospec(SESSION.client("s3")), "without put_log_events", "boto3.client('logs')"),
        (SESSION, "a session (Session)", "give session.client('logs')"),
        (botocore.session.Session(), "a session (Session)", "give session.create_client('logs')"),
        (SESSION.resource("dynamodb"), "a resource (dynamodb.ServiceResource)", "boto3.client('logs')"),
        ("logs", "text", "'ext://package.module.client'"),
        ({"region_name": "eu-west-1"}, "a mapping", "say region_name, endpoint_url or boto3_profile_name"),
        (type(LOGS), "the class itself", "give an instance"),
        (make_client, "a function (function)", "call it, and give what it returns"),
        (functools.partial(SESSION.client, "logs"), "a function (partial)", "call it, and give what it returns"),
        (boto3, "a module", "boto3.client('logs')"),
        (Stubber(LOGS), "without put_log_events (Stubber)", "boto3.client('logs')"),
        (SimpleNamespace(put_log_events="yes"), "without put_log_events", "boto3.client('logs')"),
        (False, "without put_log_events (bool)", "or leave it out"),
    ],
)
def test_what_is_no_client_is_refused_with_the_way_out(wrong, kind, way_out):
    """F59. Each of these was taken, and no record ever arrived."""
    message = refusal(boto3_client=wrong)
    assert message.startswith("boto3_client=")
    assert "is no client for CloudWatch Logs, but " in message
    assert kind in message
    assert way_out in message


def test_credentials_in_a_mapping_are_not_shown():
    """The text of the error ends up in a log."""
    message = refusal(boto3_client={"aws_secret_access_key": "geheim"})
    assert "aws_secret_access_key" in message
    assert "geheim" not in message


def test_a_client_of_aiobotocore_is_refused():
    """F59. The real one, where it is installed: it wants an older botocore than the other tests run with."""
    session = pytest.importorskip("aiobotocore.session", reason="aiobotocore is not installed").get_session()
    import asyncio

    async def refused():
        async with session.create_client("logs", region_name="us-east-1") as client:
            return refusal(boto3_client=client), refusal(boto3_client=type(client))

    by_instance, by_class = asyncio.run(refused())
    assert "an asynchronous one" in by_instance
    assert "the class itself" in by_class
    assert "an asynchronous one (AioSession)" in refusal(boto3_client=session)


@pytest.mark.parametrize(
    "right",
    [
        None,
        LOGS,
        mock.Mock(),
        mock.MagicMock(),
        mock.Mock(spec=LOGS),
        mock.create_autospec(LOGS),
        Wrapper(LOGS),
        wrapt.ObjectProxy(LOGS),
        SimpleNamespace(put_log_events=lambda **_: {}),
    ],
)
def test_clients_and_what_stands_in_for_them_are_accepted(right):
    CloudWatchLogsHandler("g", boto3_client=right).close()


def test_a_proxy_that_is_bound_later_is_accepted():
    """What cannot be told yet is seen at the first put."""
    CloudWatchLogsHandler("g", boto3_client=Unbound()).close()


@pytest.mark.parametrize("wrap", [Wrapper, wrapt.ObjectProxy])
def test_a_wrapped_client_delivers(attach, logger, fake, wrap):
    handler = attach(boto3_client=wrap(fake.client()))
    logger.warning("one")
    assert handler.flush(HANG_LIMIT)
    assert fake.messages("g") == ["one"]


def test_a_stubbed_client_delivers(attach, logger):
    client = SESSION.client("logs")
    stubber = Stubber(client)
    stubber.add_response("put_log_events", {}, {"logGroupName": "g", "logStreamName": "s", "logEvents": mock.ANY})
    with stubber:
        handler = attach(boto3_client=client)
        logger.warning("one")
        assert handler.flush(HANG_LIMIT)
    assert handler.stats.delivered == 1
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize("stand_in", [mock.Mock(), mock.MagicMock(), mock.create_autospec(LOGS)])
def test_a_mock_delivers(attach, logger, stand_in):
    """Programs are tested like that: whatever a Mock answers is a success."""
    handler = attach(boto3_client=stand_in)
    logger.warning("one")
    assert handler.flush(HANG_LIMIT)
    assert handler.stats.delivered == 1
    (call,) = stand_in.put_log_events.call_args_list
    assert [event["message"] for event in call.kwargs["logEvents"]] == ["one"]


# -- regions


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        ("us_east_1", "the nearest is 'us-east-1'"),
        ("US-EAST-1", "the nearest is 'us-east-1'"),
        ("us-east-1 ", "the nearest is 'us-east-1'"),
        ("us-east-1\n", "the nearest is 'us-east-1'"),
        ("eu-west-1a", "the nearest is 'eu-west-1'"),
        ("us-west-2-lax-1a", "the nearest is 'us-west-2'"),
        ("useast1", "the nearest is 'us-east-1'"),
        ("us-east", "the nearest is 'us-east-1'"),
        ("arn:aws:logs:eu-west-1:123456789012:log-group:g", "the nearest is 'eu-west-1'"),
        ("https://logs.eu-west-3.amazonaws.com", "the nearest is 'eu-west-3'"),
        ("virginia", "give one such as 'us-east-1'"),
        ("aws-global", "give one such as 'us-east-1'"),
        ("", "leave it out, or give None"),
        ("None", "leave it out, or give None"),
    ],
)
def test_a_region_that_cannot_be_is_refused_with_the_nearest(wrong, way_out):
    """F59. boto3 takes most of them, and looks for a host that nobody has."""
    message = refusal(ValueError, region_name=wrong)
    assert message.startswith(f"region_name={wrong!r}: no AWS region is called that; ")
    assert way_out in message


def test_a_region_that_is_no_text_is_refused():
    assert refusal(region_name=1).startswith("region_name=1 is of type int: ")


@pytest.mark.parametrize(
    "right",
    [
        None,
        "us-east-1",
        "ap-southeast-7",
        "us-gov-west-1",
        "us-isob-east-1",
        "eusc-de-east-1",
        "cn-north-1",
        "fips-us-east-1",
        "us-gov-west-1-fips",
        # Nobody's yet: this botocore need not know it.
        "zz-northsouth-12",
    ],
)
def test_a_region_that_aws_may_have_is_accepted(right):
    CloudWatchLogsHandler("g", region_name=right).close()


def test_any_region_goes_with_an_endpoint_of_its_own(monkeypatch, tmp_path):
    """Stand-ins and other makers' clouds have names of their own."""
    CloudWatchLogsHandler("g", region_name="local", endpoint_url="http://localhost:4566").close()
    refusal(ValueError, region_name="local")
    (tmp_path / "config").write_text("[profile here]\nendpoint_url = http://localhost:4566\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    CloudWatchLogsHandler("g", region_name="local", boto3_profile_name="here").close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    CloudWatchLogsHandler("g", region_name="local").close()
    assert "the nearest is 'us-east-1'" in refusal(ValueError, region_name="us_east_1")


PROGRAM = """
import logging
import time
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "s", close_timeout=0.1)
logging.getLogger().addHandler(handler)
logging.error("one")
while handler.stats.last_error is None:
    time.sleep(0.01)
assert handler.stats.pending == 1
"""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"AWS_DEFAULT_REGION": "us_east_1"},
            "AWS_DEFAULT_REGION or the region of the profile; the nearest is 'us-east-1'",
        ),
        (
            {"AWS_DEFAULT_REGION": "US-EAST-1"},
            "AWS_DEFAULT_REGION or the region of the profile; the nearest is 'us-east-1'",
        ),
        ({"AWS_DEFAULT_REGION": "eu-west-1a"}, "the nearest is 'eu-west-1'"),
        ({"AWS_ENDPOINT_URL": "localhost:4566"}, "AWS_ENDPOINT_URL or the AWS configuration file; write it with its"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:99999"}, "(Port out of range 0-65535)"),
        ({"AWS_PROFILE": "nobody"}, "correct boto3_profile_name or AWS_PROFILE, or add the profile"),
    ],
)
def test_what_cannot_be_in_the_environment_is_told_on_stderr_and_the_records_kept(environment, said):
    """F59. The constructor does not look there; the operator reads which variable, and what to write."""
    with started(python("-c", PROGRAM), **environment) as program:
        assert said in program.wait_for("cwlog_handler: ")
        assert program.wait() == 0


# -- endpoints


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        ("localhost:4566", "write it with its scheme: 'http://localhost:4566'"),
        ("//localhost:4566", "write it with its scheme: 'http://localhost:4566'"),
        ("logs.eu-west-1.amazonaws.com", "write it with its scheme: 'https://logs.eu-west-1.amazonaws.com'"),
        ("", "leave it out, or give None"),
        ("null", "leave it out, or give None"),
        ("http://", "write it as 'https://host' or 'http://host:port'"),
        ("ftp://host", "write it as 'https://host' or 'http://host:port'"),
        ("http://two words", "write it as 'https://host' or 'http://host:port'"),
        ("http://local_stack:4566", "boto3 takes no host with '_' in its name"),
        ("http://localhost:80x", "Port could not be cast"),
        ("http://localhost:65536", "Port out of range"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_with_the_way_out(wrong, way_out):
    """F59. Otherwise each request fails, or no client can be made."""
    message = refusal(ValueError, endpoint_url=wrong)
    assert message.startswith(f"endpoint_url={wrong!r}: ")
    assert way_out in message


def test_a_password_in_an_endpoint_is_not_shown():
    assert "geheim" not in refusal(ValueError, endpoint_url="http://user:geheim@host:0")


@pytest.mark.parametrize(
    "right", [None, "http://localhost:4566", "HTTPS://Host/", "http://[::1]:4566", "https://vpce-1.logs.eu.vpce.x/path"]
)
def test_an_endpoint_that_can_be_is_accepted(right):
    CloudWatchLogsHandler("g", endpoint_url=right).close()


# -- answers


class NobodyAwaits:
    """A wrapper around an asynchronous client, which the constructor cannot see through."""

    def put_log_events(self, **_request):
        return AsynchronousClient().put_log_events()


def test_a_coroutine_is_no_delivery_and_python_warns_of_none(attach, logger, fake, capfd):
    """F59. It counted as delivered, and no request was ever made."""
    handler = attach(boto3_client=NobodyAwaits(), close_timeout=0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger.error("one")
        assert fake.wait_for(lambda: "pass what boto3.client('logs') returns" in capfd.readouterr().err)
        assert not handler.flush(1.0)
    assert not caught
    assert (handler.stats.delivered, handler.stats.pending) == (0, 1)
    assert "put_log_events of boto3_client returns a coroutine" in handler.stats.last_error


def test_what_is_no_answer_is_tried_again_until_it_is_one(attach, logger):
    """F59. Nothing is lost while somebody mends the stand-in."""
    put_log_events = mock.Mock(side_effect=[None, {}])
    handler = attach(boto3_client=SimpleNamespace(put_log_events=put_log_events))
    logger.error("one")
    assert handler.flush(60)
    assert handler.stats.delivered == 1
    assert put_log_events.call_count == 2


if sys.version_info >= (3, 12):
    # Of the standard library only then: a plain function that is marked as one that returns a coroutine.
    import inspect

    def test_what_is_marked_as_a_coroutine_function_is_one():
        marked = SimpleNamespace(put_log_events=inspect.markcoroutinefunction(lambda **_: None))
        assert "an asynchronous one" in refusal(boto3_client=marked)


@pytest.mark.parametrize(
    "url",
    [
        "https://logs.us-east-1.amazonaws.com",
        "https://logs-fips.us-east-1.amazonaws.com/",
        "https://logs.us-east-1.api.aws",
        "https://logs-fips.us-east-1.api.aws",
        "https://logs.cn-north-1.amazonaws.com.cn",
        "https://logs.cn-north-1.api.amazonwebservices.com.cn",
    ],
)
def test_all_endpoints_of_a_region_lead_to_the_same_groups(url):
    """A spool's files are delivered also after FIPS or dual stack was turned on."""
    assert destination.region_and_endpoint("us-east-1", url, None, None) == ("us-east-1", "")


def test_an_endpoint_that_is_configured_counts_unless_it_is_ignored(monkeypatch):
    """As botocore's keyword and variable of this name say it."""
    where = ("us-east-1", None, None, None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://stand-in")
    assert destination.region_and_endpoint(*where) == ("us-east-1", "http://stand-in")
    assert destination.region_and_endpoint(*where, True) == ("us-east-1", "")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert destination.region_and_endpoint(*where) == ("us-east-1", "")
    assert destination.region_and_endpoint("us-east-1", "http://given", None, None) == ("us-east-1", "http://given")


@pytest.mark.parametrize(
    ("options", "variables", "is_known"),
    [
        ({"region_name": "eu-west-1"}, {}, True),
        ({}, {"AWS_DEFAULT_REGION": "us-west-2"}, True),
        ({"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:1"}, {}, True),
        ({"region_name": "eu-west-1"}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"}, True),
        ({"region_name": "eu-west-1"}, {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://127.0.0.1:3"}, True),
        ({"boto3_client": LOGS}, {"AWS_DEFAULT_REGION": "us-west-2"}, True),
        ({"region_name": "cn-north-1"}, {}, False),
        ({"region_name": "us-iso-east-1"}, {}, False),
        ({"region_name": "fips-us-east-1"}, {}, False),
        ({"region_name": "eu-west-1"}, {"AWS_USE_FIPS_ENDPOINT": "true"}, False),
        ({"region_name": "eu-west-1"}, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, False),
        ({"region_name": "eu-west-1", "boto3_config": {"use_dualstack_endpoint": True}}, {}, False),
        (
            {"region_name": "eu-west-1", "boto3_config": {"ignore_configured_endpoint_urls": True}},
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"},
            False,
        ),
        (
            {"region_name": "eu-west-1"},
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:2", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            False,
        ),
    ],
)
def test_the_likely_endpoint_is_unknown_or_the_one_that_the_client_has_then(monkeypatch, options, variables, is_known):
    """With a wrong one, a handler would count as one with an endpoint of its own."""
    for name in ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    handler = CloudWatchLogsHandler("g", **options)
    endpoint = handler._flusher._client.connect().endpoint
    assert handler._flusher.rounds._dispatch._endpoint == (endpoint if is_known else None)
    handler.close()


def test_no_endpoint_is_likely_where_only_a_file_may_name_one(monkeypatch):
    for name in ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"):
        monkeypatch.delenv(name, raising=False)
    assert destination.likely_endpoint(None, None, None, {}) is None
    assert destination.likely_endpoint(None, None, mock.Mock(), {}) is None
