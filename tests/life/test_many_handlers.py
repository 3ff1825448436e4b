"""Many handlers in one process: what they share, that closed ones leave nothing, that no trouble delays another's."""

import socket
import sys

import pytest

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="threads are counted as Linux shows them"),
    pytest.mark.unmeasured,
]

MANY = """
def threads(): return len(os.listdir("/proc/self/task"))
def descriptors(): return len(os.listdir("/proc/self/fd"))
def sockets():
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try: found += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
        except FileNotFoundError: pass
    return found
def settled(count, what, within=60):
    until = time.monotonic() + within
    while what() > count and time.monotonic() < until: time.sleep(0.01)
    return what()
def make(number, **options):
    handler = CloudWatchLogsHandler("g", f"s{number}", **{"send_interval": 0.05, "close_timeout": 50, **options})
    logger = logging.getLogger(f"many.{number}")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    return logger
"""
# A request is given up after a quarter of a minute without an answer: here it hangs for longer than anybody waits who
# has nothing to do with it.
HANGING = """
from cwlog_handler.aws import maker, making
maker.READ_TIMEOUT = making.READ_TIMEOUT = 600
"""


@pytest.fixture
def deaf():
    """An endpoint that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as door:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"


def test_thirty_handlers_have_ten_threads_and_each_delivers(fake, run):
    returned, output = run(
        MANY
        + """
most = 0
loggers = [make(n) for n in range(30)]
for text in ("one", "two"):
    for logger in loggers:
        logger.info(text)
        most = max(most, threads())
    for logger in loggers:
        assert logger.handlers[0].flush(30)
        most = max(most, threads())
for logger in loggers[::2]:
    logger.handlers[0].close()
for logger in loggers[1::2]:
    logger.info("three")
    assert logger.handlers[0].flush(30)
# One that is closed starts again.
loggers[0].info("three")
assert loggers[0].handlers[0].flush(30)
print("most", most, flush=True)
""",
    )
    assert (returned, output.startswith("most ")) == (0, True), output
    assert int(output.split()[1]) <= 2 + 8
    for number in range(30):
        assert fake.messages("g", f"s{number}") == ["one", "two", *["three"] * (number % 2 or number == 0)]


def test_handlers_made_and_closed_in_turn_leave_no_thread_no_socket_and_no_object(fake, run):
    returned, output = run(
        MANY
        + """
import weakref
alive = weakref.WeakSet()
def live(number):
    logger = make(number)
    logger.info("m")
    alive.update([logger.handlers[0], logger.handlers[0]._flusher, logger.handlers[0]._flusher._client])
    logger.handlers[0].close()
    logger.removeHandler(logger.handlers[0])
live(0)
settled(1, threads)
before = threads(), descriptors()
for n in range(1, 31): live(n)
settled(before[0], threads), settled(before[1], descriptors)
gc.collect()
from cwlog_handler.aws import sources
print(threads() - before[0], descriptors() - before[1], len(alive), len(sources._current), flush=True)
""",
    )
    assert (returned, output) == (0, "0 0 0 0\n")
    assert all(fake.messages("g", f"s{number}") == ["m"] for number in range(31))


def test_an_endpoint_that_is_deaf_delays_nobody_who_has_another(fake, run, deaf):
    """Twenty tenants log to it, each to several streams: all that could hang hangs."""
    returned, output = run(
        MANY
        + HANGING
        + f"""
stuck = [make(f"-{{n}}/{{{{logger_name}}}}", endpoint_url={deaf!r}, close_timeout=1) for n in range(20)]
well = [make(n) for n in range(10)]
most = 0
for n in range(4):
    for logger in stuck:
        logging.getLogger(f"{{logger.name}}.{{n}}").info("m")
        most = max(most, threads())
# All that may hang does so before anybody else comes: the last of the eight threads is left to other endpoints.
while sockets() < 7: time.sleep(0.01)
for text in ("one", "two", "three"):
    for logger in well: logger.info(text)
    for logger in well:
        assert logger.handlers[0].flush(50), "behind those that hang"
        most = max(most, threads())
assert all(logger.handlers[0].stats.pending for logger in stuck)
print("most", most, flush=True)
""",
        close_timeout=1,
    )
    assert returned == 0, output
    lines = output.splitlines()
    assert int(lines[0].split()[1]) <= 2 + 8
    assert all(fake.messages("g", f"s{number}") == ["one", "two", "three"] for number in range(10))
    assert all("4 events not delivered at exit" in line for line in lines[1:]), output
    assert len(lines) == 1 + 20


def test_who_makes_its_first_handler_while_another_one_hangs_with_all_threads_delivers(fake, run, deaf):
    """Eight requests of one handler hang, for longer than a flush waits."""
    returned, output = run(
        MANY
        + HANGING
        + f"""
stuck = make("-/{{logger_name}}", endpoint_url={deaf!r}, close_timeout=1)
for n in range(20): logging.getLogger(f"{{stuck.name}}.{{n}}").info("m")
# It has all eight threads.
while sockets() < 8: time.sleep(0.01)
well = make(1)
well.info("m")
assert well.handlers[0].flush(50), "behind those that hang"
print("well", flush=True)
""",
        close_timeout=1,
    )
    assert (returned, output.splitlines()[0]) == (0, "well"), output
    assert fake.messages("g", "s1") == ["m"]


def test_each_handler_has_its_own_deadline_at_exit(fake, run):
    """One whose requests are refused takes no time from the others, and they lose nothing for it."""
    returned, output = run(
        MANY
        + """
refused = make("0", endpoint_url="http://127.0.0.1:9", close_timeout=0.5)
refused.info("m")
for n in range(1, 11): make(n).info("last")
""",
    )
    assert returned == 0
    # Whether the third failure, which is told, comes before its deadline is chance.
    told = [line for line in output.splitlines() if "stream 's0': no delivery, trying on" not in line]
    assert len(told) == 1, output
    assert "1 events not delivered at exit" in told[0]
    assert all(fake.messages("g", f"s{number}") == ["last"] for number in range(1, 11))


def test_a_child_has_handlers_threads_and_connections_of_its_own(fake, run):
    returned, output = run(
        MANY
        + """
loggers = [make(n) for n in range(10)]
for logger in loggers: logger.info("parent")
for logger in loggers: assert logger.handlers[0].flush(30)
child = os.fork()
for logger in loggers: logger.info("child" if child == 0 else "parent again")
if child == 0:
    for logger in loggers: assert logger.handlers[0].flush(30)
    print(threads(), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""",
    )
    assert returned == 0, output
    assert int(output) <= 2 + 8
    for number in range(10):
        assert sorted(fake.messages("g", f"s{number}")) == ["child", "parent", "parent again"]


def test_handlers_with_a_spool_on_one_disk_share_a_thread_and_others_do_not_wait_for_it(fake, run, tmp_path):
    returned, output = run(
        MANY
        + f"""
disk = [make(n, spool_dir={str(tmp_path / "spool")!r}) for n in range(3)]
memory = [make(n) for n in range(3, 6)]
# A disk that hangs, as one on a network does.
from cwlog_handler.spool.spool import Spool
hangs, entered = threading.Event(), threading.Event()
of_disk = Spool.tidy
def tidy(spool):
    entered.set()
    hangs.wait(60)
    return of_disk(spool)
Spool.tidy = tidy
for logger in disk: logger.info("m")
assert entered.wait(30)
for logger in memory: logger.info("m")
for logger in memory: assert logger.handlers[0].flush(30)
hangs.set()
for logger in disk: assert logger.handlers[0].flush(30)
carriers = [logger.handlers[0]._flusher.driver._carrier for logger in disk + memory]
print(len(set(carriers[:3])), len(set(carriers)))
""",
    )
    assert (returned, output) == (0, "1 2\n")
