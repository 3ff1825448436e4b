"""The body of a request: to the letter what botocore would have sent, in fewer bytes."""

import json
import time

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.aws import hooks
from cwlog_handler.aws.payload import put_log_events
from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event

from ..programs import HANG_LIMIT

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


# Some are long enough for a few of them to be more than is put together at a time.
EVENTS = st.lists(st.tuples(st.integers(0, 2**43), TEXTS | st.just("é" * 50_000)), min_size=1)


@given(EVENTS, st.sampled_from([1, 12]), TEXTS, st.none() | st.text("0123456789"))
def test_the_body_says_what_was_meant_whatever_the_text(made, of_a_millisecond, stream, token):
    made = sorted(made * of_a_millisecond, key=lambda event: event[0])
    events = Events.of([Event(timestamp, text.encode()) for timestamp, text in made])
    body = json.loads(put_log_events("g", stream, events, token))
    assert body.pop("sequenceToken", None) == token
    assert body == {
        "logGroupName": "g",
        "logStreamName": stream,
        "logEvents": [{"timestamp": timestamp, "message": text} for timestamp, text in made],
    }


def test_text_of_the_world_goes_out_as_utf_8():
    """F23: escaped as ASCII it would be two to six times as long."""
    assert "日本".encode() in put_log_events("g", "s", Events.of([Event(0, "日本".encode())]), None)


@pytest.mark.parametrize("tokens", [False, True])
def test_it_is_what_a_client_of_ours_sends(fake, logger, tokens):
    """Over HTTP: the fake reads and checks the whole body, signature length and all."""
    fake = type(fake)(sequence_tokens=tokens)
    texts = ["plain", 'quote " backslash \\ nul \0 newline \n', "日本 😀 \u2028"]
    with fake.serve() as url:
        handler = CloudWatchLogsHandler("g", "s", endpoint_url=url, close_timeout=HANG_LIMIT)
        logger.addHandler(handler)
        for _ in range(3):
            for text in texts:
                logger.info(text)
            assert handler.flush()
    assert fake.messages("g", "s") == texts * 3


def test_the_owner_of_a_client_that_was_passed_in_sees_every_event(fake, logger, attach):
    seen = []
    client = fake.client()
    client.meta.events.register(
        "provide-client-params.cloudwatch-logs.PutLogEvents", lambda params, **_: seen.append(len(params["logEvents"]))
    )
    fake.create("g", "s")
    handler = attach(boto3_client=client, send_interval=3600)
    for number in range(5):
        logger.info("%d", number)
    assert handler.flush(HANG_LIMIT)
    assert seen == [5]


def test_another_call_of_the_same_client_at_the_same_time_is_its_own(fake):
    """The body belongs to the thread that is in a call of ours."""
    client = fake.client()
    hooks.install(client)
    fake.create("g", "s")
    now = int(time.time() * 1000)
    request = {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": now, "message": "theirs"}]}
    with hooks.our_call(body=put_log_events("g", "s", Events.of([Event(now, b"ours")]), None)):
        client.put_log_events(**request)
    client.put_log_events(**request)
    assert fake.messages("g", "s") == ["ours", "theirs"]


def test_botocore_serialises_the_same_content():
    """Compared with its own serializer, for a request that has everything."""
    client = boto3.Session("key", "secret", region_name="us-east-1").client("logs")
    made = [{"timestamp": 1, "message": 'a"b\n\0'}, {"timestamp": 2, "message": "é😀"}]
    request = {"logGroupName": "g", "logStreamName": "s", "sequenceToken": "7", "logEvents": made}
    operation = client.meta.service_model.operation_model("PutLogEvents")
    theirs = client._serializer.serialize_to_request(request, operation)["body"]
    ours = put_log_events("g", "s", Events.of([Event(e["timestamp"], e["message"].encode()) for e in made]), "7")
    assert json.loads(ours) == json.loads(theirs)
