"""Whatever came to nothing, the next record goes out; and what cannot go out is told."""

import time

from cwlog_handler.testing import access_denied

from ..programs import HANG_LIMIT, python, started

DAY = 24 * 3600.0


def test_records_that_are_too_old_do_not_use_up_the_streams_requests(fake, attach, logger):
    """F2: what is dropped for its age makes no request, and must not keep a token of the bucket for ever."""
    handler = attach(requests_per_second=1)
    record = logger.makeRecord(logger.name, 20, __file__, 1, "old", (), None)
    record.created = time.time() - 15 * DAY
    logger.handle(record)
    assert handler.flush(HANG_LIMIT)
    logger.info("fresh")
    assert handler.flush(HANG_LIMIT)
    assert fake.messages("g", "s") == ["fresh"]


WORKER = """
import logging, multiprocessing
from cwlog_handler import CloudWatchLogsHandler
def work():
    log = logging.Logger("worker")
    log.addHandler(CloudWatchLogsHandler("g", "s", use_queues=False, close_timeout=0.2))
    log.info("left")
multiprocessing.get_context("fork").Process(target=work).start()
"""


def test_what_a_multiprocessing_child_without_queues_could_not_send_is_told(fake):
    """F25, F28: such a child ends without atexit, whoever drives its handler."""
    fake.fail(access_denied())
    with fake.serve() as url, started(python("-c", WORKER), url=url) as program:
        assert program.wait() == 0
        assert "1 events not delivered at exit" in program.output
