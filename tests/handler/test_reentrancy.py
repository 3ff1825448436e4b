"""Records that are logged in the middle of our own work: neither a deadlock nor a circle."""

import gc
import logging
import logging.config
import queue
import signal
import sys
from logging.handlers import QueueHandler, QueueListener

import pytest

from cwlog_handler.delivery.books import Books
from cwlog_handler.delivery.rounds import Rounds

from ..programs import HANG_LIMIT


def test_records_of_our_own_thread_never_come_back_in(fake, attach):
    """F30: DEBUG on the root logger; botocore's records of the application's own threads are the application's."""
    handler = attach()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("application").info("mine")
        assert handler.flush()
        logging.getLogger("botocore.hooks").info("mine too")
        assert handler.flush()
        assert handler.flush()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert fake.messages("g", "s") == ["mine", "mine too"]


def test_our_own_records_do_not_come_back_through_a_queue_listener(fake, attach):
    """A guard on the current thread alone would not see these."""
    handler = attach()
    records = queue.SimpleQueue()
    listener = QueueListener(records, handler)
    root = logging.getLogger()
    level = root.level
    root.addHandler(front := QueueHandler(records))
    root.setLevel(logging.DEBUG)
    listener.start()
    try:
        logging.getLogger("application").info("mine")
        assert fake.wait_for(lambda: fake.messages("g"))
    finally:
        root.removeHandler(front)
        root.setLevel(level)
        listener.stop()
    assert handler.flush()
    assert fake.messages("g", "s") == ["mine"]


# Signals come every half a millisecond. Measured, their handler takes longer than that, and so it is never done.
@pytest.mark.unmeasured
# pytest-timeout's own signal is the one that this test takes over.
@pytest.mark.timeout(60, method="thread")
def test_a_signal_handler_that_logs_at_any_moment_does_not_deadlock(fake, logger, attach):
    """F29: thousands of signals while the main thread logs."""
    handler = attach()
    count = 0

    def on_signal(*_):
        nonlocal count
        count += 1
        logger.error("signal %d", count)

    previous = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for number in range(20_000):
            logger.info("%d", number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert handler.flush(60)
    assert count > 0
    assert handler.stats.delivered == 20_000 + count


def test_a_finalizer_that_logs_does_not_deadlock_and_is_delivered(fake, logger, attach):
    """F29: also where the collection runs on a thread of ours."""
    handler = attach()
    collected = []

    class Noisy:
        def __init__(self):
            self.me = self

        def __del__(self):
            logger.info("collected")
            collected.append(None)

    for number in range(2000):
        Noisy()
        logger.info("%d", number)
    # Python begins no collection, and says nothing, while one is going on in another thread.
    assert fake.wait_for(lambda: gc.collect() >= 0 and len(collected) == 2000, HANG_LIMIT)
    assert handler.flush()
    assert fake.messages("g", "s").count("collected") == 2000


def test_a_message_whose_str_logs_is_delivered_with_what_it_logged(fake, logger, attach):
    class Chatty:
        def __str__(self):
            logger.info("inner")
            return "outer"

    handler = attach()
    # Not through the logger: pytest's own handlers would ask for the text too.
    handler.handle(logger.makeRecord("n", logging.INFO, "f", 1, Chatty(), (), None))
    assert handler.flush()
    # The outer record is the older one, by a millisecond or not: their order is that of the clock.
    assert sorted(fake.messages("g", "s")) == ["inner", "outer"]


def test_a_signal_handler_that_flushes_while_counts_are_read_does_not_wait_for_the_frame_below_it(fake, attach, logger):
    """F29: at any line of it; the thread that delivers needs what this very frame holds, and would wait, too."""
    handler = attach(send_interval=0.0)
    codes = {Rounds.stats.__code__, Books.for_caller.__wrapped__.__code__}
    lines = at = 0

    def on_line(frame, event, _):
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == at:
                logger.info("in between")
                # Whether it returns is asked, and not what: what waits for ever is ended by the test's own limit.
                handler.flush(3600)
        return on_line

    while at == 0 or lines >= at:
        at, lines = at + 1, 0
        logger.info("before")
        sys.settrace(lambda frame, event, _: on_line if frame.f_code in codes else None)
        try:
            assert handler.stats.emitted
        finally:
            sys.settrace(None)
    assert at > 10
    assert handler.flush(60)
    assert handler.stats.emitted == handler.stats.delivered == at + at - 1
