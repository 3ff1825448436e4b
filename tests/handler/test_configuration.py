"""How a program configures the handler, and that every option reaches what it is about."""

import logging
import logging.config

import botocore.session
import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.core.targets import Target
from cwlog_handler.testing import FakeCloudWatchLogs

from ..core.test_stream import event, next_send
from ..programs import HANG_LIMIT, python, started


def configured(fake, **options):
    """What a program's settings say: plain data but for the client."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "cloudwatch": {
                "class": "cwlog_handler.CloudWatchLogsHandler",
                "log_group_name": "g",
                "log_stream_name": "s",
                "boto3_client": fake.client(),
                **options,
            }
        },
        "loggers": {"configured": {"handlers": ["cloudwatch"], "level": "DEBUG", "propagate": False}},
    }


@pytest.mark.parametrize("tokens", [False, True])
def test_every_record_of_a_configured_program_arrives_in_order(tokens):
    """Both generations of the service; group and stream are made on the way, without a Describe."""
    fake = FakeCloudWatchLogs(sequence_tokens=tokens)
    logging.config.dictConfig(configured(fake))
    logger = logging.getLogger("configured")
    for number in range(25_000):
        logger.info("record %d", number)
    (handler,) = logger.handlers
    assert handler.flush(HANG_LIMIT)
    assert fake.messages("g", "s") == [f"record {number}" for number in range(25_000)]
    assert handler.stats.delivered == handler.stats.emitted == 25_000
    operations = {request.operation for request in fake.requests}
    assert operations == {"PutLogEvents", "CreateLogStream", "CreateLogGroup"}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})


def test_file_config_can_say_the_options_too(fake, tmp_path):
    ini = tmp_path / "logging.ini"
    with fake.serve() as url:
        ini.write_text(
            "[loggers]\nkeys=root,filed\n[handlers]\nkeys=cloudwatch\n[formatters]\nkeys=\n"
            "[logger_root]\nhandlers=\n"
            "[logger_filed]\nhandlers=cloudwatch\nlevel=INFO\nqualname=filed\npropagate=0\n"
            "[handler_cloudwatch]\nclass=cwlog_handler.CloudWatchLogsHandler\nargs=('g',)\n"
            f"kwargs={{'log_stream_name': 's', 'endpoint_url': '{url}', 'overflow': 'drop_newest'}}\n"
        )
        logging.config.fileConfig(ini, disable_existing_loggers=False)
        logging.getLogger("filed").info("m")
        assert logging.getLogger("filed").handlers[0].flush(HANG_LIMIT)
    assert fake.messages("g", "s") == ["m"]
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})


def test_a_second_dict_config_loses_nothing_and_does_not_freeze():
    """F24: dictConfig closes the old handlers under a lock that boto3 needs for its own logging."""
    fake = FakeCloudWatchLogs()
    logger = logging.getLogger("configured")
    for round_ in range(3):
        logging.config.dictConfig(configured(fake))
        for number in range(100):
            logger.info("%d", round_ * 100 + number)
    assert logger.handlers[0].flush(HANG_LIMIT)
    assert fake.wait_for(lambda: len(fake.messages("g", "s")) == 300)
    assert sorted(map(int, fake.messages("g", "s"))) == list(range(300))
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})


def test_the_constructor_makes_no_thread_no_client_and_no_call(monkeypatch, no_thread):
    """F37: an application starts although AWS cannot be reached, and without credentials."""
    monkeypatch.setattr(botocore.session.Session, "create_client", lambda *_, **__: pytest.fail("a client was made"))
    CloudWatchLogsHandler("g", boto3_profile_name="there-is-no-such-profile").close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overflow": "explode"}, ["explode", "drop_oldest"]),
        ({"log_stream_name": "a:b"}, ["a:b"]),
        ({"log_stream_name": "{nonsense}"}, ["nonsense", "machine_name"]),
        ({"log_group_retention_days": 2}, ["2", "1", "3"]),
        ({"requests_per_second": 0}, ["0", "None"]),
        ({"boto3_client": object(), "boto3_profile_name": "p"}, ["boto3_client", "boto3_profile_name"]),
        ({"oversize": "ignore"}, ["ignore", "split"]),
        ({"max_batch_size": 1_048_577}, ["1048577"]),
        # As it stands in an environment variable: any text is true to Python.
        ({"create_log_group": "false"}, ["create_log_group='false'", "True or False"]),
        ({"create_log_stream": "no"}, ["create_log_stream='no'", "True or False"]),
        ({"flush_on_sigterm": None}, ["flush_on_sigterm=None", "True or False"]),
        ({"use_queues": "0"}, ["use_queues='0'", "True or False"]),
        ({"region_name": 1}, ["region_name=1", "text"]),
        ({"endpoint_url": b"http://localhost"}, ["endpoint_url=b'http://localhost'", "text"]),
        ({"boto3_profile_name": 1}, ["boto3_profile_name=1", "text"]),
    ],
)
def test_wrong_use_raises_with_the_value_and_the_way_out(options, words):
    with pytest.raises((ValueError, TypeError)) as raised:
        CloudWatchLogsHandler("g", **options)
    for word in words:
        assert word in str(raised.value)


def test_one_and_zero_are_yes_and_no(fake):
    """As a configuration that is text may have them."""
    CloudWatchLogsHandler("g", create_log_group=1, create_log_stream=0, flush_on_sigterm=0, use_queues=1).close()


@pytest.mark.parametrize(
    ("option", "counted", "most"), [("max_batch_count", "events", 3), ("max_batch_size", "size_bytes", 200)]
)
def test_no_request_is_larger_than_the_options_allow(logger, attach, option, counted, most):
    """F5, F6: max_batch_count and max_batch_size hold for every request, also for a message that is longer."""
    fake = FakeCloudWatchLogs(requests_per_second=None)
    fake.create("g", "s")
    handler = attach(boto3_client=fake.client(), requests_per_second=None, send_interval=3600, **{option: most})
    for number in range(20):
        logger.info("%d", number)
    logger.info("x" * 500)
    assert handler.flush()
    assert max(getattr(request, counted) for request in fake.requests) <= most
    assert "".join(fake.messages("g", "s")) == "".join(map(str, range(20))) + "x" * 500


@pytest.mark.parametrize("flush_level", [logging.ERROR, "ERROR"])
def test_only_records_at_flush_level_go_before_the_send_interval(fake, logger, attach, flush_level):
    """F22: `flush_level` itself is urgent, what is below is not: it goes with the first record that is."""
    fake.create("g", "s")
    attach(flush_level=flush_level, send_interval=3600)
    for text, level in (("one", logging.DEBUG), ("two", logging.WARNING), ("three", logging.ERROR)):
        logger.log(level, text)
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["one", "two", "three"])
    assert [len(request.batch) for request in fake.requests] == [3]


@pytest.mark.parametrize("seconds", [0.0, 0.25, 3600.0])
def test_the_send_interval_is_the_one_that_was_asked_for(attach, logger, seconds):
    """A stream of the handler waits `send_interval` seconds for company."""
    # The event below never leaves its stream: close() would wait for it in vain.
    handler = attach(send_interval=seconds, close_timeout=0)
    logger.info("The endpoint is known from now on, and so is the rate of each stream.")
    assert handler.flush(60)
    dispatch = handler._flusher.rounds._dispatch
    stream = dispatch.stream(Target(handler.log_group_name, "another"))
    dispatch._buckets.join("https://x", stream)
    stream.add(event(), 20, 100.0)
    assert next_send(stream, 100.0)[1] == 100.0 + seconds


def test_every_option_of_the_log_group_reaches_the_service(fake, logger, attach):
    """Tags, retention, class and key that the handler is given are what the group is made with."""
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
    handler = attach(
        log_group_tags={"a": "b"},
        log_group_retention_days=7,
        log_group_class="INFREQUENT_ACCESS",
        log_group_kms_key_id=key,
    )
    logger.info("m")
    assert handler.flush()
    created = next(r.parameters for r in fake.requests if r.operation == "CreateLogGroup")
    assert (created["tags"], created["logGroupClass"], created["kmsKeyId"]) == ({"a": "b"}, "INFREQUENT_ACCESS", key)
    assert fake.groups["g"].retention_days == 7


@pytest.mark.parametrize(("option", "there"), [("create_log_group", []), ("create_log_stream", ["g"])])
def test_what_is_not_to_be_created_is_not(fake, logger, attach, option, there, capsys):
    """create_log_group and create_log_stream reach the client: switched off, no such call succeeds and it is told."""
    if there:
        fake.create("g")
    handler = attach(close_timeout=0.0, **{option: False})
    logger.error("m")
    assert fake.wait_for(lambda: option in capsys.readouterr().err)
    assert "CreateLogGroup" not in {r.operation for r in fake.requests}
    assert fake.messages("g") == [] if there else "g" not in fake.groups
    fake.create("g", "s")
    assert handler.flush(60)


def test_the_constructor_makes_no_session_either(monkeypatch, no_thread):
    """F37: a missing profile fails when the session is made."""
    monkeypatch.setattr(botocore.session, "get_session", lambda *_, **__: pytest.fail("a session was made"))
    CloudWatchLogsHandler("g").close()


def test_the_region_of_the_handler_reaches_the_client():
    """`region_name` is where the client is made."""
    from cwlog_handler import CloudWatchLogsHandler

    handler = CloudWatchLogsHandler("g", "s", region_name="eu-west-1")
    assert "eu-west-1" in handler._flusher._client.connect().endpoint
    handler.close()


def test_the_handler_loads_no_more_of_boto3_than_its_client_needs(fake):
    """The rest is for transfers to S3, mostly, and takes 10 ms."""
    source = """
import logging, sys
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "s")
loaded = lambda: [name in sys.modules for name in ("botocore.session", "boto3")]
print(*loaded())
logging.getLogger().addHandler(handler)
logging.warning("one")
print(handler.flush(60), *loaded())
"""
    with fake.serve() as url, started(python("-c", source), url=url) as program:
        assert program.wait() == 0, program.output
    assert program.output.splitlines() == ["True False", "True True False"]
    assert fake.messages("g", "s") == ["one"]
