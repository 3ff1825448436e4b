"""The constructor's keywords: what is said of those that do not exist, wherever the handler is made."""

from __future__ import annotations

import io
import logging
import logging.config
import traceback

import pytest

from cwlog_handler import CloudWatchLogsHandler

OURS = "cwlog_handler.CloudWatchLogsHandler"


def refusal(*args, **options):
    with pytest.raises(TypeError) as caught:
        CloudWatchLogsHandler(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("log_steam_name", "log_stream_name"),
        ("log_group_nam", "log_group_name"),
        ("loggroupname", "log_group_name"),
        ("LOG_STREAM_NAME", "log_stream_name"),
        ("log-stream-name", "log_stream_name"),
        ("log_stream", "log_stream_name"),
        ("region", "region_name"),
        ("region_nmae", "region_name"),
        ("aws_region", "region_name"),
        ("profile_name", "boto3_profile_name"),
        ("client", "boto3_client"),
        ("endpoint", "endpoint_url"),
        ("retention_days", "log_group_retention_days"),
        ("retention_in_days", "log_group_retention_days"),
        ("tags", "log_group_tags"),
        ("interval", "send_interval"),
        ("send_intervall", "send_interval"),
        ("lvl", "level"),
        ("stream", "log_stream_name"),
    ],
)
def test_an_unknown_keyword_is_refused_with_the_nearest_that_exists(name, nearest):
    """F59. Python names the one that is wrong, and leaves the rest to the reader."""
    assert refusal("g", **{name: 1}) == f"there is no option {name}: did you mean {nearest!r}?"


def test_all_unknown_keywords_are_told_at_once_with_those_of_watchtower():
    """F59. Each start of a service may take minutes."""
    message = refusal(log_group="g", log_steam_name="s", send_intervall=1)
    assert message == (
        "log_group='g': write log_group_name='g'; there is no option log_steam_name: did you mean 'log_stream_name'?; "
        "there is no option send_intervall: did you mean 'send_interval'?"
    )


def test_a_keyword_that_is_like_none_is_refused_with_all_there_are():
    message = refusal("g", colour="red")
    assert message.startswith("there is no option colour: the options are log_group_name, log_stream_name, level, ")


@pytest.mark.parametrize("name", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"])
def test_credentials_are_told_where_they_belong_and_not_shown(name):
    message = refusal("g", **{name: "geheim"})
    assert "boto3 finds credentials itself" in message
    assert "geheim" not in message


def test_what_the_handler_has_methods_for_names_them():
    assert refusal("g", formatter=None) == "there is no option formatter: call handler.setFormatter(…)"
    assert refusal("g", filters=[]) == "there is no option filters: call handler.addFilter(…)"


def test_more_arguments_by_position_than_two_are_refused_with_the_way_out():
    """F59. In an INI file ``("my-app")`` is no tuple, and each of its letters an argument."""
    message = refusal("g", "s", logging.INFO)
    assert message.startswith("3 arguments come by position: only log_group_name and log_stream_name may")
    assert 'write args = ("my-app",)' in refusal(*("my-app"))


def test_without_a_group_it_is_said_what_is_missing():
    assert refusal() == "log_group_name is missing: give the name of the log group"
    assert refusal(log_stream_name="s") == "log_group_name is missing: give the name of the log group"


@pytest.mark.parametrize("name", ["stream", "strm", "log_steam_name"])
def test_dict_config_shows_the_cause_below_its_own_words(name):
    """F59. dictConfig takes a TypeError with ``'stream'`` in it for its own business, and then raises a KeyError."""
    handler = {"class": OURS, "log_group_name": "g", name: "s"}
    with pytest.raises(ValueError, match="Unable to configure handler 'cloudwatch'") as caught:
        logging.config.dictConfig({"version": 1, "incremental": False, "handlers": {"cloudwatch": handler}})
    shown = "".join(traceback.format_exception(caught.value))
    assert f"there is no option {name}: " in shown
    assert "did you mean 'log_stream_name'?" in shown or name == "strm"


INI = f"""
[loggers]
keys = root
[handlers]
keys = cloudwatch
[formatters]
keys =
[logger_root]
handlers = cloudwatch
[handler_cloudwatch]
class = {OURS}
args = ARGS
kwargs = {{"log_steam_name": "s"}}
"""


@pytest.mark.parametrize(
    ("args", "said"), [('("my-app",)', "did you mean 'log_stream_name'"), ('("my-app")', "log_steam_name")]
)
def test_file_config_shows_it_as_it_is(args, said):
    with pytest.raises(TypeError, match=said):
        logging.config.fileConfig(io.StringIO(INI.replace("ARGS", args)), disable_existing_loggers=False)


class WithKeywordsOfItsOwn(CloudWatchLogsHandler):
    def __init__(self, colour, **options):
        self.colour = colour
        super().__init__(**options)


class WithAGroupOfItsOwn(CloudWatchLogsHandler):
    def __init__(self, *args, **options):
        super().__init__("fixed", *args, **options)


def test_a_derived_class_may_have_keywords_of_its_own():
    handler = WithKeywordsOfItsOwn(colour="red", log_group_name="g", log_stream_name="s")
    assert (handler.colour, handler.log_group_name, handler.log_stream_name) == ("red", "g", "s")
    handler.close()
    assert WithAGroupOfItsOwn("s").log_group_name == "fixed"
    with pytest.raises(TypeError, match="there is no option color: "):
        WithKeywordsOfItsOwn(colour="red", log_group_name="g", color="red")
