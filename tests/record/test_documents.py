"""Documents in the embedded metric format arrive as they are, the service is told, one too long is talked about."""

import json
import logging

import boto3
import pytest

from cwlog_handler import CloudWatchLogsHandler

EMF = "json/emf"
DOCUMENT = {
    "_aws": {
        "Timestamp": 1_700_000_000_000,
        "CloudWatchMetrics": [
            {
                "Namespace": "shop",
                "Dimensions": [["service"], []],
                "Metrics": [{"Name": "latency", "Unit": "Milliseconds", "StorageResolution": 1}],
            }
        ],
    },
    "service": "Kasse № 5",
    "latency": [0.1, 12.5, 1e-7],
    "note": None,
}


def formats(fake):
    """The log format of each kind of request."""
    return {(request.operation, request.log_format) for request in fake.requests}


@pytest.mark.parametrize("as_text", [False, True], ids=["dict", "text"])
def test_a_document_arrives_as_one_event_unharmed_and_the_service_is_told_its_format(fake, logger, attach, as_text):
    handler = attach(log_format=EMF)
    text = json.dumps(DOCUMENT, ensure_ascii=False)
    logger.info(text if as_text else DOCUMENT)
    assert handler.flush()
    (message,) = fake.messages("g")
    assert message == text
    # Only the put: the service's other calls know nothing of it.
    assert formats(fake) == {("PutLogEvents", EMF), ("CreateLogStream", None), ("CreateLogGroup", None)}


def test_without_the_option_the_service_is_told_nothing(fake, logger, attach):
    handler = attach()
    logger.info(DOCUMENT)
    assert handler.flush()
    assert {log_format for _, log_format in formats(fake)} == {None}


def test_a_client_of_our_own_tells_it_too_and_signs_it(fake, logger):
    """Over HTTP, where the body is ours."""
    with fake.serve() as url:
        handler = CloudWatchLogsHandler("g", "s", endpoint_url=url, log_format=EMF)
        logger.addHandler(handler)
        logger.info(DOCUMENT)
        assert handler.flush()
    assert ("PutLogEvents", EMF) in formats(fake)
    assert json.loads(fake.messages("g", "s")[0]) == DOCUMENT


def test_the_header_is_under_the_signature():
    """A proxy that takes it away is noticed by the service, not by a missing metric."""
    from cwlog_handler.aws import hooks

    client = boto3.client("logs", endpoint_url="http://127.0.0.1:9")
    hooks.install(client)
    seen = []

    def look(request, **_):
        seen.append(dict(request.headers.items()))
        raise RuntimeError("not sent")

    client.meta.events.register("before-send.cloudwatch-logs.PutLogEvents", look)
    events = [{"timestamp": 1, "message": "x"}]
    with hooks.our_call(log_format=EMF), pytest.raises(RuntimeError):
        client.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
    (headers,) = seen
    assert "x-amzn-logs-format" in str(headers["Authorization"])


def test_calls_of_the_program_with_the_same_client_are_left_alone(fake, logger, attach):
    client = fake.client()
    handler = attach(log_format=EMF, boto3_client=client)
    logger.info(DOCUMENT)
    assert handler.flush()
    (event,) = fake.events("g", "s")
    theirs = [{"timestamp": event.timestamp, "message": "plain"}]
    client.put_log_events(logGroupName="g", logStreamName="s", logEvents=theirs)
    assert [request.log_format for request in fake.requests if request.stored] == [EMF, None]


def test_two_handlers_with_one_client_tell_each_its_own(fake, logger, attach):
    client = fake.client()
    metrics, plain = attach(log_format=EMF, boto3_client=client), attach(log_stream_name="t", boto3_client=client)
    logger.info(DOCUMENT)
    assert metrics.flush()
    assert plain.flush()
    assert {(request.stream, request.log_format) for request in fake.requests if request.stored} == {
        ("s", EMF),
        ("t", None),
    }


@pytest.mark.parametrize("oversize", ["split", "truncate", "drop"])
def test_stderr_tells_of_a_document_that_is_too_long_for_one_event(fake, logger, attach, capsys, oversize):
    """Cut in pieces or not sent at all: no metrics come of it, which nobody would see before an alarm fails to come."""
    handler = attach(log_format=EMF, max_message_size=200, oversize=oversize)
    logger.info("ä" * 87)
    assert handler.flush()
    assert capsys.readouterr().err == ""
    logger.info("ä" * 87 + "x")
    assert handler.flush()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "cwlog_handler: a document of 175 bytes is more than the 174 of one event, no metrics come of"
    )
    assert f"(oversize='{oversize}')" in line
    assert handler.stats.dropped_by_reason.get("oversize", 0) == (oversize == "drop")


def test_without_the_option_long_messages_are_not_talked_about(logger, attach, capsys):
    handler = attach(max_message_size=200)
    logger.info("ä" * 88)
    assert handler.flush()
    assert capsys.readouterr().err == ""


def test_a_lone_surrogate_in_a_long_document_harms_nothing(fake, attach, capsys):
    handler = attach(log_format=EMF, max_message_size=200)
    # Not by the logger: pytest keeps what that logs, and cannot print it.
    handler.handle(logging.makeLogRecord({"msg": "\ud800" * 60}))
    assert handler.flush()
    assert "".join(fake.messages("g")) == "\ufffd" * 60
    assert "a document of 180 bytes" in capsys.readouterr().err


def test_an_unknown_format_is_refused_in_the_constructor():
    with pytest.raises(ValueError, match=r"^log_format='emf': give one of 'json/emf'$"):
        CloudWatchLogsHandler("g", log_format="emf")
