"""The rules of PutLogEvents, each at its limit, one below and one above, through a real boto3 client."""

from datetime import timedelta
from itertools import count

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from cwlog_handler.testing import FakeCloudWatchLogs, Request
from cwlog_handler.testing.exchange import Exchange

NOW = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
UNCHECKED = Config(parameter_validation=False)


def service(**options):
    fake = FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000, **options)
    fake.create("g", "s")
    return fake


@pytest.fixture
def fake():
    return service()


@pytest.fixture
def client(fake):
    return fake.client()


def put(client, *events, group="g", stream="s", **more):
    log_events = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
    return client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=log_events, **more)


def refusal(client, *events, **more):
    with pytest.raises(ClientError) as caught:
        put(client, *events, **more)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def rejected(client, *timestamps):
    return put(client, *((timestamp, "m") for timestamp in timestamps)).get("rejectedLogEventsInfo")


def test_a_good_batch_is_stored_as_sent(fake, client):
    """The plain case: one put, its events readable, the answer from the service."""
    answer = put(client, (NOW - 1, "a"), (NOW, "ü€😀"))
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert "nextSequenceToken" not in answer
    assert [
        (event.timestamp, event.message, event.ingestion_time, event.request) for event in fake.events("g", "s")
    ] == [
        (NOW - 1, "a", NOW, 1),
        (NOW, "ü€😀", NOW, 1),
    ]


@pytest.mark.parametrize("char", ["x", "é", "€", "😀"])
@pytest.mark.parametrize("spare", [1, 0])
def test_a_batch_of_exactly_1048576_bytes_is_taken(fake, client, char, spare):
    """A batch is at most 1,048,576 bytes: UTF-8 of the messages and 26 for each event."""
    width = len(char.encode())
    room = 1_048_576 - 2 * 26 - spare
    first = room // 2 // width * width
    filler = (room - first) % width
    put(client, (NOW, char * (first // width)), (NOW, char * ((room - first) // width) + "x" * filler))
    assert fake.requests[-1].size_bytes == 1_048_576 - spare
    assert fake.requests[-1].answer == "accepted"


def test_a_batch_one_byte_over_is_refused_whole(fake, client):
    """One byte over the batch limit, the byte hidden in a multi-byte character: nothing is stored."""
    half = (1_048_576 - 2 * 26) // 2
    events = (NOW, "x" * half), (NOW, "x" * (half - 1) + "é")
    assert refusal(client, *events) == (
        "InvalidParameterException",
        "Upload too large: 1048577 bytes exceeds limit of 1048576",
    )
    assert fake.messages("g") == []
    assert fake.requests[-1].stored == 0


@pytest.mark.parametrize("count", [9_999, 10_000])
def test_up_to_10000_events_travel_together(fake, client, count):
    """A batch holds at most 10,000 events."""
    put(client, *((NOW, "m") for _ in range(count)))
    assert len(fake.events("g", "s")) == fake.requests[-1].stored == count


def test_10001_events_are_refused(fake, client):
    """botocore lets them pass, the service does not."""
    code, message = refusal(client, *((NOW, "m") for _ in range(10_001)))
    assert code == "InvalidParameterException"
    assert "at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to 10000" in message
    assert fake.messages("g") == []


def test_no_events_at_all_are_refused(fake):
    """An empty list is an error, not nothing to do."""
    assert refusal(fake.client(UNCHECKED)) == (
        "InvalidParameterException",
        (
            "1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1"
        ),
    )


@pytest.mark.parametrize("limit", [262_144, 1_048_576])
def test_an_event_of_the_limit_is_taken(limit):
    """One event, its 26 bytes included, may be as large as the service's generation allows."""
    fake = service(max_event_bytes=limit)
    put(fake.client(), (NOW, "x" * (limit - 26)))
    put(fake.client(), (NOW, "x" * (limit - 27)))
    assert [event.size_bytes for event in fake.events("g", "s")] == [limit, limit - 1]


def test_an_event_one_byte_over_the_older_limit_is_refused():
    """Until April 2025: 262,144 bytes, and the 26 count."""
    fake = service(max_event_bytes=262_144)
    message = "é" * ((262_144 - 26) // 2) + "x"
    assert refusal(fake.client(), (NOW, "fine"), (NOW, message)) == (
        "InvalidParameterException",
        "Log event too large: 262145 bytes exceeds limit of 262144",
    )
    assert fake.messages("g") == []


def test_an_event_of_1048551_bytes_of_text_cannot_travel(client):
    """Alone in a batch, 1,048,550 bytes of text is the most."""
    code, _ = refusal(client, (NOW, "x" * 1_048_551))
    assert code == "InvalidParameterException"


def test_events_out_of_order_are_refused(fake, client):
    """A batch is chronological by one millisecond, or it fails as a whole."""
    assert refusal(client, (NOW, "b"), (NOW - 1, "a")) == (
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.",
    )
    assert fake.messages("g") == []


def test_equal_timestamps_keep_the_order_they_were_sent_in(fake, client):
    """Equal timestamps are in order; readers see them in the order of ingestion, also across puts."""
    put(client, (NOW, "b"), (NOW, "a"))
    put(client, (NOW - 1, "first"), (NOW, "c"))
    assert fake.messages("g", "s") == ["first", "b", "a", "c"]


@pytest.mark.parametrize("span", [DAY - 1, DAY])
def test_a_batch_may_span_24_hours(fake, client, span):
    """From first to last at most 24 hours."""
    put(client, (NOW - span, "a"), (NOW, "b"))
    assert fake.messages("g") == ["a", "b"]


def test_a_batch_that_spans_a_millisecond_more_is_refused(fake, client):
    """24 hours and a millisecond fail the call."""
    assert refusal(client, (NOW - DAY - 1, "a"), (NOW, "b")) == (
        "InvalidParameterException",
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
    )
    assert fake.messages("g") == []


def test_the_span_is_measured_over_valid_events_only(fake, client):
    """Events that are rejected one by one do not stretch the batch."""
    assert rejected(client, NOW - 15 * DAY, NOW, NOW + 3 * HOUR)
    assert [event.timestamp for event in fake.events("g", "s")] == [NOW]


@pytest.mark.parametrize(
    ("timestamps", "info"),
    [
        ([NOW - 14 * DAY + 1], None),
        ([NOW - 14 * DAY], None),
        ([NOW - 14 * DAY - 1], {"tooOldLogEventEndIndex": 1}),
        ([NOW - 14 * DAY - 1, NOW - 14 * DAY], {"tooOldLogEventEndIndex": 1}),
        ([NOW + 2 * HOUR - 1], None),
        ([NOW + 2 * HOUR], None),
        ([NOW + 2 * HOUR + 1], {"tooNewLogEventStartIndex": 0}),
        ([NOW, NOW + 2 * HOUR, NOW + 2 * HOUR + 1], {"tooNewLogEventStartIndex": 2}),
        (
            [NOW - 15 * DAY, NOW - 15 * DAY, NOW, NOW + DAY],
            {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3},
        ),
    ],
)
def test_events_too_old_or_too_new_are_rejected_one_by_one(fake, client, timestamps, info):
    """Older than 14 days: [0, end) goes; more than 2 hours ahead: [start, n) goes; the rest is stored."""
    assert rejected(client, *timestamps) == info
    info = info or {}
    kept = timestamps[info.get("tooOldLogEventEndIndex", 0) : info.get("tooNewLogEventStartIndex")]
    assert [event.timestamp for event in fake.events("g", "s")] == kept
    assert (fake.requests[-1].answer, fake.requests[-1].stored) == ("accepted", len(kept))


@pytest.mark.parametrize(
    ("timestamps", "info"),
    [
        ([NOW - 3 * DAY + 1], None),
        ([NOW - 3 * DAY], None),
        ([NOW - 3 * DAY - 1, NOW - 3 * DAY], {"expiredLogEventEndIndex": 1}),
        ([NOW - 15 * DAY, NOW - 3 * DAY - 1, NOW], {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2}),
    ],
)
def test_events_older_than_the_retention_are_expired(fake, client, timestamps, info):
    """Older than the group keeps events: [0, end) goes; too old and expired overlap."""
    client.put_retention_policy(logGroupName="g", retentionInDays=3)
    assert rejected(client, *timestamps) == info
    kept = timestamps[(info or {}).get("expiredLogEventEndIndex", 0) :]
    assert [event.timestamp for event in fake.events("g", "s")] == kept


def test_an_accounts_retention_policy_overrides_that_of_its_groups():
    """PutAccountPolicy: PutRetentionPolicy succeeds, and the group keeps events as the account says."""
    fake = FakeCloudWatchLogs(account_retention_days=30, clock=lambda: NOW / 1000)
    fake.create("g", "s", retention_days=1)
    client = fake.client()
    client.put_retention_policy(logGroupName="g", retentionInDays=3)
    assert rejected(client, NOW - 4 * DAY) is None
    assert fake.groups["g"].retention_days == 3


def test_the_service_measures_age_by_its_own_clock():
    """What was fine yesterday may be too old today."""
    now = [NOW / 1000]
    fake = FakeCloudWatchLogs(clock=lambda: now[0])
    fake.create("g", "s")
    client = fake.client()
    put(client, (NOW - 14 * DAY, "a"))
    now[0] += timedelta(milliseconds=10).total_seconds()
    assert rejected(client, NOW - 14 * DAY) == {"tooOldLogEventEndIndex": 1}


def test_empty_messages_refuse_the_whole_batch_and_are_named(fake):
    """Each empty message is named, counting from 1; its neighbours are not stored."""
    client = fake.client(UNCHECKED)
    where = (
        "Value '' at 'logEvents.{}.member.message' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
    assert refusal(client, (NOW, ""), (NOW, "a"), (NOW, "b"), (NOW, "")) == (
        "InvalidParameterException",
        f"2 validation errors detected: {where.format(1)}; {where.format(4)}",
    )
    assert fake.messages("g") == []
    put(client, (NOW, " "))
    assert fake.messages("g") == [" "]


def test_botocore_refuses_an_empty_message_before_it_is_sent(fake, client):
    """It is the real botocore in front: no request arrives."""
    with pytest.raises(ParamValidationError):
        put(client, (NOW, ""))
    assert fake.requests == []


def test_negative_timestamps_are_refused(fake):
    """Timestamps are milliseconds from 0 on; 0 itself is valid, if too old."""
    client = fake.client(UNCHECKED)
    code, message = refusal(client, (-1, "a"))
    assert code == "InvalidParameterException"
    assert "Value '-1' at 'logEvents.1.member.timestamp'" in message
    assert rejected(client, 0, 1) == {"tooOldLogEventEndIndex": 2}


@pytest.mark.parametrize("timestamp", [1.5, "1", True, 2**63])
def test_timestamps_that_are_no_long_integers_are_refused(fake, timestamp):
    """The wire format has a type, too."""
    assert refusal(fake.client(UNCHECKED), (timestamp, "a"))[0] == "SerializationException"


@pytest.mark.parametrize("text", ["\ud800", "ok\udfff", "\udc00\ud83d"])
def test_lone_surrogates_are_refused(fake, client, text):
    """They are not text, though botocore sends them as escapes."""
    assert refusal(client, (NOW, text))[0] == "SerializationException"
    assert fake.messages("g") == []


def test_escaped_surrogate_pairs_are_text(fake, client):
    """botocore's JSON is ASCII: every emoji arrives as a pair of escapes."""
    put(client, (NOW, "😀"))
    assert fake.messages("g") == ["😀"]


@pytest.mark.parametrize("name", ["a", "a" * 511, "a" * 512, "/aws/Lambda_1.2-3#x"])
def test_good_group_names_are_taken(fake, client, name):
    """1 to 512 characters of [.-_/#A-Za-z0-9]."""
    client.create_log_group(logGroupName=name)
    client.create_log_stream(logGroupName=name, logStreamName="s")
    put(client, (NOW, "m"), group=name)
    assert fake.messages(name) == ["m"]


@pytest.mark.parametrize(
    ("member", "name", "constraint"),
    [
        ("group", "", "Member must have length greater than or equal to 1"),
        ("group", "a" * 513, "Member must have length less than or equal to 512"),
        ("group", "a b", r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"),
        ("group", "ä", r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"),
        ("group", "a\n", r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"),
        ("stream", "", "Member must have length greater than or equal to 1"),
        ("stream", "a" * 513, "Member must have length less than or equal to 512"),
        ("stream", "a:b", "Member must satisfy regular expression pattern: [^:*]*"),
        ("stream", "a*", "Member must satisfy regular expression pattern: [^:*]*"),
    ],
)
def test_bad_names_are_refused_by_puts_and_by_creation(fake, member, name, constraint):
    """Lengths and patterns of names, in the words of the service's validation."""
    client = fake.client(UNCHECKED)
    code, message = refusal(client, (NOW, "a"), **{member: name})
    where = "logGroupName" if member == "group" else "logStreamName"
    assert code == "InvalidParameterException"
    assert f"Value '{name}' at '{where}' failed to satisfy constraint: {constraint}" in message
    with pytest.raises(ClientError, match="InvalidParameterException"):
        client.create_log_stream(**{"logGroupName": "g", "logStreamName": "new", where: name})
    assert fake.streams("g") == ["s"]


@pytest.mark.parametrize("name", ["s s", "a" * 512, "[x]/ü#😀", "$LATEST"])
def test_good_stream_names_are_taken(fake, client, name):
    """1 to 512 characters, anything but colon and asterisk."""
    client.create_log_stream(logGroupName="g", logStreamName=name)
    put(client, (NOW, "a"), stream=name)
    assert fake.messages("g", name) == ["a"]


def test_a_missing_group_is_reported_before_a_missing_stream(fake, client):
    """The group is looked up first."""
    assert refusal(client, (NOW, "a"), group="no", stream="no") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
    assert refusal(client, (NOW, "a"), stream="no") == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
    fake.delete_log_stream("g", "s")
    assert refusal(client, (NOW, "a"))[1] == "The specified log stream does not exist."
    fake.delete_log_group("g")
    assert refusal(client, (NOW, "a"))[1] == "The specified log group does not exist."


def test_the_sixth_put_within_a_second_is_throttled(monkeypatch):
    """Five puts per stream in any second by default; other streams have their own five. Here eight come in a second."""
    instants = count()
    monkeypatch.setattr(Exchange, "monotonic", staticmethod(lambda: next(instants) / 8))
    fake = FakeCloudWatchLogs(clock=lambda: NOW / 1000)
    fake.create("g", "s", "t")
    client = fake.client()

    def one_put():
        try:
            put(client, (NOW, "a"))
        except ClientError as error:
            return error.response["Error"]["Code"], error.response["Error"]["Message"]

    answers = {one_put() for _ in range(30)}
    accepted = [request.started for request in fake.requests if request.answer == "accepted"]
    assert answers == {None, ("ThrottlingException", "Rate exceeded")}
    assert all(sixth - first >= 1.0 for first, sixth in zip(accepted, accepted[5:], strict=False))
    assert len(fake.messages("g")) == len(accepted) == 20
    assert fake.busiest_second("g", "s") == 8
    put(client, (NOW, "b"), stream="t")
    assert fake.messages("g", "t") == ["b"]
    assert fake.busiest_second("g", "t") == 1


def test_a_request_is_written_down_in_full(fake, client):
    """The ledger has what a test wants to know about a put."""
    put(client, (NOW, "é"), (NOW, "b"), sequenceToken="whatever")
    request = fake.requests[0]
    assert isinstance(request, Request)
    assert (request.number, request.operation, request.group, request.stream) == (1, "PutLogEvents", "g", "s")
    assert (request.events, request.size_bytes, request.stored) == (2, 55, 2)
    assert request.batch == ((NOW, "é"), (NOW, "b"))
    assert request.sequence_token == "whatever"
    assert (request.answer, request.ordered) == ("accepted", False)
    assert request.wire_bytes > request.size_bytes - 52


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_lets_nothing_through_is_a_mistake(limit):
    """None is the way to say no limit."""
    with pytest.raises(ValueError, match="requests_per_second"):
        FakeCloudWatchLogs(requests_per_second=limit)
