"""Which records are our own: what our calls make others log is; what finalizers and signal handlers log is not."""

import gc
import logging
import queue
import signal
import sys
import threading
import weakref
from contextlib import contextmanager
from functools import partial
from logging.handlers import MemoryHandler, QueueHandler, QueueListener

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.system import own_calls
from cwlog_handler.system.own_calls import is_our_own, may_reach_handlers, own_call, start_thread, suspects
from cwlog_handler.testing import FakeCloudWatchLogs

PUT = "before-call.cloudwatch-logs.PutLogEvents"


class Hook:
    """What the program does in the middle of our first call, on whatever thread makes it."""

    def __init__(self, act):
        self._act = act
        self.times = 0

    def __call__(self, **_):
        self.times += 1
        if self.times == 1:
            self._act()


@contextmanager
def directly(handler, logger):
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@contextmanager
def through_a_memory_handler(handler, logger, capacity=10_000):
    memory = MemoryHandler(capacity, flushLevel=logging.CRITICAL + 1, target=handler)
    logger.addHandler(memory)
    yield memory.flush
    logger.removeHandler(memory)
    memory.close()


@contextmanager
def through_a_queue_listener(handler, logger):
    records = queue.SimpleQueue()
    front = QueueHandler(records)
    listener = QueueListener(records, handler, respect_handler_level=True)
    listener.start()
    logger.addHandler(front)

    def deliver():
        listener.stop()
        listener.start()

    yield deliver
    logger.removeHandler(front)
    listener.stop()


@contextmanager
def through_both(handler, logger):
    memory = MemoryHandler(10_000, flushLevel=logging.CRITICAL + 1, target=handler)
    with through_a_queue_listener(memory, logger) as deliver:

        def deliver_both():
            deliver()
            memory.flush()

        yield deliver_both
    memory.close()


class Buffering(logging.Handler):
    """As users write them: keeps a hundred, and hands them on by itself."""

    def __init__(self, target):
        super().__init__()
        self._target = target
        self._kept = []

    def emit(self, record):
        self._kept.append(record)
        if len(self._kept) >= 100:
            self.flush()

    def flush(self):
        kept, self._kept = self._kept, []
        for record in kept:
            self._target.handle(record)


@contextmanager
def through_a_handler_of_the_users(handler, logger):
    buffering = Buffering(handler)
    logger.addHandler(buffering)
    yield buffering.flush
    logger.removeHandler(buffering)


@contextmanager
def through_loguru(handler, logger):
    loguru = pytest.importorskip("loguru").logger

    class Intercept(logging.Handler):
        def emit(self, record):
            loguru.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())

    front = Intercept()
    sink = loguru.add(handler, format="{message}", level=0)
    logger.addHandler(front)
    yield
    logger.removeHandler(front)
    loguru.remove(sink)


WAYS = {
    "directly": directly,
    "through a MemoryHandler": through_a_memory_handler,
    "through a MemoryHandler that fills up": partial(through_a_memory_handler, capacity=2),
    "through a QueueListener": through_a_queue_listener,
    "through a QueueListener and a MemoryHandler": through_both,
    "through a handler of the user's": through_a_handler_of_the_users,
    "through loguru": through_loguru,
}


@pytest.fixture(autouse=True, scope="module")
def quick_collections():
    """A collection looks only at what these tests make: all that is imported takes a tenth of a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def fake():
    """Without the rate, for which the caller would wait where it makes the requests itself."""
    return FakeCloudWatchLogs(requests_per_second=None)


@pytest.fixture
def client(fake):
    return fake.client()


@pytest.fixture
def handler(client):
    made = []

    def handler(**options):
        made.append(CloudWatchLogsHandler("g", "s", boto3_client=client, requests_per_second=None, **options))
        return made[-1]

    yield handler
    for each in made:
        each.close()


@pytest.fixture
def debug(logger):
    """The root logger at DEBUG, to which botocore logs too."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    logger.propagate = True
    yield root
    root.setLevel(level)


def settle(handler, deliver):
    """Have all that somebody keeps handed on and delivered, also what was logged meanwhile."""
    for _ in range(5):
        if deliver is not None:
            deliver()
        assert handler.flush(30)


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_what_hooks_log_in_our_calls_never_comes_back(fake, client, handler, debug, logger, way, use_queues):
    """F52, F57: whoever's logger it is, at any level, whoever brings it, each record of the program's comes once."""
    hook = Hook(lambda: None)
    client.meta.events.register(PUT, lambda **_: logger.error("a call"))
    client.meta.events.register(PUT, hook)
    ours = handler(use_queues=use_queues)
    with WAYS[way](ours, debug) as deliver:
        logger.info("one")
        logger.info("two")
        settle(ours, deliver)
        # Not ours: the program's own call, on its own thread.
        logging.getLogger("botocore.hooks").info("three")
        settle(ours, deliver)
    assert sorted(fake.messages("g", "s")) == ["one", "three", "two"]
    assert hook.times == len([request for request in fake.requests if request.operation == "PutLogEvents"])


@pytest.mark.parametrize("is_late", [True, False])
def test_what_our_native_threads_log_is_kept_from_green_locks(monkeypatch, is_late):
    """F31: the program's own calls, and its own records on our threads, reach its handlers whenever gevent patches."""
    monkeypatch.setattr(own_calls, "are_greenlets_late", lambda: is_late)

    def may():
        return may_reach_handlers(logging.makeLogRecord({"thread": threading.get_ident()}))

    seen = queue.SimpleQueue()
    start_thread(lambda: seen.put((own_call(may)(), may())))
    assert seen.get(timeout=30) == (not is_late, True)
    assert own_call(may)()


class _Cycle:
    """Something that only a collection ends."""

    def __init__(self):
        self.me = self


def _deleted(log):
    class Noisy(_Cycle):
        def __del__(self):
            log.info("finalized")

    Noisy()


def _deleted_by_another_name(log):
    class Noisy(_Cycle):
        def close(self):
            log.info("finalized")

        __del__ = close

    Noisy()


def _deleted_with_a_helper(log):
    class Noisy(_Cycle):
        def close(self):
            log.info("finalized")

        def __del__(self):
            self.close()

    Noisy()


def _finalized(log):
    weakref.finalize(_Cycle(), log.info, "finalized")


_kept = []


def _weakly_referenced(log):
    _kept.append(weakref.ref(_Cycle(), lambda _: log.info("finalized")))


def _left_in_a_generator(log):
    def generator():
        try:
            yield me
        finally:
            log.info("finalized")

    me = [generator()]
    next(me[0])


def _told_of_a_collection(log):
    def tell(phase, info):
        gc.callbacks.remove(tell)
        log.info("finalized")

    gc.callbacks.insert(0, tell)


def _warned_of(log):
    # A file that nobody closed, found by a collection; its own finalizer is C code.
    kept = [open(__file__)]  # noqa: SIM115
    kept.append(kept)


FINALIZERS = {
    "__del__": _deleted,
    "__del__ = close": _deleted_by_another_name,
    "__del__ with a helper": _deleted_with_a_helper,
    "weakref.finalize": _finalized,
    "a weak reference's callback": _weakly_referenced,
    "a generator's finally": _left_in_a_generator,
    "gc.callbacks": _told_of_a_collection,
}


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", FINALIZERS)
def test_what_a_collection_in_our_call_has_logged_is_delivered(
    fake, client, handler, debug, logger, kind, way, use_queues
):
    """F52: a collection runs on any thread; what the program's finalizers log then is the program's."""
    if way == "through loguru" and not use_queues:
        pytest.skip("loguru refuses what is logged while it logs")
    if way not in ("directly", "through loguru") and kind == "gc.callbacks":
        pytest.skip("kept, nothing of the record says that it was logged in front of a collection")
    ours = handler(use_queues=use_queues)
    gc.collect()
    gc.disable()
    try:
        FINALIZERS[kind](logger)
        hook = Hook(gc.collect)
        client.meta.events.register(PUT, hook)
        with WAYS[way](ours, debug) as deliver:
            logger.info("one")
            settle(ours, deliver)
    finally:
        gc.enable()
    assert hook.times > 0
    assert sorted(fake.messages("g", "s")) == ["finalized", "one"]


def test_the_warning_of_a_file_left_open_is_delivered_if_a_collection_in_our_call_finds_it(
    fake, client, handler, debug, logger, recwarn
):
    """F52: nothing of Python runs between our call and the warning."""
    import warnings

    ours = handler()
    gc.collect()
    gc.disable()
    logging.captureWarnings(True)
    try:
        warnings.simplefilter("always")
        _warned_of(logger)
        client.meta.events.register(PUT, Hook(gc.collect))
        with directly(ours, debug):
            logger.info("one")
            settle(ours, None)
    finally:
        logging.captureWarnings(False)
        gc.enable()
    one, warning = sorted(fake.messages("g", "s"), key=len)
    assert one == "one"
    assert "ResourceWarning: unclosed file" in warning


class _Noisy:
    def __init__(self, log):
        self._log = log

    def close(self):
        self._log.info("finalized")


class _Deleted(_Noisy):
    def __del__(self):
        self._log.info("finalized")


class _DeletedByAnotherName(_Noisy):
    __del__ = _Noisy.close


LAST_REFERENCES = {
    "__del__": _Deleted,
    "__del__ = close": _DeletedByAnotherName,
    "weakref.finalize": lambda log: _finalize(_Cycle.__new__(_Cycle), log),
    "a weak reference's callback": lambda log: _refer(_Cycle.__new__(_Cycle), log),
}


def _finalize(thing, log):
    weakref.finalize(thing, log.info, "finalized")
    return thing


def _refer(thing, log):
    _kept.append(weakref.ref(thing, lambda *_: log.info("finalized")))
    return thing


@pytest.mark.parametrize("kind", LAST_REFERENCES)
def test_what_the_last_reference_in_our_call_has_logged_is_delivered(fake, client, handler, logger, kind):
    """F52: without a collection, too: a cache of the program's may drop its last entry there."""
    ours, kept = handler(), []
    kept.append(LAST_REFERENCES[kind](logger))
    client.meta.events.register(PUT, Hook(kept.clear))
    with directly(ours, logger):
        logger.info("one")
        settle(ours, None)
    assert sorted(fake.messages("g", "s")) == ["finalized", "one"]


def _plain(log):
    return lambda *_: log.info("signal")


def _that_forgets_its_arguments(log):
    def handler(number, frame):
        signal.signal(number, signal.SIG_IGN)
        log.info("signal")

    return handler


class _Callable:
    def __init__(self, log):
        self._log = log

    def __call__(self, number, frame):
        self._log.info("signal")


def _with_a_helper(log):
    def handler(number, frame):
        helper()

    def helper():
        log.info("signal")

    return handler


SIGNAL_HANDLERS = {
    "a lambda": _plain,
    "one that takes itself away": _that_forgets_its_arguments,
    "an object": _Callable,
    "one with a helper": _with_a_helper,
}


@pytest.mark.parametrize("way", ["directly", "through a handler of the user's"])
@pytest.mark.parametrize("kind", SIGNAL_HANDLERS)
def test_what_a_signal_handler_logs_in_our_call_is_delivered(fake, client, handler, debug, logger, kind, way):
    """F52: where the main thread makes our call."""
    if way != "directly" and kind in ("one that takes itself away", "one with a helper"):
        pytest.skip("kept, nothing of the record says that it was a signal handler's")
    ours = handler(use_queues=False)
    before = signal.signal(signal.SIGUSR1, SIGNAL_HANDLERS[kind](logger))
    try:
        client.meta.events.register(PUT, Hook(lambda: signal.raise_signal(signal.SIGUSR1)))
        with WAYS[way](ours, debug) as deliver:
            logger.info("one")
            settle(ours, deliver)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sorted(fake.messages("g", "s")) == ["one", "signal"]


def test_a_function_that_is_given_its_callers_frame_is_no_signal_handler(fake, client, handler, logger):
    """F52: tools that look at the frame below log because of our call."""

    def look(frame):
        logger.error("a call")

    client.meta.events.register(PUT, lambda **_: look(sys._getframe()))
    ours = handler()
    with directly(ours, logger):
        logger.info("one")
        settle(ours, None)
    assert fake.messages("g", "s") == ["one"]


def test_a_record_of_another_process_is_never_ours():
    """A forked worker's threads may have the numbers of ours; its records come here through a queue."""

    @own_call
    def call():
        mine, foreign = (logging.makeLogRecord({"process": process}) for process in (None, -1))
        return is_our_own(mine), is_our_own(foreign)

    assert call() == (True, False)


@pytest.mark.parametrize("way", ["handle", "emit"])
def test_what_is_logged_in_our_call_is_never_taken(attach, way):
    """F29: each request would log what makes another. Airflow's task handler calls emit itself."""
    handler, asked = attach(), []
    handler.addFilter(lambda record: asked.append(record) or True)
    own_call(lambda: getattr(handler, way)(logging.makeLogRecord({"name": "anything"})))()
    assert (handler.stats.emitted, asked) == (0, [])


def test_where_records_have_no_thread_our_calls_do_not_come_back(fake, client, handler, logger, monkeypatch):
    """``logging.logThreads = False`` is a documented way to save time."""
    monkeypatch.setattr(logging, "logThreads", False)
    client.meta.events.register(PUT, lambda **_: logger.error("a call"))
    ours = handler()
    with directly(ours, logger):
        logger.info("one")
        settle(ours, None)
    assert fake.messages("g", "s") == ["one"]


def test_a_record_that_is_handed_on_twice_while_we_call_for_it_comes_once(fake, client, handler, logger):
    """F57: with a filter, too, which is asked before a record is taken."""
    memory = MemoryHandler(2, flushLevel=logging.CRITICAL + 1)
    ours = handler(use_queues=False)
    ours.addFilter(lambda _: True)
    memory.setTarget(ours)
    client.meta.events.register(PUT, Hook(memory.flush))
    logger.addHandler(memory)
    # Another thread's record, of which nothing was known before.
    first = threading.Thread(target=logger.info, args=("one",))
    first.start()
    first.join()
    logger.info("two")
    logger.removeHandler(memory)
    assert sorted(fake.messages("g", "s")) == ["one", "two"]


@pytest.mark.parametrize("thread", [[], {}, "a name", None], ids=repr)
@pytest.mark.parametrize("filters", [[], [lambda record: True]], ids=["no filter", "a filter"])
def test_a_record_whose_thread_is_none_at_all_is_taken(attach, filters, thread):
    """A record made by hand, or from another language's, may have anything there."""
    handler = attach()
    handler.filters = filters
    handler.handle(logging.makeLogRecord({"thread": thread, "msg": "x"}))
    assert handler.stats.emitted == 1


@pytest.mark.parametrize("filters", [[], [lambda record: True]], ids=["no filter", "a filter"])
def test_a_record_without_a_thread_is_taken(attach, filters):
    """As what a program builds without logging's help."""
    handler = attach()
    handler.filters = filters
    record = logging.makeLogRecord({"msg": "x"})
    del record.thread
    handler.handle(record)
    assert handler.stats.emitted == 1


class CtrlC:
    """Raises KeyboardInterrupt before a line of `own_call`, the how-manieth is given."""

    def __init__(self, line):
        self._left = line

    def trace(self, frame, event, _argument):
        if frame.f_code is not own_calls._THE_CALL:
            return None
        if event == "line":
            self._left -= 1
            if self._left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.trace

    def interrupt(self, call):
        """Make the call; False if it ended before that line."""
        sys.settrace(self.trace)
        try:
            call()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False


def test_wherever_ctrl_c_ends_a_call_of_ours_the_next_record_is_the_programs(attach, logger):
    """Where the caller makes the call: what it logs afterwards would be taken for ours, and never be delivered."""
    handler = attach()
    call = own_call(lambda: None)
    line = 0
    while CtrlC(line).interrupt(call):
        logger.info("%s", line)
        line += 1
        assert handler.stats.emitted == line
        kept = logging.makeLogRecord({"thread": threading.get_ident()})
        assert not is_our_own(kept)
    assert line > 5


@pytest.mark.parametrize("name", [None, 5, b"x"])
def test_a_record_whose_name_is_none_at_all_is_taken(attach, name):
    """A record made by hand may have any; a logger with a filter is the one that would raise."""
    handler = attach()
    for asked in ([], [lambda record: True]):
        handler.filters = asked
        handler.handle(logging.makeLogRecord({"name": name, "msg": "x"}))
    assert handler.stats.emitted == 2


def test_where_the_clock_stands_no_record_of_the_program_is_taken_for_ours(fake, handler, logger, monkeypatch):
    """F34: kept while our call is made at the same instant; only its time could tell."""
    now = own_calls._now()
    monkeypatch.setattr("time.time", lambda: now)
    monkeypatch.setattr("time.time_ns", lambda: int(now * 1e9), raising=False)
    ours = handler(use_queues=False)
    with through_a_handler_of_the_users(ours, logger) as deliver:
        for text in ("one", "two", "three"):
            logger.info(text)
            deliver()
    assert fake.messages("g", "s") == ["one", "two", "three"]


def test_once_a_thread_has_ended_the_next_with_its_number_is_the_programs():
    """The system gives numbers anew."""
    ident = threading.get_ident()
    with own_calls.thread_of_calls():
        record = logging.makeLogRecord({})
    assert ident in suspects
    assert is_our_own(record)
    assert not is_our_own(logging.makeLogRecord({}))


def test_times_in_calls_are_not_kept_without_end():
    """F38: where each caller makes its own call, for years."""
    call = own_call(lambda: None)
    for _ in range(5 * own_calls._MOST_SPANS):
        call()
    assert len(suspects[threading.get_ident()].spans._spans) <= own_calls._MOST_SPANS


def test_threads_are_not_kept_without_end(monkeypatch):
    """F38: greenlets, each with a number of its own."""
    call, number = own_call(lambda: None), threading.get_ident()
    for more in range(5 * own_calls._MOST_THREADS):
        monkeypatch.setattr("threading.get_ident", lambda more=more: number + more)
        call()
    monkeypatch.undo()
    assert len(suspects) <= own_calls._MOST_THREADS + 1


@pytest.fixture
def clock(monkeypatch):
    """The clock that records have, to be set, as freezegun does it."""
    now = [1_000_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])

    def set_to(seconds):
        now[0] = 1_000_000_000.0 + seconds

    return set_to


def made_at(seconds):
    return logging.makeLogRecord({"created": 1_000_000_000.0 + seconds, "thread": threading.get_ident()})


@pytest.mark.parametrize("jump", [10**9, -(10**6)], ids=["to the future and back", "to the past and back"])
def test_a_clock_that_is_set_in_a_call_of_ours_makes_no_other_record_ours_or_the_programs(clock, jump):
    """F34: a test freezes time while a request is under way. The number of its thread is given anew later."""
    suspects.pop(threading.get_ident(), None)
    for second in range(0, 10, 2):
        clock(second)
        own_call(lambda second=second: clock(second + 0.5))()
    clock(20)
    own_call(lambda: clock(jump))()
    clock(30)
    assert not is_our_own(made_at(25))
    assert not is_our_own(made_at(30))
    own_call(lambda: clock(30.5))()
    assert is_our_own(made_at(30.25))
    assert not is_our_own(made_at(31))


def test_a_clock_that_was_set_back_hides_no_call_of_a_thread_that_does_nothing_else(clock):
    """F34: started while time was frozen in the future, it lives on after that. What it logs would feed itself."""
    suspects.pop(threading.get_ident(), None)
    clock(10**9)
    with own_calls.thread_of_calls():
        clock(0)
        own_call(lambda: clock(0.5))()
        assert is_our_own(made_at(0.25))
