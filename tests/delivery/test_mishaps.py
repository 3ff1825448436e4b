"""What goes wrong while a round decides or settles: no stream is forgotten, no round repeated without an end."""

import pytest

from cwlog_handler.core import outcomes
from cwlog_handler.delivery.pool import Pool

from ..simulation import Held, Service, VirtualTime, simulated, to
from .test_intake import Program as Inline
from .test_intake import interrupted_step

INFO = 20


class Program:
    """Simulated rounds whose requests wait until the test ends them."""

    def __init__(self, time=None, pool=None):
        self.service, self.time = Service(), time or VirtualTime()
        self.senders = Held(pool or Pool(lambda run: None, clock=self.time.monotonic))
        self.rounds = simulated(self.service, self.time.clock(), senders=self.senders, flush_level=100)

    def log(self, *streams):
        for stream in streams:
            self.rounds.put(self.time.time_of_day(), "m", to(stream), INFO)

    def begin(self, *streams):
        """Log to streams, and go on until the requests are under way."""
        self.log(*streams)
        self.rounds.step()
        if not self.rounds._dispatch._connection.endpoint:
            self.senders.end()
        self.rounds.step()
        self.time.now += 2
        return self.rounds.step()


def test_an_error_while_an_answer_is_settled_keeps_no_later_record_from_delivery(monkeypatch):
    program = Program()
    program.begin("s")
    # It is asked, and waits for the answer to its first request.
    program.begin("s")
    with monkeypatch.context() as broken:
        broken.setattr(program.rounds._dispatch, "_tell", lambda *_: 1 / 0)
        program.senders.end()
        with pytest.raises(ZeroDivisionError):
            program.rounds.step()
    for _ in range(10):
        program.time.now += 1
        program.log("s")
        program.rounds.step()
        program.senders.end_all()
    program.rounds.step()
    assert program.rounds.stats().delivered >= 10


def test_a_client_that_is_made_anew_while_somebody_waits_keeps_no_request_from_being_made_again():
    """Nor does the driver do one round after another meanwhile."""
    program = Program()
    program.log("a")
    program.rounds.step()
    program.senders.end()
    program.rounds.step()
    program.time.now += 2
    program.rounds.ask_for_word(program.time.now + 20)
    program.rounds.step()
    program.time.now += 10.1
    program.rounds.step()
    # The first request is presumed lost, the second one is accepted. Then that of another stream hangs.
    assert len(program.senders.jobs) == 2
    program.senders.end(1)
    program.log("b")
    program.rounds.ask_for_word(program.time.now + 20)
    program.rounds.step()
    program.service.faults["a"] = outcomes.Refused("ExpiredToken", "expired", renew=True)
    program.senders.end(0)
    program.rounds.step()
    program.time.now += 15
    dates = [program.rounds.step() for _ in range(5)]
    assert all(at is None or at > program.time.now for at in dates[1:]), dates
    # Either the client or the request is made now.
    program.senders.end(-1)
    program.rounds.step()
    assert len(program.senders.jobs) == 2
    program.senders.end(-1)
    program.rounds.step()
    assert program.service.messages("b") == ["m"]


def test_streams_for_which_there_is_no_thread_yet_are_asked_again_however_long_the_round_takes(monkeypatch):
    """Meanwhile a request of another handler has ended, and that has taken this handler for gone."""
    one = Program()
    other = Program(one.time, one.senders.pool)
    streams = [f"s{number}" for number in range(20)]
    one.begin(*streams)
    assert one.senders.jobs
    keep = other.senders.keep

    def keep_late(jobs):
        keep(jobs)
        one.time.now += 1
        one.senders.end()

    other.log(*streams)
    other.rounds.step()
    other.senders.end_all()
    other.rounds.step()
    other.time.now += 2
    monkeypatch.setattr(other.senders, "keep", keep_late)
    assert other.rounds.step() is not None
    assert other.rounds._dispatch._agenda.count_due


@pytest.mark.parametrize(
    "line",
    [
        "if stream.has_fresh",
        "if self._spool is not None",
        "patience = self._patience(",
        "jobs.append(job)",
        "self._senders.keep(",
        "while self._jobs:",
        "self.senders.run(",
    ],
)
def test_ctrl_c_between_a_decision_and_its_request_keeps_no_event_for_ever(line):
    """Where callers make the requests. The request is made in the next round."""
    program = Inline()
    program.log("first")
    program.work(5)
    program.log("a")
    program.rounds.step()
    program.time.now += 2
    interrupted_step(program, line)
    program.log("b")
    program.work(5)
    assert program.service.messages() == ["first", "a", "b"]
    assert program.rounds.stats().pending == 0


@pytest.mark.parametrize("line", ["with own_thread():", "settle(now)", "stream.give_back(arrived_at)"])
def test_ctrl_c_while_a_caller_makes_a_request_keeps_no_later_one_from_being_made(line):
    """Its place would be taken for ever, and there is only one."""
    program = Inline()
    program.log("first")
    program.work(5)
    program.log("a")
    program.time.now += 1
    interrupted_step(program, line)
    program.log("b")
    program.work(5)
    program.work(5)
    assert set(program.service.messages()) == {"first", "a", "b"}
    assert program.rounds.stats().pending == 0
