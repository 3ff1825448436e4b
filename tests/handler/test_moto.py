"""Real boto3 calls, end to end: moto in-process and as a server, read back with GetLogEvents; and frozen time."""

import itertools
import logging
import logging.config
import threading
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from freezegun import freeze_time
from moto import mock_aws
from moto.server import ThreadedMotoServer

from cwlog_handler import CloudWatchLogsHandler

# Third parties only: moto's server and what it is made of.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:moto"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:flask"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:werkzeug"),
    pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning:botocore"),
]
WITHIN = 60.0
NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
MS = timedelta(milliseconds=1)
groups = (f"/app/{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def server_url():
    logger = logging.getLogger("werkzeug")
    level = logger.level
    logger.setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    logger.setLevel(level)


@pytest.fixture(params=["in-process", "server"])
def endpoint_url(request):
    """Where the service is; None: where boto3 thinks it is, with moto in between."""
    if request.param == "server":
        yield request.getfixturevalue("server_url")
        return
    with mock_aws():
        yield None


@pytest.fixture
def moto():
    with mock_aws():
        yield


@pytest.fixture
def configure(request):
    """Configure logging by dictConfig; return the logger and its handler."""
    name = f"moto.{request.node.name}"

    def configured(endpoint_url=None, **options):
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {
                    "cloudwatch": {
                        "class": "cwlog_handler.CloudWatchLogsHandler",
                        "log_group_name": next(groups),
                        "log_stream_name": "main",
                        "endpoint_url": endpoint_url,
                        **options,
                    }
                },
                "loggers": {name: {"handlers": ["cloudwatch"], "level": "DEBUG", "propagate": False}},
            }
        )
        logger = logging.getLogger(name)
        return logger, logger.handlers[0]

    return configured


@pytest.fixture(autouse=True)
def nothing_left(request):
    """Close what a test configured before moto ends: a late request would go to the real network."""
    for name in ("endpoint_url", "moto"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    yield
    for logger in [logging.getLogger(name) for name in list(logging.Logger.manager.loggerDict) if name[:5] == "moto."]:
        for handler in logger.handlers[:]:
            if isinstance(handler, CloudWatchLogsHandler):
                logger.removeHandler(handler)
                handler.close()


def read_back(group, stream="main", endpoint_url=None):
    client = boto3.client("logs", endpoint_url=endpoint_url)
    events, token = [], {}
    while True:
        page = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=1000, **token)
        events += page["events"]
        if page["nextForwardToken"] == token.get("nextToken"):
            return events
        token = {"nextToken": page["nextForwardToken"]}


def messages(group, stream="main", endpoint_url=None):
    return [event["message"] for event in read_back(group, stream, endpoint_url)]


def record(message, at, logger):
    """A record as if it had been made at that time."""
    made = logging.makeLogRecord({"msg": message, "levelno": logging.INFO, "levelname": "INFO", "name": logger.name})
    made.created = at.timestamp()
    return made


def adds_up(stats):
    return stats.emitted == stats.delivered + stats.rejected + stats.dropped + stats.pending


def test_all_records_can_be_read_back_in_order(endpoint_url, configure):
    logger, handler = configure(endpoint_url)
    sent = [f"{number}: Käse, 寿司 🧀" for number in range(3000)]

    for text in sent:
        logger.info(text)

    assert handler.flush(WITHIN)
    assert messages(handler.log_group_name, endpoint_url=endpoint_url) == sent
    assert handler.stats.delivered == handler.stats.emitted == 3000
    assert adds_up(handler.stats)


def test_a_missing_group_is_made_with_its_retention_tags_and_stream(endpoint_url, configure):
    logger, handler = configure(endpoint_url, log_group_retention_days=30, log_group_tags={"team": "search"})
    group = handler.log_group_name

    logger.info("first")

    assert handler.flush(WITHIN)
    client = boto3.client("logs", endpoint_url=endpoint_url)
    [made] = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert made["retentionInDays"] == 30
    assert client.list_tags_for_resource(resourceArn=made["arn"].removesuffix(":*"))["tags"] == {"team": "search"}
    assert [s["logStreamName"] for s in client.describe_log_streams(logGroupName=group)["logStreams"]] == ["main"]
    assert messages(group, endpoint_url=endpoint_url) == ["first"]


def test_a_group_that_is_there_keeps_its_retention_and_tags(endpoint_url, configure):
    logger, handler = configure(endpoint_url, log_group_retention_days=30, log_group_tags={"team": "search"})
    group = handler.log_group_name
    client = boto3.client("logs", endpoint_url=endpoint_url)
    client.create_log_group(logGroupName=group, tags={"team": "shop"})

    logger.info("first")

    assert handler.flush(WITHIN)
    [found] = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert "retentionInDays" not in found
    assert client.list_tags_for_resource(resourceArn=found["arn"].removesuffix(":*"))["tags"] == {"team": "shop"}
    assert messages(group, endpoint_url=endpoint_url) == ["first"]


def test_a_group_deleted_meanwhile_is_made_again(endpoint_url, configure):
    logger, handler = configure(endpoint_url)
    group = handler.log_group_name
    logger.info("gone with the group")
    assert handler.flush(WITHIN)
    boto3.client("logs", endpoint_url=endpoint_url).delete_log_group(logGroupName=group)

    logger.info("in the new one")

    assert handler.flush(WITHIN)
    assert messages(group, endpoint_url=endpoint_url) == ["in the new one"]
    assert handler.stats.delivered == 2


def test_one_handler_feeds_a_stream_for_each_thread_and_level(endpoint_url, configure):
    logger, handler = configure(endpoint_url, log_stream_name="{level_name}/{thread_name}")

    def work():
        for number in range(200):
            logger.info("info %d", number)
            logger.warning("warning %d", number)

    threads = [threading.Thread(target=work, name=f"worker:{number}") for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert handler.flush(WITHIN)
    for thread, level in itertools.product(range(3), ("info", "warning")):
        found = messages(handler.log_group_name, f"{level.upper()}/worker_{thread}", endpoint_url)
        assert found == [f"{level} {number}" for number in range(200)]


def test_a_message_over_the_limit_arrives_in_pieces_that_make_it(endpoint_url, configure):
    logger, handler = configure(endpoint_url)
    text = "0123456789 äöü 🧀 " * 120_000

    logger.info(text)

    assert handler.flush(WITHIN)
    pieces = messages(handler.log_group_name, endpoint_url=endpoint_url)
    assert len(pieces) > 1
    assert "".join(pieces) == text


def test_without_queues_a_record_is_there_when_the_call_returns(endpoint_url, configure):
    logger, handler = configure(endpoint_url, use_queues=False)

    logger.info("there")

    assert messages(handler.log_group_name, endpoint_url=endpoint_url) == ["there"]


def test_a_profile_and_a_client_of_ones_own_are_used(moto, tmp_path, monkeypatch, configure):
    config = tmp_path / "config"
    profile = [
        "[profile logs]",
        "region = eu-central-1",
        "aws_access_key_id = testing",
        "aws_secret_access_key = testing",
    ]
    config.write_text("\n".join(profile), encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    there = boto3.client("logs", region_name="eu-central-1")

    logger, handler = configure(boto3_profile_name="logs")
    logger.info("by profile")
    assert handler.flush(WITHIN)
    group = handler.log_group_name
    logger, handler = configure(boto3_client=there, log_group_name=group)
    logger.info("by client")
    assert handler.flush(WITHIN)

    events = there.get_log_events(logGroupName=group, logStreamName="main", startFromHead=True)["events"]
    assert [event["message"] for event in events] == ["by profile", "by client"]


# Frozen time


@pytest.mark.parametrize(
    ("offset", "reason"),
    [
        (-timedelta(days=14) - MS, "too_old"),
        (-timedelta(days=14), None),
        (-timedelta(days=14) + MS, None),
        (timedelta(0), None),
        (timedelta(hours=2) - MS, None),
        (timedelta(hours=2), None),
        (timedelta(hours=2) + MS, "too_new"),
    ],
)
def test_the_age_window_holds_to_the_millisecond_in_frozen_time(offset, reason, moto, configure):
    """The neighbours of an event outside the window arrive; and nothing hangs although monotonic stands still."""
    with freeze_time(NOON):
        logger, handler = configure()
        logger.handle(record("before", NOON, logger))
        logger.handle(record("at the edge", NOON + offset, logger))
        logger.handle(record("after", NOON, logger))

        assert handler.flush(WITHIN)
        stats = handler.stats
        found = messages(handler.log_group_name)

    expected = ["before", "after"] if reason else ["before", "at the edge", "after"]
    assert sorted(found) == sorted(expected)
    assert stats.dropped_by_reason == ({reason: 1} if reason else {})
    assert (stats.emitted, stats.delivered, stats.rejected) == (3, len(expected), 0)
    assert adds_up(stats)


@pytest.mark.parametrize(("offset", "reason"), [(timedelta(0), None), (-MS, "too_old")])
def test_a_shorter_retention_narrows_the_window(offset, reason, moto, configure):
    with freeze_time(NOON):
        logger, handler = configure(log_group_retention_days=3)
        logger.handle(record("old", NOON - timedelta(days=3) + offset, logger))

        assert handler.flush(WITHIN)

    assert handler.stats.dropped_by_reason == ({reason: 1} if reason else {})
    assert adds_up(handler.stats)


@pytest.mark.parametrize(("span", "puts"), [(timedelta(hours=24), 1), (timedelta(hours=24) + MS, 2)])
def test_a_request_spans_24_hours_at_most(span, puts, moto, configure):
    with freeze_time(NOON):
        # Nothing but their times may part the two.
        logger, handler = configure(send_interval=3600)
        client = boto3.client("logs")
        client.create_log_group(logGroupName=handler.log_group_name)
        client.create_log_stream(logGroupName=handler.log_group_name, logStreamName="main")
        logger.handle(record("first", NOON - span, logger))
        logger.handle(record("last", NOON, logger))

        assert handler.flush(WITHIN)

        assert messages(handler.log_group_name) == ["first", "last"]
    assert handler.stats.requests == puts


def test_a_handler_survives_time_that_freezes_moves_and_thaws(moto, configure):
    """Somebody's test freezes time around a handler that is at work: what each of them logs arrives."""
    logger, handler = configure()
    logger.info("before")
    assert handler.flush(WITHIN)

    with freeze_time(NOON) as frozen:
        logger.info("frozen")
        assert handler.flush(WITHIN)
        frozen.move_to(NOON + timedelta(days=30))
        logger.info("moved")
        assert handler.flush(WITHIN)

    logger.info("after")
    assert handler.flush(WITHIN)
    events = {event["message"]: event["timestamp"] for event in read_back(handler.log_group_name)}
    assert set(events) == {"before", "frozen", "moved", "after"}
    assert events["frozen"] == NOON.timestamp() * 1000
    assert handler.stats.delivered == 4
    assert adds_up(handler.stats)


def test_a_record_is_sent_without_a_flush_in_frozen_time(moto, configure):
    """The send interval is real time: it passes although the program's clocks stand still."""
    with freeze_time(NOON):
        logger, handler = configure(send_interval=0.05)
        logger.info("by itself")
        arrived = threading.Event()
        for _ in range(int(WITHIN / 0.05)):
            if handler.stats.delivered:
                break
            arrived.wait(0.05)

        assert messages(handler.log_group_name) == ["by itself"]


# A role


def test_a_role_is_assumed_of_an_independent_sts(server_url, configure, monkeypatch):
    """moto's STS was made by others: what we send it is what STS takes, and what it answers is understood."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server_url)
    arn = "arn:aws:iam::222222222222:role/logs"
    logger, handler = configure(role_arn=arn, external_id="4711")
    logger.info("by role")
    assert handler.flush(WITHIN)
    keys = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="reader")["Credentials"]
    theirs = boto3.client(
        "logs",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    events = theirs.get_log_events(logGroupName=handler.log_group_name, logStreamName="main")["events"]
    assert [event["message"] for event in events] == ["by role"]
    # Our own account has no such group: the events are in the role's.
    assert boto3.client("logs").describe_log_groups(logGroupNamePrefix=handler.log_group_name)["logGroups"] == []
