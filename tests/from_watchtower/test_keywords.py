"""watchtower's keywords, one by one: what the README's table says of each is so."""

import inspect
import logging
import logging.config
import re
from pathlib import Path

import boto3
import pytest

from cwlog_handler import CloudWatchLogsHandler

watchtower = pytest.importorskip("watchtower", reason="watchtower is not installed")

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TABLE = re.search(r"^## From watchtower\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[1]
ROWS = {
    name: said.strip()
    for line in TABLE.splitlines()
    if line.startswith("| `")
    for names, said in [line.strip("|").split("|", 1)]
    for name in re.findall(r"`(\w+)`", names)
}
THEIRS = {
    name: parameter
    for name, parameter in inspect.signature(watchtower.CloudWatchLogHandler.__init__).parameters.items()
    if name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
}
OURS = inspect.signature(CloudWatchLogsHandler.__init__).parameters
# `level` goes on to logging.Handler; `boto3_session` and `endpoint_url` were there until version 1.
OLD_OR_INDIRECT = {"level", "boto3_session", "endpoint_url"}
NOT_ACCEPTED = {"log_group", "stream_name", "boto3_session"}


def test_the_table_has_every_keyword_of_watchtower():
    assert set(THEIRS) | OLD_OR_INDIRECT <= set(ROWS)


def test_the_table_calls_same_what_is_accepted_and_says_what_is_not():
    for name in set(THEIRS) | OLD_OR_INDIRECT:
        accepted = name in OURS
        assert accepted == (name not in NOT_ACCEPTED), name
        assert accepted != ROWS[name].startswith("Not accepted"), name


@pytest.mark.parametrize("name", [name for name in THEIRS if name not in NOT_ACCEPTED | {"boto3_profile_name"}])
def test_a_keyword_with_watchtowers_default_is_accepted(fake, name):
    """Who wrote the defaults down need not take them out."""
    options = {"log_group_name": "g", name: THEIRS[name].default}
    handler = CloudWatchLogsHandler(**options)
    handler.close()


def test_all_keywords_together_are_accepted(fake):
    options = {name: parameter.default for name, parameter in THEIRS.items() if name not in NOT_ACCEPTED}
    handler = CloudWatchLogsHandler(**options | {"boto3_client": fake.client()})
    handler.handle(logging.makeLogRecord({"msg": "hello", "name": "shop"}))
    handler.close()
    assert fake.messages("watchtower") == ["hello"]


def test_the_defaults_that_the_table_says_differ_are_those_that_differ():
    differing = {
        name
        for name, parameter in THEIRS.items()
        if name in OURS and (parameter.default or None) != (OURS[name].default or None)
    }
    assert differing == {"log_group_name", "log_stream_name", "send_interval", "max_message_size"}
    for name in differing:
        assert "default" in ROWS[name], name


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ({"log_group": "g"}, "log_group='g': write log_group_name='g'"),
        ({"stream_name": "{logger_name}"}, "stream_name='{logger_name}': write log_stream_name='{logger_name}'"),
        ({"boto3_session": None}, "boto3_session=None: write boto3_client=session.client('logs'), or "),
        (
            {"log_group": "g", "stream_name": "s"},
            "write log_group_name='g'; stream_name='s': write log_stream_name='s'",
        ),
        ({"log_group_name": "g", "stream_name": "s"}, "stream_name='s': write log_stream_name='s'"),
    ],
)
def test_an_old_keyword_is_refused_and_told_what_to_write_instead(options, instead):
    with pytest.raises(TypeError) as caught:
        CloudWatchLogsHandler(**options)
    assert instead in str(caught.value)


def test_dict_config_shows_what_to_write_instead():
    """What somebody sees first who changed the class path of an old configuration."""
    handler = {"class": "cwlog_handler.CloudWatchLogsHandler", "log_group": "MyGroup", "stream_name": "MyStream"}
    with pytest.raises(ValueError, match="cloudwatch") as caught:
        logging.config.dictConfig({"version": 1, "handlers": {"cloudwatch": handler}, "incremental": False})
    assert "write log_group_name='MyGroup'; stream_name='MyStream': write log_stream_name=" in str(
        caught.value.__cause__
    )


def test_the_way_out_for_a_session_works(fake):
    session = boto3.Session(region_name="eu-west-1")
    with fake.serve() as url:
        handler = CloudWatchLogsHandler("g", "s", boto3_client=session.client("logs", endpoint_url=url))
        handler.handle(logging.makeLogRecord({"msg": "hello"}))
        handler.close()
    assert fake.messages("g", "s") == ["hello"]


def test_without_a_group_python_says_which_keyword_is_missing():
    """watchtower took its own name for one."""
    with pytest.raises(TypeError, match="log_group_name"):
        CloudWatchLogsHandler()


def test_the_stream_can_be_named_anew_for_each_record(attach, logger, fake):
    """Airflow 3 sets it before each of a task's records."""
    handler = attach(log_stream_name="first")
    logger.warning("one")
    handler.log_stream_name = "second"
    logger.warning("two")
    handler.log_stream_name = "{logger_name}"
    logger.warning("three")
    handler.log_stream_name = "first"
    logger.warning("four")
    assert handler.flush()
    assert fake.messages("g", "first") == ["one", "four"]
    assert fake.messages("g", "second") == ["two"]
    assert fake.messages("g", logger.name) == ["three"]


@pytest.mark.parametrize(
    ("name", "error"), [("", ValueError), ("a:b", ValueError), ("{nobody}", ValueError), (5, TypeError)]
)
def test_a_wrong_name_for_the_stream_is_refused_and_the_old_one_kept(attach, logger, fake, name, error):
    handler = attach(log_stream_name="first")
    with pytest.raises(error, match="log_stream_name="):
        handler.log_stream_name = name
    assert handler.log_stream_name == "first"
    logger.warning("one")
    assert handler.flush()
    assert fake.messages("g", "first") == ["one"]


def test_a_closed_handler_is_not_shutting_down(attach, logger, fake):
    """Airflow 3 sends nothing to a handler that says so; ours delivers what comes after close, too."""
    handler = attach()
    handler.close()
    assert handler.shutting_down is watchtower.CloudWatchLogHandler("g", boto3_client=fake.client()).shutting_down
    logger.warning("late")
    assert handler.flush()
    assert fake.messages("g") == ["late"]


BESIDE = {
    said[0].strip(): said[1].strip()
    for line in TABLE.partition("Beside the keywords")[2].splitlines()
    if line.startswith("| ")
    for said in [line.strip("|").split("|")]
}


def delivered(fake, handler, record):
    """The one message that came of a record, if any did."""
    before = len(fake.messages("g"))
    handler.handle(logging.makeLogRecord({"name": "shop", **record}))
    handler.flush()
    return "".join(fake.messages("g")[before:])


FAILED = (KeyError, KeyError("basket"), None)


@pytest.mark.parametrize(
    ("row", "record", "theirs", "ours"),
    [
        ("A dict's JSON", {"msg": {"by": "Zoë"}}, '{"by": "Zo\\u00eb"}', '{"by": "Zoë"}'),
        ("A dict's JSON", {"msg": {"n": 1}, "x": 2}, '{"n": 1}', '{"n": 1, "x": 2}'),
        (
            "A dict's JSON",
            {"msg": {"n": 1}, "exc_info": FAILED},
            '{"n": 1}',
            '{"n": 1, "exc_info": "KeyError: \'basket\'"}',
        ),
        ("A list", {"msg": ["Zoë", None]}, "['Zoë', None]", '["Zoë", null]'),
        (
            "DEBUG records of botocore and urllib3",
            {"name": "botocore.auth", "levelno": 10, "levelname": "DEBUG", "msg": "key"},
            "",
            "key",
        ),
    ],
)
def test_what_differs_beside_the_keywords_is_in_the_table(fake, row, record, theirs, ours):
    assert row in BESIDE
    client = fake.client()
    assert delivered(fake, watchtower.CloudWatchLogHandler("g", "s", boto3_client=client), record) == theirs
    assert delivered(fake, CloudWatchLogsHandler("g", "s", boto3_client=client), record) == ours


@pytest.mark.parametrize("name", ["max_batch_size", "max_batch_count", "max_message_size"])
def test_more_than_the_service_takes_is_refused_and_the_table_says_so(name):
    """watchtower takes any number, and the service refuses the requests."""
    limit = {"max_batch_count": 10_000}.get(name, 1_048_576)
    CloudWatchLogsHandler("g", **{name: limit}).close()
    with pytest.raises(ValueError, match=name):
        CloudWatchLogsHandler("g", **{name: limit + 1})
    assert f"{limit:,}" in ROWS[name]
