"""Which records are our own."""

import logging
import threading

import pytest

from cwlog_handler import own_threads
from cwlog_handler.own_threads import is_our_own, own_thread


@pytest.mark.parametrize(
    ("name", "ours"), [("botocore.hooks", True), ("urllib3", True), ("botocorex", False), ("app", False)]
)
def test_on_our_thread_only_the_aws_clients_records_are_ours(name, ours):
    """F29, F30: what a __del__ logs on our thread is the application's, and kept."""
    record = logging.makeLogRecord({"name": name, "thread": threading.get_ident()})
    assert not is_our_own(record)
    with own_thread():
        assert is_our_own(record) == ours
    assert not is_our_own(record)


def test_a_record_of_another_process_is_never_ours():
    """A forked worker's threads may have the numbers of ours; its records come here through a queue."""
    record = logging.makeLogRecord({"name": "botocore", "thread": threading.get_ident(), "process": -1})
    with own_thread():
        assert not is_our_own(record)


@pytest.mark.parametrize("way", ["handle", "emit"])
def test_what_the_aws_client_logs_while_we_call_it_is_never_taken(attach, way):
    """F29: each request would log what makes another. Airflow's task handler calls emit itself."""
    handler, asked = attach(), []
    handler.addFilter(lambda record: asked.append(record) or True)
    with own_thread():
        getattr(handler, way)(logging.makeLogRecord({"name": "botocore.hooks", "thread": threading.get_ident()}))
    assert (handler.stats.emitted, asked) == (0, [])


@pytest.mark.parametrize("name", [None, 5, b"x"])
def test_a_record_whose_name_is_none_at_all_is_taken(attach, name):
    """A record made by hand may have any; a logger with a filter is the one that would raise."""
    handler = attach()
    for asked in ([], [lambda record: True]):
        handler.filters = asked
        handler.handle(logging.makeLogRecord({"name": name, "msg": "x"}))
    assert handler.stats.emitted == 2


def test_names_without_end_are_not_kept(monkeypatch):
    """F38: where each record is made by hand, with a name of its own."""
    monkeypatch.setattr(own_threads, "_MOST_NAMES", 3)
    for number in range(10):
        assert not is_our_own(logging.makeLogRecord({"name": f"job-{number}"}))
    assert len(own_threads.names_of_others) <= 3
