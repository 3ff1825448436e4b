"""The filter of examples/repeated.py: every record is sent or counted, in one line, whatever happens meanwhile."""

import logging
import multiprocessing.util
import sys
import threading
from collections import Counter
from itertools import pairwise

import pytest
import repeated
from hypothesis import given
from hypothesis import strategies as st

from ..programs import python, started
from .conftest import PATH, Kept

WINDOW, KINDS = 60.0, 4


class Clock:
    """Stands still unless it is told to go on."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def once(kept, clock):
    """The filter on the test's handler."""
    filter_ = repeated.Repeated(WINDOW, KINDS, clock)
    kept.addFilter(filter_)
    return filter_


def sums(texts):
    """How often each message was logged, as the lines tell it."""
    found = Counter()
    for text in texts:
        first, _, message = text.partition(" times: ")
        if message:
            found[message] += int(first.removeprefix("repeated "))
        else:
            found[text] += 1
    return found


STEPS = st.lists(st.sampled_from("abcdef") | st.floats(0, 2 * WINDOW).map(lambda seconds: round(seconds, 1)))


@given(STEPS)
def test_every_record_is_sent_or_counted_in_one_line(steps):
    """Also with more kinds of messages than it remembers."""
    clock, handler = Clock(), Kept()
    once = repeated.Repeated(WINDOW, KINDS, clock)
    handler.addFilter(once)
    logger = logging.getLogger("test.repeated")
    logger.propagate = False
    logger.handlers[:] = [handler]
    logged, sent_at = Counter(), {}
    for step in steps:
        if isinstance(step, float):
            clock.now += step
            continue
        logged[step] += 1
        before = handler.texts.count(step)
        logger.warning(step)
        if handler.texts.count(step) > before:
            sent_at.setdefault(step, []).append(clock.now)
        assert len(once._kinds) <= KINDS
    once.report()
    assert sums(handler.texts) == logged
    if len(logged) < KINDS:
        for instants in sent_at.values():
            assert all(second - first >= WINDOW for first, second in pairwise(instants))


def test_a_record_of_another_kind_brings_the_line_of_the_last(once, kept, logger, clock):
    all_of_them = Kept()
    logger.addHandler(all_of_them)
    for _ in range(3):
        logger.warning("no connection to %s", "stock")
    clock.now = WINDOW
    logger.info("order 17")
    assert kept.texts == ["no connection to stock", "repeated 2 times: no connection to stock", "order 17"]
    line = kept.records[1]
    assert (line.levelno, line.repeated) == (logging.WARNING, 2)
    assert line.created == all_of_them.records[2].created


def test_a_dict_stays_a_document_and_is_counted_in_a_field(once, kept, logger):
    event = {"event": "try again"}
    logger.info(event)
    logger.info(event)
    event["event"] = "changed"
    once.report()
    assert [(record.msg, getattr(record, "repeated", None)) for record in kept.records[1:]] == [
        ({"event": "try again"}, 1)
    ]


def test_what_differs_in_logger_level_text_or_exception_is_not_the_same(once, kept, logger):
    logger.info("a")
    logger.warning("a")
    logger.getChild("b").info("a")
    logger.info("%s", "a", exc_info=KeyError("x"))
    logger.info("a", exc_info=KeyError("y"))
    once.report()
    assert [text.partition("\n")[0] for text in kept.texts] == ["a"] * 5


def test_handlers_that_share_the_filter_get_the_same(once, kept, logger):
    """dictConfig gives all handlers that name a filter the same one."""
    other, without = Kept(), Kept()
    other.addFilter(once)
    logger.addHandler(other)
    logger.addHandler(without)
    for _ in range(3):
        logger.info("a")
    once.report()
    assert kept.texts == other.texts == ["a", "repeated 2 times: a"]
    assert without.texts == ["a", "a", "a"]


def test_of_too_many_kinds_the_oldest_is_told_early(once, kept, logger):
    """Only when another kind needs its place."""
    for message in ("a", "a", *"bcd", "d", "a", *"ef"):
        logger.info(message)
        assert len(once._kinds) <= KINDS
    assert kept.texts == ["a", "b", "c", "d", "repeated 2 times: a", "e", "f"]


def test_a_logger_may_have_the_filter(once, kept, logger):
    kept.removeFilter(once)
    logger.addFilter(once)
    logger.info("a")
    logger.info("a")
    once.report()
    assert kept.texts == ["a", "repeated 1 times: a"]


def test_a_line_reaches_no_handler_whose_level_is_above_it(once, kept, logger):
    kept.removeFilter(once)
    logger.addFilter(once)
    errors = Kept()
    errors.setLevel(logging.ERROR)
    logger.addHandler(errors)
    logger.info("a")
    logger.info("a")
    once.report()
    assert kept.texts == ["a", "repeated 1 times: a"]
    assert errors.texts == []


def test_what_is_remembered_of_a_message_is_small(once, kept, logger):
    """Neither a long text, nor a traceback with the variables of its frames; and one call at the end of the process."""
    registered = len(multiprocessing.util._finalizer_registry)
    for _ in range(3):
        logger.error("a" * 100_000, exc_info=LookupError("x"))
    assert len(multiprocessing.util._finalizer_registry) == registered + 1
    once.report()
    first, line = kept.records
    assert first.exc_info
    assert (line.exc_info, line.exc_text) == (None, None)
    assert kept.texts[1] == f"repeated 2 times: {'a' * 1000}"


def test_what_is_logged_after_the_last_report_is_sent_each_time(once, kept, logger):
    """Nobody would tell of it: atexit callbacks and finalizers still log then."""
    logger.info("a")
    logger.info("a")
    once._end()
    logger.info("a")
    logger.info("a")
    assert kept.texts == ["a", "repeated 1 times: a", "a", "a"]


def test_a_record_whose_arguments_do_not_fit_is_left_to_the_handler(once):
    """It says so each time."""
    wrong = [logging.makeLogRecord({"msg": "%d", "args": ("x",)}) for _ in range(2)]
    assert all(once.filter(record) for record in wrong)


def test_many_threads_lose_no_count(once, kept, logger):
    barrier = threading.Barrier(8)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work():
        barrier.wait()
        for number in range(500):
            logger.info("message %d", number % 7)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    once.report()
    assert sums(kept.texts) == {f"message {number}": 8 * (72 if number < 3 else 71) for number in range(7)}


PROGRAM = """
import logging, logging.config, multiprocessing, os, sys, threading
import repeated

def log(count, text):
    for _ in range(count):
        logging.warning(text)

def main():
    logging.config.dictConfig(repeated.LOGGING)
    log(3, "before the fork")
    child = multiprocessing.get_context("fork").Process(target=log, args=(4, "in a child"))
    child.start()
    child.join()
    # While another thread is in the filter.
    (cloudwatch,) = logging.getLogger().handlers
    (once,) = cloudwatch.filters
    is_in, may_go = threading.Event(), threading.Event()
    def hold():
        with once._lock:
            is_in.set()
            may_go.wait()
    threading.Thread(target=hold).start()
    is_in.wait()
    if os.fork() == 0:
        log(5, "in a fork")
        sys.exit()
    os.wait()
    may_go.set()
    log(1, "before the fork")

if __name__ == "__main__":
    main()
"""


def test_each_process_reports_at_its_end_what_it_has_counted_itself(fake, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with fake.serve() as url, started(python("-W", "ignore", str(program)), url=url, PYTHONPATH=PATH) as running:
        assert running.wait() == 0, running.output
    assert sorted(fake.messages("my-app")) == sorted(
        [
            *("before the fork", "in a child", "in a fork"),
            *("repeated 3 times: before the fork", "repeated 3 times: in a child", "repeated 4 times: in a fork"),
        ]
    )
