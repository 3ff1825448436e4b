"""Forked children, and records of other processes."""

import logging
import logging.config


def test_a_child_that_was_forked_without_pythons_hooks_starts_over_too(fake, logger, attach, monkeypatch):
    """F27: uWSGI forks in C; the first record tells by its process id."""
    handler = attach(send_interval=3600)
    logger.info("the parent's")
    monkeypatch.setattr(handler._flusher, "pid", -1)
    logger.info("the child's")
    assert handler.flush()
    assert fake.messages("g", "s") == ["the child's"]
    assert handler.stats.emitted == 1


def test_a_record_of_another_process_is_delivered_like_any(fake, logger, attach):
    """From a socket or a queue: its process id is no reason to start over."""
    handler = attach(send_interval=3600)
    logger.info("one")
    record = logger.makeRecord("n", logging.INFO, "f", 1, "two", (), None)
    record.process = -1
    handler.handle(record)
    assert handler.flush()
    assert fake.messages("g", "s") == ["one", "two"]
