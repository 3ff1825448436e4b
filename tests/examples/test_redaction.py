"""The formatters of examples/redaction.py: no secret in any text, no record lost, none changed for other handlers."""

import json
import logging
import sys
from datetime import datetime, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redaction import GONE, RedactedJson, RedactedLines, redacted

from .conftest import Kept

pytestmark = pytest.mark.any_python

LINES = RedactedLines("%(levelname)s %(message)s")
JSON = RedactedJson("%(levelname)s %(message)s", json_ensure_ascii=False)
SECRET = "s3cr3t-Zoë"


def record(msg, *args, exc_info=None, **extra):
    made = logging.LogRecord("shop", logging.INFO, "shop.py", 17, msg, args, exc_info, sinfo=None)
    vars(made).update(extra)
    return made


def raised(error):
    try:
        raise error
    except type(error):
        return sys.exc_info()


class Secret:
    """An object of a program's, whose text has a password."""

    def __str__(self):
        return f"password={SECRET}"

    __repr__ = __str__


# A secret, where the pattern or the name finds it, and anything around it.
FOUND = st.sampled_from(
    [
        f"password={SECRET}",
        f'{{"token": "{SECRET}"}}',
        f"https://zoe:{SECRET}@db/",
        f"Authorization: api-key='{SECRET}'",
    ]
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
HIDING = st.builds("{} {} {}".format, TEXT, FOUND, TEXT)
LEAF = HIDING | st.builds(Secret)
HIDDEN = st.recursive(
    LEAF | st.dictionaries(st.sampled_from(["password", "X-Api-Key", "Set-Cookie"]), st.just(SECRET), min_size=1),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(TEXT | HIDING, inner, min_size=1, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=6,
)
RECORDS = st.one_of(
    st.builds(record, HIDING),
    st.builds(lambda value: record("got %s", value), HIDDEN),
    st.builds(lambda value: record({"event": value}), HIDDEN),
    st.builds(lambda value: record([value]), HIDDEN),
    st.builds(lambda value: record("order", details=value), HIDDEN),
    st.builds(lambda name: record("order", **{name: 1}), HIDING),
    st.builds(lambda text: record("order", exc_info=raised(KeyError(text))), HIDING),
    st.builds(lambda text: record("order", stack_info=text), HIDING),
    st.builds(lambda text: record("order", exc_text=text), HIDING),
)


@given(RECORDS)
@example(record("got %s", {"Set-Cookie": SECRET}))
@example(record("got %s %s", [{"Set-Cookie": SECRET}], 1))
def test_a_secret_is_in_no_text_and_the_record_is_as_it_was(made):
    before = dict(vars(made))
    for formatter in (LINES, JSON):
        text = formatter.format(made)
        assert "s3cr3t" not in text
        assert GONE in text or "order" in text or "is not shown" in text
    assert vars(made) == before


@given(st.recursive(st.none() | st.booleans() | st.integers(0, 10**6) | st.text("abc xyz"), st.lists))
def test_what_is_harmless_stays_as_it_is(value):
    assert redacted(value) == value
    document = json.loads(JSON.format(record("order", details=value)))
    assert document == {"levelname": "INFO", "message": "order", "details": value}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("by zoe.b+x@mail.example.com, thanks", f"by {GONE}, thanks"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {GONE}"),
        ("{'password': 'hunter2', 'a': 3}", f"{{'password': '{GONE}', 'a': 3}}"),
        ('{"db_password": "hun\\"ter2", "a": 3}', f'{{"db_password": "{GONE}", "a": 3}}'),
        ("?token=abc&next=1", f"?token={GONE}&next=1"),
        ("redis://:hunter2@cache:6379/0", f"redis://:{GONE}@cache:6379/0"),
        ("key AKIAIOSFODNN7EXAMPLE is old", f"key {GONE} is old"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_d", GONE),
        ("card 4111 1111-1111 1111.", f"card {GONE}."),
        ("at 1795956054391 in order 4111 of 2026-11-29", "at 1795956054391 in order 4111 of 2026-11-29"),
    ],
)
def test_what_the_patterns_find(text, shown):
    assert redacted(text) == shown
    assert redacted(text + "\n" + text) == f"{shown}\n{shown}"


def test_numbers_and_dates_stay_what_they_are_unless_they_are_secret():
    at = datetime(2026, 11, 29, tzinfo=timezone.utc)
    assert redacted({"pieces": 3, "price": 9.5, "at": at, "card": 4111111111111111, "pin_token": 7}) == {
        "pieces": 3,
        "price": 9.5,
        "at": at,
        "card": GONE,
        "pin_token": GONE,
    }


def test_a_failure_shows_where_and_not_what(capsys):
    """And the record is there: neither lost, nor printed on stderr as by a formatter that raises."""

    class Odd:
        def __str__(self):
            raise ValueError(SECRET)

    for formatter in (LINES, JSON):
        handler = Kept(formatter)
        handler.handle(record("password %s", Odd()))
        handler.handle(record(f"%d {SECRET}", "x"))
        assert handler.texts == [
            f"INFO shop in line 17 of shop.py is not shown: redaction failed by {error}"
            for error in ("ValueError", "TypeError")
        ]
    assert "s3cr3t" not in capsys.readouterr().err


def test_what_refers_to_itself_is_not_shown():
    circle = {"password": SECRET}
    circle["circle"] = circle
    assert "RecursionError" in JSON.format(record(circle))


def test_what_another_formatter_has_left_in_the_record_is_not_shown():
    """A formatter keeps the text of a traceback in the record, for the next one."""
    made = record("order", exc_info=raised(KeyError(f"password={SECRET}")))
    logging.Formatter().format(made)
    assert SECRET in made.exc_text
    for formatter in (LINES, JSON):
        text = formatter.format(made)
        assert "KeyError" in text
        assert SECRET not in text


@pytest.mark.parametrize(
    "part", ["a", "eyJ-", "a@", "a.a-", "://a:", "token='", 'token="\\', "4 ", "bearer ", "@", " "]
)
def test_a_long_text_takes_no_longer_than_its_length(part):
    """A pattern that looks from each place to the end would take an hour here: the test would never end."""
    redacted(part * (1_000_000 // len(part)))
