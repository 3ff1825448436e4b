"""Many streams in a handler: each record goes its way, and no round looks at all streams; no thread, no clock."""

import gc
import sys
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwlog_handler.core import outcomes
from cwlog_handler.core.loose import MOST_LOOSE
from cwlog_handler.delivery.calls import GATHERED_WITHIN, Results
from cwlog_handler.delivery.senders import MOST_SENDERS

from ..conftest import balanced
from ..simulation import Held, Service, VirtualTime, simulated, to
from .test_intake import Program, interrupted_step

DEBUG, INFO, ERROR = 10, 20, 40
# From this level on a record of `Program` is sent at once.
URGENT = 100
STREAMS = st.integers(0, 30).map(lambda number: f"s{number}")


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.tuples(STREAMS, st.sampled_from([DEBUG, INFO, ERROR]), st.integers(1, 40)), max_size=60)),
    st.sampled_from([None, 50]),
    st.sampled_from(["drop_oldest", "drop_newest"]),
    st.sampled_from([outcomes.Unavailable("down", ambiguous=False), None]),
)
def test_each_record_is_delivered_in_its_stream_in_order_or_counted(rounds_of_records, max_count, overflow, fault):
    """However many streams a round has records for, and whether there is room for all of them."""
    program = Program(max_count=max_count, overflow=overflow, batch_events=7, batch_bytes=500)
    program.service.faults["s3"] = fault
    logged = {}
    for number, records in enumerate(rounds_of_records):
        for place, (stream, level, length) in enumerate(records):
            text = f"{number}.{place}:".ljust(length, "x")
            logged.setdefault(stream, []).append(text)
            program.log(text, level=level, stream=stream)
        program.rounds.step()
        stats = program.rounds.stats()
        assert balanced(stats)
        assert max_count is None or stats.pending <= max_count
    program.service.faults.clear()
    program.work(120)
    stats = program.rounds.stats()
    assert stats.pending == stats.pending_bytes == 0
    assert stats.emitted - stats.loss_notices == sum(map(len, logged.values()))
    for stream, texts in logged.items():
        messages = [text for text in program.service.messages(stream) if not text.startswith("cwlog_handler: ")]
        assert messages == texts if max_count is None else set(messages) <= set(texts)


@pytest.mark.parametrize("bound", [{"max_count": 50}, {"max_bytes": 50 * (34 + 1)}])
def test_records_of_many_streams_have_no_more_room_than_those_of_one(bound):
    """Severe ones displace others, whichever streams they are in."""
    program = Program(**bound)
    for number in range(100):
        program.log("x", level=ERROR if number % 2 else DEBUG, stream=f"s{number}")
    program.rounds.step()
    assert program.rounds.stats().pending == 50
    program.work(5)
    delivered = [number for number in range(100) if "x" in program.service.messages(f"s{number}")]
    assert delivered == list(range(1, 100, 2))


def test_an_urgent_record_among_those_of_many_streams_is_sent_at_once():
    program = Program()
    for number in range(20):
        program.log("m", stream=f"s{number}")
    program.log("now", level=URGENT, stream="s7")
    for _ in range(5):
        program.rounds.step()
    assert program.service.messages("s7") == ["m", "now"]
    assert program.service.messages("s8") == []


def test_a_stream_with_a_full_batch_does_not_wait_for_the_others():
    program = Program(batch_events=3)
    for turn in range(3):
        program.log("m", stream="full")
        for number in range(20):
            program.log("m", stream=f"s{number}{turn}")
    for _ in range(5):
        program.rounds.step()
    assert program.service.messages("full") == ["m"] * 3
    assert program.service.messages("s00") == []


LINES = [
    "self._shedding.arrives(min(",
    "if not stream.backlog.count:",
    "is_full = stream.add_one(number,",
    "if is_full or level >= urgent_level:",
    "self._due = now +",
    "ledger, cost =",
    "if len(self._loose) >=",
    "self._scattered = None",
    "removed_bytes = ",
]


@pytest.mark.parametrize("line", LINES)
def test_ctrl_c_among_the_records_of_many_streams_doubles_none_and_loses_none(line):
    program = Program()
    for number in range(12):
        program.log("a", stream=f"s{number % 6}")
    interrupted_step(program, line)
    for number in range(12):
        program.log("b", stream=f"s{number % 6}")
    program.work(5)
    stats = program.rounds.stats()
    assert [program.service.messages(f"s{number}") for number in range(6)] == [["a", "a", "b", "b"]] * 6
    assert (stats.emitted, stats.delivered, stats.pending) == (24, 24, 0)


@pytest.mark.parametrize(
    "line", ["if len(self._loose) >=", "lane = self._in_lanes.get(level)", "lane.append(events)", "columns, count ="]
)
def test_ctrl_c_while_loose_events_enter_their_lane_doubles_none_and_loses_none(line):
    """That happens when so many of them wait in a stream."""
    program = Program()
    texts = [str(number) for number in range(MOST_LOOSE + 4)]
    for start in range(0, len(texts), 4):
        for text in texts[start : start + 4]:
            for number in range(6):
                program.log(text, stream=f"s{number}")
        if start < MOST_LOOSE:
            program.rounds.step()
    interrupted_step(program, line)
    program.work(5)
    stats = program.rounds.stats()
    assert [program.service.messages(f"s{number}") for number in range(6)] == [texts] * 6
    assert (stats.emitted, stats.delivered, stats.pending) == (6 * len(texts), 6 * len(texts), 0)


def test_ctrl_c_while_a_stream_is_asked_leaves_what_waits_there_a_date():
    """Records that come later do not have the stream asked: others wait there already."""
    program = Program()
    program.log("first")
    program.work(5)
    program.log("a")
    program.rounds.step()
    program.time.sleep_until(program.time.now + 2)
    interrupted_step(program, "spare = LEFT_FOR_FRESH if")
    program.log("b")
    program.work(5)
    assert program.service.messages() == ["first", "a", "b"]


def calls_of_a_round(count):
    """How many functions a round calls while so many streams wait for a sender, and a caller for all of them."""
    time, senders = VirtualTime(), Held()
    rounds = simulated(Service(), time.clock(), senders=senders)
    for number in range(count):
        rounds.put(time.time_of_day(), "m", to(f"s{number}"), INFO)
    rounds.ask_for_word(time.now + 300)
    for _ in range(3):
        rounds.step()
        while len(senders.jobs) == 1:
            senders.end()
            rounds.step()
    assert len(senders.jobs) == MOST_SENDERS
    senders.end()
    calls = 0

    def on_event(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    # A collection in the middle would call what waits for the end of objects that other tests have left.
    gc.disable()
    sys.setprofile(on_event)
    try:
        rounds.step()
    finally:
        sys.setprofile(before)
        gc.enable()
    return calls


def test_a_round_costs_the_same_however_many_streams_wait_for_a_sender():
    """There is a round for each answer: if each looked at all streams, the cost would grow with their square."""
    assert calls_of_a_round(2_000) <= calls_of_a_round(50) * 1.5


class Rings:
    """Rounds of many streams of which each wants to make a request, and whether results ring for the next round."""

    def __init__(self, streams, answer_takes):
        self.time, self.senders, self._answer_takes = VirtualTime(), Held(), answer_takes
        self.rounds = simulated(Service(), self.time.clock(), senders=self.senders)
        for number in range(streams):
            self.rounds.put(self.time.time_of_day(), "m", to(f"s{number}"), INFO)
        self.rounds.ask_for_word(self.time.now + 300)
        self.rounds.step()
        self.senders.end()
        self.next_at = self.rounds.step()
        self.has_rung()
        self.pass_the_time_of_an_answer()

    def pass_the_time_of_an_answer(self):
        self.time.sleep_until(self.time.now + self._answer_takes)

    def has_rung(self):
        """Whether somebody has rung for the driver since this was last asked."""
        has_rung = self.rounds.inbox.is_rung
        self.rounds.wake_up()
        return has_rung

    def answer(self):
        """Let a request be answered; return whether the next round is to start at once."""
        self.senders.end()
        return self.has_rung()


def test_where_answers_come_fast_one_round_takes_in_several():
    """To wake the driver costs as much as to settle several answers."""
    rings = Rings(50, answer_takes=0.004)
    assert rings.answer()
    rings.rounds.step()
    rings.pass_the_time_of_an_answer()
    assert [rings.answer() for _ in range(MOST_SENDERS - 1)] == [False] * (MOST_SENDERS - 2) + [True]
    rings.rounds.step()
    assert len(rings.senders.jobs) == MOST_SENDERS


def test_an_answer_waits_for_others_no_longer_than_some_milliseconds():
    """The others may never come."""
    rings = Rings(50, answer_takes=0.004)
    rings.answer()
    next_at = rings.rounds.step()
    assert next_at == rings.time.now + GATHERED_WITHIN
    assert not rings.answer()
    rings.time.sleep_until(next_at)
    rings.rounds.step()
    assert len(rings.senders.jobs) == MOST_SENDERS
    # Now they have come one by one. The next round found none, and waits for none.
    rings.time.sleep_until(rings.time.now + GATHERED_WITHIN)
    rings.rounds.step()
    assert rings.answer()


@pytest.mark.parametrize(("streams", "answer_takes"), [(50, 0.05), (MOST_SENDERS, 0.004)])
def test_an_answer_waits_for_no_others_if_they_take_long_or_no_stream_waits_for_a_sender(streams, answer_takes):
    rings = Rings(streams, answer_takes)
    assert rings.answer()
    rings.rounds.step()
    rings.pass_the_time_of_an_answer()
    assert rings.answer()


def test_answers_do_not_wait_for_requests_that_hang():
    """Half of the senders hang: of the other half, all but one that is still under way are enough."""
    rings = Rings(50, answer_takes=0.004)
    rings.senders.hung = rings.senders.jobs[: MOST_SENDERS // 2]
    del rings.senders.jobs[: MOST_SENDERS // 2]
    for _ in range(4):
        # They take longer and longer, in comparison.
        rings.time.sleep_until(rings.time.now + 0.1)
        rings.senders.end_all()
        rings.rounds.step()
        rings.pass_the_time_of_an_answer()
        rings.senders.end_all()
        rings.rounds.step()
    rings.has_rung()
    rings.pass_the_time_of_an_answer()
    assert [rings.answer() for _ in range(MOST_SENDERS // 2 - 1)] == [False, False, True]


def test_answers_that_came_before_the_round_let_others_gather_start_the_next_one():
    """In between, another thread may post some: none of them rings a second time."""
    rung = []
    results = Results(lambda: rung.append(True))
    results.post(lambda now: None)
    results.collect(0.0)
    for _ in range(7):
        results.post(lambda now: None)
    rung.clear()
    assert results.gather(8, 0.004, 1.0) == 1.0 + GATHERED_WITHIN
    assert rung
    results.collect(1.0)
    rung.clear()
    assert results.gather(8, 0.004, 1.0) == 1.0 + GATHERED_WITHIN
    assert not rung


def test_a_request_without_an_answer_is_made_again_while_many_streams_wait():
    time, senders, service = VirtualTime(), Held(), Service()
    rounds = simulated(service, time.clock(), senders=senders)
    for number in range(50):
        rounds.put(time.time_of_day(), "m", to(f"s{number}"), INFO)
    ticket = rounds.ask_for_word(time.now + 30)
    jobs = 0
    while not ticket.wait(0.0):
        ticket.abandoned = False
        at = rounds.step()
        if not senders.jobs and not rounds.is_settled:
            assert at is not None
            time.sleep_until(at)
        while senders.jobs:
            job = senders.jobs.pop(0)
            jobs += 1
            # The tenth is never answered.
            if jobs != 10:
                job()
    assert rounds.is_settled
    assert rounds.stats().retries == 1
    # One made the client, and one was made again.
    assert jobs == 1 + 50 + 1


def test_streams_that_come_and_go_are_forgotten_while_others_wait():
    """F38: those without work are looked for among those without work."""
    program = Program()
    program.service.faults["stuck"] = outcomes.Refused("No", "mend it")
    program.log("m", stream="stuck")
    for number in range(1_200):
        program.log("m", stream=f"s{number}")
    program.work(10)
    assert set(program.rounds._dispatch.streams) == {to("stuck")}
    program.log("again", stream="s7")
    program.work(10)
    assert program.service.messages("s7") == ["m", "again"]
    assert program.rounds.stats().pending == 1
    assert program.rounds.ask_for_word(inf)
