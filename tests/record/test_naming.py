"""Which stream a record belongs to: the same whether its name was rendered before or not."""

import logging
import os
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.core.targets import Target
from cwlog_handler.record.naming import Naming

from ..programs import python, started


def record(**attributes):
    return logging.makeLogRecord({"created": 1_700_000_000.25, **attributes})


@given(
    st.sampled_from(
        ["{logger_name}", "{thread_name}-{level_name}", "{strftime:%H-%M-%S}/{logger_name}", "{strftime:%f}"]
    ),
    st.lists(
        st.tuples(st.sampled_from(["a", "b", None, 7]), st.sampled_from(["T", ""]), st.floats(0, 4e9, width=32)),
        max_size=20,
    ),
)
def test_a_name_known_before_is_the_one_that_would_be_rendered_now(template, made):
    naming = Naming("g", template)
    for name, thread, created in made * 2:
        each = record(name=name, threadName=thread, levelname="INFO", created=created)
        assert naming.of(each) == Naming("g", template).of(each)


@pytest.mark.parametrize("time", ["%Y", "%f"])
@pytest.mark.parametrize("odd", [{"created": None}, {"created": float("nan")}, {"created": 1e300}, {"name": ["x"]}])
def test_a_record_made_by_hand_has_a_stream_whatever_is_in_it(odd, time):
    naming = Naming("g", f"{{logger_name}}/{{strftime:{time}}}")
    assert naming.of(record(**odd)).stream.count("/") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_take_its_parents_names():
    """F27: the fields of the process are among those of its records."""
    naming = Naming("g", "{process_id}/{logger_name}")
    parents = naming.of(record(name="a")).stream
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, naming.of(record(name="a")).stream.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == f"{child}/a" != parents
    os.close(reader)
    os.close(writer)


def test_names_that_never_come_again_are_not_kept_for_ever():
    """One for each of the threads of a server, for as long as it runs."""
    naming = Naming("g", "{thread_name}")
    for number in range(5_000):
        assert naming.of(record(threadName=f"Thread-{number}")).stream == f"Thread-{number}"
    assert len(naming._known) <= 1_000


def test_names_that_come_again_and_again_are_kept_however_many_they_are():
    """Ten thousand tenants or devices: to render a name costs more than all else on the caller's thread."""
    naming = Naming("g", "{logger_name}")
    records = [record(name=f"device-{number}") for number in range(10_000)]
    for _ in range(2):
        for each in records:
            naming.of(each)
    known = [naming.of(each) for each in records]
    assert all(naming.of(each) is target for each, target in zip(records, known, strict=True))


def test_names_that_came_again_once_are_not_kept_for_ever():
    naming = Naming("g", "{logger_name}")
    for _ in range(2):
        for number in range(5_000):
            naming.of(record(name=f"device-{number}"))
    for number in range(40_000):
        naming.of(record(name=f"Thread-{number}"))
    assert len(naming._known) <= 1_000


def test_group_and_stream_are_rendered_from_the_same_record():
    naming = Naming("/app/{record:tenant|none}", "{logger_name}/{record:shard|0}")
    assert naming.of(record(name="a", tenant="acme", shard=7)) == Target("/app/acme", "a/7")
    assert naming.of(record(name="a")) == Target("/app/none", "a/0")
    assert naming.of(record(name="b", tenant="acme", shard=7)) == Target("/app/acme", "b/7")


def test_values_that_are_equal_but_print_differently_have_their_own_names():
    """1 == True == 1.0: a name that is known for one of them would be wrong for the others."""
    naming = Naming("/app/{record:tenant}", "s")
    for value, text in [(1, "1"), (True, "True"), (1.0, "1.0"), ("1", "1")] * 2:
        assert naming.of(record(tenant=value)).group == f"/app/{text}"


def test_an_object_that_changes_has_the_name_of_the_moment():
    class Tenant:
        name = "a"

        def __str__(self):
            return self.name

    tenant = Tenant()
    naming = Naming("/app/{record:tenant}", "s")
    assert naming.of(record(tenant=tenant)).group == "/app/a"
    tenant.name = "b"
    assert naming.of(record(tenant=tenant)).group == "/app/b"


def test_an_attribute_that_cannot_be_read_is_unknown():
    """Whatever a record has in it, its group and its stream are known."""

    class Raising:
        def __str__(self):
            raise ValueError("no text")

    class Odd(logging.LogRecord):
        @property
        def tenant(self):
            raise ValueError("no tenant")

    naming = Naming("/app/{record:tenant|none}", "s")
    assert naming.of(record(tenant=Raising())).group == "/app/none"
    assert naming.of(Odd("n", 20, "p", 1, "m", (), None)).group == "/app/none"
    assert naming.of(record(tenant=["a", {"b": 1}])).group == "/app/__a_____b___1__"


def test_a_long_value_is_not_kept():
    """A request's text as a value must not stay in memory: a thousand names are kept."""
    naming = Naming("/app/{record:tenant}", "{record:user}")
    naming.of(record(tenant="x" * 10**6, user="y" * 10**6))
    (key,) = naming._known
    assert len(repr(key)) < 5_000


def test_a_record_names_the_very_same_target_as_the_one_before():
    """The inbox holds one object for a target, however many records go there."""
    naming = Naming("/app/{record:tenant}", "s")
    assert naming.of(record(tenant="a")) is naming.of(record(tenant="a"))


def test_variables_are_read_when_the_handler_is_made(monkeypatch):
    """Later changes, such as a test's, must not move records to another group while some wait for the first."""
    monkeypatch.setenv("STAGE", "prod")
    naming = Naming("/app/{env:STAGE|dev}/{logger_name}", "{env:STAGE|dev}")
    monkeypatch.setenv("STAGE", "other")
    assert naming.of(record(name="a")) == Target("/app/prod/a", "prod")
    renamed = naming.with_stream("{env:STAGE}/{env:REGION|here}/x")
    assert renamed.of(record(name="a")) == Target("/app/prod/a", "prod/here/x")
    assert (naming.template, renamed.template) == ("{env:STAGE|dev}", "{env:STAGE}/{env:REGION|here}/x")


def test_a_name_made_of_variables_is_the_processs_own(monkeypatch):
    """Then nothing has to be done for a record on its caller's thread."""
    monkeypatch.setenv("STAGE", "prod")
    naming = Naming("/app/{env:STAGE}/{ecs_cluster|none}", "{env:STAGE}")
    assert naming.per_process
    assert naming.of_process() == Target("/app/prod/none", "prod")


def test_the_groups_of_a_process_are_those_with_its_variables(monkeypatch):
    monkeypatch.setenv("STAGE", "prod")
    naming = Naming("/app/{env:STAGE}/{ecs_cluster|none}/{record:tenant}", "s")
    assert naming.groups.text == "/app/prod/{ecs_cluster|none}/{record:tenant}"
    assert naming.groups.may_have_made("/app/prod/other-cluster/t")
    assert not naming.groups.may_have_made("/app/dev/none/t")


def test_a_variable_too_long_for_a_name_is_shortened_for_all_groups_of_a_process_alike(monkeypatch):
    """Otherwise no process would take over from its spool what was for the group that it has just named."""
    monkeypatch.setenv("CWLOG_TEST", "x" * 600)
    naming = Naming("{env:CWLOG_TEST}{ecs_cluster|c}/{record:tenant|none}", "s")
    group = naming.of(record(tenant="t")).group
    assert len(group) == 512
    assert naming.groups.may_have_made(group)


def test_no_field_of_the_environment_means_no_look_at_it():
    """The module is imported only where it is needed."""
    source = """
    import sys
    from cwlog_handler import CloudWatchLogsHandler
    CloudWatchLogsHandler("/app/{record:tenant}", "{machine_name}/{strftime:%Y}").close()
    assert "cwlog_handler.record.environment" not in sys.modules
    CloudWatchLogsHandler("/app/{env:STAGE}").close()
    assert "cwlog_handler.record.environment" in sys.modules
    """
    with started(python("-c", textwrap.dedent(source))) as program:
        assert program.wait(60) == 0, program.output
