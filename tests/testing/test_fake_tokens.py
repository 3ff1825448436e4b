"""The older API: sequence tokens."""

import pytest
from botocore.exceptions import ClientError

from cwlog_handler.testing import FakeCloudWatchLogs, reset_after_commit, server_error

NOW = 1_700_000_000_000
DAY = 86_400_000


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(sequence_tokens=True, requests_per_second=None, clock=lambda: NOW / 1000)
    fake.create("g", "s")
    return fake


@pytest.fixture
def client(fake):
    return fake.client()


def put(client, message, token=None, timestamp=NOW):
    more = {} if token is None else {"sequenceToken": token}
    events = [{"timestamp": timestamp, "message": message}]
    return client.put_log_events(logGroupName="g", logStreamName="s", logEvents=events, **more)


def refusal(client, message, token=None, timestamp=NOW):
    with pytest.raises(ClientError) as caught:
        put(client, message, token, timestamp)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer.get("expectedSequenceToken")


def invalid(expected):
    message = f"The given sequenceToken is invalid. The next expected sequenceToken is: {expected or 'null'}"
    return "InvalidSequenceTokenException", message, expected


def accepted_already(expected):
    message = (
        "The given batch of log events has already been accepted. "
        f"The next batch can be sent with sequenceToken: {expected}"
    )
    return "DataAlreadyAcceptedException", message, expected


def test_each_put_needs_the_token_of_the_one_before(fake, client):
    """The first put goes without, every answer brings the token for the next."""
    tokens = [put(client, "a")["nextSequenceToken"]]
    for message in "bc":
        tokens.append(put(client, message, tokens[-1])["nextSequenceToken"])
    assert fake.messages("g") == ["a", "b", "c"]
    assert len(set(tokens)) == 3
    assert {len(token) for token in tokens} == {56}
    assert all(token.isdecimal() for token in tokens)


def test_a_put_without_token_is_refused_after_the_first(fake, client):
    """The refusal says what was expected."""
    token = put(client, "a")["nextSequenceToken"]
    assert refusal(client, "b") == invalid(token)
    assert fake.messages("g") == ["a"]
    put(client, "b", token)
    assert fake.messages("g") == ["a", "b"]


def test_a_stale_token_with_other_messages_is_refused(client):
    """Same token, other messages: not a repetition."""
    first = put(client, "a")["nextSequenceToken"]
    second = put(client, "b", first)["nextSequenceToken"]
    assert refusal(client, "c", first) == invalid(second)


def test_the_same_batch_with_the_same_token_is_known_already(fake, client):
    """The way to learn that a lost answer was a success; timestamps do not matter."""
    first = put(client, "a")["nextSequenceToken"]
    second = put(client, "b", first)["nextSequenceToken"]
    assert refusal(client, "b", first) == accepted_already(second)
    assert refusal(client, "b", first, timestamp=NOW - 1) == accepted_already(second)
    assert fake.messages("g") == ["a", "b"]


def test_only_the_last_batch_is_known_already(client):
    """An older batch with its older token is just stale."""
    first = put(client, "a")["nextSequenceToken"]
    second = put(client, "b", first)["nextSequenceToken"]
    third = put(client, "c", second)["nextSequenceToken"]
    assert refusal(client, "b", first) == invalid(third)


def test_a_wrong_token_on_a_stream_without_puts_has_no_successor(client):
    """There is no expected token, and the message ends in null."""
    code, message, expected = refusal(client, "a", "4" * 56)
    assert (code, expected) == ("InvalidSequenceTokenException", None)
    assert message.endswith("is: null")


def test_somebody_else_writing_makes_the_token_stale(fake, client):
    """Two writers share one stream's token."""
    token = put(client, "ours")["nextSequenceToken"]
    fake.put_elsewhere("g", "s", "theirs")
    code, _, expected = refusal(client, "more", token)
    assert code == "InvalidSequenceTokenException"
    put(client, "more", expected)
    assert fake.messages("g") == ["ours", "theirs", "more"]


def test_a_batch_repeated_after_somebody_else_wrote_is_just_stale(fake, client):
    """Their batch was the last one accepted."""
    first = put(client, "a")["nextSequenceToken"]
    put(client, "b", first)
    fake.put_elsewhere("g", "s", "theirs")
    assert refusal(client, "b", first)[0] == "InvalidSequenceTokenException"


def test_a_lost_answer_is_found_out_by_repeating(fake, client):
    """Stored, connection cut, sent again: nothing is stored twice."""
    token = put(client, "a")["nextSequenceToken"]
    fake.fail(reset_after_commit(), times=1)
    with pytest.raises(Exception, match="Connection was closed"):
        put(client, "b", token)
    code, _, expected = refusal(client, "b", token)
    assert code == "DataAlreadyAcceptedException"
    put(client, "c", expected)
    assert fake.messages("g") == ["a", "b", "c"]


def test_a_refused_put_leaves_the_token_valid(fake, client):
    """Neither a fault nor a rule uses a token up."""
    token = put(client, "a")["nextSequenceToken"]
    fake.fail(server_error(), times=1)
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        put(client, "b", token)
    with pytest.raises(ClientError, match="Upload too large"):
        put(client, "x" * 1_048_551, token)
    put(client, "b", token)
    assert fake.messages("g") == ["a", "b"]


def test_a_batch_rejected_entirely_brings_no_token_and_uses_none_up(fake, client):
    """If nothing is accepted the answer has no token, and the one at hand stays good."""
    token = put(client, "a")["nextSequenceToken"]
    answer = put(client, "old", token, timestamp=NOW - 15 * DAY)
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert "nextSequenceToken" not in answer
    put(client, "b", token)
    assert fake.messages("g") == ["a", "b"]


def test_a_stream_made_anew_starts_without_token(fake, client):
    """Deleted and made again, it has seen no put."""
    token = put(client, "a")["nextSequenceToken"]
    fake.delete_log_stream("g", "s")
    fake.create("g", "s")
    assert refusal(client, "b", token) == invalid(None)
    put(client, "b")
    assert fake.messages("g") == ["b"]


def test_the_token_can_be_looked_up(client):
    """DescribeLogStreams shows it, as older clients expect."""
    token = put(client, "a")["nextSequenceToken"]
    assert client.describe_log_streams(logGroupName="g")["logStreams"][0]["uploadSequenceToken"] == token


def test_todays_service_ignores_tokens():
    """Any token is accepted, none is given."""
    fake = FakeCloudWatchLogs(clock=lambda: NOW / 1000)
    fake.create("g", "s")
    client = fake.client()
    assert "nextSequenceToken" not in put(client, "a", "nonsense")
    put(client, "a", "nonsense")
    assert fake.messages("g") == ["a", "a"]
