"""Every fault, in-process and over HTTP: what the client meets, what is stored, what is written down."""

import threading
from contextlib import suppress
from dataclasses import replace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from cwlog_handler.testing import (
    Ending,
    FakeCloudWatchLogs,
    Fault,
    access_denied,
    captive_portal,
    clock_skew,
    connection_refused,
    empty_200,
    error,
    expired_token,
    operation_aborted,
    reset_after_commit,
    reset_before_commit,
    server_error,
    slow,
    stall,
    throttle,
    truncated_answer,
    unrecognized_client,
)

NOW = 1_700_000_000_000


@pytest.fixture
def fake():
    fake = FakeCloudWatchLogs(requests_per_second=None, clock=lambda: NOW / 1000)
    fake.create("g", "s", "t")
    yield fake
    fake.release()
    fake.stop()


@pytest.fixture(params=["in process", "http"])
def connect(fake, request):
    """Make clients that reach the fake one way or the other."""
    made = []

    def client(read_timeout=30):
        config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout)
        if request.param == "in process":
            return fake.client(config)
        url = made[0].meta.endpoint_url if made else fake.start()
        session = boto3.Session("key", "secret", region_name="us-east-1")
        made.append(session.client("logs", endpoint_url=url, config=config))
        return made[-1]

    yield client
    for each in made:
        each.close()


def put(client, message="m", stream="s", group="g"):
    events = [{"timestamp": NOW, "message": message}]
    return client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.mark.parametrize(
    ("fault", "status", "code", "message"),
    [
        (throttle(), 400, "ThrottlingException", "Rate exceeded"),
        (server_error(), 503, "ServiceUnavailableException", "The service cannot complete the request."),
        (server_error(500, "InternalFailure", "Oops"), 500, "InternalFailure", "Oops"),
        (error("OddException", "any text"), 400, "OddException", "any text"),
        (
            unrecognized_client(),
            400,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (expired_token(), 400, "ExpiredTokenException", "The security token included in the request is expired"),
        (
            clock_skew(),
            400,
            "InvalidSignatureException",
            "Signature expired: 20151120T200815Z is now earlier than 20151120T201846Z (20151120T202346Z - 5 min.)",
        ),
        (
            operation_aborted(),
            400,
            "OperationAbortedException",
            "A conflicting operation is currently in progress against this resource. Please try again.",
        ),
        (
            access_denied(),
            400,
            "AccessDeniedException",
            (
                "User: arn:aws:iam::123456789012:user/testing is not authorized to perform: logs:PutLogEvents "
                "on resource: arn:aws:logs:us-east-1:123456789012:log-group:g:log-stream:s "
                "because no identity-based policy allows the logs:PutLogEvents action"
            ),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_errors_on_order_reach_the_client_and_store_nothing(fake, connect, fault, status, code, message):
    """Code, message and status as ordered; the code is what the ledger says."""
    client = connect()
    fake.fail(fault, times=1)
    with pytest.raises(ClientError) as caught:
        put(client)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == (code, message)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["ResponseMetadata"]["RequestId"]
    assert (fake.requests[0].answer, fake.requests[0].ordered, fake.requests[0].stored) == (code, True, 0)
    assert fake.messages("g") == []
    put(client)
    assert fake.messages("g") == ["m"]


@pytest.mark.parametrize(("fault", "stored"), [(reset_before_commit(), []), (reset_after_commit(), ["m"])])
def test_a_connection_is_cut_before_or_after_the_commit(fake, connect, fault, stored):
    """The client sees the same, the service does not."""
    client = connect()
    put(client, "before")
    fake.fail(fault, times=1)
    with pytest.raises(ConnectionClosedError):
        put(client)
    assert fake.messages("g") == ["before", *stored]
    assert (fake.requests[-1].answer, fake.requests[-1].stored) == (fault.name, len(stored))
    put(client, "after")
    assert fake.messages("g") == ["before", *stored, "after"]


def test_a_refused_connection_stores_nothing(fake, connect):
    """In-process botocore's own error for it; an open port can only reset."""
    client = connect()
    fake.fail(connection_refused(), times=1)
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        put(client)
    assert (fake.messages("g"), fake.requests[-1].answer) == ([], "connection_refused")


def test_an_in_process_refusal_looks_like_nobody_listening(fake):
    """EndpointConnectionError, as from the socket."""
    fake.fail(connection_refused())
    with pytest.raises(EndpointConnectionError):
        put(fake.client())


@pytest.mark.parametrize("fault", [captive_portal(), empty_200()])
def test_a_stranger_answering_200_looks_like_success_without_request_id(fake, connect, fault):
    """botocore makes {} of it: only the missing request id tells."""
    client = connect()
    fake.fail(fault, times=1)
    answer = put(client)
    assert answer.pop("ResponseMetadata").get("RequestId") is None
    assert answer == {}
    assert (fake.messages("g"), fake.requests[-1].answer) == ([], fault.name)
    put(client, "next")
    assert fake.messages("g") == ["next"]


def test_a_captive_portal_answers_html(fake, connect):
    """As a login page does."""
    client = connect()
    fake.fail(captive_portal())
    assert put(client)["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/html"


def test_a_truncated_answer_hides_what_was_stored(connect, fake):
    """The events are stored; half of the body arrives: botocore reads it as {}, older versions say it was cut."""
    client = connect()
    fake.fail(truncated_answer(), times=2, operation=None)
    with suppress(ConnectionClosedError):
        assert "logGroups" not in client.describe_log_groups()
    with suppress(ConnectionClosedError):
        put(client)
    assert (fake.messages("g"), fake.requests[-1].answer, fake.requests[-1].stored) == (["m"], "truncated_answer", 1)
    put(client, "next")
    assert fake.messages("g") == ["m", "next"]


def test_an_error_may_come_although_the_events_were_stored(fake, connect):
    """The meanest 500 there is."""
    client = connect()
    fake.fail(server_error(500, "InternalFailure", after_commit=True), times=1)
    with pytest.raises(ClientError, match="InternalFailure"):
        put(client)
    assert (fake.messages("g"), fake.requests[-1].stored) == (["m"], 1)


@pytest.mark.parametrize(("after_commit", "stored"), [(False, []), (True, ["m"])])
def test_a_client_that_gives_up_on_a_stall(fake, connect, after_commit, stored):
    """Nothing was processed unless the stall came after the commit, not even later on."""
    client = connect(read_timeout=0.2)
    fake.fail(stall(after_commit=after_commit), times=1)
    with pytest.raises(ReadTimeoutError):
        put(client)
    # A busy server may read the request only when the client has gone.
    assert fake.wait_for(lambda: fake.requests and fake.requests[-1].answer == "stall")
    assert fake.wait_for(lambda: fake.messages("g") == stored)
    client.close()
    fake.release()
    fake.stop()  # waits for the stalled thread
    assert fake.messages("g") == stored


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_stalled_request_goes_on_when_released(fake, connect, after_commit):
    """Held until release(), then answered as usual."""
    client = connect()
    fake.fail(stall(after_commit=after_commit), times=1)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(put(client)))
    thread.start()
    assert fake.wait_for(lambda: fake.requests and fake.requests[0].answer == "stall")
    assert fake.wait_for(lambda: fake.messages("g") == (["m"] if after_commit else []))
    assert answers == []
    fake.release()
    thread.join(30)
    assert answers[0]["ResponseMetadata"]["RequestId"]
    assert (fake.messages("g"), fake.requests[0].stored) == (["m"], 1)


def test_a_release_counts_from_the_moment_a_request_has_arrived(fake):
    """Whoever sees the request in the ledger can release it, however slowly its thread gets to waiting."""
    client = fake.client()
    for number in range(50):
        fake.fail(stall(), times=1)
        thread = threading.Thread(target=put, args=(client,))
        thread.start()
        assert fake.wait_for(lambda wanted=number + 1: len(fake.requests) == wanted)
        fake.release()
        thread.join(30)
        assert not thread.is_alive()


def test_a_stall_of_some_seconds_ends_by_itself(fake, connect):
    """Held, then answered."""
    fake.fail(stall(0.05), times=1)
    assert put(connect())["ResponseMetadata"]["RequestId"]
    assert fake.messages("g") == ["m"]


def test_a_slow_answer_comes_after_the_events_were_stored(fake, connect):
    """The service works, the answer takes its time."""
    fake.fail(slow(0.05), times=1)
    assert put(connect())["ResponseMetadata"]["RequestId"]
    assert (fake.messages("g"), fake.requests[-1].answer) == (["m"], "slow")


def test_other_requests_go_on_while_one_is_held(fake, connect):
    """A stall holds nobody else up."""
    client, other = connect(), connect()
    fake.fail(stall(), times=1)
    thread = threading.Thread(target=put, args=(client, "held"))
    thread.start()
    assert fake.wait_for(lambda: fake.requests)
    put(other, "quick")
    assert fake.messages("g") == ["quick"]
    fake.release()
    thread.join(30)
    assert fake.messages("g") == ["quick", "held"]


def test_faults_strike_as_often_as_ordered(fake):
    """times=2: two requests, not the third."""
    client = fake.client()
    fake.fail(throttle(), times=2)
    for _ in range(2):
        with pytest.raises(ClientError):
            put(client)
    put(client)
    assert [request.answer for request in fake.requests] == ["ThrottlingException"] * 2 + ["accepted"]


def test_orders_queue_up(fake):
    """First the one, then the other."""
    client = fake.client()
    fake.fail(throttle(), times=1)
    fake.fail(captive_portal(), times=1)
    with pytest.raises(ClientError):
        put(client)
    put(client)
    put(client)
    assert [request.answer for request in fake.requests] == ["ThrottlingException", "captive_portal", "accepted"]


def test_faults_strike_until_cleared(fake):
    """Without a number: until clear_faults()."""
    client = fake.client()
    fake.fail(throttle())
    for _ in range(10):
        with pytest.raises(ClientError):
            put(client)
    fake.clear_faults()
    put(client)
    assert fake.messages("g") == ["m"]


def test_faults_strike_for_some_seconds(fake):
    """seconds counts from the order on; an outage ends without anybody's doing."""
    client = fake.client()
    fake.fail(throttle(), seconds=0.2)

    def works():
        try:
            return bool(put(client))
        except ClientError:
            return False

    assert fake.wait_for(works)
    assert fake.requests[-1].started - fake.requests[0].started < 30
    fake.fail(throttle(), seconds=3600)
    assert not works()


def test_faults_strike_the_operation_group_and_stream_that_were_meant(fake):
    """Puts by default; any of the three can be chosen, None is any."""
    client = fake.client()
    fake.create("h", "s")
    fake.fail(throttle(), group="g", stream="s")
    put(client, stream="t")
    put(client, group="h")
    with pytest.raises(ClientError):
        put(client)
    fake.clear_faults()
    fake.fail(access_denied(), operation="CreateLogStream")
    put(client)
    with pytest.raises(ClientError, match="logs:CreateLogStream"):
        client.create_log_stream(logGroupName="g", logStreamName="new")
    assert fake.streams("g") == ["s", "t"]
    fake.clear_faults()
    fake.fail(throttle(), operation=None)
    with pytest.raises(ClientError):
        client.describe_log_groups()


def test_faults_can_be_composed(fake):
    """A fault is a value: this one refuses slowly."""
    fake.fail(replace(throttle(), hold_before=0.05), times=1)
    with pytest.raises(ClientError, match="Rate exceeded"):
        put(fake.client())


@pytest.mark.parametrize("ending", [Ending.ANSWER, Ending.TRUNCATED])
def test_a_fault_without_any_answer_is_a_mistake(ending):
    """It neither commits nor answers nor cuts the connection."""
    with pytest.raises(ValueError, match="has no answer"):
        Fault("nothing", ending=ending)


@pytest.mark.parametrize("times", [0, -1])
def test_an_order_for_no_request_is_a_mistake(fake, times):
    """None is the way to say until cleared."""
    with pytest.raises(ValueError, match="times"):
        fake.fail(throttle(), times=times)


def test_rules_hold_under_faults_too(fake, connect):
    """A fault after the commit commits only what the rules allow."""
    client = connect()
    fake.fail(reset_after_commit(), times=1)
    with pytest.raises(ConnectionClosedError):
        put(client, stream="missing")
    assert (fake.messages("g"), fake.requests[-1].stored) == ([], 0)


def test_a_fault_may_hit_only_what_a_look_at_the_request_asks_for(fake, connect):
    """Some events are bad, and the requests that have none of them are taken."""
    client = connect()
    fake.fail(error("InvalidParameterException", "bad"), when=lambda call: any(text == "bad" for _, text in call.batch))
    put(client, "good")
    with pytest.raises(ClientError, match="bad"):
        put(client, "bad")
    put(client, "good")
    assert fake.messages("g") == ["good", "good"]
