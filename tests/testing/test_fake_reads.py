"""GetLogEvents and FilterLogEvents: order, ranges and pages."""

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cwlog_handler.testing import FakeCloudWatchLogs

NOW = 1_700_000_000_000
MEGABYTE = 1_048_576


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000)
    fake.create("g", "s", "t")
    return fake


@pytest.fixture
def client(fake):
    return fake.client(Config(parameter_validation=False))


def read(client, **params):
    return client.get_log_events(logGroupName="g", logStreamName="s", **params)


def texts(answer):
    return [event["message"] for event in answer["events"]]


def fill(fake, count):
    for number in range(count):
        fake.put_elsewhere("g", "s", str(number), timestamp=NOW + number)


def test_events_are_shown_by_timestamp_then_by_ingestion(fake, client):
    """Late events move to their place, equal timestamps stay in the order they came in."""
    for timestamp, message in [(5, "c"), (3, "a"), (5, "d"), (3, "b"), (9, "e")]:
        fake.put_elsewhere("g", "s", message, timestamp=NOW + timestamp)
    answer = read(client)
    assert texts(answer) == fake.messages("g", "s") == ["a", "b", "c", "d", "e"]
    assert answer["events"][0] == {"timestamp": NOW + 3, "message": "a", "ingestionTime": NOW}


def test_the_start_is_included_and_the_end_is_not(fake, client):
    """GetLogEvents: startTime <= timestamp < endTime."""
    fill(fake, 5)
    assert texts(read(client, startTime=NOW + 1, endTime=NOW + 3)) == ["1", "2"]


def test_pages_forward_show_every_event_once(fake, client):
    """Follow nextForwardToken until it repeats itself."""
    fill(fake, 7)
    answer = read(client, startFromHead=True, limit=3)
    shown, token = [texts(answer)], answer["nextForwardToken"]
    while True:
        answer = read(client, startFromHead=True, limit=3, nextToken=token)
        if answer["nextForwardToken"] == token:
            break
        shown.append(texts(answer))
        token = answer["nextForwardToken"]
    assert shown == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert texts(answer) == []
    assert texts(read(client, limit=3, nextToken=answer["nextBackwardToken"])) == ["4", "5", "6"]


def test_pages_backward_show_every_event_once(fake, client):
    """Without startFromHead the latest events come first, each page in ascending order."""
    fill(fake, 7)
    answer = read(client, limit=3)
    shown, token = [texts(answer)], answer["nextBackwardToken"]
    while True:
        answer = read(client, limit=3, nextToken=token)
        if answer["nextBackwardToken"] == token:
            break
        shown.append(texts(answer))
        token = answer["nextBackwardToken"]
    assert shown == [["4", "5", "6"], ["1", "2", "3"], ["0"]]
    assert texts(read(client, limit=3, startFromHead=True, nextToken=answer["nextForwardToken"])) == ["0", "1", "2"]


def test_a_reader_at_the_end_sees_what_comes_in_later(fake, client):
    """The forward token of an empty answer still leads to new events: this is how logs are followed."""
    token = read(client)["nextForwardToken"]
    assert read(client, nextToken=token)["nextForwardToken"] == token
    fake.put_elsewhere("g", "s", "new")
    answer = read(client, nextToken=token)
    assert texts(answer) == ["new"]
    fake.put_elsewhere("g", "s", "newer")
    assert texts(read(client, nextToken=answer["nextForwardToken"])) == ["newer"]


@pytest.mark.parametrize(("limit", "count"), [(None, 10_000), (10_000, 10_000), (1, 1)])
def test_a_page_holds_up_to_10000_events(fake, client, limit, count):
    """The limit's default is its maximum."""
    for part in range(3):
        events = [{"timestamp": NOW + part, "message": "m"}] * 3_500
        client.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
    more = {} if limit is None else {"limit": limit}
    assert len(read(client, **more)["events"]) == count


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_limits_out_of_range_are_refused(client, limit):
    """From 1 to 10,000."""
    with pytest.raises(ClientError, match="InvalidParameterException"):
        read(client, limit=limit)


@pytest.mark.parametrize("over", [0, 1])
def test_a_page_holds_up_to_a_megabyte(fake, client, over):
    """Two events that fill 1 MB with their 26 bytes share a page, one byte more and they do not."""
    half = MEGABYTE // 2 - 26
    fake.put_elsewhere("g", "s", "x" * half)
    fake.put_elsewhere("g", "s", "y" * (half + over))
    first = read(client, startFromHead=True)
    assert len(first["events"]) == 2 - over
    rest = read(client, startFromHead=True, nextToken=first["nextForwardToken"])
    assert len(rest["events"]) == over


@pytest.mark.parametrize("token", ["x", "f/1/s", "q/" + "0" * 56 + "/s", "f/" + "a" * 56 + "/s"])
def test_made_up_tokens_are_refused(client, token):
    """Only tokens from an answer lead anywhere."""
    with pytest.raises(ClientError, match="The specified nextToken is invalid"):
        read(client, nextToken=token)


def test_a_group_can_be_named_by_its_arn(fake, client):
    """logGroupIdentifier instead of logGroupName."""
    fill(fake, 1)
    arn = client.describe_log_groups()["logGroups"][0]["logGroupArn"]
    assert texts(client.get_log_events(logGroupIdentifier=arn, logStreamName="s")) == ["0"]


def test_filtering_reads_all_streams_in_one_order(fake, client):
    """FilterLogEvents: streams merged by time, both ends included, terms, streams by name or prefix."""
    fake.put_elsewhere("g", "t", "error two", timestamp=NOW + 2)
    fake.put_elsewhere("g", "s", "error one", timestamp=NOW + 1)
    fake.put_elsewhere("g", "s", "fine", timestamp=NOW + 3)

    def found(**params):
        return texts(client.filter_log_events(logGroupName="g", **params))

    assert found() == ["error one", "error two", "fine"]
    assert found(filterPattern="error") == ["error one", "error two"]
    assert found(filterPattern='"error two"') == ["error two"]
    assert found(startTime=NOW + 2, endTime=NOW + 3) == ["error two", "fine"]
    assert found(logStreamNames=["t"]) == found(logStreamNamePrefix="t") == ["error two"]
    with pytest.raises(ClientError, match="only plain terms"):
        found(filterPattern="{ $.level = 1 }")


def test_filtering_comes_in_pages(fake, client):
    """nextToken until there is none; each event names its stream."""
    fill(fake, 5)
    fake.put_elsewhere("g", "t", "last", timestamp=NOW + 9)
    pages = list(client.get_paginator("filter_log_events").paginate(logGroupName="g", PaginationConfig={"PageSize": 4}))
    assert [texts(page) for page in pages] == [["0", "1", "2", "3"], ["4", "last"]]
    assert pages[1]["events"][1]["logStreamName"] == "t"
    assert len({event["eventId"] for page in pages for event in page["events"]}) == 6
