"""The text of records without a formatter, and of records whose formatting failed."""

from __future__ import annotations

import copy
import json
import logging
import math
import sys
from collections.abc import Mapping
from datetime import date, datetime, timezone
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwlog_handler.record.formatting import default_text, fallback_text, json_serialize_default


class Unprintable:
    """What an object looks like that is broken in every way logging may touch it."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __str__(self):
        raise RuntimeError("no str")


class UnboundProxy:
    """Werkzeug's LocalProxy outside a request: even isinstance raises."""

    @property
    def __class__(self):
        raise RuntimeError("working outside of request context")

    def __repr__(self):
        return "<unbound>"


def record_of(msg, *args, exc_info=None, stack_info=None, extra=None) -> logging.LogRecord:
    logger = logging.getLogger("test.formatting")
    return logger.makeRecord("a.b", logging.INFO, "f.py", 1, msg, args, exc_info, "f", extra, stack_info)


def a_failure(error: BaseException | None = None):
    try:
        raise error or ValueError("boom")
    except ValueError:
        return sys.exc_info()


def text_of(record, json_default=json_serialize_default) -> str:
    return default_text(record, json_default)


def loaded(record, json_default=json_serialize_default):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text_of(record, json_default), parse_constant=refuse)


def test_a_plain_message_is_its_own_text():
    """No timestamp, no level: the event has a time and the user chose no format."""
    assert text_of(record_of("user %s logged in", "ann", extra={"x": 1})) == "user ann logged in"


@pytest.mark.parametrize("msg", ["it failed", "it failed\n", ""])
@pytest.mark.parametrize("exc_info", [None, a_failure(), (None, None, None)])
@pytest.mark.parametrize("stack_info", [None, "Stack (most recent call last):\n  here"])
def test_exception_and_stack_follow_as_logging_formats_them(msg, exc_info, stack_info):
    """The text is what logging.Formatter() makes of the same record."""
    record = record_of(msg, exc_info=exc_info, stack_info=stack_info)
    assert text_of(record) == logging.Formatter().format(copy.copy(record))


def test_an_exception_formatted_earlier_is_used_as_it_is():
    """QueueHandler sends exc_text without exc_info."""
    record = record_of("it failed")
    record.exc_text = "Traceback: elsewhere"
    assert text_of(record) == "it failed\nTraceback: elsewhere"


def test_a_message_that_is_an_object_is_printed():
    """logger.info(obj) logs str(obj), as everywhere in logging."""
    assert text_of(record_of(date(2025, 4, 8))) == "2025-04-08"


@pytest.mark.parametrize("msg", ["%s failed", {"a": {"b": [1]}}, [1, {"a": math.nan}]])
def test_nothing_on_the_record_changes(msg):
    """F41: the next handler sees the record, the message and the extras as they were."""
    args = ("x",) if isinstance(msg, str) else ()
    record = record_of(msg, *args, exc_info=a_failure(), stack_info="here", extra={"tags": ["t"]})
    before = dict(record.__dict__)
    deep = copy.deepcopy((record.msg, record.args, record.tags))
    text_of(record)
    fallback_text(record, ValueError("x"))
    assert record.__dict__ == before
    assert repr((record.msg, record.args, record.tags)) == repr(deep)


def test_a_mapping_becomes_json_with_the_records_extras():
    """Structured logging without a formatter; text stays readable, not escaped."""
    record = record_of({"event": "größe"}, extra={"user": "ann"})
    assert text_of(record) == '{"event": "größe", "user": "ann"}'


def test_any_mapping_is_a_mapping():
    """Not only dict: MappingProxyType, multidicts, configuration sections."""
    assert loaded(record_of(MappingProxyType({"a": 1}))) == {"a": 1}


def test_attributes_of_every_record_are_no_extras():
    """What logging, its formatters and asyncio put on a record was not said by the caller."""
    record = record_of({"a": 1})
    record.message, record.asctime, record.taskName = "m", "t", "task"
    assert loaded(record) == {"a": 1}


def test_an_extra_never_replaces_what_the_message_says():
    """Both are kept, the extra under a longer name."""
    record = record_of({"user": "ann", "extra.user": 0}, extra={"user": "bob"})
    assert loaded(record) == {"user": "ann", "extra.user": 0, "extra.extra.user": "bob"}


def test_exception_stack_and_arguments_have_their_own_keys():
    """Nothing that the record carries is lost in the JSON form."""
    record = record_of({"a": 1}, 5, exc_info=a_failure(), stack_info="here")
    document = loaded(record)
    assert document.pop("exc_info").endswith("ValueError: boom")
    assert document == {"a": 1, "args": [5], "stack": "here"}


def test_an_argument_that_is_a_mapping_stays_one():
    """logging unpacks a single mapping argument."""
    assert loaded(record_of({"a": 1}, {"b": 2})) == {"a": 1, "args": {"b": 2}}


def test_the_messages_own_exc_info_is_kept_beside_the_exception():
    """The rule for extras holds for our own keys, too."""
    document = loaded(record_of({"exc_info": "mine"}, exc_info=a_failure()))
    assert document["exc_info"] == "mine"
    assert document["extra.exc_info"].endswith("ValueError: boom")


def test_an_extra_of_no_value_is_said_all_the_same():
    """None, 0 and '' are values that the caller gave."""
    assert loaded(record_of({}, extra={"a": None, "b": 0})) == {"a": None, "b": 0}


def test_a_list_becomes_a_json_array():
    """The shortest form that loads back as what was logged."""
    assert text_of(record_of([1, "zwei", None])) == '[1, "zwei", null]'


def test_a_list_with_something_beside_it_moves_under_message():
    """An array has no room for extras or an exception."""
    assert loaded(record_of([1], extra={"user": "ann"})) == {"message": [1], "user": "ann"}
    assert loaded(record_of([1], stack_info="here")) == {"message": [1], "stack": "here"}
    assert set(loaded(record_of([1], exc_info=a_failure()))) == {"message", "exc_info"}


def test_dates_are_written_in_iso_format_and_the_rest_as_repr():
    """What watchtower users expect of the default."""
    when = datetime(2025, 4, 8, 9, 5, tzinfo=timezone.utc)
    record = record_of({"at": when, "day": when.date(), "z": 1j})
    assert loaded(record) == {"at": "2025-04-08T09:05:00+00:00", "day": "2025-04-08", "z": "1j"}


def test_json_default_decides_what_json_cannot():
    """The option is honoured, on the slow path as well."""
    assert loaded(record_of({"a": {1}}), json_default=sorted) == {"a": [1]}
    assert loaded(record_of({"a": {1}, "b": math.nan}), json_default=sorted) == {"a": [1], "b": "NaN"}


def test_numbers_that_json_does_not_have_become_text():
    """NaN in an event makes the whole document unreadable to Logs Insights."""
    record = record_of({"a": [math.nan, math.inf, -math.inf, 1.5], math.inf: 0})
    assert loaded(record) == {"a": ["NaN", "Infinity", "-Infinity", 1.5], "Infinity": 0}


def test_a_number_too_long_to_print_becomes_hexadecimal_text():
    """int's digit limit raises ValueError in the middle of a document."""
    assert loaded(record_of({"a": 16**5000})) == {"a": "0x1" + "0" * 5000}


def test_keys_that_json_does_not_have_become_text():
    """One tuple as a key must not cost the record; a key spelled like another replaces nothing."""
    record = record_of({(1, 2): "t", "(1, 2)": "s", None: 0, True: 1, 1.5: 2})
    assert loaded(record) == {"(1, 2)": "t", "(1, 2)_": "s", "null": 0, "true": 1, "1.5": 2}


def test_a_circle_is_cut_where_it_closes():
    """The rest of the document is kept, and what merely occurs twice is no circle."""
    twice = {"k": 1}
    message = {"a": twice, "b": twice, "c": []}
    message["c"].append(message["c"])
    assert loaded(record_of(message)) == {"a": {"k": 1}, "b": {"k": 1}, "c": ["<circular>"]}


@pytest.mark.parametrize("depth", [50, 150, 5_000, 100_000])
def test_deep_nesting_ends_in_text(depth):
    """Neither a RecursionError nor a document too deep to load."""
    nested: object = math.nan
    for _ in range(depth):
        nested = [nested]
    assert loaded(record_of({"a": nested, "b": 1}))["b"] == 1


def test_nesting_below_the_bound_of_depth_keeps_what_is_inside():
    """The bottom of a deep document is shown as its repr, not dropped."""
    nested: object = {"needle": math.nan}
    for _ in range(200):
        nested = [nested]
    assert "needle" in text_of(record_of({"a": nested}))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [12, 300])
def test_a_web_of_objects_ends_in_bounded_time(size):
    """Objects that all refer to each other have exponentially many paths: the caller's thread must not walk them."""
    web: list[dict[str, object]] = [{} for _ in range(size)]
    for node in web:
        node.update((str(number), other) for number, other in enumerate(web))
    assert set(loaded(record_of({"a": 1, "web": web[0]}))) == {"a", "web"}


def test_a_default_that_raises_leaves_the_repr():
    """The user's bug costs neither the record nor the other fields."""

    def broken(value):
        raise KeyError(value)

    assert loaded(record_of({"a": 1j, "b": 2}), json_default=broken) == {"a": "1j", "b": 2}


def test_a_default_that_returns_its_argument_leaves_the_repr():
    """``lambda x: x`` never ends otherwise."""
    assert loaded(record_of({"a": 1j}), json_default=lambda value: value) == {"a": "1j"}


def test_a_default_that_never_arrives_ends():
    """Each answer needs the default again: json's own recursion error is not the record's end."""
    document = loaded(record_of({"a": 1j, "b": 2}), json_default=lambda value: [object()])
    assert document["b"] == 2


def test_a_value_that_cannot_be_printed_is_named():
    """A repr that raises, as a value, a key and beside the message."""
    record = record_of({"a": Unprintable(), Unprintable(): 1}, extra={"x": [Unprintable()]})
    name = "<unprintable Unprintable>"
    assert loaded(record) == {"a": name, name: 1, "x": [name]}


def test_a_proxy_without_its_object_is_printed():
    """Its __class__ raises: asking isinstance would cost the record."""
    assert loaded(record_of({"user": UnboundProxy()})) == {"user": "<unbound>"}
    record = record_of("x")
    record.msg = UnboundProxy()
    assert fallback_text(record, ValueError("e")).startswith("<unbound> [formatting failed")


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.characters(categories=["Cs"])
    | st.binary(max_size=3)
    | st.dates()
    | st.builds(Unprintable)
    | st.builds(UnboundProxy)
)
KEYS = st.text(max_size=3) | st.integers() | st.floats() | st.none() | st.tuples(st.integers()) | st.builds(Unprintable)
ANYTHING = st.recursive(
    ATOMS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner), max_leaves=12
)
TRACES = st.sampled_from([None, a_failure(), a_failure(ValueError(Unprintable()))])
DEFAULTS = st.sampled_from([json_serialize_default, repr, str, vars, lambda value: value, lambda value: {value: value}])


@given(
    message=st.lists(ANYTHING) | st.dictionaries(KEYS, ANYTHING),
    # logging itself refuses the name of an attribute that each record has.
    extra=st.dictionaries(st.text(max_size=3).filter(lambda key: not hasattr(record_of(""), key)), ANYTHING),
    exc_info=TRACES,
    json_default=DEFAULTS,
)
def test_any_mapping_or_list_loads_back_with_nothing_missing(message, extra, exc_info, json_default):
    """Always valid JSON, as many fields as were said."""
    document = loaded(record_of(message, exc_info=exc_info, extra=extra), json_default)
    beside = len(extra) + bool(exc_info)
    if isinstance(message, Mapping):
        spelled = {key if isinstance(key, str) else id(key) for key in message}
        assert len(document) <= len(message) + beside
        assert {key for key in spelled if isinstance(key, str)} <= set(document)
    elif beside:
        assert len(document) == 1 + beside
        assert len(document["message"]) == len(message)
    else:
        assert len(document) == len(message)


def test_a_message_that_does_not_fit_its_arguments_is_told_with_both():
    """F36: the developer's slip must neither raise in the application nor lose the record."""
    record = record_of("user %d logged in", "x")
    with pytest.raises(TypeError) as caught:
        text_of(record)
    text = fallback_text(record, caught.value)
    assert text.startswith("user %d logged in (args: ('x',)) [formatting failed: TypeError: %d format: ")


def test_no_arguments_no_mention_of_them():
    """A formatter's bug is told with the message alone."""
    assert fallback_text(record_of("hello"), KeyError("k")) == "hello [formatting failed: KeyError: 'k']"


def test_one_bad_argument_does_not_hide_the_others():
    """repr of the whole tuple would raise."""
    text = fallback_text(record_of("%s %s", Unprintable(), 7), RuntimeError("no str"))
    assert text == "%s %s (args: (<unprintable Unprintable>, 7)) [formatting failed: RuntimeError: no str]"


def test_an_error_that_cannot_be_printed_is_named():
    """The error is foreign code as well."""
    text = fallback_text(record_of("hello"), ValueError(Unprintable()))
    assert text == "hello [formatting failed: ValueError: <unprintable ValueError>]"


def test_the_exception_of_a_failed_record_is_kept():
    """The traceback is the reason why logger.exception was called."""
    text = fallback_text(record_of("%d", "x", exc_info=a_failure(), stack_info="here"), TypeError("t"))
    assert text.splitlines()[1] == "Traceback (most recent call last):"
    assert text.splitlines()[-2:] == ["ValueError: boom", "here"]


def test_an_exc_info_that_is_none_of_its_forms_is_shown():
    """A record made by hand may carry anything there."""
    record = record_of("x")
    record.exc_info = 5
    assert fallback_text(record, ValueError("e")) == "x [formatting failed: ValueError: e]\n5\nNone"


@given(msg=ANYTHING, args=st.lists(ANYTHING).map(tuple) | ANYTHING, exc_info=TRACES | ANYTHING, stack_info=ANYTHING)
def test_the_fallback_never_raises(msg, args, exc_info, stack_info):
    """It is the last resort."""
    record = record_of("")
    record.msg, record.args, record.exc_info, record.stack_info = msg, args, exc_info, stack_info
    assert "[formatting failed: ValueError: e]" in fallback_text(record, ValueError("e"))
