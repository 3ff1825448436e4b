"""Which stream a record belongs to: the same whether its name was rendered before or not."""

import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.record.naming import Naming


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
    naming = Naming(template)
    for name, thread, created in made * 2:
        each = record(name=name, threadName=thread, levelname="INFO", created=created)
        assert naming.of(each) == Naming(template).of(each)


@pytest.mark.parametrize("odd", [{"created": None}, {"created": float("nan")}, {"created": 1e300}, {"name": ["x"]}])
def test_a_record_made_by_hand_has_a_stream_whatever_is_in_it(odd):
    naming = Naming("{logger_name}/{strftime:%Y}")
    assert naming.of(record(**odd)).count("/") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_take_its_parents_names():
    """F27: the fields of the process are among those of its records."""
    naming = Naming("{process_id}/{logger_name}")
    parents = naming.of(record(name="a"))
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, naming.of(record(name="a")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == f"{child}/a" != parents
    os.close(reader)
    os.close(writer)


def test_names_that_never_come_again_are_not_kept_for_ever():
    """One for each of the threads of a server, for as long as it runs."""
    naming = Naming("{thread_name}")
    for number in range(5_000):
        assert naming.of(record(threadName=f"Thread-{number}")) == f"Thread-{number}"
    assert len(naming._known) <= 1_000
