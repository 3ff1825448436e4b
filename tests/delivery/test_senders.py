"""The threads that make the calls."""

import threading

from cwlog_handler.delivery.pool import Pool
from cwlog_handler.delivery.senders import Senders
from cwlog_handler.system.own_calls import start_thread

from ..simulation import Held, Service, VirtualTime, simulated, to


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


def test_who_has_no_client_yet_shares_its_threads_with_those_who_go_to_the_same_endpoint():
    """Taken for one with an endpoint of its own, it would get a thread more than there are to be."""
    time, senders = VirtualTime(), Held()
    rounds = simulated(Service(), time.clock(), senders=senders, likely_endpoint="http://127.0.0.1:1")
    rounds.put(time.time_of_day(), "m", to("s"), 20)
    rounds.step()
    assert len(senders.jobs) == 1, "it makes its client"
    assert senders._share.group == "http://127.0.0.1:1"
    senders.end_all()
    rounds.step()
    endpoint = rounds._dispatch._connection.endpoint
    assert senders._share.group == endpoint
    # Refused credentials: the client is made again, for the same endpoint.
    rounds._dispatch._connection.renew()
    rounds.step()
    assert senders._share.group == endpoint
