"""Fork: parent's and children's records all arrive once, each process in its own stream, and no lock stays held."""

import subprocess
import sys
import textwrap

import pytest

from cwlog_handler.record.names import DEFAULT_LOG_STREAM_NAME

from ..programs import HANG_LIMIT
from .conftest import arrived


@pytest.fixture
def run_forking(run):
    """Run a program whose `say` logs a text with the process id, and whose `fork` runs a function in a child."""

    def run_forking(source, **options):
        prelude = """
def say(text): log.info("%d %s", os.getpid(), text)
def fork(work):
    pid = os.fork()
    if pid == 0:
        work()
        sys.exit()
    return pid
def reap(*pids):
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
"""
        return run(prelude + textwrap.dedent(source), **{"stream": DEFAULT_LOG_STREAM_NAME, **options})

    return run_forking


def test_a_busy_half_sent_parent_and_its_children_deliver_their_own_records_once(fake, run_forking):
    """F27: the child starts empty, with a client of its own."""
    source = """
    for n in range(5000): say(f"parent {n}")
    children = [fork(lambda: say(f"child {child}")) for child in range(5)]
    for n in range(5000, 6000): say(f"parent {n}")
    reap(*children)
    """
    returned, output = run_forking(source)
    assert (returned, output) == (0, "")
    expected = [f"parent {n}" for n in range(6000)]
    assert arrived(fake) == sorted(expected + [f"child {n}" for n in range(5)])
    (parents,) = [s for s in fake.streams("g") if len(fake.messages("g", s)) > 1]
    assert [m.split(" ", 1)[1] for m in fake.messages("g", parents)] == expected


FAMILIES = {
    "grandchildren": (
        """
        def child():
            say("child")
            reap(fork(lambda: say("grandchild")))
            say("child again")
        say("parent")
        reap(fork(child))
        """,
        ["child", "child again", "grandchild", "parent"],
    ),
    "a fork in a thread": (
        """
        def child():
            say("child")
            assert handler.flush(30)
            os._exit(0)
        say("parent")
        thread = threading.Thread(target=lambda: reap(fork(child)))
        thread.start(); thread.join()
        """,
        ["child", "parent"],
    ),
    "a handler closed before the fork": (
        """
        say("parent")
        handler.close()
        reap(fork(lambda: say("child")))
        say("parent again")
        """,
        ["child", "parent", "parent again"],
    ),
    "a child that closes the handler": (
        """
        def child():
            say("child"); handler.close(); say("child again")
        say("parent")
        reap(fork(child))
        say("parent again")
        """,
        ["child", "child again", "parent", "parent again"],
    ),
    "a child that flushes and ends without atexit": (
        """
        def child():
            say("child")
            os._exit(0 if handler.flush(30) else 9)
        say("parent")
        reap(fork(child))
        """,
        ["child", "parent"],
    ),
    "a parent that has logged nothing": ("reap(fork(lambda: say('child')))", ["child"]),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_member_of_a_family_of_processes_delivers_its_own(fake, run_forking, name):
    """F27."""
    source, expected = FAMILIES[name]
    returned, output = run_forking(source)
    assert (returned, output) == (0, "")
    assert arrived(fake) == expected


def test_forks_during_the_first_connection_leave_every_child_able_to_deliver(fake, run_forking):
    """F27: the client is being made in a thread of ours at that moment."""
    source = """
    from cwlog_handler.process import forks
    # A fork waits for a client that is being made, but no longer than two seconds. A busy machine may need more.
    forks.no_fork._patience = 50.0
    children = []
    def child():
        say("child")
        os._exit(0 if handler.flush(50) else 9)
    for n in range(12):
        log.removeHandler(handler)
        handler = CloudWatchLogsHandler("g", flush_level=0, close_timeout=50.0)
        log.addHandler(handler)
        say("parent")
        time.sleep(n * 0.003)
        children.append(fork(child))
    reap(*children)
    """
    returned, output = run_forking(source)
    assert (returned, output) == (0, "")
    assert arrived(fake) == ["child"] * 12 + ["parent"] * 12


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_200_forks_while_other_threads_hold_logging_s_locks(run_forking, tmp_path):
    """F27: every child logs; every second one ends as multiprocessing's do, after a flush."""
    source = """
    class Client:
        def put_log_events(self, *, logStreamName, logEvents, **_):
            for event in logEvents:
                os.write(out, f"{logStreamName} {event['message']}\\n".encode())
            return {}
    log.removeHandler(handler)
    handler = CloudWatchLogsHandler("g", "{process_id}", boto3_client=Client(), requests_per_second=None)
    log.addHandler(handler)
    class Slow(logging.Handler):
        def emit(self, record): time.sleep(0.0002)
    log.addHandler(Slow())
    out = os.open("arrived", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    parent, stop = os.getpid(), threading.Event()
    def busy(work):
        def again():
            while not stop.is_set() and os.getpid() == parent:
                work()
                time.sleep(0.002)
        thread = threading.Thread(target=again)
        thread.start()
        return thread
    count = iter(range(1_000_000))
    threads = [
        busy(lambda: say(f"parent {next(count)}")),
        busy(lambda: logging.getLogger("program.more").setLevel(10)),
        busy(lambda: (handler.flush(), handler.stats)),
        busy(lambda: (handler.acquire(), time.sleep(0.0002), handler.release())),
    ]
    def child(n):
        say(f"child {n}")
        if n % 2: os._exit(0 if handler.flush(30) else 9)
        # The other threads are not here: there is nothing to wait for.
    children = []
    for n in range(200):
        children.append(fork(lambda: child(n)))
        if len(children) == 8:
            reap(*children)
            children = []
    reap(*children)
    stop.set()
    for thread in threads: thread.join()
    print("logged", next(count))
    """
    # 200 processes take long where much else runs.
    returned, output = run_forking(source, within=360.0)
    assert returned == 0, output
    said = [line.split(" ", 2) for line in (tmp_path / "arrived").read_text().splitlines()]
    assert all(stream == pid for stream, pid, _ in said)
    texts = [text for _, _, text in said]
    logged = int(output.rpartition("logged ")[2])
    assert [t for t in texts if t.startswith("parent")] == [f"parent {n}" for n in range(logged)]
    assert sorted(t for t in texts if t.startswith("child")) == sorted(f"child {n}" for n in range(200))


def test_a_fork_while_a_thread_of_ours_imports_does_not_silence_the_child(fake, run_forking):
    """F27: the lock of a module that is being imported stays held in the child for ever."""
    source = """
    import importlib.machinery
    importing, go_on = threading.Event(), threading.Event()
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if threading.current_thread() is threading.main_thread() or os.getpid() != parent: return None
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None: spec.loader = Slow(spec.loader)
            return spec
    class Slow:
        def __init__(self, loader): self.loader = loader
        def create_module(self, spec): return self.loader.create_module(spec)
        def exec_module(self, module):
            importing.set()
            go_on.wait(50)
            self.loader.exec_module(module)
    parent = os.getpid()
    sys.meta_path.insert(0, Finder())
    def child():
        say("child")
        os._exit(0 if handler.flush(30) else 9)
    say("parent")
    while not (importing.is_set() or handler.stats.delivered): time.sleep(0.01)
    pid = fork(child)
    status = os.waitpid(pid, 0)[1]
    go_on.set()
    sys.exit(os.WEXITSTATUS(status))
    """
    returned, output = run_forking(source)
    assert arrived(fake) == ["child", "parent"], output
    assert returned == 0, output


def test_no_thread_of_a_child_is_taken_for_one_of_the_parents_in_a_call_of_ours():
    """It may get the same number: its own calls on a client that it shares with us would be made ours."""
    source = """
import os, threading
from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.aws import hooks
handler = CloudWatchLogsHandler("g", "s", region_name="eu-west-1", endpoint_url="http://127.0.0.1:9")
in_call, over = threading.Event(), threading.Event()
def call():
    with hooks.our_call(body=b"the parent's"):
        in_call.set()
        over.wait()
thread = threading.Thread(target=call)
thread.start()
in_call.wait()
pid = os.fork()
if pid == 0:
    os._exit(len(hooks._ours))
over.set()
thread.join()
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", source], check=False, timeout=HANG_LIMIT).returncode == 0
