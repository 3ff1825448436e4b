"""One call at a time for a handler: formatters, and a subclass's own `emit` and `format`, as `logging` promises."""

import logging
import sys
import threading
import time

import pytest

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.record import turns
from cwlog_handler.record.turns import needs_no_turn

from ..conftest import balanced

THREADS = 4
RECORDS = 2_000


class Swapping(logging.Formatter):
    """Swaps its own format for a call, as colour formatters do."""

    def format(self, record):
        kept = self._style._fmt
        self._style._fmt = f"{record.levelname}: %(message)s"
        try:
            # Let the others run, as a file that is read or a lock that is taken may do.
            time.sleep(0)
            return super().format(record)
        finally:
            self._style._fmt = kept


class Counting:
    """Notes how many threads are in a call at a time."""

    def __init__(self):
        self.inside = self.most = 0

    def __call__(self, record):
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.0005)
        self.inside -= 1
        return record.getMessage()


@pytest.fixture
def often():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def for_ever(monkeypatch):
    """A call may last as long as it wants: on a busy machine a short one may last for seconds."""
    monkeypatch.setattr(turns, "_PATIENCE", 10**6)


def in_threads(work, threads=THREADS):
    started = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.usefixtures("for_ever")
def test_a_formatter_that_swaps_its_format_for_a_call_is_never_met_in_between(fake, logger, attach, often):
    """F53: thousands of 80,000 lines were in the wrong format, once for good."""
    handler = attach()
    handler.setFormatter(Swapping("%(message)s"))

    def work():
        for number in range(RECORDS):
            logger.log(logging.INFO if number % 2 else logging.WARNING, "%d", number)

    in_threads(work)
    assert handler.flush(60)
    expected = [f"{'INFO' if number % 2 else 'WARNING'}: {number}" for number in range(RECORDS)] * THREADS
    assert sorted(fake.messages("g", "s")) == sorted(expected)
    assert handler.formatter._style._fmt == "%(message)s"


class OwnFormat(CloudWatchLogsHandler):
    count = Counting()

    def format(self, record):
        return self.count(record)


class OwnEmit(CloudWatchLogsHandler):
    count = Counting()

    def emit(self, record):
        self.count(record)
        super().emit(record)


def with_formatter(put):
    def make(**options):
        handler = CloudWatchLogsHandler("g", "s", **options)
        return handler, put(handler)

    return make


def a_formatter_that_is_none(handler):
    class Duck:
        format = count = Counting()

    handler.formatter = Duck()
    return Duck.count


def a_method_replaced(name):
    def put(handler):
        formatter, count = logging.Formatter("%(asctime)s %(message)s"), Counting()
        plain = getattr(formatter, name)
        setattr(formatter, name, lambda record, *more: (count(record), plain(record, *more))[1])
        handler.formatter = formatter
        return count

    return put


def a_converter(handler):
    formatter, count = logging.Formatter("%(asctime)s %(message)s"), Counting()
    formatter.converter = lambda created: (count(logging.makeLogRecord({})), time.gmtime(created))[1]
    handler.setFormatter(formatter)
    return count


def a_style(handler):
    formatter, count = logging.Formatter(), Counting()

    class Style(logging.PercentStyle):
        def _format(self, record):
            return count(record)

    formatter._style = Style("%(message)s")
    handler.setFormatter(formatter)
    return count


def of_the_handler_itself(name):
    """As libraries patch one handler of somebody else's, and tests."""

    def make(**options):
        handler, count = CloudWatchLogsHandler("g", "s", **options), Counting()
        plain = getattr(handler, name)
        setattr(handler, name, lambda record: (count(record), plain(record))[1])
        return handler, count

    return make


WAYS = {
    "a handler's format": of_the_handler_itself("format"),
    "a handler's emit": of_the_handler_itself("emit"),
    "a subclass's format": lambda **options: (OwnFormat("g", "s", **options), OwnFormat.count),
    "a subclass's emit": lambda **options: (OwnEmit("g", "s", **options), OwnEmit.count),
    "a formatter that is no logging.Formatter": with_formatter(a_formatter_that_is_none),
    "a formatter's format": with_formatter(a_method_replaced("format")),
    "a formatter's formatTime": with_formatter(a_method_replaced("formatTime")),
    "a formatter's converter": with_formatter(a_converter),
    "a formatter's style": with_formatter(a_style),
}


@pytest.mark.usefixtures("for_ever")
@pytest.mark.parametrize("name", WAYS)
def test_whatever_of_the_users_takes_part_in_formatting_is_called_by_one_thread_at_a_time(fake, logger, name):
    """F53: ``logging.Handler.handle`` calls `emit` with a lock held, and `emit` calls all the rest."""
    handler, count = WAYS[name](boto3_client=fake.client())
    logger.addHandler(handler)
    in_threads(lambda: [logger.info("m") for _ in range(50)])
    assert handler.flush(60)
    assert count.most == 1
    assert handler.stats.delivered == 50 * THREADS


def test_filters_are_called_by_any_number_of_threads_at_a_time(logger, attach):
    """``logging.Handler.handle`` filters before it takes the lock: a filter may wait for another thread that logs."""
    handler = attach()
    both = threading.Barrier(2)

    def together(record):
        both.wait(30)
        return True

    handler.addFilter(together)
    in_threads(lambda: logger.info("m"), threads=2)
    assert handler.stats.emitted == 2
    assert not both.broken


def test_a_filter_method_of_the_handler_itself_is_asked(fake, logger, attach):
    """``logging.Handler.handle`` calls it; put back, all is as before."""
    handler = attach()
    handler.filter = lambda record: "no" not in record.getMessage()
    logger.info("yes")
    logger.info("no")
    del handler.filter
    logger.info("no more")
    assert handler.flush()
    assert fake.messages("g", "s") == ["yes", "no more"]


@pytest.mark.parametrize(
    "formatter",
    [
        logging.Formatter(),
        logging.Formatter("{asctime} {message}", "%Y", "{", defaults={"x": 1}),
        logging.Formatter("$message", style="$"),
    ],
)
def test_plain_formatters_do_not_wait_for_each_other(logger, attach, formatter):
    """They change nothing but the record: thread after thread would only cost time."""
    formatter.converter = time.gmtime
    assert needs_no_turn(formatter)
    handler = attach()
    handler.setFormatter(formatter)
    both = threading.Barrier(2)

    class Together:
        def __str__(self):
            both.wait(30)
            return "m"

    # Not through the logger: pytest's own handler would wait there, too.
    in_threads(lambda: handler.handle(logger.makeRecord("n", 20, "f", 1, Together(), (), None)), threads=2)
    assert handler.stats.emitted == 2
    assert not both.broken


def test_a_function_in_the_place_of_logging_formatters_own_has_its_turn(monkeypatch):
    """For all formatters: a wrapper bears the name and the module of what it wraps."""
    plain = logging.Formatter.formatException

    def wrapper(self, exc_info):
        return plain(self, exc_info)

    wrapper.__module__, wrapper.__name__ = plain.__module__, plain.__name__
    assert needs_no_turn(logging.Formatter())
    monkeypatch.setattr(logging.Formatter, "formatException", wrapper)
    assert not needs_no_turn(logging.Formatter())


@pytest.mark.usefixtures("for_ever")
def test_formatters_set_while_threads_log_are_each_called_by_one_at_a_time(fake, logger, attach):
    """F53: by `setFormatter` or as an attribute, as dictConfig and libraries do."""
    handler = attach()
    formatters, counts = [None, logging.Formatter()], [Counting(), Counting()]
    for count in counts:
        formatter = logging.Formatter()
        formatter.format = count
        formatters.append(formatter)
    done = threading.Event()

    def switch():
        while not done.is_set():
            for formatter in formatters:
                handler.setFormatter(formatter)
                time.sleep(0.001)

    logged = []

    def log():
        # Until each of them has been met: on a busy machine the switching may be slow.
        while len(logged) < 2000 or not all(count.most for count in counts):
            logger.info("m")
            logged.append(1)

    switching = threading.Thread(target=switch)
    switching.start()
    in_threads(log)
    done.set()
    switching.join()
    assert handler.flush(60)
    assert all(count.most == 1 for count in counts)
    assert set(fake.messages("g", "s")) == {"m"}
    assert handler.stats.delivered == len(logged)


class Busy(logging.Formatter):
    """Does not return before it may."""

    def __init__(self):
        super().__init__()
        self.is_inside, self.may_go = threading.Event(), threading.Event()

    def format(self, record):
        if record.msg == "busy":
            self.is_inside.set()
            assert self.may_go.wait(60)
        return super().format(record)


@pytest.fixture
def busy(logger, attach):
    """A handler with a thread in its formatter."""
    handler = attach()
    handler.setFormatter(Busy())
    thread = threading.Thread(target=logger.info, args=("busy",))
    thread.start()
    assert handler.formatter.is_inside.wait(60)
    yield handler
    handler.formatter.may_go.set()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "call", [lambda h: h.flush(), lambda h: h.close(), lambda h: h.stats, logging.Handler.acquire, lambda h: repr(h)]
)
def test_nothing_but_logging_waits_for_a_formatter(busy, call):
    """F42, F53: ``logging.shutdown`` holds the handler's lock while it waits for us; ours it never needs."""
    in_threads(lambda: call(busy), threads=1)
    assert not busy.formatter.may_go.is_set()


def test_a_record_waits_for_a_formatter_that_hangs_for_five_seconds_and_no_longer(fake, logger, busy):
    """F53: in the standard library it would wait for ever; what waits is not to hang the program."""
    in_threads(lambda: logger.info("m"), threads=3)
    assert not busy.formatter.may_go.is_set()
    # And from then on it is one at a time again, without waiting.
    logger.info("m")
    assert busy.flush()
    assert fake.messages("g", "s") == ["m"] * 4
    busy.formatter.may_go.set()
    assert fake.wait_for(lambda: "busy" in fake.messages("g", "s") or not busy.flush())
    assert balanced(busy.stats)


def test_many_that_wait_for_a_slow_formatter_all_have_their_turn(fake, logger, attach):
    """F53: it is one call that may last five seconds at most, not the wait for all that come before."""
    handler, count = attach(), Counting()
    formatter = logging.Formatter()

    def slow(record):
        time.sleep(0.25)
        return count(record)

    formatter.format = slow
    handler.setFormatter(formatter)
    in_threads(lambda: logger.info("m"), threads=26)
    assert handler.flush(60)
    assert count.most == 1
    assert fake.messages("g", "s") == ["m"] * 26


def test_a_formatter_that_waits_for_another_thread_that_logs_ends(fake, logger, attach):
    """F53: it did before there were turns; in the standard library it waits for ever."""
    handler = attach()

    class Asking(logging.Formatter):
        def format(self, record):
            if record.msg == "outer":
                in_threads(lambda: logger.info("inner"), threads=1)
            return super().format(record)

    handler.setFormatter(Asking())
    logger.info("outer")
    assert handler.flush()
    assert sorted(fake.messages("g", "s")) == ["inner", "outer"]


@pytest.mark.usefixtures("for_ever")
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_ends_a_call_ends_the_turn(fake, logger, attach, error):
    """F53: Ctrl-C in a formatter reaches the program; the next thread does not wait for it."""
    handler = attach()

    class Broken(logging.Formatter):
        def format(self, record):
            if record.msg == "broken":
                raise error
            return super().format(record)

    handler.setFormatter(Broken())
    record = logging.makeLogRecord({"msg": "broken"})
    if issubclass(error, Exception):
        handler.handle(record)
    else:
        with pytest.raises(error):
            handler.handle(record)
    # It would wait for ever for a turn that has not ended.
    in_threads(lambda: logger.info("m"), threads=1)
    assert handler.flush()
    assert fake.messages("g", "s")[-1] == "m"


def test_handlers_do_not_wait_for_each_other(fake, logger):
    """A formatter that two handlers share is as little protected as in the standard library."""
    shared, both = logging.Formatter(), threading.Barrier(2)
    shared.format = lambda record: str(both.wait(30))
    handlers = [CloudWatchLogsHandler("g", "s", boto3_client=fake.client()) for _ in range(2)]
    for handler in handlers:
        handler.setFormatter(shared)
    records = iter(handlers)
    in_threads(lambda: next(records).handle(logging.makeLogRecord({"msg": "m"})), threads=2)
    assert not both.broken
    assert [handler.stats.emitted for handler in handlers] == [1, 1]
