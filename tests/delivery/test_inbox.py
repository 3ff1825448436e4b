"""The inbox: which records are attended to at once, on their caller's thread, and which wait."""

import logging
import time
from itertools import pairwise

import pytest

from cwlog_handler.delivery.inbox import Inbox
from cwlog_handler.delivery.rounds import HELPING


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


@pytest.mark.parametrize(("text", "all_attend"), [("m" * 100, False), ("m" * 4000, True)])
def test_a_full_inbox_is_attended_to_more_often_than_it_can_grow_but_not_at_each_record(text, all_attend):
    """Each record that is attended to takes HELPING others out, so that the inbox becomes shorter."""
    most_bytes, attended = 64 * 1024, []

    def attend():
        attended.append(len(inbox))
        inbox.ring_bell()

    inbox = Inbox(lambda: None, attend, time.monotonic, most_bytes=most_bytes, urgent_level=logging.ERROR)
    inbox.wait(0.0)
    while inbox.size_bytes <= most_bytes:
        inbox.put(0.0, text, None, logging.INFO)
    attended.clear()
    inbox.ring_bell()
    for _ in range(10 * HELPING):
        inbox.put(0.0, text, None, logging.INFO)
    apart = [later - earlier for earlier, later in pairwise(attended)]
    assert max(apart) < HELPING
    assert (max(apart) == 1) is all_attend
