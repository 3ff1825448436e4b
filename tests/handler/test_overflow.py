"""The buffer is full: bounded, counted to the record, told; and callers that wait for room."""

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, faults

from ..conftest import balanced, logged
from ..programs import HANG_LIMIT


def wait_until_taken_in(fake, handler):
    """Wait until each record is where the bounds hold: how soon that is, on a busy machine, nobody promises."""
    assert fake.wait_for(lambda: not len(handler._flusher.rounds.inbox), HANG_LIMIT)


@pytest.mark.parametrize(("overflow", "kept"), [("drop_oldest", range(150, 250)), ("drop_newest", range(100))])
def test_a_full_buffer_drops_exactly_what_its_policy_says(fake, logger, attach, capsys, overflow, kept):
    """F38, F39: bounded, counted to the record, said."""
    handler = attach(max_buffer_count=100, overflow=overflow, send_interval=3600)
    for number in range(250):
        logger.info("%d", number)
    assert handler.flush()
    assert logged(fake.messages("g", "s")) == [str(number) for number in kept]
    assert handler.stats.dropped_by_reason == {"overflow": 150}
    assert balanced(handler.stats)
    assert "the buffer is full" in capsys.readouterr().err


def test_bytes_are_bounded_too(fake, logger, attach):
    handler = attach(max_buffer_size=100_000, send_interval=3600)
    fake.fail(faults.server_error(503))
    for _ in range(1000):
        logger.info("x" * 1000)
    handler.flush(0.2)
    wait_until_taken_in(fake, handler)
    assert handler.stats.pending_bytes <= 100_000
    stats = handler.stats
    assert stats.pending + stats.dropped == 1000 + stats.loss_notices
    fake.clear_faults()
    assert handler.flush(60)


def test_a_caller_that_blocks_waits_for_room_and_loses_nothing(logger, attach):
    fake = FakeCloudWatchLogs(requests_per_second=None)
    handler = attach(
        boto3_client=fake.client(),
        max_buffer_count=10,
        overflow="block",
        block_timeout=HANG_LIMIT,
        send_interval=0.01,
        requests_per_second=None,
    )
    for number in range(100):
        logger.info("%d", number)
    assert handler.flush()
    assert fake.messages("g", "s") == [str(number) for number in range(100)]


def test_a_caller_that_blocks_in_vain_gives_up_and_the_record_is_counted(fake, logger, attach):
    fake.fail(faults.server_error(503))
    handler = attach(max_buffer_count=3, overflow="block", block_timeout=0.05)
    for number in range(5):
        logger.info("%d", number)
    handler.flush(0.2)
    wait_until_taken_in(fake, handler)
    assert (handler.stats.pending, handler.stats.dropped_by_reason) == (3, {"overflow": 2})
    fake.clear_faults()
    assert handler.flush(60)
    assert logged(fake.messages("g", "s")) == ["0", "1", "2"]


def test_a_caller_that_blocks_is_bounded_in_bytes_too(fake, logger, attach):
    """F38: `overflow="block"` looks at max_buffer_size, not at the count alone."""
    fake.fail(faults.server_error(503))
    handler = attach(max_buffer_size=10_000, overflow="block", block_timeout=0.0)
    for _ in range(50):
        logger.info("x" * 1000)
    handler.flush(0.2)
    wait_until_taken_in(fake, handler)
    assert handler.stats.pending_bytes <= 12_000
    assert handler.stats.dropped_by_reason["overflow"] == 50 - handler.stats.pending > 30
    fake.clear_faults()
    assert handler.flush(60)


def test_an_overflow_takes_from_the_stream_with_most(fake, logger, attach):
    """F38: a stream that is stuck must not cost the others their records."""
    handler = attach(log_stream_name="{level_name}", max_buffer_count=10, send_interval=3600)
    logger.warning("first")
    for number in range(20):
        logger.info("%d", number)
    assert handler.flush()
    assert fake.messages("g", "WARNING") == ["first"]
    assert logged(fake.messages("g", "INFO")) == [str(number) for number in range(11, 20)]


def test_what_fills_the_buffer_does_not_wait_for_company_while_a_caller_waits_for_room(fake, logger, attach):
    """F39: the interval outlasted the caller's patience, and records were lost although the service was well."""
    handler = attach(max_buffer_count=10, overflow="block", send_interval=3600, block_timeout=HANG_LIMIT)
    for number in range(15):
        logger.info("%d", number)
    assert handler.flush(HANG_LIMIT)
    assert fake.messages("g", "s") == [str(number) for number in range(15)]


def test_a_caller_that_blocks_comes_back_although_the_clock_is_frozen(fake, logger, attach):
    """F34: freezegun freezes time.monotonic, too."""
    freezegun = pytest.importorskip("freezegun")
    fake.fail(faults.server_error(503))
    handler = attach(max_buffer_count=1, overflow="block", block_timeout=0.05)
    with freezegun.freeze_time():
        for _ in range(3):
            logger.info("m")
    # The service must not make room before those that had none are taken in.
    wait_until_taken_in(fake, handler)
    fake.clear_faults()
    assert handler.flush(60)
    assert handler.stats.dropped_by_reason == {"overflow": 2}


def test_an_outage_that_overflowed_the_buffer_is_told_in_the_stream_before_the_program_ends(fake, logger, attach):
    """F39: close() delivers the notice too."""
    fake.create("g", "s")
    fake.fail(faults.stall())
    handler = attach(max_buffer_count=10, requests_per_second=None)
    logger.error("first")
    assert fake.wait_for(lambda: fake.requests)
    for number in range(20):
        logger.info("%d", number)
    assert fake.wait_for(lambda: handler.stats.dropped == 11)
    fake.clear_faults()
    fake.release()
    handler.close()
    assert fake.wait_for(lambda: not handler.stats.pending)
    first, told, *rest = fake.messages("g", "s")
    assert first == "first"
    assert told.startswith("cwlog_handler: 11 records lost between ")
    assert rest == [str(number) for number in range(11, 20)]
    assert handler.stats.loss_notices == 1
    assert balanced(handler.stats)
