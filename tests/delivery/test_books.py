"""Who may take the lock on streams and ledger, and for how long somebody waits for it."""

import threading

import pytest

from cwlog_handler.delivery import books
from cwlog_handler.delivery.books import Books, BooksInUse

HANG_LIMIT = 60.0


@pytest.fixture
def patiences(monkeypatch):
    """For how long callers have been ready to wait, one after another."""
    found = []

    def acquire(lock, patience):
        found.append(patience)
        return lock.acquire(blocking=False)

    monkeypatch.setattr(books, "acquire", acquire)
    return found


def taken(kept, patience=1.0):
    with kept.for_caller(patience) as is_taken:
        return is_taken


def test_a_thread_that_is_kept_out_does_not_even_touch_the_lock():
    """It may be stopped at any point, also between taking the lock and giving it back."""
    kept = Books()
    kept.keep_thread_out()
    kept.lock = None
    with pytest.raises(BooksInUse):
        kept.for_driver(1.0).__enter__()


def test_a_thread_that_is_kept_out_while_it_waits_gives_the_lock_back():
    kept = Books()
    kept.lock.acquire()
    outcome = []

    def drive():
        with pytest.raises(BooksInUse):
            kept.for_driver(HANG_LIMIT).__enter__()
        outcome.append(taken(kept))

    waiting = threading.Thread(target=drive)
    waiting.start()
    kept.keep_thread_out()
    kept.lock.release()
    waiting.join(HANG_LIMIT)
    assert outcome == [True]


def test_callers_still_take_the_lock_when_the_thread_is_kept_out():
    kept = Books()
    kept.keep_thread_out()
    with kept.for_driver(float("inf")):
        assert not taken(kept, 0.0)
    assert taken(kept)


def test_only_the_first_caller_waits_for_a_thread_that_has_stopped(patiences):
    """At the exit each record of a finalizer would wait for it, one after another."""
    kept = Books()
    kept.lock.acquire()
    assert [taken(kept), taken(kept)] == [False, False]
    kept.keep_thread_out()
    assert [taken(kept), taken(kept), taken(kept)] == [False, False, False]
    # It was only slow.
    kept.lock.release()
    assert [taken(kept), taken(kept)] == [True, True]
    assert patiences == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
