"""What happens to flushers when the process forks or ends."""

import threading
from weakref import WeakSet

from cwlog_handler import lifecycle
from cwlog_handler.own_threads import is_own_thread, own_thread
from cwlog_handler.pacing import shared_bucket


def test_a_forked_child_has_no_threads_and_no_token_buckets_of_its_parent(monkeypatch):
    """F27: a thread's number may be given again; a bucket's lock may be held for ever."""
    monkeypatch.setattr(lifecycle, "_watched", WeakSet())
    bucket = shared_bucket("https://x", "g", "forked", 5)
    with own_thread():
        lifecycle.start_over()
        assert not is_own_thread()
    assert shared_bucket("https://x", "g", "forked", 5) is not bucket


def test_two_forks_at_once_leave_no_lock_behind(monkeypatch):
    """F27: the one that waits in vain must not make the other forget to release: no client could be made any more."""
    monkeypatch.setattr(lifecycle, "_FORK_WAITS", 0.01)
    no_fork = lifecycle._NoFork()

    def fork():
        no_fork.before_fork()
        no_fork.after_fork()

    no_fork.before_fork()
    other = threading.Thread(target=fork)
    other.start()
    other.join()
    no_fork.after_fork()
    assert no_fork._lock.acquire(blocking=False)


def test_all_handlers_deadlines_are_taken_before_the_first_is_waited_for(monkeypatch):
    """F25, F50: several handlers wait side by side at exit, each with tries of its own."""
    calls = []

    class Watched:
        def deadline_from_now(self):
            calls.append("deadline")
            return 0.0

        def begin_to_deliver(self, deadline):
            calls.append("begin")

        def finish(self, deadline):
            calls.append("finish")

    flushers = [Watched(), Watched()]
    monkeypatch.setattr(lifecycle, "_watched", WeakSet(flushers))
    monkeypatch.setattr(lifecycle, "_has_finished", False)
    lifecycle.finish_all()
    assert calls == ["deadline", "deadline", "begin", "begin", "finish", "finish"]
