"""Log groups and streams: making, describing, tagging, deleting, retention."""

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cwlog_handler.testing import FakeCloudWatchLogs, LogGroup

NOW = 1_700_000_000_000
RETENTION = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545]
LONG_RETENTION = [731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]


@pytest.fixture
def fake():
    return FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000)


@pytest.fixture
def client(fake):
    return fake.client(Config(parameter_validation=False))


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_what_a_new_group_was_made_with_can_be_seen(fake, client):
    """Tags, key and class come with CreateLogGroup, retention with PutRetentionPolicy."""
    client.create_log_group(
        logGroupName="g", tags={"team": "a b"}, kmsKeyId="arn:aws:kms:x", logGroupClass="INFREQUENT_ACCESS"
    )
    client.put_retention_policy(logGroupName="g", retentionInDays=30)
    client.create_log_stream(logGroupName="g", logStreamName="s")
    assert fake.groups == {"g": LogGroup("g", 30, {"team": "a b"}, "arn:aws:kms:x", "INFREQUENT_ACCESS", ("s",))}
    assert fake.requests[0].parameters["tags"] == {"team": "a b"}
    assert fake.requests[1].parameters["retentionInDays"] == 30


def test_a_plain_group_keeps_its_events_for_ever(fake, client):
    """No tags, no key, the standard class."""
    client.create_log_group(logGroupName="g")
    assert fake.groups["g"] == LogGroup("g", None, {}, None, "STANDARD", ())


def test_what_exists_already_is_not_made_again(fake, client):
    """Two processes race: the second is told, nothing is lost."""
    fake.create("g", "s")
    fake.put_elsewhere("g", "s", "kept")
    assert refusal(client.create_log_group, logGroupName="g") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    assert refusal(client.create_log_stream, logGroupName="g", logStreamName="s") == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    assert fake.messages("g") == ["kept"]


def test_a_stream_needs_its_group(client):
    """No group is made on the way."""
    assert refusal(client.create_log_stream, logGroupName="g", logStreamName="s") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


@pytest.mark.parametrize("name", ["aws/x", "AWS/x"])
def test_group_names_of_the_service_itself_are_reserved(client, name):
    """Group names cannot start with aws/, while /aws/ is usual."""
    assert refusal(client.create_log_group, logGroupName=name)[0] == "InvalidParameterException"


@pytest.mark.parametrize("log_group_class", ["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"])
def test_log_group_classes_are_taken(fake, client, log_group_class):
    """The classes of the service."""
    client.create_log_group(logGroupName="g", logGroupClass=log_group_class)
    assert fake.groups["g"].log_group_class == log_group_class


@pytest.mark.parametrize("log_group_class", ["standard", "", "GLACIER"])
def test_other_log_group_classes_are_refused(fake, client, log_group_class):
    """botocore does not check them, the service does."""
    code, message = refusal(client.create_log_group, logGroupName="g", logGroupClass=log_group_class)
    assert (code, "at 'logGroupClass'" in message) == ("InvalidParameterException", True)
    assert fake.groups == {}


@pytest.mark.parametrize("days", RETENTION + LONG_RETENTION)
def test_listed_retentions_are_taken(fake, client, days):
    """Only these numbers of days exist."""
    fake.create("g")
    client.put_retention_policy(logGroupName="g", retentionInDays=days)
    assert fake.groups["g"].retention_days == days


@pytest.mark.parametrize("days", sorted({d + n for d in RETENTION + LONG_RETENTION for n in (-1, 1)} - {*RETENTION}))
def test_all_other_retentions_are_refused(fake, client, days):
    """A day less or a day more is no retention."""
    fake.create("g", retention_days=7)
    code, message = refusal(client.put_retention_policy, logGroupName="g", retentionInDays=days)
    assert (code, f"Value '{days}' at 'retentionInDays'" in message) == ("InvalidParameterException", True)
    assert fake.groups["g"].retention_days == 7


def test_a_retention_can_be_taken_away(fake, client):
    """DeleteRetentionPolicy: for ever again."""
    fake.create("g", retention_days=7)
    client.delete_retention_policy(logGroupName="g")
    assert fake.groups["g"].retention_days is None


def test_tags_are_added_to_a_group_by_its_arn(fake, client):
    """TagResource overwrites equal keys and leaves others; the ARN comes from DescribeLogGroups."""
    fake.create("g", tags={"a": "1", "b": "2"})
    arn = client.describe_log_groups()["logGroups"][0]["logGroupArn"]
    client.tag_resource(resourceArn=arn, tags={"b": "3", "c": ""})
    assert fake.groups["g"].tags == {"a": "1", "b": "3", "c": ""}


@pytest.mark.parametrize(
    "tags",
    [
        {"k" * 129: "v"},
        {"": "v"},
        {"k": "v" * 257},
        {"k!": "v"},
        {"k": "v\n"},
        {f"k{number}": "v" for number in range(51)},
        {},
    ],
    ids=["long key", "empty key", "long value", "character in key", "character in value", "51 tags", "no tags"],
)
def test_impossible_tags_are_refused(fake, client, tags):
    """Keys of 1 to 128 characters, values of up to 256, 1 to 50 of them."""
    assert refusal(client.create_log_group, logGroupName="g", tags=tags)[0] == "InvalidParameterException"
    assert fake.groups == {}


def test_tags_at_their_limits_are_taken(fake, client):
    """50 tags, 128 and 256 characters."""
    tags = {f"{number:0128d}": "é" * 256 for number in range(50)}
    client.create_log_group(logGroupName="g", tags=tags)
    assert fake.groups["g"].tags == tags
    arn = client.describe_log_groups()["logGroups"][0]["logGroupArn"]
    assert refusal(client.tag_resource, resourceArn=arn, tags={"one": "more"})[0] == "TooManyTagsException"


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("put_retention_policy", {"retentionInDays": 7}),
        ("delete_retention_policy", {}),
        ("delete_log_group", {}),
        ("delete_log_stream", {"logStreamName": "s"}),
        ("describe_log_streams", {}),
        ("get_log_events", {"logStreamName": "s"}),
        ("filter_log_events", {}),
    ],
)
def test_operations_on_a_missing_group_are_refused(client, operation, params):
    """Every operation looks its group up."""
    assert refusal(getattr(client, operation), logGroupName="g", **params) == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


def test_groups_and_streams_can_be_deleted(fake, client):
    """What is in them goes as well."""
    fake.create("g", "s", "t")
    fake.put_elsewhere("g", "s", "x")
    client.delete_log_stream(logGroupName="g", logStreamName="s")
    assert (fake.streams("g"), fake.messages("g")) == (["t"], [])
    client.delete_log_group(logGroupName="g")
    assert fake.groups == {}


def test_groups_are_described_in_pages(fake, client):
    """By prefix or pattern, 50 at most a page, in the order of their names."""
    for number in reversed(range(60)):
        fake.create(f"app/{number:02d}")
    fake.create("other")
    pages = list(client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="app/"))
    assert [len(page["logGroups"]) for page in pages] == [50, 10]
    names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    assert names == [f"app/{number:02d}" for number in range(60)]
    found = client.describe_log_groups(logGroupNamePattern="THE")["logGroups"]
    assert [group["logGroupName"] for group in found] == ["other"]
    assert refusal(client.describe_log_groups, limit=51)[0] == "InvalidParameterException"


def test_streams_are_described_by_name_or_by_last_event(fake, client):
    """Order and prefix; the bytes of a stream are always reported as zero."""
    fake.create("g", "b", "a", "c")
    fake.put_elsewhere("g", "b", "x", timestamp=NOW - 5)
    fake.put_elsewhere("g", "a", "x", timestamp=NOW)

    def names(**params):
        return [
            stream["logStreamName"] for stream in client.describe_log_streams(logGroupName="g", **params)["logStreams"]
        ]

    assert names() == ["a", "b", "c"]
    assert names(logStreamNamePrefix="b") == ["b"]
    assert names(orderBy="LastEventTime", descending=True) == ["a", "b", "c"]
    assert names(orderBy="LastEventTime") == ["c", "b", "a"]
    assert names(limit=2) == ["a", "b"]
    stream = client.describe_log_streams(logGroupName="g", logStreamNamePrefix="b")["logStreams"][0]
    assert (stream["firstEventTimestamp"], stream["lastIngestionTime"], stream["storedBytes"]) == (NOW - 5, NOW, 0)


def test_describing_is_written_down(fake, client):
    """So that a test can prove that nobody asked."""
    client.describe_log_groups()
    fake.create("g")
    client.describe_log_streams(logGroupName="g")
    assert [request.operation for request in fake.requests] == ["DescribeLogGroups", "DescribeLogStreams"]
