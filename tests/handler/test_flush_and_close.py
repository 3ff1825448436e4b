"""What flush() and close() promise, and what becomes of a handler after them."""

import gc
import logging
import logging.config
import threading
from unittest.mock import Mock

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.system.own_threads import own_thread
from cwlog_handler.testing import faults

from ..programs import HANG_LIMIT
from ..values import changed


def test_a_record_logged_after_close_is_delivered(fake, logger, attach):
    """F24, F33: a handler that is still attached somewhere goes on."""
    handler = attach()
    logger.info("before")
    handler.close()
    logger.info("after")
    assert handler.flush()
    assert fake.messages("g", "s") == ["before", "after"]


def test_flush_says_false_when_time_runs_out_and_discards_nothing(fake, logger, attach):
    fake.create("g", "s")
    fake.fail(faults.stall(), times=1)
    handler = attach()
    logger.info("m")
    assert not handler.flush(0.1)
    assert handler.stats.pending == 1
    assert fake.wait_for(lambda: fake.requests)
    fake.release()
    assert handler.flush()
    assert fake.messages("g", "s") == ["m"]


def test_threads_that_log_flush_and_close_at_once_lose_nothing(fake, logger, attach):
    handler = attach(requests_per_second=None)

    def work(name):
        for number in range(300):
            logger.info("%s %d", name, number)
            if number % 100 == 99:
                handler.flush()
                handler.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush()
    got = fake.messages("g", "s")
    for name in "abcdefgh":
        assert [m for m in got if m.startswith(name)] == [f"{name} {number}" for number in range(300)]


def test_a_handler_that_is_collected_delivers_what_it_had_and_its_thread_ends(fake, logger, attach):
    handler = attach()
    logger.error("m")
    logger.removeHandler(handler)
    flusher = handler._flusher
    del handler
    gc.collect()
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["m"])
    assert flusher.flush(HANG_LIMIT)


def test_close_delivers_before_it_returns(fake, logger, attach):
    """F24: close() drains, without a flush() of the caller's and without waiting for the send interval."""
    handler = attach(send_interval=3600)
    logger.info("last")
    handler.close()
    assert fake.messages("g", "s") == ["last"]


def test_the_thread_ends_after_close_and_a_later_record_starts_it_again(fake, logger, attach):
    """F24, F33: "after" is logged when the thread is certainly gone."""
    handler = attach()
    logger.info("before")
    handler.close()
    assert fake.wait_for(lambda: not handler._flusher.driver.has_thread)
    logger.info("after")
    # Not flush(), which would wake the thread in any case.
    assert fake.wait_for(lambda: len(fake.messages("g", "s")) == 2)
    assert fake.messages("g", "s") == ["before", "after"]


def test_close_leaves_loggings_list_of_handlers():
    """F24: logging.shutdown() must not see a closed handler again."""
    handler = CloudWatchLogsHandler("g", "s", boto3_client=Mock())
    handler.name = "leaves"
    handler.close()
    assert "leaves" not in logging._handlers


def test_a_close_right_after_a_flush_in_vain_does_not_wait_again(fake, logger, monkeypatch):
    """F25: logging.shutdown() calls both; together they take one close_timeout."""

    class Counting(CloudWatchLogsHandler):
        flushes = 0

        def flush(self, timeout=None):
            self.flushes += 1
            return super().flush(timeout)

    fake.fail(faults.server_error(503))
    handler = Counting("g", "s", boto3_client=fake.client(), close_timeout=0.1)
    logger.addHandler(handler)
    logger.info("m")
    # "Right after" is within a second: for those two this thread may wait longer for a processor.
    clock, now = handler._flusher._clock, handler._flusher._clock.monotonic()
    monkeypatch.setattr(handler._flusher, "_clock", changed(clock, monotonic=lambda: now))
    assert not handler.flush()
    handler.close()
    assert handler.flushes == 1
    fake.clear_faults()


def test_flush_and_close_do_not_wait_while_this_thread_holds_loggings_lock(fake, logger, attach):
    """F24: inside dictConfig nothing would come of waiting."""
    fake.fail(faults.stall(), times=1)
    handler = attach(close_timeout=3600)
    logger.error("m")
    assert fake.wait_for(lambda: fake.requests)
    with logging._lock:
        assert not handler.flush(3600)
        handler.close()
    assert handler.stats.pending == 1
    fake.release()
    assert handler.flush(60)


def test_a_flush_on_a_thread_of_ours_returns_at_once(attach):
    """A __del__ or hook that flushes on our thread would wait for itself."""
    handler = attach()
    with own_thread():
        assert handler.flush(3600) is False


def test_flush_waits_close_timeout_unless_told_otherwise(fake, logger, attach):
    """`close_timeout` is the default of flush()."""
    fake.fail(faults.stall())
    short, long = attach(close_timeout=0.1), attach(close_timeout=3600)
    logger.error("m")
    assert fake.wait_for(lambda: len(fake.requests) == 2)
    assert not short.flush()
    assert not long.flush(0.1)
    fake.clear_faults()
    threading.Timer(0.2, fake.release).start()
    assert long.flush()
