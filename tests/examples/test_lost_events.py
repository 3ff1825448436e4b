"""The file of examples/lost_events.py: one for each process."""

import os

import lost_events
import pytest

from cwlog_handler import LostEvent

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def test_a_forked_process_writes_to_a_file_of_its_own(monkeypatch, tmp_path):
    """Two processes that rotate the same file lose lines."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    events = [LostEvent(1, 20, "g", "s", "text", "dropped", "overflow")]
    lost_events.write_lost(events)
    child = os.fork()
    if child == 0:
        lost_events.write_lost(events)
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    lost_events.file_of(os.getpid()).close()
    names = {f"my-app-lost-{number}.jsonl" for number in (os.getpid(), child)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(path.read_text().count("\n") == 1 for path in tmp_path.iterdir())
    lost_events.file_of.cache_clear()
