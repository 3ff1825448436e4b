"""Inside a formatter that is called by one thread at a time: forks, signals, finalizers, greenlets, and no end."""

import pytest

FORMATTER = """
class Slow(logging.Formatter):
    inside = most = 0
    is_inside, may_go = threading.Event(), threading.Event()
    def format(self, record):
        if record.msg == "busy":
            self.is_inside.set()
            assert self.may_go.wait(50)
        return super().format(record)
formatter = Slow()
handler.setFormatter(formatter)
def be_busy():
    thread = threading.Thread(target=log.info, args=("busy",), daemon=True)
    thread.start()
    assert formatter.is_inside.wait(50)
    return thread
def soon(call):
    # In these programs a record waits for a formatter for ever.
    began = time.monotonic()
    call()
    assert time.monotonic() - began < 40, "waited for a thread that is not there"
"""
FORKS = {
    "with Python's hooks": "os.fork",
    "without": "ctypes.PyDLL(None).fork",
}


@pytest.mark.parametrize("how", FORKS)
def test_a_child_does_not_wait_for_a_thread_of_its_parents_in_a_formatter(fake, run, how):
    """F53: it is not there; a server written in C forks without telling Python."""
    source = f"""
    import ctypes
    {FORMATTER.replace(chr(10), chr(10) + "    ")}
    thread = be_busy()
    pid = {FORKS[how]}()
    if pid == 0:
        soon(lambda: log.info("child"))
        assert handler.flush(30)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    formatter.may_go.set()
    thread.join()
    """
    returned, output = run(source)
    assert (returned, output) == (0, "")
    assert sorted(fake.messages("g", "s")) == ["busy", "child"]


def test_a_formatter_that_forks_goes_on_in_both_processes(fake, run):
    """F53: the child ends the call, too, and other threads of it log as well."""
    source = """
    class Forking(logging.Formatter):
        def format(self, record):
            if record.msg == "fork":
                record.msg = "parent" if os.fork() else "child"
            return super().format(record)
    handler.setFormatter(Forking())
    log.info("fork")
    thread = threading.Thread(target=log.info, args=("thread",))
    thread.start()
    thread.join(40)
    assert not thread.is_alive()
    assert handler.flush(30)
    try: os.wait()
    except ChildProcessError: pass
    """
    returned, output = run(source)
    assert (returned, output) == (0, "")
    assert sorted(fake.messages("g", "s")) == ["child", "parent", "thread", "thread"]


@pytest.mark.parametrize("waits", [False, True])
def test_signals_at_any_moment_of_a_formatter_or_of_the_wait_for_it_hang_nothing(fake, run, waits):
    """F29, F53: a signal handler that logs goes straight in where its own thread is in the call."""
    source = f"""
    class Derived(logging.Formatter):
        def format(self, record): return super().format(record)
    handler.setFormatter(Derived())
    signals = 0
    def on_signal(*_):
        global signals
        signals += 1
        log.info("signal")
    done = False
    others = []
    def other():
        while not done: others.append(log.info("other"))
    thread = threading.Thread(target=other)
    if {waits}: sys.setswitchinterval(1e-5); thread.start()
    signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
    n = slowest = 0
    while signals < 300:
        began = time.monotonic()
        log.info("%d", n)
        slowest = max(slowest, time.monotonic() - began)
        n += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    done = True
    if {waits}: thread.join()
    assert slowest < 40, slowest
    assert handler.flush(50)
    stats = handler.stats
    assert stats.delivered == stats.emitted == n + signals + len(others), (stats, n, signals, len(others))
    """
    returned, output = run(source, max_buffer_size=1 << 30, requests_per_second=None)
    assert (returned, output) == (0, "")


def test_ctrl_c_in_a_formatter_reaches_the_program_and_ends_the_call(fake, run):
    """F53: the other threads log on."""
    source = (
        FORMATTER
        + """
thread = threading.Thread(target=lambda: formatter.is_inside.wait(50) and os.kill(os.getpid(), signal.SIGINT))
thread.start()
try: log.info("busy")
except KeyboardInterrupt: print("interrupted")
other = threading.Thread(target=log.info, args=("other",))
other.start()
soon(other.join)
"""
    )
    returned, output = run(source)
    assert (returned, output) == (0, "interrupted\n")
    assert fake.messages("g", "s") == ["other"]


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGTERM); time.sleep(50)", "logging.shutdown()"])
def test_a_formatter_that_never_ends_keeps_no_process_from_its_end(fake, run, end):
    """F42, F53: whatever is waiting is delivered; neither `flush` nor `close` needs the formatter."""
    source = f"{FORMATTER}\nlog.info('first')\nbe_busy()\n{end}\n"
    returned, output = run(source)
    assert (returned, output) == (-15 if "SIGTERM" in end else 0, "")
    assert fake.messages("g", "s") == ["first"]


def test_a_finalizer_in_a_formatter_logs_through_it(fake, run):
    """F29, F53: a garbage collection may run wherever anything is made."""
    source = """
    class Derived(logging.Formatter):
        def format(self, record):
            if record.msg == "outer":
                Noisy()
                gc.collect()
            return super().format(record)
    class Noisy:
        def __init__(self): self.me = self
        def __del__(self): log.info("inner")
    handler.setFormatter(Derived())
    log.info("outer")
    assert handler.flush(30)
    """
    returned, output = run(source)
    assert (returned, output) == (0, "")
    assert sorted(fake.messages("g", "s")) == ["inner", "outer"]


PATCH = "from gevent import monkey; monkey.patch_all()"
GREENLETS = """
{late}
import gevent
class Yielding(logging.Formatter):
    inside = most = 0
    def format(self, record):
        Yielding.inside += 1
        Yielding.most = max(Yielding.most, Yielding.inside)
        if record.msg == "outer": log.info("inner")
        gevent.sleep(0.01)
        Yielding.inside -= 1
        return super().format(record)
handler.setFormatter(Yielding())
gevent.joinall([gevent.spawn(log.info, "%d", number) for number in range(20)], timeout=50)
assert Yielding.most == 1, Yielding.most
log.info("outer")
assert Yielding.most == 2, Yielding.most
assert handler.flush(30)
"""


@pytest.mark.parametrize("when", ["first", "late"])
def test_greenlets_are_in_a_formatter_one_at_a_time_too(fake, run, when):
    """F31, F53: patched before our import or after; they share their thread, and so a lock that only knows threads."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    source = GREENLETS.format(late=PATCH if when == "late" else "")
    returned, output = run(
        source, first=f"import warnings; warnings.simplefilter('ignore')\n{PATCH}" if when == "first" else ""
    )
    assert returned == 0, output
    assert sorted(fake.messages("g", "s")) == sorted([str(number) for number in range(20)] + ["inner", "outer"])
