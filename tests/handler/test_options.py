"""The constructor's options: what is accepted at each limit, and what a refusal says."""

from __future__ import annotations

import json
import logging
import math
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler import options
from cwlog_handler.core.limits import LOG_GROUP_CLASSES, RETENTION_DAYS
from cwlog_handler.record.formatting import json_serialize_default


def refused(error, check, *args, **kwargs) -> str:
    with pytest.raises(error) as caught:
        check(*args, **kwargs)
    assert type(caught.value) is error
    return str(caught.value)


@pytest.mark.parametrize("name", ["x", "x" * 511, "x" * 512, "/aws/lambda/f", "awsome", "a.b-c_d/e#F9", "/{env:X}"])
def test_a_log_group_name_that_the_service_takes_is_accepted(name):
    """CreateLogGroup: 1 to 512 of letters, digits and . - _ / #."""
    assert options.log_group_name(name) == name


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("", "0 characters; give 1 to 512"),
        ("x" * 513, "513 characters; give 1 to 512"),
        ("a b", "use only letters"),
        ("größe", "use only letters"),
        ("app\n", "use only letters"),
        ("arn:aws:logs:eu-west-1:1:log-group:x", "write the group's name, not its ARN: 'x'"),
        ("arn:aws-cn:logs:cn-north-1:1:log-group:/shop/api:*", "write the group's name, not its ARN: '/shop/api'"),
        ("arn:aws:s3:::bucket", "not its ARN"),
        ("aws/app", "say '/aws/app' instead"),
        ("/app/{tenant}", "an unknown field 'tenant'; the fields are machine_name"),
        ("/app/${STAGE}", "env:NAME, record:NAME ({record:STAGE}, {env:STAGE})"),
        ("/app/{{.Name}}", "use only letters"),
        ("/app/{env:STAGE", "a field is written {name}"),
        ("aws/{env:STAGE}", "say '/aws/{env:STAGE}' instead"),
    ],
)
def test_a_log_group_name_that_the_service_refuses_is_refused_here(name, way_out):
    """Otherwise every put fails, minutes after the start."""
    message = refused(ValueError, options.log_group_name, name)
    assert message.startswith(f"log_group_name={name!r}: ")
    assert way_out in message


def test_a_log_group_name_that_is_not_text_is_refused():
    """A Path or None is a slip."""
    assert refused(TypeError, options.log_group_name, None) == "log_group_name=None is of type NoneType: give text"


def test_one_of_accepts_what_is_on_the_list_and_shows_the_list():
    """The way out of a misspelling is the list."""
    assert options.one_of("oversize", "drop", ("split", "drop")) == "drop"
    message = refused(ValueError, options.one_of, "oversize", "Split", ("split", "drop"))
    assert message == "oversize='Split': give one of 'split', 'drop'"


@pytest.mark.parametrize("value", [1, 2, 9, 10])
def test_a_whole_number_between_its_bounds_is_accepted(value):
    """Both bounds are included."""
    assert options.whole_number("n", value, 1, 10) == value


@pytest.mark.parametrize("value", [0, 11])
def test_a_whole_number_past_a_bound_is_refused(value):
    """The message shows both bounds."""
    assert refused(ValueError, options.whole_number, "n", value, 1, 10) == f"n={value}: give 1 to 10"


def test_without_a_maximum_only_the_minimum_counts():
    """None is no bound."""
    assert options.whole_number("n", 10**9, 1) == 10**9
    assert refused(ValueError, options.whole_number, "n", 0, 1) == "n=0: give at least 1"


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None])
def test_what_is_no_whole_number_is_refused(value):
    """True would pass for 1: it is a slip in the order of arguments."""
    assert f"n={value!r} is of type" in refused(TypeError, options.whole_number, "n", value, 0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0.0), (0.5, 0.5), (3, 3.0), (timedelta(minutes=1), 60.0), (timedelta(0), 0.0), (5e-324, 5e-324)],
)
def test_seconds_are_a_number_or_a_timedelta(value, expected):
    """The result is always a float."""
    number = options.seconds("interval", value)
    assert number == expected
    assert type(number) is float


@pytest.mark.parametrize("value", [-1, -5e-324, math.nan, math.inf, -math.inf, timedelta(seconds=-1), 10**400])
def test_seconds_that_no_clock_can_wait_are_refused(value):
    """NaN compares false with everything: a wait for it never ends or never starts."""
    assert refused(ValueError, options.seconds, "interval", value).startswith(f"interval={value!r}: ")


@pytest.mark.parametrize("value", [0, 0.0, timedelta(0)])
def test_zero_seconds_are_refused_where_they_make_no_sense(value):
    """allow_zero=False is for intervals: zero would spin."""
    assert "give more than 0 seconds" in refused(ValueError, options.seconds, "interval", value, allow_zero=False)
    assert options.seconds("interval", 5e-324, allow_zero=False) > 0


@pytest.mark.parametrize("value", [True, "5", None, 1j, Fraction(1)])
def test_what_is_no_length_of_time_is_refused(value):
    """Text from an environment variable is the usual slip."""
    assert "give seconds or a timedelta" in refused(TypeError, options.seconds, "interval", value)


def test_a_rate_is_above_zero_or_none():
    """None is no limit; zero would never send."""
    assert options.rate("rate", None) is None
    assert options.rate("rate", 5) == 5.0
    assert options.rate("rate", 5e-324) == 5e-324
    for value in (0, -0.1, math.nan, math.inf):
        assert "None for no limit" in refused(ValueError, options.rate, "rate", value)
    for wrong in (True, "5"):
        assert "None for no limit" in refused(TypeError, options.rate, "rate", wrong)


@pytest.mark.parametrize("value", [None, *RETENTION_DAYS])
def test_every_retention_of_the_service_is_accepted(value):
    """None leaves the group's retention alone."""
    assert options.retention_days(value) == value


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        (0, "1"),
        (-5, "1"),
        (2, "1 or 3"),
        (364, "180 or 365"),
        (366, "365 or 400"),
        (3652, "3288 or 3653"),
        (3654, "3653"),
    ],
)
def test_a_retention_that_does_not_exist_names_the_nearest(value, nearest):
    """Nobody knows the list by heart."""
    message = refused(ValueError, options.retention_days, value)
    assert message.startswith(f"log_group_retention_days={value}: ")
    assert message.endswith(f"the nearest it takes: {nearest}")


@pytest.mark.parametrize("value", [True, 30.0, "30"])
def test_a_retention_that_is_no_whole_number_is_refused(value):
    """True equals 1, which is on the list."""
    assert f"log_group_retention_days={value!r}" in refused(TypeError, options.retention_days, value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"k": ""},
        {"é" * 127: "v" * 255},
        {"é" * 128: "é" * 256},
        {str(n): "v" for n in range(49)},
        {str(n): "v" for n in range(50)},
    ],
)
def test_tags_within_the_limits_are_accepted_as_a_copy(value):
    """50 tags, keys of 1 to 128 and values of 0 to 256 characters; later changes of the caller's dict do not count."""
    found = options.tags(value)
    assert found == value
    assert found is not value


def test_no_tags_are_an_empty_dict():
    """None is the default."""
    assert options.tags(None) == {}


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        ({str(n): "v" for n in range(51)}, "51 of them; give at most 50"),
        ({"": "v"}, "log_group_tags={'': 'v'}: a key of 0 characters; give 1 to 128"),
        ({"k" * 129: "v"}, "a key of 129 characters; give 1 to 128"),
        ({"k": "v" * 257}, "a value of 257 characters; give at most 256"),
    ],
)
def test_tags_past_a_limit_are_refused(value, way_out):
    """The group would never be made."""
    assert way_out in refused(ValueError, options.tags, value)


@pytest.mark.parametrize("value", [[("k", "v")], "k=v", {"k": 1}, {1: "v"}, {"k": None}])
def test_tags_that_are_no_mapping_of_text_are_refused(value):
    """botocore would refuse them on the flusher's thread."""
    assert "log_group_tags=" in refused(TypeError, options.tags, value)


@pytest.mark.parametrize("value", [None, "k", "k" * 255, "k" * 256])
def test_a_kms_key_id_within_the_limit_is_accepted(value):
    """1 to 256 characters, or none."""
    assert options.kms_key_id(value) == value


def test_a_kms_key_id_past_the_limit_is_refused():
    """At least the length can be known here."""
    assert "257 characters; give the key's ARN" in refused(ValueError, options.kms_key_id, "k" * 257)
    assert "log_group_kms_key_id=''" in refused(ValueError, options.kms_key_id, "")
    assert "log_group_kms_key_id=5" in refused(TypeError, options.kms_key_id, 5)


def test_a_log_format_is_one_that_the_service_knows():
    assert options.log_format(None) is None
    assert options.log_format("json/emf") == "json/emf"
    assert refused(ValueError, options.log_format, "emf") == "log_format='emf': give one of 'json/emf'"
    assert refused(TypeError, options.log_format, True).startswith("log_format=True is of type bool: give text")


def test_a_log_group_class_is_one_of_the_services():
    """None leaves it to the service."""
    for value in (None, *LOG_GROUP_CLASSES):
        assert options.log_group_class(value) == value
    message = refused(ValueError, options.log_group_class, "standard")
    assert message.startswith("log_group_class='standard': give one of 'STANDARD', ")


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (40, 40), ("ERROR", 40), ("WARN", 30), ("NOTSET", 0)])
def test_a_level_is_a_number_or_its_name(value, expected):
    """As in logging itself."""
    assert options.level(value) == expected


def test_a_level_that_the_program_named_is_known():
    """logging.addLevelName is honoured."""
    logging.addLevelName(5, "TRACE")
    try:
        assert options.level("TRACE") == 5
    finally:
        logging._levelToName.pop(5)
        logging._nameToLevel.pop("TRACE")


@pytest.mark.parametrize("value", ["LOUD", "error", "", "40", "Level 5"])
def test_an_unknown_level_is_refused(value):
    """It would log everything or nothing."""
    assert refused(ValueError, options.level, value, "flush_level").startswith(f"flush_level={value!r}: ")
    message = refused(ValueError, options.level, value)
    assert message == f"level={value!r}: no such level; give a number or a name such as 'ERROR' (capitals count)"


@pytest.mark.parametrize("value", [None, 40.0, True])
def test_a_level_of_another_type_is_refused(value):
    """True is no level."""
    assert f"level={value!r}" in refused(TypeError, options.level, value)


def test_the_json_default_is_a_function_or_where_to_find_it():
    """A JSON or YAML configuration can only say text."""
    assert options.json_default(None) is json_serialize_default
    assert options.json_default(repr) is repr
    assert options.json_default("json:dumps") is json.dumps
    assert options.json_default("json.dumps") is json.dumps
    assert options.json_default("json:JSONEncoder.default") is json.JSONEncoder.default


@pytest.mark.parametrize("value", ["", "no_such_module:f", "json:no_such", "json.no_such", "not a path", "json:"])
def test_a_json_default_that_cannot_be_found_is_refused(value):
    """At the start, not at the first record that needs it."""
    message = refused((TypeError if value == "json:" else ValueError), options.json_default, value)
    assert f"json_serialize_default={value!r}" in message
    assert "module:function'" in message


@pytest.mark.parametrize("value", [5, "json:__name__"])
def test_a_json_default_that_cannot_be_called_is_refused(value):
    """A wrong type is a TypeError."""
    assert "not callable; give a function" in refused(TypeError, options.json_default, value)


OF_OWN_CLIENTS = {
    "boto3_profile_name": "dev",
    "role_arn": "arn:aws:iam::123456789012:role/logs",
    "external_id": "4711",
    "role_session_name": "shop",
    "boto3_config": {"tcp_keepalive": True},
}


@pytest.mark.parametrize("name", OF_OWN_CLIENTS)
def test_a_client_and_what_is_about_a_client_of_ours_exclude_each_other(name):
    """A parameter that is accepted is honoured: with a client that was passed in, none of them could be."""
    none = dict.fromkeys(OF_OWN_CLIENTS)
    options.own_client(None, none)
    options.own_client(object(), none)
    options.own_client(None, OF_OWN_CLIENTS)
    message = refused(ValueError, options.own_client, object(), none | {name: OF_OWN_CLIENTS[name]})
    assert message.startswith(name)
    assert ("'dev'" in message) is (name == "boto3_profile_name")
    assert "give one or the other" in message


def test_settings_in_which_a_password_may_be_are_not_shown():
    """A proxy's URL may have one."""
    settings = {"proxies": {"https": "http://user:hunter2@proxy:3128"}}
    assert "hunter2" not in refused(ValueError, options.own_client, object(), {"boto3_config": settings})


@pytest.mark.parametrize("name", ["external_id", "role_session_name"])
def test_what_belongs_to_a_role_is_refused_without_one(name):
    """It would have no effect."""
    none = dict.fromkeys(OF_OWN_CLIENTS)
    assert options.role(none) is False
    message = refused(ValueError, options.role, none | {name: "4711"})
    assert message == f"{name}='4711': it belongs to a role; give role_arn too, or leave it out"


def test_a_role_and_a_profile_exclude_each_other():
    """A profile may have a role of its own: nobody could tell which one counts."""
    given = dict.fromkeys(OF_OWN_CLIENTS) | {"role_arn": OF_OWN_CLIENTS["role_arn"]}
    assert options.role(given) is True
    assert "boto3_profile_name" in refused(ValueError, options.role, given | {"boto3_profile_name": "dev"})


@pytest.mark.parametrize(
    ("check", "value", "way_out"),
    [
        (options.seconds, "5", "write 5 without quotation marks, it is text now"),
        (options.seconds, "0.5", "write 0.5 without quotation marks, it is text now"),
        (options.rate, "None", "write null in YAML or JSON, None in Python"),
        (options.yes_or_no, "true", "write true without quotation marks, it is text now"),
        (options.yes_or_no, "off", "write off without quotation marks, it is text now"),
    ],
)
def test_what_a_configuration_made_text_of_is_told_how_to_be_written(check, value, way_out):
    """F59: YAML takes ``None`` for text, and whatever is in quotation marks."""
    assert refused(TypeError, check, "option", value).endswith(f"; {way_out}")
    assert "quotation marks" not in refused(TypeError, check, "option", "soon")


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.timedeltas(),
    st.dictionaries(st.text(), st.text()),
)


@given(value=ANYTHING)
def test_a_check_returns_what_it_was_given_or_raises_a_value_or_type_error(value):
    """Wrong use ends in the constructor, and never in another way."""
    checks = (options.log_group_name, options.retention_days, options.tags, options.kms_key_id, options.log_group_class)
    for check in checks:
        try:
            found = check(value)
        except (ValueError, TypeError):
            continue
        assert found == ({} if check is options.tags and value is None else value)
