"""Records of other processes. What a fork means is told in ``tests/life``."""

import logging


def test_a_record_of_another_process_is_delivered_like_any(fake, logger, attach):
    """From a socket or a queue: its process id is no reason to start over."""
    handler = attach(send_interval=3600)
    logger.info("one")
    record = logger.makeRecord("n", logging.INFO, "f", 1, "two", (), None)
    record.process = -1
    handler.handle(record)
    assert handler.flush()
    assert fake.messages("g", "s") == ["one", "two"]
