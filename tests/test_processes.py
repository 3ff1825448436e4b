"""Real processes: how they start, fork and end. Each program logs to the strict fake over HTTP, served here."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from cwlog_handler.testing import faults

PRELUDE = """
import atexit, logging, os, signal, sys, threading, time
from cwlog_handler import CloudWatchLogsHandler
# Whoever runs these tests in the background may have it ignored, which children inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
handler = CloudWatchLogsHandler("g", {stream!r}, endpoint_url={url!r}, **{options!r})
log = logging.getLogger("program")
log.setLevel(logging.DEBUG)
log.addHandler(handler)
"""


@pytest.fixture
def program(fake):
    """Run a program to its end; return its exit status and what it wrote to stderr."""
    with fake.serve() as url:

        def run(source, *, stream="s", **options):
            text = PRELUDE.format(stream=stream, url=url, options=options) + textwrap.dedent(source)
            path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
            done = subprocess.run(
                [sys.executable, "-c", text],
                capture_output=True,
                text=True,
                timeout=60,
                env={**os.environ, "PYTHONPATH": path},
            )
            return done.returncode, done.stderr

        yield run


ENDINGS = {
    "normal end": ("log.info('last')", 0),
    "sys.exit": ("log.info('last'); sys.exit(3)", 3),
    "unhandled exception": ("log.info('last'); raise RuntimeError", 1),
    "ctrl-c": ("log.info('last'); os.kill(os.getpid(), signal.SIGINT); signal.pause()", -signal.SIGINT),
    "sigterm handled": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); log.info('last'); "  # noqa: ISC004
        "os.kill(os.getpid(), signal.SIGTERM); signal.pause()",
        4,
    ),
    "a thread that still logs": (
        "threading.Timer(0.3, lambda: log.info('last')).start()",
        0,
    ),
    "an atexit callback registered before logging's": (
        "logging.raiseExceptions = True; atexit.register(lambda: log.info('last'))",
        0,
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_whatever_way_a_program_ends_its_last_record_arrives(fake, program, name):
    """F25, F26."""
    source, status = ENDINGS[name]
    returned, stderr = program(source)
    assert fake.messages("g", "s")[-1:] == ["last"], stderr
    assert returned == status, stderr


@pytest.mark.parametrize("before", ["", "log.info('first'); handler.flush()"])
def test_a_finalizer_that_logs_while_modules_are_torn_down_is_delivered_or_told(fake, program, before):
    """The interpreter imports nothing any more by then: the exit is not held up, and the loss is said."""
    source = f"{before}\nclass Late:\n    def __del__(self): log.info('last')\nlate = Late()"
    returned, stderr = program(source, close_timeout=3600)
    assert returned == 0
    delivered = "g" in fake.groups and "last" in fake.messages("g")
    assert delivered != ("1 events not delivered at exit" in stderr)


def test_records_of_atexit_callbacks_that_run_after_ours_arrive(fake, program):
    """F26: registered before our package was imported, so run after our own exit hook."""
    text = "log.info('first')\n"
    source = text + "handler2 = log.handlers[0]"
    returned, stderr = program(
        source
        + """
import cwlog_handler.lifecycle as lifecycle
atexit.unregister(lifecycle._finish_all)
atexit.register(lambda: log.info('after'))
atexit.register(lifecycle._finish_all)
"""
    )
    assert fake.messages("g", "s") == ["first", "after"], stderr
    assert returned == 0


def test_an_endpoint_that_never_answers_costs_one_deadline_and_one_line(fake, program):
    """F25: however many streams; then it says how many were lost, and why."""
    fake.fail(faults.stall())
    source = "for n in range(10): log.info('%d', n)"
    returned, stderr = program(source, close_timeout=0.5)
    fake.release()
    assert returned == 0
    assert stderr.count("cwlog_handler:") == 1
    assert "10 events not delivered at exit" in stderr


def test_flush_and_close_at_exit_do_not_wait_after_the_deadline_has_gone(fake, program):
    """F43: our exit hook waits first; logging.shutdown, which flushes and closes later, finds nothing left to wait for.

    The marks are before the one and after the other: waiting twice takes at least twice the deadline, on any machine.
    """
    fake.fail(faults.stall())
    returned, stderr = program(
        """
        began = []
        atexit.unregister(logging.shutdown)
        import cwlog_handler.lifecycle as lifecycle
        atexit.unregister(lifecycle._finish_all)
        atexit.register(lambda: print("took", time.monotonic() - began[0], file=sys.stderr))
        atexit.register(logging.shutdown)
        atexit.register(lifecycle._finish_all)
        atexit.register(lambda: began.append(time.monotonic()))
        log.info("last")
        """,
        close_timeout=3.0,
    )
    fake.release()
    assert returned == 0
    assert float(stderr.rpartition("took ")[2]) < 2 * 3.0, stderr


def test_a_forked_child_and_its_parent_deliver_their_own_records_once(fake, program):
    """F27: the parent is busy and half sent; the child starts empty, with a client of its own."""
    source = """
    for n in range(5000): log.info('parent %d', n)
    children = []
    for child in range(5):
        pid = os.fork()
        if pid == 0:
            log.info('child %d', child)
            sys.exit()
        children.append(pid)
    for n in range(5000, 6000): log.info('parent %d', n)
    for pid in children: os.waitpid(pid, 0)
    """
    returned, stderr = program(source, stream="{process_id}")
    assert returned == 0, stderr
    messages = fake.messages("g")
    assert sorted(m for m in messages if m.startswith("child")) == [f"child {n}" for n in range(5)]
    assert [m for m in messages if m.startswith("parent")] == [f"parent {n}" for n in range(6000)]
    assert len(fake.streams("g")) == 6


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_deliver_although_they_end_without_atexit(fake, tmp_path, method):
    """F28: os._exit, no atexit."""
    script = tmp_path / "program.py"
    with fake.serve() as url:
        script.write_text(
            PRELUDE.format(stream="{process_id}", url=url, options={})
            + textwrap.dedent(f"""
            import multiprocessing
            def work(n):
                log.info("child %d", n)
            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                children = [context.Process(target=work, args=(n,)) for n in range(3)]
                for child in children: child.start()
                for child in children: child.join()
                log.info("parent")
            """)
        )
        path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": path},
        )
    assert sorted(fake.messages("g")) == ["child 0", "child 1", "child 2", "parent"], done.stderr
