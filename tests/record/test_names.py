"""Stream names: what a template may say, and that what it renders is always legal."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.limits import LOG_STREAM_NAME, MAX_NAME_LENGTH
from cwlog_handler.record.fields import FIELDS
from cwlog_handler.record.names import DEFAULT_LOG_STREAM_NAME, StreamName

VALUES = {
    "machine_name": "web-1",
    "program_name": "shop",
    "process_id": 42,
    "thread_name": "MainThread",
    "logger_name": "shop.cart",
    "level_name": "INFO",
    "strftime": datetime(2025, 4, 8, 9, 5, 7, tzinfo=timezone.utc),
    "ecs_cluster": "production",
    "ecs_task_id": "0123456789abcdef0123456789abcdef",
    "ecs_task_family": "shop-web",
    "ecs_container_name": "web",
    "ec2_instance_id": "i-0123456789abcdef0",
    "kubernetes_namespace": "shop",
    "env:NAME": "blue",
    "record:NAME": "acme",
}


def is_legal(name: str) -> bool:
    name.encode()
    return 1 <= len(name) <= MAX_NAME_LENGTH and LOG_STREAM_NAME.fullmatch(name) is not None


def test_the_default_name_tells_machine_program_and_process():
    """Two processes never share a stream unless somebody asks for it."""
    assert StreamName(DEFAULT_LOG_STREAM_NAME).render(VALUES) == "web-1/shop/42"


@pytest.mark.parametrize("field", [field for field in FIELDS if field != "strftime"])
def test_every_field_stands_for_its_value(field):
    """A field that is accepted is honoured."""
    assert StreamName(f"a/{{{field}}}/b").render(VALUES) == f"a/{VALUES[field]}/b"


def test_a_format_applies_to_its_field():
    """Format specs are Python's own."""
    assert StreamName("{process_id:06d}-{level_name:.1}").render(VALUES) == "000042-I"


def test_the_date_is_formatted_by_strftime():
    """The spec of strftime is strftime's format."""
    assert StreamName("{strftime:%Y-%m-%d}/x").render(VALUES) == "2025-04-08/x"


def test_a_colon_in_the_time_becomes_an_underscore():
    """The service takes no ':' in a name: a format may have one all the same."""
    assert StreamName("{strftime:%H:%M:%S}").render(VALUES) == "09_05_07"


def test_colons_and_stars_in_values_become_underscores():
    """The service takes neither ':' nor '*' in a name, and values are not ours to choose."""
    assert StreamName("x/{logger_name}").render({"logger_name": "a::b*c"}) == "x/a__b_c"


def test_doubled_braces_are_braces():
    """As in every format string."""
    assert StreamName("{{{level_name}}}").render(VALUES) == "{INFO}"


@pytest.mark.parametrize("missing", [None, ""])
@pytest.mark.parametrize("field", ["env:STAGE", "record:tenant", "ecs_cluster", "ec2_instance_id"])
def test_what_is_not_known_is_unknown_or_the_default(field, missing):
    """As for the machine's name: a record always has a stream."""
    assert StreamName(f"a/{{{field}}}").render({field: missing}) == "a/unknown"
    assert StreamName(f"a/{{{field}|none}}").render({field: missing}) == "a/none"
    assert StreamName(f"a{{{field}|}}").render({field: missing}) == "a"
    assert StreamName(f"a/{{{field}|none}}").render({field: "x"}) == "a/x"


def test_a_default_may_have_what_the_template_may_have():
    assert StreamName("{record:tenant|no/tenant at all}").render({"record:tenant": None}) == "no/tenant at all"


def test_two_fields_of_one_value_may_have_two_defaults():
    name = StreamName("{record:a|x}/{record:a|y}")
    assert name.fields == {"record:a"}
    assert name.render({"record:a": None}) == "x/y"


def test_a_format_applies_to_what_the_platform_tells():
    assert StreamName("{ecs_task_id:.8}").render(VALUES) == "01234567"
    assert StreamName("{ecs_task_id|local:.8}").render({"ecs_task_id": None}) == "local"


def test_a_slash_in_an_attribute_of_a_record_becomes_an_underscore():
    """It may come from a request: ``a/1`` must not be taken for a tenant's first process."""
    assert StreamName("{record:tenant}/{process_id}").render({"record:tenant": "a/1", "process_id": 7}) == "a_1/7"
    assert StreamName("{logger_name}/{env:PATH}").render({"logger_name": "a/b", "env:PATH": "c/d"}) == "a/b/c/d"


def test_a_long_value_cuts_neither_the_template_nor_shorter_values():
    """What stands behind a value that was chosen by somebody else must not vanish."""
    name = StreamName("{record:tenant}/{logger_name}/audit")
    rendered = name.render({"record:tenant": "x" * 10_000, "logger_name": "shop"})
    assert rendered == "x" * (512 - len("/shop/audit")) + "/shop/audit"
    both = name.render({"record:tenant": "x" * 10_000, "logger_name": "y" * 400})
    assert both == "x" * 252 + "/" + "y" * 252 + "/audit"


def test_values_that_are_known_become_the_templates_own_words():
    name = StreamName("{env:STAGE}/{ecs_cluster|none}/{record:tenant}").known({"env:STAGE": "a:b", "ecs_cluster": None})
    assert name.fields == {"record:tenant"}
    assert name.template == "{env:STAGE}/{ecs_cluster|none}/{record:tenant}"
    assert name.render({"record:tenant": "t"}) == "a_b/none/t"
    long = StreamName("{env:A}/{env:B}/x").known({"env:A": "a" * 900, "env:B": "b"})
    assert long.render({}) == "a" * (512 - len("/b/x")) + "/b/x"


def test_only_the_fields_that_occur_are_looked_up():
    """The caller need not compute what the template does not use."""
    name = StreamName("{logger_name}/{level_name}/{logger_name}")
    assert name.fields == {"logger_name", "level_name"}
    assert name.render({"logger_name": "a", "level_name": "b"}) == "a/b/a"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("constant", True),
        (DEFAULT_LOG_STREAM_NAME, True),
        ("{process_id}", True),
        ("{machine_name}/{thread_name}", False),
        ("{logger_name}", False),
        ("{level_name}", False),
        ("{strftime:%Y}", False),
        ("{env:STAGE}/{ecs_task_id}/{machine_name}", True),
        ("{env:STAGE}/{record:tenant|none}", False),
    ],
)
def test_a_name_of_the_process_is_known_to_stay_the_same(template, expected):
    """per_process promises that one rendering serves every record of the process."""
    assert StreamName(template).per_process is expected


@pytest.mark.parametrize(
    ("template", "way_out"),
    [
        ("", "give a name or a template"),
        ("{", "a brace itself"),
        ("a}", "a brace itself"),
        ("{machine_name", "a brace itself"),
        ("{}", "positional field; the fields are machine_name"),
        ("{0}", "positional field; the fields are machine_name"),
        ("{hostname}", "unknown field 'hostname'; the fields are machine_name"),
        ("{logger_name.upper}", "unknown field 'logger_name.upper'; the fields"),
        ("{logger_name[0]}", "unknown field"),
        ("{logger_name!r}", "write {logger_name} without '!r'"),
        ("{process_id:q}", "use {process_id}"),
        ("{logger_name:d}", "use {logger_name}"),
        ("{logger_name:>{process_id}}", "use {logger_name}"),
        ("{strftime:%Y-{process_id}}", "fields inside a format are not supported"),
        ("{logger_name:>9999999999}", "wider than any stream name; use {logger_name}"),
        ("{process_id:c}:", "cannot contain ':'; use '/'"),
        ("a:b", "cannot contain ':'; use '/'"),
        ("all*", "cannot contain '*'; use '/'"),
        ("{strftime}", "write it as {strftime:%Y-%m-%d}"),
        ("{strftime:today}", "write it as {strftime:%Y-%m-%d}"),
        ("{env}", "env needs the name of an environment variable; write {env:NAME}, or with a default"),
        ("{record}", "record needs the name of an attribute of the record; write {record:NAME}"),
        ("{record:}", "record needs the name of an attribute of the record; write {record:NAME}"),
        ("{env:|x}", "env needs the name of an environment variable; write {env:NAME}"),
        ("{env|x}", "env needs a name before its default; write {env:NAME|x}"),
        ("{env:STAGE:-dev}", "env cannot look up 'STAGE:-dev'; write {env:NAME}, or with a default {env:NAME|default}"),
        ("{record:tenant:>8}", "cannot look up 'tenant:>8'; write {record:NAME}, or with a default"),
        ("{record:a b}", "cannot look up 'a b'"),
        ("{record:tenant!r}", "cannot look up 'tenant!r'"),
        ("{record:a|b|c}", "record:a has more than one default; write {record:a|b}"),
        ("{record:a|{b}}", "the default of record:a has a brace in it"),
        ("{record:a|b:c}", "cannot contain ':'; use '/'"),
        ("{record:msg}", "record:msg differs from record to record"),
        ("{record:created}", "record:created differs from record to record"),
        ("{machine_name|x}", "machine_name is always known and takes no default; write {machine_name}"),
        ("{strftime|x:%Y}", "strftime is always known"),
        ("{ecs_task|x}", "unknown field 'ecs_task'"),
        ("{ecs_cluster:d}", "use {ecs_cluster}"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_way_out(template, way_out):
    """Wrong use raises in the constructor: never at the first record."""
    with pytest.raises(ValueError, match="log_stream_name=") as caught:
        StreamName(template)
    assert repr(template) in str(caught.value)
    assert way_out in str(caught.value)


def test_a_template_that_is_not_text_is_refused():
    """A wrong type is a TypeError."""
    with pytest.raises(TypeError, match="log_stream_name=None"):
        StreamName(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [MAX_NAME_LENGTH - 1, MAX_NAME_LENGTH])
def test_a_fixed_name_may_fill_the_limit(length):
    """512 characters are legal, multi-byte ones too."""
    assert StreamName("é" * length).render({}) == "é" * length


def test_a_template_longer_than_any_name_is_refused():
    """Cut at the limit, it would lose its fields in silence."""
    with pytest.raises(ValueError, match="shorten it"):
        StreamName("x" * (MAX_NAME_LENGTH + 1))


@pytest.mark.parametrize("length", [MAX_NAME_LENGTH - 1, MAX_NAME_LENGTH, MAX_NAME_LENGTH + 1])
def test_a_name_is_cut_at_the_limit(length):
    """Values are not ours to choose: a long one must not make every put fail."""
    name = StreamName("{logger_name}").render({"logger_name": "é" * length})
    assert name == "é" * min(length, MAX_NAME_LENGTH)


def test_a_name_of_nothing_is_a_dash():
    """The service takes no empty name."""
    assert StreamName("{logger_name}").render({"logger_name": ""}) == "-"


def test_a_lone_surrogate_becomes_the_replacement_character():
    """F4: a name that UTF-8 cannot carry would raise inside botocore."""
    assert StreamName("\ud800{thread_name}").render({"thread_name": "a\udc80"}) == "\ufffda\ufffd"


def test_a_value_of_another_kind_is_taken_as_it_prints():
    """threadName is None under logging.logThreads = False: the record still needs a stream."""
    assert StreamName("{thread_name:>8}{process_id:03d}").render({"thread_name": None, "process_id": "x"}) == "Nonex"


LITERALS = st.text(st.characters(exclude_characters=":*{}"), max_size=60)
MORE_FIELDS = ["{strftime:%c:*%f}", "{record:NAME|none}", "{env:NAME|}", "{ecs_task_id|x:.8}", "{process_id:/>9}"]
PIECES = st.lists(
    st.tuples(LITERALS, st.sampled_from([*("{" + f + "}" for f in FIELDS if f != "strftime"), *MORE_FIELDS])),
    min_size=1,
    max_size=8,
)
ANYTHING = st.one_of(st.text(max_size=600), st.integers(), st.none(), st.characters(categories=["Cs"]))


@given(
    pieces=PIECES,
    values=st.fixed_dictionaries(
        dict.fromkeys(FIELDS, ANYTHING) | {"strftime": st.datetimes(timezones=st.just(timezone.utc))}
    ),
)
def test_every_accepted_template_renders_a_legal_name_from_any_values(pieces, values):
    """The promise of render."""
    assert is_legal(StreamName("".join(literal + field for literal, field in pieces)).render(values))


@given(template=st.text(alphabet="{}!:*.[]0<>dq% ax") | st.text())
def test_any_text_is_either_refused_with_a_value_error_or_renders(template):
    """No template gets as far as the first record and fails there."""
    try:
        name = StreamName(template)
    except ValueError:
        return
    assert is_legal(name.render(VALUES))
