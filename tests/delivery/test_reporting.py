"""What the program is told of lost events: all that the ledger counts, once, with its text, and nothing else."""

import asyncio
import logging
import threading
from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwlog_handler.core import outcomes
from cwlog_handler.core.batches import Batch
from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event, NotAnEvent, make_events
from cwlog_handler.core.ledger import Stats
from cwlog_handler.core.losses import UNTOLD
from cwlog_handler.core.lost import LostEvent
from cwlog_handler.delivery.reporting import REST, Reporter
from cwlog_handler.delivery.untold import MOST_EVENTS, MOST_SUMS
from cwlog_handler.system.clock import SYSTEM_CLOCK
from cwlog_handler.system.stderr import Notices

from ..conftest import balanced
from ..simulation import VirtualTime, an_endpoint, simulated, to

DAY = 86_400.0
HANG_LIMIT = 60.0
EVENT_BYTES = 60
# Cut to fit into so small an event, what tells of losses begins with this.
OWN = "cwlog_hand"


class Service:
    """Does what it was told for the next requests, and then accepts all."""

    def __init__(self):
        self.endpoint = an_endpoint()
        self.faults, self.stored = [], []

    def connect(self, patience=None):
        return outcomes.Connected(self.endpoint)

    def put(self, target, batch, token, on_progress, patience=None, is_fresh=False):
        on_progress()
        fault = self.faults.pop(0) if self.faults else outcomes.Accepted(token)
        if isinstance(fault, outcomes.Accepted):
            left = len(batch)
            counts = []
            for count in (fault.too_old, fault.expired, fault.too_new):
                counts.append(min(count, left))
                left -= counts[-1]
            fault = outcomes.Accepted(token, *counts)
            end = len(batch) - fault.too_new
            taken = list(batch)[fault.too_old + fault.expired : end]
            self.stored += [(target.stream, e.timestamp, e.message) for e in taken]
        return fault


FAULTS = [
    outcomes.Throttled("ThrottlingException"),
    outcomes.Unavailable("refused", ambiguous=False),
    outcomes.Unavailable("no answer", ambiguous=True),
    outcomes.Refused("AccessDeniedException", "allow it"),
    outcomes.Invalid("no"),
    outcomes.Invalid("no", "no", outcomes.Refused("No", "mend")),
    outcomes.Accepted(None, too_old=1, expired=1, too_new=1),
    outcomes.Accepted(None, expired=2),
    outcomes.Created(retention_days=1),
]
LEVELS = [logging.DEBUG, 15, logging.INFO, logging.ERROR, logging.CRITICAL + 50]
PUTS = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from([0, 9, 20, 34, 90]),
    st.sampled_from(LEVELS),
    st.sampled_from([0.0, 0.0, 0.0, -15 * DAY, -2 * DAY, 3 / 24 * DAY, float("nan")]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), PUTS),
        st.tuples(st.just("wait"), st.floats(0, 5)),
        st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    ),
    max_size=100,
)


def events_of(created, text, oversize):
    """What a record becomes: (timestamp, text) of each event, also if it becomes none."""
    try:
        return [(event.timestamp, event.message) for event in make_events(created, text, EVENT_BYTES, oversize)]
    except NotAnEvent:
        return [(0 if created != created else int(created * 1000 + 0.0005), text)]


def counts_of(told):
    """Their numbers as the ledger has them."""
    counts = Counter()
    for event in told:
        counts[event.counted_as, event.reason] += event.count
    return counts


def counts_in(stats: Stats):
    dropped = {("dropped", reason): count for reason, count in stats.dropped_by_reason.items()}
    return Counter(dropped | {("rejected", reason): count for reason, count in stats.rejected_by_reason.items()})


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
@pytest.mark.parametrize("report_bytes", [10**9, 2000], ids=["all is told", "of some only the number"])
@settings(max_examples=150)
@given(STEPS, st.sampled_from([None, 5, 20]))
def test_all_that_is_counted_as_lost_is_told_once_and_nothing_else(overflow, report_bytes, steps, max_count):
    """An invariant: the same counts as the ledger, and each text with its own stream, level and time."""
    virtual, service, told = VirtualTime(), Service(), []
    rounds = simulated(
        service,
        virtual.clock(),
        max_count=max_count,
        overflow=overflow,
        batch_bytes=400,
        batch_events=4,
        event_bytes=EVENT_BYTES,
        on_lost=told.extend,
        report_bytes=report_bytes,
    )
    logged = {}
    for number, (action, value) in enumerate(steps):
        if action == "put":
            stream, length, level, ahead = value
            text = f"{number}:".ljust(length, "x") if length else ""
            created = virtual.time_of_day() + ahead
            for timestamp, message in events_of(created, text, "split"):
                logged.setdefault((stream, timestamp, message), []).append(level)
            rounds.put(created, text, to(stream), level)
        elif action == "wait":
            virtual.now += value
        else:
            service.faults.append(value)
        rounds.step()
        assert counts_of(told) == counts_in(rounds.stats())
    service.faults.clear()
    for _ in range(2000):
        next_at = rounds.step()
        if not rounds.stats().pending:
            break
        virtual.sleep_until(next_at if next_at is not None else virtual.now + 1.0)
    assert balanced(rounds.stats())
    assert counts_of(told) == counts_in(rounds.stats())
    own = [event for event in told if event.level is None]
    assert all(event.text.startswith(OWN) for event in own)
    arrived = Counter(event for event in service.stored if not event[2].startswith(OWN))
    lost = Counter((event.log_stream, event.timestamp, event.text) for event in told if event.text and event not in own)
    empty = Counter((event.log_stream, event.timestamp, "") for event in told if event.text == "")
    unnamed = sum(event.count for event in told if event.text is None)
    every = Counter({event: len(levels) for event, levels in logged.items()})
    assert not arrived + lost + empty - every
    assert (every - arrived - lost - empty).total() == unnamed
    assert unnamed == 0 or report_bytes < 10**9
    for event in told:
        assert event.log_group == "g"
        if event.text is not None and event not in own:
            assert event.level in logged[event.log_stream, event.timestamp, event.text]


def test_levels_are_kept_apart_in_one_batch_and_in_its_pieces():
    """An inquiry halves a batch and joins pieces again: each event is told with the level it was logged with."""
    virtual, service, told = VirtualTime(), Service(), []
    rounds = simulated(service, virtual.clock(), on_lost=told.extend)
    for number in range(40):
        rounds.put(virtual.time_of_day(), str(number), to("s"), LEVELS[number % 3])
    refusal = outcomes.Invalid("no", "no", outcomes.Refused("No", "mend"))
    service.faults = [refusal] * 9 + [outcomes.Accepted(None, expired=40)] * 40
    for _ in range(2000):
        virtual.now += 1.0
        rounds.step()
    assert len(told) == rounds.stats().rejected > 0
    assert all(event.level == LEVELS[int(event.text) % 3] for event in told)


def test_what_comes_after_all_was_reported_is_reported_alone():
    """A SIGTERM reports what is left, then the exit does, then each late record."""
    virtual, service, told = VirtualTime(), Service(), []
    rounds = simulated(service, virtual.clock(), batch_events=10, on_lost=told.extend)
    service.faults = [outcomes.Unavailable("refused", ambiguous=False)] * 100
    for number in range(25):
        rounds.put(virtual.time_of_day(), str(number), None, 20)
    rounds.step()
    for number in range(25, 28):
        rounds.report_what_is_left(virtual.now)
        rounds.put(virtual.time_of_day(), str(number), None, 20)
    rounds.wait_for_reports(virtual.now)
    assert [(event.text, event.counted_as) for event in told] == [(str(number), "pending") for number in range(27)]


def test_what_a_finalizer_logs_while_losses_are_taken_out_does_not_wait_for_the_frame_below():
    """That frame has the lock under which a loss is noted. Where much waits, the caller would help, and lose some."""
    virtual, told = VirtualTime(), []
    rounds = simulated(Service(), virtual.clock(), max_bytes=100_000, max_count=1, on_lost=told.extend)

    def log():
        rounds.put(virtual.time_of_day(), "x" * 10_000, None, logging.INFO)

    class Interrupted(deque):
        def popleft(self):
            log()
            return super().popleft()

    untold = rounds._reporter.untold
    untold._waiting = Interrupted()
    log()
    log()
    driver = threading.Thread(target=rounds.step, daemon=True)
    driver.start()
    driver.join(HANG_LIMIT)
    assert not driver.is_alive()
    assert told


# -- the reporter alone ------------------------------------------------------------------------------------------------


class Threads:
    """Starts real threads, and knows them; None at all if there are ``none``."""

    def __init__(self, none=False):
        self.none, self.started = none, []

    def __call__(self, run):
        if self.none:
            raise RuntimeError("can't start new thread")
        self.started.append(threading.Thread(target=run, daemon=True))
        self.started[-1].start()

    def join(self):
        for thread in self.started:
            thread.join(HANG_LIMIT)
            assert not thread.is_alive()


def a_reporter(on_lost, *, most_bytes=10**6, start_thread=None):
    return Reporter(
        on_lost,
        Notices(SYSTEM_CLOCK.monotonic),
        SYSTEM_CLOCK,
        log_group_name="g",
        most_bytes=most_bytes,
        start_thread=start_thread or Threads(),
    )


def soon():
    return SYSTEM_CLOCK.monotonic() + HANG_LIMIT


def lose(reporter, *texts, level=20):
    for text in texts:
        reporter.untold.event(to("s"), level, 1, text.encode(), "overflow")


def texts_of(told):
    return [event.text for event in told]


def test_the_function_gets_few_calls_for_many_events_in_order():
    """Each call gets a thousand at most, so that it is bounded, too."""
    lots = []
    reporter = a_reporter(lots.append)
    lose(reporter, *map(str, range(2500)))
    reporter.call()
    assert [text for lot in lots for text in texts_of(lot)] == [str(number) for number in range(2500)]
    assert max(map(len, lots)) <= MOST_EVENTS
    assert all(type(lot) is tuple for lot in lots)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_the_function_raises_is_told_once_and_ends_no_thread(error, capsys):
    """The next losses are told on the same thread."""
    told, threads = [], Threads()

    def on_lost(events):
        told.extend(events)
        raise error

    reporter = a_reporter(on_lost, start_thread=threads)
    reporter.begin()
    for text in ("one", "two"):
        lose(reporter, text)
        assert reporter.wait(soon())
    assert texts_of(told) == ["one", "two"]
    assert len(threads.started) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"cwlog_handler: log group 'g': on_lost, called for lost events, raised {type(error).__name__}"
    )


def test_an_error_whose_text_raises_harms_nothing(capsys):
    class Odd(Exception):
        def __str__(self):
            raise ValueError

    def on_lost(events):
        raise Odd

    reporter = a_reporter(on_lost)
    lose(reporter, "one")
    reporter.call()
    assert "raised Odd" in capsys.readouterr().err


def test_a_coroutine_that_nobody_awaits_is_told(capsys):
    async def save(events):
        pass

    reporter = a_reporter(lambda events: save(events))
    lose(reporter, "one")
    reporter.call()
    assert "returned coroutine, which nobody awaits" in capsys.readouterr().err


def test_a_task_that_a_loop_runs_is_no_mistake(capsys):
    """It can be awaited as well, but somebody runs it."""
    loop = asyncio.new_event_loop()
    reporter = a_reporter(lambda events: loop.create_future())
    lose(reporter, "one")
    reporter.call()
    loop.close()
    assert not capsys.readouterr().err


def test_a_function_that_hangs_costs_bounded_memory_and_is_told_how_many_it_missed(capsys):
    """What does not fit is counted by stream, level and reason."""
    told, entered, go_on = [], threading.Event(), threading.Event()

    def on_lost(events):
        entered.set()
        assert go_on.wait(HANG_LIMIT)
        told.extend(events)

    reporter = a_reporter(on_lost, most_bytes=10_000)
    reporter.begin()
    lose(reporter, "first")
    assert entered.wait(HANG_LIMIT)
    lose(reporter, *map(str, range(5000)))
    lose(reporter, *map(str, range(500)), level=10)
    assert reporter.untold.size_bytes <= 10_000
    assert not reporter.wait(SYSTEM_CLOCK.monotonic() - 1)
    go_on.set()
    assert reporter.wait(soon())
    named = [event for event in told if event.text is not None]
    sums = {event.level: event.count for event in told if event.text is None}
    assert len(named) + sum(sums.values()) == 5501
    assert sums[10] == 500
    assert texts_of(named) == ["first", *map(str, range(len(named) - 1))]
    assert capsys.readouterr().err.count("events are lost faster than on_lost returns") == 1


def test_one_entry_may_be_larger_than_all_that_may_wait():
    """The text of a record that was too long for an event is what the program wants most."""
    told = []
    reporter = a_reporter(told.extend, most_bytes=1000)
    lose(reporter, "x" * 5000)
    reporter.call()
    assert texts_of(told) == ["x" * 5000]


def test_sums_over_too_many_streams_become_one():
    told = []
    reporter = a_reporter(told.extend)
    for number in range(MOST_SUMS + 10):
        reporter.untold.unknown(to(f"stream {number}"), 20, number, 1, "corrupt")
    reporter.call()
    assert len(told) == MOST_SUMS + 1
    assert told[-1] == LostEvent(MOST_SUMS, None, "g", "", None, "dropped", "corrupt", 10)


def test_a_batch_too_many_is_counted_by_level():
    told = []
    reporter = a_reporter(told.extend, most_bytes=1000)
    lose(reporter, "first")
    events = Events.of([Event(number, b"x" * 100, number) for number in range(10, 20)])
    batch = Batch(events, levels=((20, events.numbers[:4]), (40, events.numbers[4:])))
    reporter.untold.batch(to("s"), batch, "rejected", "expired", may_be_stored=True)
    reporter.call()
    assert [(e.level, e.timestamp, e.count, e.counted_as, e.reason, e.may_be_stored) for e in told[1:]] == [
        (20, 10, 4, "rejected", "expired", True),
        (40, 14, 6, "rejected", "expired", True),
    ]


def test_the_thread_ends_when_it_is_told_to_and_nothing_waits():
    told, threads = [], Threads()
    reporter = a_reporter(told.extend, start_thread=threads)
    reporter.begin()
    lose(reporter, "one")
    reporter.let_end()
    threads.join()
    assert texts_of(told) == ["one"]
    assert not reporter.has_thread
    reporter.begin()
    lose(reporter, "two")
    assert reporter.wait(soon())
    assert len(threads.started) == 2
    reporter.let_end()
    threads.join()


def test_without_a_thread_what_is_lost_waits_for_one():
    told, threads = [], Threads(none=True)
    reporter = a_reporter(told.extend, start_thread=threads)
    reporter.begin()
    lose(reporter, "one")
    reporter.start_if_needed()
    assert not told
    threads.none = False
    reporter.start_if_needed()
    assert reporter.wait(soon())
    assert texts_of(told) == ["one"]
    reporter.let_end()
    threads.join()


def test_ctrl_c_in_a_call_on_the_programs_thread_goes_up_and_loses_no_later_event():
    """Those of the broken call count as told."""
    told = []

    def on_lost(events):
        told.extend(events)
        if len(told) == MOST_EVENTS:
            raise KeyboardInterrupt

    reporter = a_reporter(on_lost)
    events = Events.of([Event(number, b"x", number) for number in range(1, 2501)])
    reporter.untold.batch(to("s"), Batch(events, levels=((20, None),)), "rejected", "expired")
    with pytest.raises(KeyboardInterrupt):
        reporter.call()
    assert not reporter.is_idle
    reporter.call()
    assert [event.timestamp for event in told] == list(range(1, 2501))
    assert reporter.is_idle
    assert reporter.untold.size_bytes == 0


def test_the_loss_of_what_the_function_logs_is_not_told():
    """Otherwise each loss would cause the next one, without end."""
    told, put, put_untold = [], [], []
    reporter = a_reporter(lambda events: (told.extend(events), marked(1.0, "told", None, 30)))
    marked = reporter.marking(lambda *fields: put.append(fields), lambda *fields: put_untold.append(fields))
    lose(reporter, "one")
    reporter.call()
    marked(1.0, "from elsewhere", None, 30)
    assert [(text, level) for _, text, _, level, _ in put] == [("from elsewhere", 30)]
    assert [(text, level) for _, text, _, level in put_untold] == [("told", UNTOLD)]
    lose(reporter, "told", level=UNTOLD)
    events = Events.of([Event(1, b"told", 1)])
    reporter.untold.batch(to("s"), Batch(events, levels=((UNTOLD, None),)), "rejected", "expired")
    reporter.call()
    assert texts_of(told) == ["one"]


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "block"])
def test_what_the_function_logs_of_a_loss_pushes_nothing_else_out(overflow):
    """Each event that it pushed out would be one more loss to log: in the end only such records would be here."""
    virtual, service, told = VirtualTime(), Service(), []

    def on_lost(events):
        told.extend(events)
        for event in events:
            rounds.put(virtual.time_of_day(), f"lost: {event.text}", None, logging.ERROR)

    rounds = simulated(service, virtual.clock(), max_count=100, overflow=overflow, batch_events=10, on_lost=on_lost)
    service.faults = [outcomes.Unavailable("refused", ambiguous=False)] * 50
    for number in range(120):
        rounds.put(virtual.time_of_day(), str(number), None, logging.DEBUG)
    for _ in range(200):
        rounds.step()
    assert sum(event.count for event in told) == 20
    assert rounds.stats().pending == 100
    service.faults.clear()
    for _ in range(200):
        virtual.now += 1.0
        rounds.step()
    stored = {message for _, _, message in service.stored if not message.startswith("cwlog_handler: ")}
    assert stored == {str(number) for number in range(120)} - set(texts_of(told))


def test_a_level_too_large_for_a_float_is_told_as_it_is():
    told = []
    reporter = a_reporter(told.extend)
    lose(reporter, "one", level=10**400)
    reporter.call()
    assert [event.level for event in told] == [10**400]


def test_the_thread_outlives_what_it_cannot_tell(capsys):
    """Memory that does not suffice is what events are lost of, too."""
    told, threads = [], Threads()

    class TooLarge(bytes):
        def decode(self, *_args, **_kwargs):
            raise MemoryError

    reporter = a_reporter(told.extend, start_thread=threads)
    reporter.begin()
    reporter.untold.event(to("s"), 20, 1, TooLarge(b"one"), "overflow")
    lose(reporter, "two")
    assert reporter.wait(soon())
    assert texts_of(told) == ["two"]
    assert "did not get some of them: MemoryError" in capsys.readouterr().err
    reporter.let_end()
    threads.join()


def test_while_records_come_too_fast_the_thread_rests_before_each_call():
    """Otherwise it takes the CPU from who takes them in. A caller that calls the function itself does not rest."""
    asked_at, called_at = [], []
    reporter = a_reporter(lambda events: called_at.append(SYSTEM_CLOCK.monotonic()))
    reporter.rest_while(lambda: not asked_at.append(SYSTEM_CLOCK.monotonic()))
    lose(reporter, "one")
    reporter.call()
    assert not asked_at
    reporter.begin()
    lose(reporter, "two")
    assert reporter.wait(soon())
    assert called_at[1] - asked_at[0] > 0.9 * REST
    reporter.let_end()


def test_a_wait_with_patience_does_not_wait_for_a_call_that_hangs():
    """A flush uses it; without a limit it would wait for ever here."""
    entered, go_on = threading.Event(), threading.Event()
    reporter = a_reporter(lambda events: (entered.set(), go_on.wait(HANG_LIMIT)))
    reporter.begin()
    lose(reporter, "one")
    assert entered.wait(HANG_LIMIT)
    waiter = threading.Thread(target=reporter.wait, args=(float("inf"),), kwargs={"patience": 0.01}, daemon=True)
    waiter.start()
    waiter.join(HANG_LIMIT / 2)
    is_over = not waiter.is_alive()
    go_on.set()
    assert is_over
