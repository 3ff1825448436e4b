"""Both ways in: bytes over HTTP as the service sends them, real clients, starting and stopping, many threads."""

import http.client
import json
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from cwlog_handler.testing import FakeCloudWatchLogs, access_denied, reset_before_commit, stall, throttle
from cwlog_handler.testing.rates import RateLimit, busiest_second

NOW = 1_700_000_000_000
DAY = 86_400_000
EMPTY = (
    "Value '' at 'logEvents.{}.member.message' failed to satisfy constraint: "
    "Member must have length greater than or equal to 1"
)


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000)
    fake.create("g", "s")
    return fake


@pytest.fixture
def url(fake):
    with fake.serve() as url:
        yield url


def http_client(url, **config):
    config = Config(**{"retries": {"total_max_attempts": 1}, **config})
    return boto3.Session("key", "secret", region_name="us-east-1").client("logs", endpoint_url=url, config=config)


def serving_threads():
    """Of fakes only: threads of other tests come and go."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("fake-cloudwatch"))


def post(url, operation, body):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/", body, {"X-Amz-Target": f"Logs_20140328.{operation}"})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def put_body(*events, group="g", stream="s", **more):
    log_events = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
    return json.dumps({"logGroupName": group, "logStreamName": stream, "logEvents": log_events, **more}).encode()


def refused(code, message):
    return f'{{"__type":"{code}","message":"{message}"}}'.encode()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            put_body((NOW, "x" * 1_048_551)),
            refused("InvalidParameterException", "Upload too large: 1048577 bytes exceeds limit of 1048576"),
        ),
        (
            put_body((NOW - DAY - 1, "a"), (NOW, "b")),
            refused(
                "InvalidParameterException",
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
            ),
        ),
        (
            put_body((NOW, "a"), (NOW - 1, "b")),
            refused(
                "InvalidParameterException",
                "Log events in a single PutLogEvents request must be in chronological order.",
            ),
        ),
        (
            put_body(),
            refused(
                "InvalidParameterException",
                "1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
            ),
        ),
        (
            put_body((NOW, ""), (NOW, "a"), (NOW, "b"), (NOW, "")),
            refused("InvalidParameterException", f"2 validation errors detected: {EMPTY.format(1)}; {EMPTY.format(4)}"),
        ),
        (
            put_body((NOW, "a"), group="no"),
            refused("ResourceNotFoundException", "The specified log group does not exist."),
        ),
        (
            put_body((NOW, "a"), stream="no"),
            refused("ResourceNotFoundException", "The specified log stream does not exist."),
        ),
    ],
    ids=["too large", "span", "order", "no events", "empty messages", "no group", "no stream"],
)
def test_refusals_are_the_service_s_to_the_byte(fake, url, body, answer):
    """Compact JSON, __type first, message last; status 400."""
    status, headers, received = post(url, "PutLogEvents", body)
    assert (status, received) == (400, answer)
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-RequestId"]
    assert fake.messages("g") == []


@pytest.mark.parametrize(
    ("operation", "params", "answer"),
    [
        ("CreateLogGroup", {"logGroupName": "g"}, "The specified log group already exists"),
        ("CreateLogStream", {"logGroupName": "g", "logStreamName": "s"}, "The specified log stream already exists"),
    ],
)
def test_what_exists_already_is_reported_to_the_byte(url, operation, params, answer):
    """No full stop at the end of these."""
    status, _, received = post(url, operation, json.dumps(params).encode())
    assert (status, received) == (400, refused("ResourceAlreadyExistsException", answer))


def test_an_event_too_large_is_reported_to_the_byte():
    """The older limit, the 26 counted."""
    fake = FakeCloudWatchLogs(max_event_bytes=262_144, clock=lambda: NOW / 1000)
    fake.create("g", "s")
    with fake.serve() as url:
        _, _, received = post(url, "PutLogEvents", put_body((NOW, "x" * 292_798)))
    message = "Log event too large: 292824 bytes exceeds limit of 262144"
    assert received == refused("InvalidParameterException", message)


def test_sequence_tokens_are_answered_to_the_byte():
    """The token comes before what was rejected; an expected one comes before the message."""
    fake = FakeCloudWatchLogs(sequence_tokens=True, requests_per_second=None, clock=lambda: NOW / 1000)
    fake.create("g", "s")
    with fake.serve() as url:
        _, _, unknown = post(url, "PutLogEvents", put_body((NOW, "a"), sequenceToken="1" * 56))
        _, _, accepted = post(url, "PutLogEvents", put_body((NOW - 15 * DAY, "a"), (NOW, "b")))
        token = json.loads(accepted)["nextSequenceToken"]
        _, _, stale = post(url, "PutLogEvents", put_body((NOW, "c")))
        _, _, last = post(url, "PutLogEvents", put_body((NOW, "c"), sequenceToken=token))
        _, _, repeated = post(url, "PutLogEvents", put_body((NOW, "c"), sequenceToken=token))
    following = json.loads(last)["nextSequenceToken"]
    assert unknown == refused(
        "InvalidSequenceTokenException", "The given sequenceToken is invalid. The next expected sequenceToken is: null"
    )
    assert (
        accepted == f'{{"nextSequenceToken":"{token}","rejectedLogEventsInfo":{{"tooOldLogEventEndIndex":1}}}}'.encode()
    )
    assert stale == (
        f'{{"__type":"InvalidSequenceTokenException","expectedSequenceToken":"{token}","message":'
        f'"The given sequenceToken is invalid. The next expected sequenceToken is: {token}"}}'.encode()
    )
    assert last == f'{{"nextSequenceToken":"{following}"}}'.encode()
    assert (
        repeated
        == (
            f'{{"__type":"DataAlreadyAcceptedException","expectedSequenceToken":"{following}","message":'
            '"The given batch of log events has already been accepted. '
            f'The next batch can be sent with sequenceToken: {following}"}}'
        ).encode()
    )


def test_success_is_a_compact_object_or_nothing(url):
    """A put answers {}; operations without output answer with an empty body; both with a request id."""
    status, headers, received = post(url, "PutLogEvents", put_body((NOW, "a")))
    assert (status, received) == (200, b"{}")
    assert headers["x-amzn-RequestId"]
    status, headers, received = post(url, "CreateLogStream", b'{"logGroupName":"g","logStreamName":"new"}')
    assert (status, received) == (200, b"")
    assert headers["x-amzn-RequestId"]


def test_a_throttled_and_a_denied_put_are_answered_to_the_byte(fake, url):
    """The two refusals a client meets most; one has a capital M."""
    fake.fail(throttle(), times=1)
    fake.fail(access_denied(), times=1)
    assert post(url, "PutLogEvents", put_body((NOW, "a")))[2] == refused("ThrottlingException", "Rate exceeded")
    denied = post(url, "PutLogEvents", put_body((NOW, "a")))[2]
    assert denied.startswith(b'{"__type":"AccessDeniedException","Message":"User: arn:')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"logGroupName":1}',
        b'{"logEvents":[1]}',
        b'{"tags":{"k":1}}',
        b'{"logGroupName":NaN}',
        b"[" * 100_000,
        put_body((NOW, "MARK")).replace(b"MARK", b"\xff"),
        put_body((NOW, "MARK")).replace(b"MARK", "\ud800".encode("utf-8", "surrogatepass")),
        put_body((NOW, "\ud800")),
    ],
    ids=[
        "nothing",
        "text",
        "list",
        "number",
        "event",
        "tag",
        "NaN",
        "nesting",
        "UTF-8",
        "raw surrogate",
        "escaped surrogate",
    ],
)
def test_bodies_that_cannot_be_read_are_refused(fake, url, body):
    """SerializationException, and nothing stored."""
    status, _, received = post(url, "PutLogEvents", body)
    assert (status, json.loads(received)["__type"]) == (400, "SerializationException")
    assert fake.requests[-1].answer == "SerializationException"
    assert fake.messages("g") == []


def test_a_missing_member_is_named(url):
    """A null is a missing member."""
    _, _, received = post(
        url, "PutLogEvents", b'{"logGroupName":"g","logStreamName":null,"logEvents":[{"timestamp":1}]}'
    )
    assert json.loads(received)["message"] == (
        "2 validation errors detected: "
        "Value null at 'logStreamName' failed to satisfy constraint: Member must not be null; "
        "Value null at 'logEvents.1.member.message' failed to satisfy constraint: Member must not be null"
    )


def test_unknown_operations_are_refused(fake, url):
    """Also those that the service has and the fake has not."""
    assert post(url, "StartQuery", b"{}")[2] == b'{"__type":"UnknownOperationException"}'
    assert fake.requests[-1].operation == "StartQuery"


def test_a_real_client_works_over_http(fake, url):
    """Groups, streams, puts and reads through sockets, with text of all widths."""
    client = http_client(url)
    client.create_log_group(logGroupName="new")
    client.create_log_stream(logGroupName="new", logStreamName="s")
    events = [{"timestamp": NOW + number, "message": f"ü€😀 {number}"} for number in range(10_000)]
    client.put_log_events(logGroupName="new", logStreamName="s", logEvents=events)
    answer = client.get_log_events(logGroupName="new", logStreamName="s", startFromHead=True)
    client.close()
    assert [event["message"] for event in answer["events"]] == fake.messages("new") == [e["message"] for e in events]


def test_connections_are_kept_alive(url):
    """Two requests over one connection."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    for _ in range(2):
        connection.request("POST", "/", put_body((NOW, "a")), {"X-Amz-Target": "Logs_20140328.PutLogEvents"})
        answer = connection.getresponse()
        assert (answer.read(), answer.will_close) == (b"{}", False)
        held = connection.sock
        assert held is not None
    connection.close()


def test_nobody_listens_after_a_stop_and_the_same_port_opens_again(fake):
    """An outage: refused while down, nothing forgotten, the port is free at once."""
    with fake.serve() as url:
        client = http_client(url)
        client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "a"}])
    with pytest.raises(EndpointConnectionError):
        client.describe_log_groups()
    with fake.serve(port=int(url.rpartition(":")[2])) as again:
        assert again == url
        client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "b"}])
    client.close()
    assert fake.messages("g") == ["a", "b"]


def test_stopping_leaves_no_thread_behind(fake):
    """Neither idle connections nor stalled requests nor half-sent ones hold a stop up."""
    threads_before = serving_threads()
    url = fake.start()
    idle = http_client(url)
    idle.describe_log_groups()
    half = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
    half.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    stalled, failures = http_client(url), []
    fake.fail(stall())

    def put():
        try:
            stalled.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "a"}])
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    assert fake.wait_for(lambda: fake.requests[-1].operation == "PutLogEvents")
    fake.stop()
    thread.join(30)
    assert len(failures) == 1
    assert serving_threads() == threads_before
    assert fake.messages("g") == []
    assert [request.operation for request in fake.requests] == ["DescribeLogGroups", "PutLogEvents"]
    half.close()
    idle.close()
    stalled.close()


def test_it_serves_on_loopback_only_and_once(fake, url):
    """A second start without a stop is a mistake; a second stop is not."""
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="being served already"):
        fake.start()
    fake.stop()
    fake.stop()


def test_the_in_process_client_needs_neither_network_nor_configuration(fake, monkeypatch, tmp_path):
    """No socket, no keys, no profile, no endpoint or retry setting of the user's has a say."""
    (tmp_path / "config").write_text("[profile broken]\nregion = mars\nendpoint_url = nonsense\n")
    for name, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ACCESS_KEY_ID": "real-key",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_DEFAULTS_MODE": "auto",
        "AWS_MAX_ATTEMPTS": "9",
        "AWS_RETRY_MODE": "adaptive",
        "AWS_CA_BUNDLE": str(tmp_path / "missing.pem"),
    }.items():
        monkeypatch.setenv(name, value)

    opened = []

    def no_sockets(*args, **kwargs):
        opened.append(args)  # an exception alone might be swallowed
        raise OSError("no sockets here")

    monkeypatch.setattr(socket, "socket", no_sockets)
    client = fake.client()
    client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "a"}])
    fake.fail(throttle())
    with pytest.raises(ClientError):
        client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "b"}])
    assert len(fake.requests) == 2
    assert opened == []
    assert client._request_signer._credentials.access_key == "testing"
    assert os.environ["AWS_PROFILE"] == "no-such-profile"


def test_a_reset_is_a_reset_on_the_wire(fake, url):
    """RST, not an orderly end: what a client meets when a peer has died."""
    fake.fail(reset_before_commit(), operation=None)
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_another_stand_in_for_aws_does_not_answer_instead(fake):
    """moto listens to all clients in the process; this client's requests belong to its fake."""
    moto = pytest.importorskip("moto")
    with moto.mock_aws():
        fake.client().create_log_group(logGroupName="ours")
        assert "ours" in fake.groups
        with pytest.raises(ClientError, match="The specified log group already exists"):
            fake.client().create_log_group(logGroupName="ours")


def test_a_frozen_clock_does_not_stop_the_rate_limit():
    """Tests freeze time; a stream that was throttled recovers all the same."""
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2024-01-01"):
        fake = FakeCloudWatchLogs(requests_per_second=1, clock=lambda: NOW / 1000)
        fake.create("g", "s")
        client = fake.client()

        def accepted():
            try:
                client.put_log_events(
                    logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "a"}]
                )
            except ClientError:
                return False
            return True

        assert fake.wait_for(accepted)
        assert fake.wait_for(accepted)


def test_retries_are_botocore_s_own_when_asked_for(fake):
    """One attempt by default; a config brings them back, and each attempt is a request."""
    fake.fail(reset_before_commit(), times=1)
    client = fake.client(Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": NOW, "message": "a"}])
    assert [request.answer for request in fake.requests] == ["reset_before_commit", "accepted"]


def test_a_body_put_in_place_by_a_hook_is_what_arrives(fake):
    """Handlers may serialise for themselves: before-call replaces the body, plain UTF-8 is fine."""
    client = fake.client(Config(parameter_validation=False))
    body = json.dumps(json.loads(put_body((NOW, "ü😀"))), ensure_ascii=False).encode()

    def replace_body(params, **_):
        params["body"] = body

    client.meta.events.register("before-call.cloudwatch-logs.PutLogEvents", replace_body)
    client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[])
    assert fake.messages("g") == ["ü😀"]


def test_two_fakes_know_nothing_of_each_other(fake):
    """Clients and stores are their own."""
    other = FakeCloudWatchLogs()
    other.client().create_log_group(logGroupName="theirs")
    assert ("theirs" in other.groups, "theirs" in fake.groups) == (True, False)


@pytest.mark.parametrize("way", ["in process", "http"])
def test_many_threads_lose_and_double_nothing(fake, url, way):
    """Every event is stored once, every request is written down once."""
    client = fake.client() if way == "in process" else http_client(url, max_pool_connections=16)

    def put(number):
        events = [{"timestamp": NOW, "message": f"{number}/{part}"} for part in range(20)]
        client.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(200)))
    client.close()
    assert sorted(fake.messages("g")) == sorted(f"{number}/{part}" for number in range(200) for part in range(20))
    assert [request.number for request in fake.requests] == list(range(1, 201))
    positions = [event.position for event in fake.events("g", "s")]
    assert positions == sorted(set(positions))


def test_waiting_ends_when_a_request_makes_it_true(fake):
    """Notified by the request, on the waiting thread, without a lock: the predicate may call what it likes."""
    client = fake.client()
    threading.Thread(
        target=client.put_log_events,
        kwargs={"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": NOW, "message": "a"}]},
    ).start()
    assert fake.wait_for(lambda: fake.messages("g") == ["a"])
    assert fake.wait_for(lambda: client.describe_log_groups()["logGroups"])


def test_waiting_notices_what_changes_outside_the_fake(fake):
    """A predicate about something else is asked again as well."""
    done = threading.Event()
    threading.Timer(0.01, done.set).start()
    assert fake.wait_for(done.is_set)


def test_waiting_in_vain_says_so(fake):
    """False after the timeout, nothing raised."""
    assert fake.wait_for(lambda: False, timeout=0.01) is False


def test_looking_at_what_is_not_there_finds_nothing(fake):
    """So that a test can wait for it to appear."""
    assert (fake.messages("no"), fake.events("g", "no"), fake.streams("no"), fake.busiest_second("g", "s")) == (
        [],
        [],
        [],
        0,
    )


def test_snapshots_do_not_change_afterwards(fake):
    """What a test has in hand stays as it was."""
    requests, groups, events = fake.requests, fake.groups, fake.events("g", "s")
    fake.put_elsewhere("g", "s", "x")
    fake.create("g", "t")
    fake.client().describe_log_groups()
    assert (requests, events, groups["g"].streams) == ([], [], ("s",))


def test_the_rate_limit_is_a_window_of_exactly_one_second():
    """The sixth within a second is turned away, at one second sharp it is not; those turned away do not count."""
    rate = RateLimit(5)
    assert all(rate.admits("g", "s", now) for now in (0.0, 0.1, 0.2, 0.3, 0.4))
    assert not rate.admits("g", "s", 0.5)
    assert not rate.admits("g", "s", 0.999)
    assert rate.admits("g", "t", 0.999)
    assert rate.admits("g", "s", 1.0)
    assert not rate.admits("g", "s", 1.05)
    assert rate.admits("g", "s", 1.1)


@pytest.mark.parametrize(
    ("arrivals", "most"),
    [([], 0), ([5.0], 1), ([0.0, 1.0, 2.0], 1), ([0.0, 0.999, 1.0], 2), ([0.0, 0.75, 1.0, 1.25, 1.5, 1.75], 4)],
)
def test_the_busiest_second_is_any_window_of_one_second(arrivals, most):
    """Not the seconds of a clock: any second; its end does not belong to it."""
    assert busiest_second(reversed(arrivals)) == most
