"""Log group names: what a template may say, and that no value gets out of its place in a name."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cwlog_handler.core.limits import MAX_NAME_LENGTH
from cwlog_handler.record.fields import FIELDS
from cwlog_handler.record.names import GroupName

# The service's own rule, from the model of its interface.
LEGAL = re.compile(r"[\.\-_/#A-Za-z0-9]{1,512}")
TENANT = "/app/{record:tenant|none}"


def is_legal(name: str) -> bool:
    return LEGAL.fullmatch(name) is not None and not name.lower().startswith("aws/")


def of_tenant(tenant: object, template: str = TENANT) -> str:
    return GroupName(template).render({"record:tenant": tenant})


def test_a_name_without_fields_is_itself():
    name = GroupName("/app/shop#1")
    assert (name.render({}), name.fields, name.per_process) == ("/app/shop#1", frozenset(), True)


def test_fields_stand_for_their_values():
    name = GroupName("/app/{env:STAGE|dev}/{record:tenant|none}/{strftime:%Y/%m}")
    values = {"env:STAGE": None, "record:tenant": "acme", "strftime": datetime(2026, 3, 1, tzinfo=timezone.utc)}
    assert name.render(values) == "/app/dev/acme/2026/03"


@pytest.mark.parametrize(
    ("tenant", "name"),
    [
        (None, "/app/none"),
        ("", "/app/none"),
        ("acme", "/app/acme"),
        ("acme/audit", "/app/acme_audit"),
        ("../../other", "/app/.._.._other"),
        ("a b\n\u2028ü:*$", "/app/a_b______"),
        ("\ud800", "/app/_"),
        ("aws/", "/app/aws_"),
        (7, "/app/7"),
    ],
)
def test_a_value_stays_in_its_place(tenant, name):
    """A tenant's name may come from a request: it must not choose another group than the template means."""
    assert of_tenant(tenant) == name


def test_a_variable_of_the_environment_may_have_slashes():
    """It is as much the operator's word as the template is: ``AWS_LAMBDA_LOG_GROUP_NAME`` has three of them."""
    name = GroupName("{env:AWS_LAMBDA_LOG_GROUP_NAME}")
    assert name.render({"env:AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop"}) == "/aws/lambda/shop"


@pytest.mark.parametrize("start", ["aws", "AWS", "Aws"])
def test_no_value_makes_a_name_that_aws_reserves(start):
    assert of_tenant(start, "{record:tenant}/x") == f"_{start}/x"
    assert GroupName("{env:X}").render({"env:X": f"{start}/x"}) == f"_{start}/x"
    long = GroupName("{env:X}").render({"env:X": f"{start}/" + "x" * 600})
    assert (long[:5], len(long)) == (f"_{start}/", MAX_NAME_LENGTH)


def test_a_value_that_is_too_long_loses_its_end_and_the_template_nothing():
    rendered = of_tenant("x" * 10_000, "/app/{record:tenant}/audit")
    assert rendered == "/app/" + "x" * (512 - len("/app//audit")) + "/audit"


@pytest.mark.parametrize("template", ["{record:a}/{record:b}/x", "{env:X}/{record:b}/x", "aw{record:c}/{record:b}/x"])
def test_a_long_name_that_aws_reserves_loses_none_of_the_templates_own_words_either(template):
    """It begins with one character more. With a word missing, no process would take over what its spool has for it."""
    values = {"record:a": "aws", "record:b": "y" * 600, "record:c": "s", "env:X": "aws"}
    for name in (GroupName(template), GroupName(template).known({"env:X": "aws"})):
        rendered = name.render(values)
        assert rendered == "_aws/" + "y" * (MAX_NAME_LENGTH - len("_aws//x")) + "/x"
        assert name.may_have_made(rendered)


def test_a_value_that_has_no_room_in_a_long_template_makes_no_name_that_aws_reserves():
    template = "aw{record:c}/" + "x" * (MAX_NAME_LENGTH - len("aws/"))
    rendered = GroupName(template).render({"record:c": "s"})
    assert rendered == template.replace("{record:c}", "")
    assert GroupName(template).may_have_made(rendered)


def test_own_words_that_fill_a_name_which_aws_reserves_make_a_legal_one():
    template = "aw{record:c}s/" + "x" * (MAX_NAME_LENGTH - len("aws/"))
    expected = "_aws/" + "x" * (MAX_NAME_LENGTH - len("_aws/"))
    assert GroupName(template).render({"record:c": "c"}) == expected
    assert GroupName(template).known({"record:c": "c"}).render({}) == expected


def test_a_name_of_nothing_is_a_dash():
    assert of_tenant(None, "{record:tenant|}") == "-"
    nothing = GroupName("{env:X|}").known({"env:X": None})
    assert nothing.render({}) == "-"
    assert nothing.may_have_made("-")


@pytest.mark.parametrize(
    ("template", "way_out"),
    [
        ("/app {record:tenant}", "use only letters a-z A-Z, digits and . - _ / #, and fields such as {env:STAGE}"),
        ("/app:{record:tenant}", "use only letters"),
        ("/äpp/{record:tenant}", "use only letters"),
        ("{{{record:tenant}}}", "use only letters"),
        ("/app/{record:tenant|no tenant}", "use only letters"),
        ("aws/{record:tenant}", "which AWS reserves; say '/aws/{record:tenant}' instead"),
        ("AWS/{record:tenant}", "which AWS reserves"),
        ("/app/{tenant}", "unknown field 'tenant'; the fields are machine_name"),
        ("/app/{}", "a positional field"),
        ("/app/{record:tenant", "a brace itself"),
        ("x" * 513 + "{record:tenant}", "longer than 512 characters before its fields; shorten it"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_way_out(template, way_out):
    with pytest.raises(ValueError, match="log_group_name=") as caught:
        GroupName(template)
    assert way_out in str(caught.value)
    assert repr(template) in str(caught.value)


def test_the_template_with_known_values_can_be_written_down():
    """A spool's file names it, and ``spool send`` makes a handler from that."""
    name = GroupName("/{env:STAGE}/{ecs_task_id|x:.8}/{strftime:%Y}/{record:tenant|none}").known({"env:STAGE": "prod"})
    assert name.text == "/prod/{ecs_task_id|x:.8}/{strftime:%Y}/{record:tenant|none}"
    assert GroupName(name.text).text == name.text
    assert GroupName("{env:STAGE}/{record:tenant}").known({"env:STAGE": "aws"}).text == "_aws/{record:tenant}"


def test_a_policy_has_one_star_for_each_place_where_values_are():
    assert GroupName("/app/{env:STAGE}{record:tenant}/{strftime:%Y}").pattern == "/app/*/*"
    assert GroupName("/app/shop").pattern == "/app/shop"


@pytest.mark.parametrize("length", [1, 500, 504, 508, 600])
def test_a_long_variable_that_begins_as_aws_reserves_it_stays_legal(length):
    name = GroupName("{env:X}{record:tenant}/x").known({"env:X": "aws/" + "x" * length})
    rendered = name.render({"record:tenant": "t" * 20})
    assert is_legal(rendered)
    assert rendered.startswith("_aws/x")
    assert rendered.endswith("/x")
    assert name.may_have_made(rendered)
    assert len(rendered) == min(length + len("_aws/") + 20 + len("/x"), MAX_NAME_LENGTH)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("/app/acme", True),
        ("/app/none", True),
        ("/app/", True),
        ("/app/a/b", False),
        ("/app", False),
        ("/apple/acme", False),
        ("/app/a b", False),
        ("/app/" + "x" * 507, True),
        ("/app/" + "x" * 508, False),
        ("aws/app/acme", False),
        ("", False),
    ],
)
def test_it_is_known_which_names_a_template_can_make(name, is_one):
    """A file's own words never decide where anything is sent: the group that they name must be one of ours."""
    assert GroupName(TENANT).may_have_made(name) is is_one


def test_a_default_with_a_slash_is_one_of_the_names_that_a_template_can_make():
    name = GroupName("/app/{record:tenant|no/tenant}/x")
    assert name.may_have_made("/app/no/tenant/x")
    assert not name.may_have_made("/app/a/tenant/x")
    assert not GroupName("{env:X}/x").may_have_made("aws/x")
    long = GroupName("/app/{record:tenant|" + "a/" * 300 + "}/x")
    assert long.may_have_made(long.render({"record:tenant": None}))


def test_a_forged_name_takes_no_more_than_linear_time_in_its_length():
    """A pattern with as many stars as fields would take longer than anybody waits."""
    name = GroupName("-".join(["{record:a}"] * 60))
    assert not name.may_have_made("-" * 511 + "/")


LITERALS = st.text("abz019.-_/#AWS", max_size=40)
WRITTEN = [
    *("{" + field + "}" for field in FIELDS if field != "strftime"),
    *("{strftime:%c:*%f}", "{strftime:%Y/%m}", "{record:NAME|none}", "{env:NAME|}", "{ecs_task_id|a/b:.8}"),
    *("{process_id:/>9}", "{record:NAME|aws/}", "{record:NAME|" + "x" * 500 + "}"),
]
TEMPLATES = st.lists(st.tuples(LITERALS, st.sampled_from(WRITTEN)), min_size=1, max_size=8).map(
    lambda pieces: "".join(literal + field for literal, field in pieces)
)
ANYTHING = st.one_of(
    st.text(max_size=600), st.text("aws/AWS", max_size=6), st.integers(), st.none(), st.characters(categories=["Cs"])
)
VALUES = st.fixed_dictionaries(
    dict.fromkeys(FIELDS, ANYTHING)
    | {"env:NAME": st.none() | st.text(max_size=600) | st.text("aws/", max_size=6)}
    | {"strftime": st.datetimes(timezones=st.just(timezone.utc))}
)


@given(TEMPLATES, VALUES)
def test_every_accepted_template_renders_a_legal_name_from_any_values_and_knows_it_again(template, values):
    """The promise of render, and that of the spool: what was logged is delivered, and to no other group."""
    try:
        name = GroupName(template)
    except ValueError:
        assume(False)
    values |= {"env:NAME": values["env:NAME"], "record:NAME": values["record:NAME"]}
    rendered = name.render(values)
    assert is_legal(rendered)
    assert name.may_have_made(rendered)
    known = name.known({"env:NAME": values["env:NAME"]})
    rendered = known.render(values)
    assert is_legal(rendered)
    assert known.may_have_made(rendered)
    again = GroupName(known.text)
    assert again.render(values) == rendered
    assert again.may_have_made(rendered)
    platform = {key: values[key] for key in known.of_environment}
    assert known.may_have_made(known.known(platform).render(values))


@given(st.text("{}:|!.*/ abenvrecord", max_size=40) | st.text())
def test_any_text_is_either_refused_with_a_value_error_or_renders(template):
    try:
        name = GroupName(template)
    except ValueError:
        return
    assert is_legal(name.render(dict.fromkeys(name.fields, "x")))
