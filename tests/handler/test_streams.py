"""Groups, streams and their sequence tokens, with others that write to them or delete them."""

import threading
import time

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.testing import FakeCloudWatchLogs, faults


def test_one_handler_feeds_many_streams(fake, logger, attach):
    handler = attach(log_stream_name="{level_name}/{thread_name}/{strftime:%Y:%m}")
    thread = threading.Thread(target=logger.warning, args=("w",), name="a*b")
    thread.start()
    thread.join()
    logger.info("i")
    assert handler.flush()
    found = {name: fake.events("g", name) for name in sorted(fake.streams("g"))}
    # By each record's own time: a month may end between the two, or after them.
    months = [time.strftime("%Y_%m", time.gmtime(event.timestamp // 1000)) for (event,) in found.values()]
    assert list(found) == [f"INFO/MainThread/{months[0]}", f"WARNING/a_b/{months[1]}"]


def test_a_stale_token_because_someone_else_wrote_loses_and_doubles_nothing(logger, attach):
    fake = FakeCloudWatchLogs(sequence_tokens=True)
    handler = attach(boto3_client=fake.client())
    for number in range(3):
        logger.info("ours %d", number)
        assert handler.flush()
        fake.put_elsewhere("g", "s", "theirs")
    assert [m for m in fake.messages("g", "s") if m != "theirs"] == ["ours 0", "ours 1", "ours 2"]


def test_a_batch_whose_answer_was_lost_is_not_doubled_where_tokens_are_kept(logger, attach):
    """DataAlreadyAccepted is success, and brings the next token."""
    fake = FakeCloudWatchLogs(sequence_tokens=True)
    fake.create("g", "s")
    handler = attach(boto3_client=fake.client())
    logger.info("first")
    assert handler.flush()
    fake.fail(faults.reset_after_commit(), times=1)
    logger.info("second")
    assert handler.flush(30)
    logger.info("third")
    assert handler.flush()
    assert fake.messages("g", "s") == ["first", "second", "third"]
    assert handler.stats.possibly_duplicated == 0


def test_a_group_deleted_while_the_program_runs_is_made_again(fake, logger, attach):
    """F17, F49."""
    handler = attach()
    for _ in range(2):
        logger.info("m")
        assert handler.flush()
        fake.delete_log_group("g")
    logger.info("last")
    assert handler.flush()
    assert fake.messages("g", "s") == ["last"]


def test_two_handlers_on_one_stream_share_the_rate(fake, logger, known_arrivals):
    handlers = [CloudWatchLogsHandler("g", "shared", boto3_client=fake.client(), flush_level=0) for _ in range(2)]
    for handler in handlers:
        logger.addHandler(handler)
    for number in range(6):
        logger.info("%d", number)
        for handler in handlers:
            assert handler.flush()
    assert fake.busiest_second("g", "shared") <= 5
    assert sum(handler.stats.throttled for handler in handlers) == 0
    assert len(fake.messages("g", "shared")) == 12
