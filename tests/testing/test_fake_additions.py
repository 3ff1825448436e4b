"""What the service takes beside events: compressed bodies, entities, protected groups, and the quotas of an account."""

import gzip
import json
import time
import urllib.error
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cwlog_handler.testing import Call, FakeCloudWatchLogs, entity_refused, entity_rejected, gzip_refused
from cwlog_handler.testing.exchange import Exchange
from cwlog_handler.testing.rates import Quotas

NOW = 1_700_000_000_000
SERVICE = {"Type": "Service", "Name": "shop", "Environment": "production"}
PUT = {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": NOW, "message": "m"}]}


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000)
    fake.create("g", "s")
    return fake


@pytest.fixture
def client(fake):
    return fake.client(Config(parameter_validation=False))


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def posted(url, body, **headers):
    """Status and body of the answer to this very body."""
    headers = {"X-Amz-Target": "Logs_20140328.PutLogEvents", **headers}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# -- compressed bodies


def test_a_compressed_body_is_read(fake):
    body = gzip.compress(json.dumps(PUT).encode())
    with fake.serve() as url:
        assert posted(url, body, **{"Content-Encoding": "gzip"}) == (200, b"{}")
    (request,) = fake.requests
    assert (request.content_encoding, request.wire_bytes, request.size_bytes) == ("gzip", len(body), 27)
    assert fake.messages("g") == ["m"]


def test_a_plain_body_has_no_coding(fake, client):
    client.put_log_events(**PUT)
    assert fake.requests[0].content_encoding is None


WHOLE = gzip.compress(json.dumps(PUT).encode())


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (json.dumps(PUT).encode(), "gzip"),
        (WHOLE[:-4], "gzip"),
        (WHOLE + b"more", "gzip"),
        (WHOLE, "br"),
        (gzip.compress(b"no JSON"), "gzip"),
    ],
    # The bytes have the time in them: workers of pytest-xdist would collect tests of different names.
    ids=["plain", "too short", "too long", "another coding", "no JSON"],
)
def test_what_is_not_what_its_header_says_is_refused(fake, body, coding):
    with fake.serve() as url:
        status, answer = posted(url, body, **{"Content-Encoding": coding})
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
    assert fake.messages("g") == []


def test_an_endpoint_may_know_no_compression():
    fake = FakeCloudWatchLogs(takes_gzip=False)
    with fake.serve() as url:
        status, answer = posted(url, WHOLE, **{"Content-Encoding": "gzip"})
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
    assert fake.requests[0].content_encoding == "gzip"
    assert Call.parse({"content-encoding": "gzip"}, WHOLE).params == PUT


@pytest.mark.parametrize("status", [400, 415])
def test_only_compressed_requests_are_refused_for_it(fake, client, status):
    fake.fail(gzip_refused(status))
    client.put_log_events(**PUT)
    with fake.serve() as url:
        refused, answer = posted(url, WHOLE, **{"Content-Encoding": "gzip"})
    assert (refused, b"SerializationException" in answer) == (status, status == 400)
    assert fake.messages("g") == ["m"]


# -- entities


@pytest.mark.parametrize(
    "entity",
    [
        {"keyAttributes": SERVICE},
        {"keyAttributes": SERVICE, "attributes": {}},
        {"keyAttributes": SERVICE | {"AwsAccountId": "1"}, "attributes": {str(n): "x" for n in range(10)}},
        {"keyAttributes": {"Type": "AWS::Resource", "ResourceType": "AWS::EC2::Instance", "Identifier": "i-1"}},
        {"keyAttributes": {"Type": "RemoteService", "Name": "n" * 512}},
    ],
)
def test_an_entity_that_is_right_is_taken(fake, client, entity):
    answer = client.put_log_events(**PUT, entity=entity)
    assert "rejectedEntityInfo" not in answer
    assert fake.requests[0].entity == entity


@pytest.mark.parametrize(
    ("entity", "verdict"),
    [
        ({}, "MissingRequiredFields"),
        ({"attributes": {"a": "b"}}, "MissingRequiredFields"),
        ({"keyAttributes": {"Name": "a", "Environment": "b"}}, "MissingRequiredFields"),
        ({"keyAttributes": {"Type": "Service", "Environment": "b"}}, "MissingRequiredFields"),
        ({"keyAttributes": {"Type": "Resource", "ResourceType": "b"}}, "MissingRequiredFields"),
        ({"keyAttributes": {"Type": "Servise", "Name": "a"}}, "InvalidTypeValue"),
    ],
)
def test_an_entity_that_is_wrong_is_told_and_its_events_are_stored(fake, client, entity, verdict):
    answer = client.put_log_events(**PUT, entity=entity)
    assert answer["rejectedEntityInfo"] == {"errorType": verdict}
    assert fake.messages("g") == ["m"]


def test_another_class_of_group_takes_no_entity(fake, client):
    fake.create("cheap", "s", log_group_class="INFREQUENT_ACCESS")
    answer = client.put_log_events(**PUT | {"logGroupName": "cheap"}, entity={"keyAttributes": SERVICE})
    assert answer["rejectedEntityInfo"] == {"errorType": "UnsupportedLogGroupType"}


@pytest.mark.parametrize(
    ("entity", "code", "named"),
    [
        ({"keyAttributes": {"Type": "Service"}}, "InvalidParameterException", "'entity.keyAttributes'"),
        ({"keyAttributes": dict.fromkeys("abcde", "x")}, "InvalidParameterException", "'entity.keyAttributes'"),
        ({"keyAttributes": SERVICE | {"Name": ""}}, "InvalidParameterException", "'entity.keyAttributes.Name.member'"),
        ({"keyAttributes": SERVICE | {"Name": "x" * 513}}, "InvalidParameterException", "or equal to 512"),
        ({"keyAttributes": SERVICE, "attributes": {str(n): "x" for n in range(11)}}, "InvalidParameterException",
         "'entity.attributes'"),
        ({"keyAttributes": SERVICE, "attributes": {"k" * 257: "x"}}, "InvalidParameterException", "or equal to 256"),
        ({"keyAttributes": SERVICE | {"AccountId": "1"}}, "ValidationException", "Value 'AccountId' at 'entity"),
        ("shop", "SerializationException", "entity"),
        ({"keyAttributes": "x"}, "SerializationException", "entity.keyAttributes"),
        ({"keyAttributes": {"Type": 1}}, "SerializationException", "entity.keyAttributes"),
    ],
)  # fmt: skip
def test_an_entity_that_is_none_has_the_whole_request_refused(fake, entity, code, named):
    with fake.serve() as url:
        status, answer = posted(url, json.dumps(PUT | {"entity": entity}).encode())
    assert (status, json.loads(answer)["__type"]) == (400, code)
    assert named in json.loads(answer)["message"]
    assert fake.messages("g") == []


def test_the_form_of_an_entity_is_looked_at_before_the_stream(fake):
    """As that of all members is: a stream that is missing does not hide what is wrong."""
    with fake.serve() as url:
        entity = {"keyAttributes": SERVICE | {"AccountId": "1"}}
        _, answer = posted(url, json.dumps(PUT | {"logStreamName": "missing", "entity": entity}).encode())
    assert json.loads(answer)["__type"] == "ValidationException"


def test_an_entity_is_rejected_on_order_beside_what_else_the_answer_says(fake, client):
    old = {"timestamp": NOW - 15 * 86_400_000, "message": "old"}
    fake.fail(entity_rejected("EntitySizeTooLarge"))
    plain = client.put_log_events(**PUT)
    answer = client.put_log_events(**PUT | {"logEvents": [old, *PUT["logEvents"]]}, entity={"keyAttributes": SERVICE})
    assert "rejectedEntityInfo" not in plain
    assert answer["rejectedEntityInfo"] == {"errorType": "EntitySizeTooLarge"}
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert fake.messages("g") == ["m", "m"]


def test_a_refusal_says_nothing_of_an_entity_that_was_to_be_rejected(fake, client):
    """The service looks at the entity of events that it takes."""
    fake.fail(entity_rejected())
    with pytest.raises(ClientError) as caught:
        client.put_log_events(**PUT | {"logStreamName": "missing"}, entity={"keyAttributes": SERVICE})
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert "rejectedEntityInfo" not in caught.value.response


def test_a_request_is_refused_on_order_for_its_entity(fake, client):
    fake.fail(entity_refused("AccountId"))
    client.put_log_events(**PUT)
    code, message = refusal(client.put_log_events, **PUT, entity={"keyAttributes": SERVICE})
    assert (code, "'AccountId' at 'entity.keyAttributes'" in message) == ("ValidationException", True)
    assert fake.messages("g") == ["m"]


# -- protected groups


def test_a_protected_group_and_its_streams_cannot_be_deleted(fake, client):
    client.create_log_group(logGroupName="safe", deletionProtectionEnabled=True)
    client.create_log_stream(logGroupName="safe", logStreamName="s")
    assert fake.groups["safe"].deletion_protection
    assert refusal(client.delete_log_group, logGroupName="safe")[0] == "ValidationException"
    assert refusal(client.delete_log_stream, logGroupName="safe", logStreamName="s")[0] == "ValidationException"
    shown = {group["logGroupName"]: group["deletionProtectionEnabled"] for group in groups_of(client)}
    assert shown == {"g": False, "safe": True}


def groups_of(client):
    return client.describe_log_groups()["logGroups"]


def test_a_change_of_the_protection_has_to_say_which(fake, client):
    fake.create("safe", "s", deletion_protection=True)
    code, message = refusal(client.put_log_group_deletion_protection, logGroupIdentifier="safe")
    assert (code, "'deletionProtectionEnabled'" in message) == ("InvalidParameterException", True)
    assert fake.groups["safe"].deletion_protection


@pytest.mark.parametrize("identifier", ["safe", "arn:aws:logs:us-east-1:123456789012:log-group:safe"])
def test_the_protection_can_be_taken_away(fake, client, identifier):
    fake.create("safe", "s", deletion_protection=True)
    client.put_log_group_deletion_protection(logGroupIdentifier=identifier, deletionProtectionEnabled=False)
    client.delete_log_stream(logGroupName="safe", logStreamName="s")
    client.delete_log_group(logGroupName="safe")
    assert "safe" not in fake.groups


def test_a_protection_is_true_or_false(client):
    code, _ = refusal(client.create_log_group, logGroupName="h", deletionProtectionEnabled="yes")
    assert code == "SerializationException"


# -- the quotas of an account


@pytest.fixture
def within_a_second(monkeypatch):
    """All requests arrive at one instant, however long a busy machine needs for them."""
    monkeypatch.setattr(Exchange, "monotonic", staticmethod(lambda: 1000.0))


@pytest.mark.usefixtures("within_a_second")
def test_an_account_has_a_quota_of_puts_over_all_streams():
    fake = FakeCloudWatchLogs(account_puts_per_second=3)
    for name in "abcd":
        fake.create(name, "s")
    client = fake.client()
    for name in "abc":
        client.put_log_events(**put_into(name))
    assert refusal(client.put_log_events, **put_into("d")) == ("ThrottlingException", "Rate exceeded")


def put_into(group):
    """A put that is in time by the clock of a fake of its own."""
    events = [{"timestamp": int(time.time() * 1000), "message": "m"}]
    return {"logGroupName": group, "logStreamName": "s", "logEvents": events}


@pytest.mark.usefixtures("within_a_second")
def test_creations_have_quotas_of_their_own():
    fake = FakeCloudWatchLogs(account_streams_per_second=2, account_groups_per_second=1)
    client = fake.client()
    client.create_log_group(logGroupName="g")
    assert refusal(client.create_log_group, logGroupName="h")[0] == "ThrottlingException"
    for name in "ab":
        client.create_log_stream(logGroupName="g", logStreamName=name)
    assert refusal(client.create_log_stream, logGroupName="g", logStreamName="c")[0] == "ThrottlingException"
    assert fake.streams("g") == ["a", "b"]


def test_a_put_that_one_limit_refuses_does_not_count_for_the_other():
    """Otherwise a client that slows down would be refused for puts that were never taken."""
    quotas = Quotas(1, 2, None, None)
    assert quotas.admits("PutLogEvents", "g", "a", 0.0)
    assert not quotas.admits("PutLogEvents", "g", "a", 0.1)
    assert quotas.admits("PutLogEvents", "g", "b", 0.2)
    assert not quotas.admits("PutLogEvents", "g", "c", 0.9)
    assert quotas.admits("PutLogEvents", "g", "c", 1.0)


@pytest.mark.parametrize(
    "option", ["account_puts_per_second", "account_streams_per_second", "account_groups_per_second"]
)
def test_a_quota_below_one_is_refused(option):
    with pytest.raises(ValueError, match=f"{option} must be 1 or more, or None for no limit: 0"):
        FakeCloudWatchLogs(**{option: 0})
