"""Taking records in: bounds, who has to go, and what is told about it; no thread."""

import gc
import linecache
import sys
import threading
import time
from contextlib import suppress
from math import inf

import pytest

from cwlog_handler.core import outcomes
from cwlog_handler.delivery.intake import Intake
from cwlog_handler.delivery.rounds import HELPING

from ..conftest import logged
from ..programs import HANG_LIMIT
from ..simulation import Service, VirtualTime, simulated, to
from ..values import changed

DEBUG, INFO, ERROR = 10, 20, 40
DOWN = outcomes.Unavailable("down", ambiguous=False)


class Program:
    """Simulated rounds, and records that come a millisecond apart; none of them is urgent."""

    def __init__(self, **options):
        self.service, self.time, self.created = Service(), VirtualTime(), float(int(time.time())) - 3600
        self.rounds = simulated(self.service, self.time.clock(), flush_level=100, **options)

    def log(self, *texts, level=INFO, stream="s"):
        for text in texts:
            self.created += 0.001
            self.rounds.put(self.created, text, to(stream), level)

    def work(self, seconds=0.0):
        """Do rounds until nothing is to be done within so many seconds."""
        end = self.time.now + seconds
        while True:
            at = self.rounds.step()
            if at is None or at > end:
                break
            self.time.sleep_until(at)
        self.time.sleep_until(end)
        self.rounds.step()


def numbers(*span):
    return [str(number) for number in range(*span)]


def test_a_flood_of_debug_never_pushes_out_an_error():
    """Severity counts: the least severe go first, however old the severe ones are."""
    program = Program(max_count=10)
    program.log("e1", level=ERROR)
    program.log("i1")
    program.log(*numbers(50), level=DEBUG)
    program.log("i2")
    program.log("e2", level=ERROR)
    program.log(*numbers(50, 100), level=DEBUG)
    program.work()
    program.work(5)
    assert logged(program.service.messages()) == ["e1", "i1", "i2", "e2", *numbers(94, 100)]
    assert program.rounds.stats().dropped_by_reason == {"overflow": 94}


def test_where_the_newest_goes_an_error_takes_the_place_of_the_newest_debug():
    program = Program(max_count=3, overflow="drop_newest")
    program.log("d1", "d2", "d3", "d4", level=DEBUG)
    program.log("e1", "e2", level=ERROR)
    program.work(5)
    assert logged(program.service.messages()) == ["d1", "e1", "e2"]


def test_a_less_severe_record_finds_no_room_among_more_severe_ones():
    """With either policy it is the one that goes, whatever its age."""
    for overflow in ("drop_oldest", "drop_newest"):
        program = Program(max_count=2, overflow=overflow)
        program.log("e1", "e2", level=ERROR)
        program.log("d1", level=DEBUG)
        program.work(5)
        assert program.service.messages()[:2] == ["e1", "e2"]


def test_bytes_make_room_for_one_large_record_by_dropping_many_small():
    program = Program(max_bytes=50_000)
    program.log(*("x" * 800 for _ in range(40)))
    program.log("y" * 30_000)
    program.work()
    stats = program.rounds.stats()
    assert stats.pending_bytes <= 50_000
    assert stats.dropped_by_reason["overflow"] == 41 - stats.pending
    program.work(5)
    assert program.service.messages()[-1] == "y" * 30_000


def test_the_stream_that_is_stuck_pays_not_the_others():
    """Streams that have half as much as the fullest or more pay in turn; one with less does not."""
    program = Program(max_count=50)
    program.log(*numbers(45), stream="stuck")
    program.log(*numbers(10), stream="fine")
    program.work()
    program.work(5)
    assert program.service.messages("fine") == numbers(10)
    assert program.service.messages("stuck")[-40:] == numbers(5, 45)


def test_the_stream_tells_in_its_place_what_an_outage_cost_it():
    """F39: how many, between when and when, and why."""
    program = Program(max_count=10)
    program.service.fault = DOWN
    program.log("first")
    program.work(2)
    program.log(*numbers(20))
    program.work(2)
    program.service.fault = None
    program.work(60)
    messages = program.service.messages()
    assert messages[0] == "first"
    # "first" is in a request already and cannot be dropped: of the 20 nine have room.
    assert messages[1].startswith("cwlog_handler: 11 records lost between 20")
    assert messages[1].endswith("Z: overflow (the buffer was full)")
    assert messages[2:] == numbers(11, 20)
    stats = program.rounds.stats()
    assert (stats.loss_notices, stats.emitted, stats.delivered) == (1, 22, 11)


def test_a_loss_is_not_told_before_the_stream_flows():
    """Else the notices would be a flood of their own, in the buffer that is full."""
    program = Program(max_count=5)
    program.service.faults["s"] = DOWN
    for _ in range(20):
        program.log(*numbers(10))
        program.log("other", stream="other")
        program.work(10)
    assert program.rounds.stats().loss_notices == 0
    assert len(program.service.messages("other")) == 20


def test_a_stream_that_lost_all_it_had_tells_it_when_there_is_room():
    program = Program(max_count=2, overflow="drop_newest")
    program.service.fault = DOWN
    program.log("a", "b", stream="early")
    program.log("c", stream="late")
    program.work(2)
    program.service.fault = None
    program.work(60)
    assert [message[:29] for message in program.service.messages("late")] == ["cwlog_handler: 1 record lost "]


def test_a_flush_waits_for_what_tells_of_losses_too():
    """Else a program that flushes and is frozen, or killed, would never tell."""
    program = Program(max_count=2, overflow="drop_newest")
    program.log("a", "b", stream="early")
    program.log("c", stream="late")
    ticket = program.rounds.ask_for_word(inf)
    while not ticket.wait(0.0):
        ticket.abandoned = False
        program.rounds.step()
    assert len(program.service.messages("late")) == 1
    assert program.rounds.is_settled


def test_a_record_that_never_had_room_is_told_of_without_another_to_follow():
    program = Program(max_bytes=4096)
    program.log("x" * 5000)
    ticket = program.rounds.ask_for_word(inf)
    program.work()
    assert ticket.wait(0.0)
    assert [message[:29] for message in program.service.messages()] == ["cwlog_handler: 1 record lost "]


def test_where_no_round_gets_a_turn_callers_keep_the_bounds_themselves():
    """A gevent loop that never yields, or eight threads against one flusher."""
    program = Program(max_bytes=100_000)
    for _ in range(2_000):
        program.log("x" * 800)
        assert program.rounds.inbox.size_bytes <= 100_000 // 4 + HELPING * 1_000
        assert program.rounds.stats().pending_bytes <= 150_000
    stats = program.rounds.stats()
    assert stats.emitted == 2_000
    assert stats.pending + stats.dropped == 2_000


def test_a_caller_does_not_help_while_somebody_has_the_books():
    """A signal handler may have interrupted just that: to wait would be for ever."""
    program = Program(max_bytes=8_192)
    with program.rounds._books.lock:
        program.log(*("x" * 800 for _ in range(50)))
        assert len(program.rounds.inbox) == 50
    program.log("x")
    assert len(program.rounds.inbox) < 50


class Probed(str):
    """A text that does something while it is taken in; one beyond ASCII is encoded on its own."""

    def __new__(cls, text, act):
        probed = super().__new__(cls, text)
        probed.act = act
        return probed

    def encode(self, *arguments):
        self.act()
        return super().encode(*arguments)


def test_a_record_that_a_caller_is_taking_in_is_not_settled():
    """F33: the thread would end, or a caller that delivers go away, and nobody see to it any more."""
    program, settled = Program(max_bytes=8_192), []
    program.log(Probed("é" * 4_000, lambda: settled.append(program.rounds.is_settled)))
    assert settled == [False]


def test_a_flusher_about_to_sleep_learns_of_what_a_caller_took_in():
    """F32: it would sleep until the next record comes, however long that is."""
    program = Program(max_bytes=8_192)
    program.work()
    program.rounds.inbox.wait(0)
    program.log("x" * 4_000)
    assert program.rounds.inbox.is_empty
    sleeper = threading.Thread(target=program.rounds.inbox.wait, args=(600, True), daemon=True)
    sleeper.start()
    sleeper.join(HANG_LIMIT)
    assert not sleeper.is_alive()


def test_ctrl_c_while_a_caller_helps_loses_nothing():
    """F39: others' records were in its hands, neither waiting nor counted."""
    blows = [KeyboardInterrupt]

    def blow():
        if blows:
            raise blows.pop()

    program = Program(max_bytes=8_192)
    program.log("a", "b")
    with pytest.raises(KeyboardInterrupt):
        program.log(Probed("é" * 4_000, blow))
    program.log("c")
    assert program.rounds.stats().emitted == 4
    program.work(5)
    assert program.service.messages() == ["a", "b", "é" * 4_000, "c"]


def test_with_block_a_record_that_waited_in_vain_goes_unless_a_lesser_one_can():
    program = Program(max_count=2, overflow="block")
    program.log("d1", level=DEBUG)
    program.log("i1")
    program.log("i2")
    program.log("d2", level=DEBUG)
    program.work(5)
    assert program.service.messages()[:2] == ["i1", "i2"]
    assert program.rounds.stats().dropped_by_reason == {"overflow": 2}


def test_a_client_that_cannot_be_made_is_told_at_the_third_try(capsys):
    """Single failures are everyday, as with requests."""
    program = Program()
    answers = [outcomes.Unavailable("no metadata", ambiguous=False)] * 3
    connect = program.service.connect
    program.service.connect = lambda patience: answers.pop() if answers else connect()
    program.log("m")
    while len(answers) > 1:
        program.work(1)
    assert capsys.readouterr().err == ""
    program.work(60)
    assert "no client, trying on: no metadata" in capsys.readouterr().err
    assert program.service.messages() == ["m"]


def test_a_record_that_cannot_be_taken_in_is_counted_and_takes_no_other_along():
    """The least likely of all: memory that ends at one record."""

    class Huge(str):
        def encode(self):
            raise MemoryError

    program = Program()
    program.log("a", Huge("é"), "c")
    program.work()
    stats = program.rounds.stats()
    assert (stats.emitted, stats.pending, stats.dropped_by_reason) == (3, 2, {"error": 1})
    assert "MemoryError" in stats.last_error


def test_a_stream_without_work_is_forgotten_and_one_with_work_is_not():
    """F38: 10,000 names that come and go must not stay in memory."""
    program = Program()
    program.service.faults["denied"] = outcomes.Refused("No", "mend it")
    for name in ("fine", "denied"):
        program.log("m", stream=name)
    program.work(5)
    assert program.service.messages("fine") == ["m"]
    program.work(3600)
    assert set(program.rounds._dispatch.streams) == {to("denied")}


LINES = [
    "self._records",
    "if is_full or kind.level >= self._terms.flush_level:",
    "removed_bytes = ",
    "del items[:end]",
]


def interrupted_step(program, line):
    """Do a round that Ctrl-C breaks off at the first line that begins like this one."""

    def on_line(frame, event, _):
        if event == "line" and linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip().startswith(line):
            sys.settrace(None)
            raise KeyboardInterrupt
        return on_line

    with pytest.raises(KeyboardInterrupt):
        step_traced(program, on_line)


def step_traced(program, trace):
    """Do a round in which ``trace`` is called for each event of each function."""
    before = sys.gettrace()
    # What a collection calls would be traced, too, and nobody hears of what is raised there.
    gc.disable()
    sys.settrace(lambda *_: trace)
    try:
        program.rounds.step()
    finally:
        sys.settrace(before)
        gc.enable()


@pytest.mark.parametrize("line", LINES)
def test_ctrl_c_where_records_change_hands_doubles_none_and_ends_nothing(line):
    """F39: entered a second time, a column would be extended with itself, and every round from then on fail."""
    program = Program()
    program.log("a", "b")
    interrupted_step(program, line)
    program.log("c")
    program.work(5)
    stats = program.rounds.stats()
    assert program.service.messages() == ["a", "b", "c"]
    assert (stats.emitted, stats.delivered, stats.pending) == (3, 3, 0)


def test_ctrl_c_when_a_call_returns_that_takes_records_in_loses_and_doubles_none():
    """Python 3.10 looks for signals there, too."""
    place = interrupted = 0
    while interrupted == place:
        place += 1
        program = Program()
        program.log("a", "b")
        interrupted = interrupted_take_in(program, place)
        program.log("c")
        program.work(5)
        stats = program.rounds.stats()
        assert program.service.messages() == ["a", "b", "c"], place
        assert (stats.emitted, stats.delivered, stats.pending) == (3, 3, 0), place
    assert place > 3


def interrupted_take_in(program, place):
    """Take records in, until Ctrl-C comes when so many of the calls of the intake have returned; return how many."""
    returned = 0

    def on_return(frame, event, _):
        nonlocal returned
        frame.f_trace_lines = False
        if event == "return" and frame.f_back.f_code is Intake.take_in.__code__:
            returned += 1
            if returned == place:
                sys.settrace(None)
                raise KeyboardInterrupt
        return on_return

    with suppress(KeyboardInterrupt):
        step_traced(program, on_return)
    return returned


def test_ctrl_c_while_a_batch_is_put_together_leaves_no_level_without_events():
    """Every round would fail until the next record comes."""
    program = Program(batch_events=2)
    program.log("first")
    program.work(5)
    program.log("a", "b")
    interrupted_step(program, "whole = parts[0]")
    program.rounds.hasten_all()
    program.work(5)
    program.log("c")
    program.work(5)
    assert program.service.messages()[-1] == "c"


def test_a_record_that_interrupts_a_caller_who_helps_does_not_wait_for_room():
    """F29: nobody makes any while the frame below has the books; the clock of this test stands still."""
    program = Program(max_bytes=8_192, overflow="block")
    program.rounds._bounds = changed(program.rounds._bounds, block_timeout=600.0)

    class Interrupted(str):
        def encode(self, *arguments, **options):
            if program.rounds.has_interrupted_help:
                program.log("y" * 7_000)
            return super().encode(*arguments, **options)

    program.log(Interrupted("é" * 2_100))
    assert program.rounds.stats().emitted == 2


def test_streams_that_wait_leave_no_dates_behind_however_often_they_are_asked():
    """F38: in an outage each round would leave one for each stream, until its back-off is over."""
    program = Program()
    program.service.fault = DOWN
    for _ in range(100):
        program.log(*numbers(20), stream="a")
        program.log(*numbers(20), stream="b")
        program.rounds.step()
    assert len(program.rounds._dispatch._agenda) <= 20
