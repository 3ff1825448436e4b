"""Re-entrancy: a record logged inside the logging of another, wherever that is, neither hangs nor gets lost."""

import textwrap

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs

from .conftest import MODES


@pytest.fixture
def fake():
    """Without the rate: a record a request, hundreds a second, is what some of these programs do."""
    return FakeCloudWatchLogs(requests_per_second=None)


@pytest.mark.parametrize("mode", MODES)
def test_signals_at_any_moment_while_a_program_logs_lose_nothing(fake, run, mode):
    """F29: thousands of signals, most of them inside the logging of another record."""
    options = {**MODES[mode], "requests_per_second": None}
    if mode == "blocking":
        options["max_buffer_count"] = 2000
    source = """
    signals = 0
    def on_signal(*_):
        global signals
        signals += 1
        log.info("signal")
    signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    n = 0
    while signals < 100:
        log.info("%d", n)
        n += 1
        if n % 1000 == 0: handler.flush(), handler.stats
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert handler.flush(30)
    stats = handler.stats
    assert stats.delivered == stats.emitted == n + signals, (stats, n, signals)
    """
    returned, output = run(source, **options)
    assert (returned, output) == (0, "")


@pytest.fixture
def check(run):
    """Run a program that ends with ``delivered``, a list of what must have arrived, sorted."""

    def check(source, delivered, fake, **options):
        returned, output = run(source + "\nassert handler.flush(30)\n", **options)
        assert returned == 0, output
        assert sorted(fake.messages("g", "s")) == delivered, output
        return output

    return check


def test_a_collection_at_any_allocation_of_ours_loses_nothing(fake, run):
    """F29: also on the threads of ours, where finalizers log as well."""
    source = """
    class Noisy:
        def __init__(self, n): self.me, self.n = self, n
        def __del__(self): log.info("collected %d", self.n)
    gc.set_threshold(1, 1, 1)
    for n in range(500):
        Noisy(n)
        log.info("%d", n)
    gc.set_threshold(700, 10, 10)
    gc.collect()
    assert handler.flush(30)
    """
    returned, output = run(source)
    assert (returned, output) == (0, "")
    expected = [str(n) for n in range(500)] + [f"collected {n}" for n in range(500)]
    assert sorted(fake.messages("g", "s")) == sorted(expected)


# Each logs "inner" on its way to "outer".
CHATTY = {
    "a filter of the handler": """
        def chatty(record):
            if record.msg == "outer": log.info("inner")
            return True
        handler.addFilter(chatty); log.info("outer")
        """,
    "a filter of the logger": """
        def chatty(record):
            if record.msg == "outer": log.info("inner")
            return True
        log.addFilter(chatty); log.info("outer")
        """,
    "a formatter": """
        class Chatty(logging.Formatter):
            def format(self, record):
                if record.msg == "outer": log.info("inner")
                return super().format(record)
        handler.setFormatter(Chatty()); log.info("outer")
        """,
    "a __str__": """
        class Chatty:
            def __str__(self): log.info("inner"); return "outer"
        log.info(Chatty())
        """,
    "a __repr__ of an argument": """
        class Chatty:
            def __repr__(self): log.info("inner"); return "outer"
        log.info("%r", Chatty())
        """,
    "a json default": """
        def chatty(value): log.info("inner"); return "outer"
        handler._json_default = chatty
        log.info([object()])
        """,
    "a record factory": """
        plain = logging.getLogRecordFactory()
        def chatty(*args, **more):
            record = plain(*args, **more)
            if record.msg == "outer": log.info("inner")
            return record
        logging.setLogRecordFactory(chatty); log.info("outer")
        """,
    "a stream that stderr is": """
        class Chatty:
            def write(self, text):
                if text.startswith("cwlog_handler"): log.info("inner")
            def flush(self): pass
        sys.stderr = Chatty()
        handler._flusher._notices.say("cause", "text"); log.info("outer")
        """,
}


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("name", CHATTY)
def test_what_logs_while_a_record_is_logged_is_delivered_beside_it(fake, check, name, use_queues):
    """F29, F36."""
    outer = '["outer"]' if name == "a json default" else "outer"
    check(textwrap.dedent(CHATTY[name]), sorted(["inner", outer]), fake, use_queues=use_queues)


RAISING = {
    "a formatter": """
        class Bad(logging.Formatter):
            def format(self, record): raise RuntimeError("bad")
        handler.setFormatter(Bad()); log.info("m"); handler.setFormatter(None)
        """,
    "a __str__": """
        class Bad:
            def __str__(self): raise RuntimeError("bad")
        log.info(Bad())
        """,
    "a __str__ and a __repr__": """
        class Bad:
            def __str__(self): raise RuntimeError("bad")
            __repr__ = __str__
        log.info(Bad())
        """,
    "a __repr__ of an argument": """
        class Bad:
            def __repr__(self): raise RuntimeError("bad")
        log.info("%r", Bad())
        """,
    "a json default": """
        def bad(value): raise RuntimeError("bad")
        handler._json_default = bad
        log.info([object()])
        """,
    "a __str__ that logs itself": """
        class Bad:
            def __str__(self): log.info(self); return "x"
        sys.setrecursionlimit(200)
        logging.raiseExceptions = False
        log.info(Bad())
        """,
    "a filter": """
        def bad(record):
            if record.msg == "m": raise RuntimeError("bad")
            return True
        handler.addFilter(bad); log.info("m")
        """,
}


@pytest.mark.parametrize("name", RAISING)
def test_what_raises_while_a_record_is_logged_neither_reaches_the_program_nor_costs_a_record(run, name):
    """F36: each is delivered with what there is, or counted; and the next is not touched by it."""
    source = textwrap.dedent(RAISING[name]) + textwrap.dedent(
        """
        log.info("next")
        assert handler.flush(30)
        stats = handler.stats
        assert stats.delivered >= 1 and stats.emitted >= 2, stats
        assert stats.delivered + stats.dropped == stats.emitted, stats
        os._exit(7)
        """
    )
    returned, output = run(source)
    assert returned == 7, output


FEEDS = {
    "debug on root": "",
    "warnings captured": """
        import warnings
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        import botocore.endpoint
        plain = botocore.endpoint.Endpoint.make_request
        def warns(*args, **more):
            warnings.warn("old")
            return plain(*args, **more)
        botocore.endpoint.Endpoint.make_request = warns
        """,
}


@pytest.mark.parametrize("use_queues", [True, False])
@pytest.mark.parametrize("name", FEEDS)
def test_after_the_last_delivery_there_is_no_further_request(fake, start, name, use_queues):
    """F30, F40: what the AWS client says while it is called for us is not the program's."""
    source = textwrap.dedent(FEEDS[name]) + textwrap.dedent(
        """
        log.removeHandler(handler)
        root = logging.getLogger()
        root.setLevel(logging.DEBUG)
        root.addHandler(handler)
        log.info("m")
        print("flushed", handler.flush(30), flush=True)
        signal.pause()
        """
    )
    program = start(source, use_queues=use_queues, send_interval=0.05)
    assert "True" in program.wait_for("flushed")
    count = len(fake.requests)
    # Twenty intervals: whatever feeds on itself has come round many times.
    assert not fake.wait_for(lambda: len(fake.requests) > count, timeout=1.0)
    assert fake.messages("g", "s") == ["m"]
