"""gevent and eventlet without a server around them, patching before our import or after."""

import pytest

from cwlog_handler.aws import making
from cwlog_handler.testing import faults
from tests.programs import AT_TEARDOWN, python, started

PATCHING = {
    "gevent": "from gevent import monkey, sleep, spawn; monkey.patch_all()",
    "eventlet": "from eventlet import monkey_patch, sleep, spawn; monkey_patch()",
}
PATCHED = """
{before}
import logging, time
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "{{level_name}}")
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(handler)
{between}
{after}
"""
PROGRAM = f"""
{PATCHED}
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        sleep(0.01)
spawn(tick)
log.info("m")
print("flushed", handler.flush(1.0), flush=True)
# A busy machine may hold the whole program up for a second, a flush that takes the loop with it does so each time.
while True:
    before = ticks
    handler.flush(1.0)
    if ticks - before > 5:
        break
print("ticked", flush=True)
"""
WHEN = {
    "before the import": ("{patching}", "", ""),
    "after the import": ("", "", "{patching}"),
    "after the first record": ("", 'log.warning("first"); assert handler.flush()', "{patching}"),
}
STREAMS = """
{before}
import logging
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "{{logger_name}}", send_interval=0)
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(handler)
{between}
{after}
for number in range(3):
    for stream in range(20):
        log.getChild(str(stream)).info("%d", number)
    assert handler.flush(60)
stats = handler.stats
print(stats.delivered, "delivered,", stats.possibly_duplicated, "possibly duplicated,", stats.last_error)
"""
FORKED = """
import logging, os
from cwlog_handler import CloudWatchLogsHandler
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(CloudWatchLogsHandler("g", "{{level_name}}"))
{between}
if pid := os.fork():
    status = os.waitpid(pid, 0)[1]
    raise SystemExit(os.waitstatus_to_exitcode(status))
{patching}
for number in range(5):
    log.info("%d", number)
    sleep(0.01)
"""


@pytest.fixture(params=PATCHING)
def patching(request):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return PATCHING[request.param]


def program(source, patching, when):
    before, between, after = (step.format(patching=patching) for step in WHEN[when])
    return python("-W", "ignore", "-c", source.format(before=before, between=between, after=after))


@pytest.mark.parametrize("when", WHEN)
def test_a_flush_lets_other_greenlets_go_on_while_the_endpoint_stalls(fake, patching, when):
    """F31, F65: whoever waits for a native thread must not take the loop with it."""
    fake.create("g", "INFO", "WARNING")
    fake.fail(faults.stall(), stream="INFO")
    with fake.serve() as url, started(program(PROGRAM, patching, when), url=url) as shop:
        shop.wait_for("flushed False")
        shop.wait_for("ticked")
        fake.clear_faults()
        fake.release()
        assert shop.wait() == 0, shop.output
    # What had no answer was sent again, and the service takes all that it holds.
    assert set(fake.messages("g", "INFO")) == {"m"}
    assert fake.messages("g", "WARNING") == (["first"] if "first" in when else [])


@pytest.mark.parametrize("when", WHEN)
def test_requests_of_many_streams_go_out_once_each(fake, patching, when):
    """F65: the threads that make them share a client, and connections are used again."""
    with fake.serve() as url, started(program(STREAMS, patching, when), url=url) as shop:
        assert shop.wait() == 0, shop.output
    count = 61 if "first" in when else 60
    assert shop.output == f"{count} delivered, 0 possibly duplicated, None\n"
    found = {tuple(fake.messages("g", f"program.{stream}")) for stream in range(20)}
    assert found == {("0", "1", "2")}


@pytest.mark.parametrize("quiet", [True, False], ids=["made before", "sent before"])
def test_a_worker_that_patches_after_the_fork_delivers(fake, patching, quiet):
    """F27, F65: as gunicorn's workers do with --preload, or where the server configures logging."""
    between = "" if quiet else 'log.warning("master"); log.handlers[0].flush()'
    argv = python("-W", "ignore", "-c", FORKED.format(between=between, patching=patching))
    with fake.serve() as url, started(argv, url=url) as shop:
        assert shop.wait() == 0, shop.output
    assert shop.output == ""
    assert fake.messages("g", "INFO") == ["0", "1", "2", "3", "4"]
    assert fake.messages("g", "WARNING") == ([] if quiet else ["master"])


READING = """
import logging
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "s")
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(handler)
log.info("first")
assert handler.flush()
{patching}
books = handler._flusher.rounds._books.lock
def let_go():
    sleep(0.2)
    books.release()
# As in the middle of a round of the handler's thread.
books.acquire()
spawn(lambda: handler.stats)
sleep(0.01)
spawn(let_go)
log.info("second")
print(handler.flush(60))
"""


@pytest.mark.parametrize("library", PATCHING)
def test_a_greenlet_that_waits_for_the_counts_keeps_no_other_from_flushing(fake, library):
    """F29: patched late, all greenlets of a thread have its number; only one that was interrupted must not wait."""
    pytest.importorskip(library)
    source = READING.format(patching=PATCHING[library])
    with fake.serve() as url, started(python("-W", "ignore", "-c", source), url=url) as program:
        assert program.wait() == 0, program.output
    assert program.output == "True\n"
    assert fake.messages("g", "s") == ["first", "second"]


BESIDE_ANOTHER = """
import logging, time
from cwlog_handler import CloudWatchLogsHandler
sleep_natively = time.sleep
log = logging.getLogger()
log.setLevel(logging.DEBUG)
log.addHandler(CloudWatchLogsHandler("g", "s"))
of_libraries = []
class Slow(logging.Handler):
    def emit(self, record):
        if record.name.startswith(("boto", "urllib3")):
            of_libraries.append(record.getMessage())
            sleep_natively(0.005)
log.addHandler(Slow())
{patching}
served = False
def serve():
    global served
    for number in range(100):
        log.info("%d", number)
        sleep(0.01)
    logging.getLogger("botocore.hooks").info("the program's")
    served = True
spawn(serve)
give_up = time.monotonic() + 20
while not served and time.monotonic() < give_up:
    sleep(0.01)
print(served, of_libraries, log.handlers[0].flush(60))
"""


@pytest.mark.parametrize("library", PATCHING)
def test_what_our_requests_log_keeps_no_greenlet_from_logging(fake, library):
    """F31: a handler beside ours has a green lock, which may wake no greenlet again that has waited for our thread."""
    pytest.importorskip(library)
    source = BESIDE_ANOTHER.format(patching=PATCHING[library])
    with fake.serve() as url, started(python("-W", "ignore", "-c", source), url=url) as program:
        assert program.wait() == 0, program.output
    assert program.output == 'True ["the program\'s"] True\n'
    assert fake.messages("g", "s") == [*map(str, range(100)), "the program's"]


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("arguments", ["", "thread=False"], ids=["everything", "no threads"])
def test_the_first_request_may_be_that_of_the_end(fake, patching, arguments, when):
    """F24, F31: gevent looks names up with a module that Python lets nobody load any more once its end has begun."""
    argv = program(f'{PATCHED}log.info("m")', f"{patching[:-1]}{arguments})", when)
    with fake.serve() as url, started(argv, url=url) as ending:
        assert ending.wait() == 0, ending.output
    assert ending.output == ""
    assert fake.messages("g", "INFO") == ["m"]


TORN_DOWN = """
import logging, os
from cwlog_handler import CloudWatchLogsHandler
class Client:
    class meta:
        region_name = "eu-west-1"
        endpoint_url = "http://127.0.0.1:9"
        class service_model:
            service_name = "logs"
    def put_log_events(self, **_): return {}
handler = CloudWatchLogsHandler("g", "s", boto3_client=Client())
from gevent import monkey
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(handler)
def say_last(write=os.write, log=log, handler=handler):
    log.info("last")
    write(1, f"{handler.stats.delivered} {handler.stats.pending}".encode())
at_teardown(say_last)
"""


def test_what_gevent_needs_keeps_no_finalizer_from_delivering_where_it_cannot_be_loaded_any_more():
    """F61: the program may have loaded gevent and use nothing of it."""
    pytest.importorskip("gevent")
    with started(python("-W", "ignore", "-c", AT_TEARDOWN + TORN_DOWN), url="http://127.0.0.1:9") as program:
        assert program.wait() == 0, program.output
    assert program.output == "1 0"


def test_what_gevent_needs_is_loaded_with_the_handler_if_gevent_is_there():
    """Later a fork might have to wait for it, or a record of the end."""
    pytest.importorskip("gevent")
    source = """
import sys
from gevent import monkey
from cwlog_handler import CloudWatchLogsHandler
CloudWatchLogsHandler("g", "s")
print("concurrent.futures.thread" in sys.modules)
"""
    with started(python("-W", "ignore", "-c", source), url="http://127.0.0.1:9") as program:
        assert program.wait() == 0, program.output
    assert program.output == "True\n"


@pytest.mark.parametrize("error", [ImportError, RuntimeError])
def test_what_cannot_be_loaded_for_another_reason_than_the_end_is_left_alone(monkeypatch, error):
    """What is done at the end would keep the program from ever using a thread pool."""
    asked = []

    def import_module(name):
        asked.append(name)
        raise error

    monkeypatch.setattr(making, "import_module", import_module)
    making.load_thread_pool()
    assert asked == ["concurrent.futures.thread"]


FORKED_MEANWHILE = """
import importlib.abc, importlib.machinery, importlib.util, logging, os, signal, sys, threading, time
is_loading = threading.Event()
class Slow(importlib.machinery.SourceFileLoader):
    def exec_module(self, module):
        is_loading.set()
        # As from a slow disk. The fork cannot be waited for: it may have to wait for this.
        time.sleep(0.3)
        super().exec_module(module)
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "concurrent.futures.thread":
            origin = importlib.machinery.PathFinder.find_spec(name, path).origin
            return importlib.util.spec_from_file_location(name, origin, loader=Slow(name, origin))
from cwlog_handler import CloudWatchLogsHandler
log = logging.getLogger("program")
log.setLevel(logging.INFO)
log.addHandler(CloudWatchLogsHandler("g", "s", send_interval=0))
from gevent import monkey
monkey.patch_socket()
sys.meta_path.insert(0, Finder())
log.info("m")
assert is_loading.wait(50)
if not os.fork():
    signal.alarm(50)
    import concurrent.futures.thread
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_child_forked_while_what_gevent_needs_is_loaded_can_load_it_too(fake):
    """F27: it would wait for the lock of a thread that does not exist there."""
    pytest.importorskip("gevent")
    with fake.serve() as url, started(python("-W", "ignore", "-c", FORKED_MEANWHILE), url=url) as program:
        assert program.wait() == 0, program.output
    # Before it, Python may complain that the module has asked to be told of forks while one was being prepared.
    assert program.output.endswith("7\n")
    assert fake.messages("g", "s") == ["m"]
