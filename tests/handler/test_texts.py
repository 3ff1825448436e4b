"""What a record's message becomes: any text, document and formatter, and nothing of a neighbour is lost for it."""

import json
import logging
import logging.config

import pytest

from ..conftest import balanced

NASTY = {
    "multi-byte": "déjà vu €5 日本 😀",
    "nul": "a\0b",
    "surrogate": "a\ud800b",
    "blank": "   ",
    "newlines": "a\nb\r\n\tc",
    "quotes": '"\\/\b\f\x1f\x7f\u2028',
}


@pytest.mark.parametrize("name", NASTY)
def test_any_text_arrives_and_its_neighbours_with_it(fake, logger, attach, name):
    """F4, F10."""
    handler = attach()
    for text in ("first", NASTY[name], "last"):
        # Not through the logger: pytest would keep the text for its report, which a surrogate cannot be written to.
        handler.handle(logger.makeRecord("n", logging.INFO, "f", 1, text, (), None))
    assert handler.flush()
    assert fake.messages("g", "s") == ["first", NASTY[name].replace("\ud800", "\ufffd"), "last"]


def test_an_empty_message_is_counted_and_its_neighbours_arrive(fake, logger, attach):
    """F10: the service refuses a whole batch for it."""
    handler = attach()
    for message in ("a", "", {}, "b"):
        logger.info(message)
    assert handler.flush()
    assert fake.messages("g", "s") == ["a", "{}", "b"]
    assert handler.stats.dropped_by_reason == {"empty": 1}
    assert balanced(handler.stats)


def test_five_megabytes_arrive_whole_in_several_events(fake, logger, attach):
    handler = attach()
    text = "é" * 2_500_000
    logger.info(text)
    assert handler.flush(60)
    parts = fake.messages("g", "s")
    assert len(parts) == 5
    assert "".join(parts) == text


def test_wrong_arguments_neither_raise_nor_lose_the_record(fake, logger, attach, monkeypatch):
    """F36: said on stderr as every handler does, and delivered with what there is."""
    handler = attach()
    said = []
    monkeypatch.setattr(handler, "handleError", said.append)
    # Not through the logger: pytest's own handler would raise.
    handler.handle(logger.makeRecord("n", logging.INFO, "f", 1, "%d items", ("many",), None))
    assert handler.flush()
    (message,) = fake.messages("g", "s")
    assert "%d items" in message
    assert "many" in message
    assert len(said) == 1


def test_dict_and_list_messages_arrive_as_json_with_extra_and_exception(fake, logger, attach):
    handler = attach()
    try:
        raise KeyError("lost")
    except KeyError:
        logger.exception({"event": "é"}, extra={"user": 7})
    logger.info([1, "two"])
    assert handler.flush()
    document, plain = map(json.loads, fake.messages("g", "s"))
    assert (document["event"], document["user"]) == ("é", 7)
    assert "KeyError: 'lost'" in document["exc_info"]
    assert plain == [1, "two"]


def test_records_are_left_as_they_were(logger, attach):
    """F41: the next handler sees what the first one saw."""
    handler = attach()
    record = logger.makeRecord("n", logging.INFO, "f", 1, {"a": 1}, (), None, extra={"x": 1})
    before = dict(record.__dict__)
    handler.handle(record)
    assert record.__dict__ == before


def test_a_formatter_of_any_library_is_used_untouched(fake, logger, attach):
    handler = attach()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.warning({"a": 1})
    assert handler.flush()
    assert fake.messages("g", "s") == ["WARNING {'a': 1}"]


def test_filters_decide_and_may_replace_the_record(fake, logger, attach):
    """A false verdict is obeyed; since Python 3.12 a filter may return another record."""
    handler = attach()
    handler.addFilter(lambda record: record.getMessage() != "no")
    logger.info("no")
    logger.info("yes")
    assert handler.flush()
    assert fake.messages("g", "s") == ["yes"]


def test_no_event_is_larger_than_max_message_size(fake, logger, attach):
    """F8: `max_message_size` counts the service's 26 bytes too."""
    handler = attach(max_message_size=100, oversize="truncate")
    logger.info("x" * 500)
    assert handler.flush()
    (message,) = fake.messages("g", "s")
    assert len(message) == 100 - 26


def test_the_json_default_of_the_handler_is_used(fake, logger, attach):
    """`json_serialize_default` reaches the text."""
    handler = attach(json_serialize_default=lambda value: "mine")
    logger.info({"a": object()})
    assert handler.flush()
    assert fake.messages("g", "s") == ['{"a": "mine"}']


def test_a_record_made_by_hand_without_a_level_is_delivered(fake, logger, attach):
    handler = attach()
    handler.handle(logging.makeLogRecord({"msg": "m"}))
    assert handler.flush()
    assert fake.messages("g", "s") == ["m"]


def test_a_text_that_lies_about_its_length_is_delivered_whole_and_harms_no_other(fake, logger, attach):
    """A formatter may return one, such as Django's SafeString, which is its own ``str()``."""

    class Short(str):
        def __len__(self):
            return 3

        def __str__(self):
            return self

        def encode(self, *_):
            return b"abc"

    class Formatter(logging.Formatter):
        def format(self, record):
            return Short(super().format(record))

    handler = attach()
    texts = ["\x1b[1mred\x1b[0m", "with \x7f", "日本語"]
    for formatter in (Formatter(), None):
        handler.setFormatter(formatter)
        for text in texts:
            logger.info(text)
    assert handler.flush()
    assert fake.messages("g", "s") == texts * 2
