"""Exit: however a program ends, all arrives when the endpoint is well; when it is not, one deadline and one line."""

import signal
import textwrap

import pytest

from cwlog_handler.testing import connection_refused

from ..programs import AT_TEARDOWN
from .conftest import MODES, assert_told_or_delivered

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
    "sigterm that nobody handles": (
        "log.info('last'); os.kill(os.getpid(), signal.SIGTERM); signal.pause()",
        -signal.SIGTERM,
    ),
    "a closed handler": ("handler.close(); log.info('last')", 0),
    "logging shut down": ("logging.shutdown(); log.info('last')", 0),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_whatever_way_a_program_ends_its_last_record_arrives(fake, run, name):
    """F25, F26: the only record there is, and the end follows at once."""
    source, status = ENDINGS[name]
    returned, output = run(source)
    assert fake.messages("g", "s") == ["last"], output
    assert returned == status, output


LATE = {
    "a thread that still logs": (
        "",
        """
        def work():
            threading.main_thread().join()
            say()
        threading.Thread(target=work).start()
        """,
    ),
    "an atexit callback that runs before ours": ("", "atexit.register(lambda: say())"),
    "an atexit callback that runs after ours": ("import atexit, logging\natexit.register(lambda: say())", ""),
    "an atexit callback that runs after logging's": ("import atexit\natexit.register(lambda: say())", ""),
    "a finalizer of an object that lives": ("", "import weakref\nweakref.finalize(log, lambda: say())"),
}


@pytest.mark.parametrize("before", ["", "log.info('first'); handler.flush()"], ids=["first ever", "not the first"])
@pytest.mark.parametrize("name", LATE)
def test_records_logged_while_the_interpreter_ends_arrive(fake, run, name, before):
    """F26: also the first ever, where 3.12.1 starts no thread any more."""
    first, source = LATE[name]
    say = "def say():\n    for n in range(3): log.info('last %d', n)\n"
    returned, output = run(f"{say}{before}\n{textwrap.dedent(source)}", first=first)
    assert [m for m in fake.messages("g", "s") if m != "first"] == ["last 0", "last 1", "last 2"], output
    assert (returned, output) == (0, "")


REPLACE = """
log.removeHandler(handler)
handler = CloudWatchLogsHandler("g", close_timeout=0.1, {})
log.addHandler(handler)
"""
TORN_DOWN = {
    "at first": "",
    "after another": "log.info('first'); handler.flush()",
    "after close": "log.info('first'); handler.close()",
    "after an exit in vain": f"""
class Client:
    def put_log_events(self, **_): raise OSError
{REPLACE.format("boto3_client=Client()")}
log.info("first")
""",
    "beside a daemon thread in the middle of a request": f"""
class Client:
    def put_log_events(self, **_): called.set(); time.sleep(3600)
{REPLACE.format("boto3_client=Client(), use_queues=False")}
called = threading.Event()
threading.Thread(target=log.info, args=("first",), daemon=True).start()
called.wait()
""",
}


@pytest.mark.parametrize("asked", ["", "; handler.flush()", "; handler.close()"], ids=["", "flush", "close"])
@pytest.mark.parametrize("before", TORN_DOWN)
def test_a_finalizer_that_logs_while_modules_are_torn_down_is_delivered_or_told(fake, run, before, asked):
    """F61: Python imports nothing any more by then, and waits for no lock. The loss is said, at once."""
    late = f"class Late:\n    def __del__(self): log.info('last'){asked}\nlate = Late()"
    returned, output = run(f"{TORN_DOWN[before]}\n{late}", close_timeout=3600)
    assert_told_or_delivered(fake, returned, output)


@pytest.mark.parametrize("mode", ["without queues", "blocking"])
def test_what_modes_deliver_or_tell_of_a_finalizer_that_logs_while_modules_are_torn_down(fake, run, mode):
    """F61: also where the caller waits for more than the others do."""
    late = "class Late:\n    def __del__(self): log.info('last'); log.info('last')\nlate = Late()"
    # Nobody makes room any more: to wait for it is to wait in vain.
    returned, output = run(late, **MODES[mode] | {"block_timeout": 3600}, close_timeout=3600)
    assert_told_or_delivered(fake, returned, output)


@pytest.mark.parametrize(("before", "events"), [("log.info('first')", 2), ("", 1)], ids=["second", "first"])
def test_what_a_finalizer_logs_while_modules_are_torn_down_goes_to_disk_in_an_outage(
    fake, run, tmp_path, before, events
):
    """F61: what is loaded already cannot be imported either by then, nor found among the modules."""
    fake.fail(connection_refused(), times=None)
    source = """
    BEFORE
    class Late:
        def __del__(self, os=os, handler=handler):
            log.info("last")
            os.write(1, f"{handler.stats.pending} {handler.stats.spooled}".encode())
    late = Late()
    """.replace("BEFORE", before)
    _, output = run(source, spool_dir=str(tmp_path / "spool"), close_timeout=0.5)
    assert output.endswith(f"{events} {events}"), output
    assert "unexpected" not in output


def test_what_a_finalizer_logs_is_told_where_the_handlers_thread_stopped_in_the_middle_of_a_round(fake, run, tmp_path):
    """F61: Python lets it go on no more, and it has the lock without which nothing goes to disk. One line more."""
    fake.fail(connection_refused(), times=None)
    source = """
    from cwlog_handler.delivery.dispatch import Dispatch
    decide, is_stopped = Dispatch.decide, threading.Event()
    def stop(*arguments, **more):
        if ends.is_set():
            is_stopped.set()
            # For good: the program has ended long before.
            time.sleep(3600)
        return decide(*arguments, **more)
    Dispatch.decide = stop
    ends = threading.Event()
    log.info("first")
    handler.flush(0.1)
    atexit.register(lambda: (ends.set(), log.error("second"), is_stopped.wait(50)))
    def say_last(log=log, write=os.write):
        for _ in range(3):
            log.info("last")
        write(1, b"said")
    at_teardown(say_last)
    """
    _, output = run(source, first=AT_TEARDOWN, spool_dir=str(tmp_path / "spool"), close_timeout=0.5)
    exit_line, late_line, said = output.splitlines()
    assert "2 events not delivered at exit" in exit_line
    assert "is neither delivered nor kept in spool_dir" in late_line
    assert said == "said"


def test_a_daemon_thread_that_logs_for_ever_does_not_hold_up_the_exit(fake, run):
    """F25, F33: what comes in while the last of it is delivered has the deadline as its end."""
    source = """
    # The client is there: to make it takes longer than the exit has on a busy machine.
    log.info("first")
    assert handler.flush(50)
    log.info("mine")
    def work():
        while True:
            log.info("more")
            time.sleep(0.0001)
    threading.Thread(target=work, daemon=True).start()
    """
    returned, output = run(source, close_timeout=4)
    assert returned == 0, output
    assert "mine" in fake.messages("g", "s")


DEATHS = {
    "kill": ("", signal.SIGKILL, -signal.SIGKILL),
    "os._exit": ("signal.signal(signal.SIGUSR1, lambda *_: os._exit(5))", signal.SIGUSR1, 5),
}


@pytest.mark.parametrize("name", DEATHS)
def test_an_unannounced_death_costs_only_what_is_younger_than_the_send_interval_and_a_request(fake, start, name):
    """F28: what was logged earlier has arrived without anybody's doing, in order and once."""
    source, number, status = DEATHS[name]
    more = """
    def work():
        for n in range(1_000_000):
            log.info("%d", n)
            if n % 100 == 99: time.sleep(0.01)
    threading.Thread(target=work).start()
    while True: signal.pause()
    """
    program = start(f"{source}\n{textwrap.dedent(more)}", send_interval=0.2)
    assert fake.wait_for(lambda: len(fake.messages("g", "s")) > 200)
    program.signal(number)
    assert program.wait() == status, program.output
    got = fake.messages("g", "s")
    assert got == [str(n) for n in range(len(got))]


def test_a_quiet_programs_record_is_safe_from_a_kill_once_the_interval_is_over(fake, start):
    """F28, F32: nobody logs after it, and nobody flushes."""
    program = start("log.info('m'); signal.pause()")
    assert fake.wait_for(lambda: fake.messages("g", "s") == ["m"])
    program.signal(signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert fake.messages("g", "s") == ["m"]


def test_a_handler_made_while_the_interpreter_ends_delivers(fake, run):
    """F26: our own exit hook has run by then."""
    source = """
    def late():
        log.addHandler(CloudWatchLogsHandler("g", "late", close_timeout=50))
        log.info("last")
    """
    returned, output = run(source, first="import atexit\natexit.register(lambda: late())")
    assert fake.messages("g", "late") == ["last"], output
    assert returned == 0
