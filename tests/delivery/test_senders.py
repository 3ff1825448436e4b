"""The threads that make the calls."""

import threading

from cwlog_handler.delivery.senders import Senders
from cwlog_handler.system import own_calls


def test_that_no_thread_could_be_started_once_is_not_held_against_later_calls(monkeypatch):
    """Over the limit of processes for a moment: from then on every request would have its time cut short."""

    def start_new_thread(*_):
        raise RuntimeError("can't start new thread")

    senders, done = Senders(), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(own_calls, "start_native_thread", start_new_thread)
        senders.run(done.set)
        assert done.is_set()
        assert senders.is_crowded
    senders.finished()
    done.clear()
    senders.run(done.set)
    assert done.wait(30)
    assert not senders.is_crowded
    senders.dismiss()
