"""The threads that make the calls."""

import threading

from cwlog_handler.delivery.pool import Pool
from cwlog_handler.delivery.senders import Senders
from cwlog_handler.system.own_calls import start_thread


def test_that_no_thread_could_be_started_once_is_not_held_against_later_calls():
    """Over the limit of processes for a moment: from then on every request would have its time cut short."""

    refusals = [RuntimeError("can't start new thread")]

    def start(run):
        if refusals:
            raise refusals.pop()
        start_thread(run)

    pool, done = Pool(start), threading.Event()
    senders = Senders(pool=pool)
    senders.run(done.set)
    assert done.is_set()
    assert senders.is_crowded
    senders.finished()
    done.clear()
    senders.run(done.set)
    assert done.wait(30)
    assert not senders.is_crowded
    pool.dismiss()
