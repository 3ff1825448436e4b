"""The inbox: which records are attended to at once, on their caller's thread, and which wait."""

import logging
import time

from cwlog_handler.delivery.inbox import Inbox


def test_only_records_at_the_urgent_level_are_attended_to_at_once():
    """F22: `flush_level` itself is urgent, what is below is not."""
    attended = []
    inbox = Inbox(
        lambda: None, lambda: attended.append(len(inbox)), time.monotonic, most_bytes=2**20, urgent_level=logging.ERROR
    )
    # As the driver does it between two rounds.
    inbox.wait(0.0)
    for level in (logging.DEBUG, logging.ERROR - 1, logging.ERROR, logging.CRITICAL):
        inbox.put(0.0, "m", None, level)
    assert attended == [3, 4]
