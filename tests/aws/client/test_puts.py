"""What a put sends, when it starts, and what its answer says of tokens and rejected events."""

import threading
from unittest import mock

import pytest
from botocore.config import Config

from cwlog_handler.core.batches import Batch
from cwlog_handler.core.outcomes import Accepted, AlreadyAccepted, Invalid, StaleToken
from cwlog_handler.core.targets import Target
from cwlog_handler.testing import FakeCloudWatchLogs, reset_after_commit, stall, throttle

from .subject import DAY, NOW, Subject, answering_json, event


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
    Subject(boto3_client).client.put(Target("g", "s"), Batch.of([event()]), None, lambda: order.append("started"))
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
        thread = threading.Thread(target=client.put, args=(Target("g", "s"), Batch.of([event()]), None, on_progress))
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
