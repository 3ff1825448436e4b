"""The end of a process, and what the program's own function gets of all that is lost by then."""

import json
import signal

import pytest

from cwlog_handler.testing import reset_before_commit

# A handler whose service is down, and whose function writes what is lost to a file, a document for each event.
DOWN = """
import dataclasses, json
class Client:
    def put_log_events(self, **_): raise OSError("down")
before_telling = lambda: None
def on_lost(events):
    before_telling()
    with open("lost", "a") as file:
        for event in events:
            file.write(json.dumps(dataclasses.asdict(event)) + chr(10))
log.removeHandler(handler)
known = {{"boto3_client": Client(), "on_lost": on_lost, "close_timeout": 1.0}}
handler = CloudWatchLogsHandler("g", "s", **{{**known, **{options}}})
# For the function there is time enough, also on a busy machine; a part of `close_timeout` is what there is elsewhere.
flusher = handler._flusher
for part in flusher, flusher._exit: part._close_timeout += {kept}
flusher._kept = flusher._exit.kept = {kept}
log.addHandler(handler)
"""
# The end says why, as far as a try has failed.
UNTIL_IT_HAS_FAILED = "while not handler.stats.last_error: handler.flush(0.1)\n"
ENDS = {
    "normal end": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "sigterm that nobody handles": ("os.kill(os.getpid(), signal.SIGTERM); signal.pause()", -signal.SIGTERM),
    "a flush in vain as last statement": ("handler.flush()", 0),
    "a closed handler": ("handler.close()", 0),
    "logging shut down": ("logging.shutdown()", 0),
}


def down(kept=50.0, **options):
    return DOWN.format(options=options, kept=kept)


@pytest.fixture
def lost(tmp_path):
    """What was written to the file so far."""

    def lost():
        path = tmp_path / "lost"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return lost


@pytest.mark.parametrize("options", [{}, {"use_queues": False, "close_timeout": 0.1}], ids=["thread", "no thread"])
@pytest.mark.parametrize("name", ENDS)
def test_however_a_program_ends_what_is_left_is_told(run, lost, name, options):
    """Each record once, with its level; and stderr says how many there are."""
    ending, status = ENDS[name]
    logging = "for n in range(3): log.warning('last %d', n)\n"
    returned, output = run(down(**options) + logging + UNTIL_IT_HAS_FAILED + ending)
    assert [(e["text"], e["level"], e["counted_as"], e["reason"]) for e in lost()] == [
        (f"last {n}", 30, "pending", "exit") for n in range(3)
    ], output
    assert returned == status, output
    assert "3 events not delivered at exit: OSError: down" in output or name == "a closed handler"


@pytest.mark.parametrize("use_queues", [True, False])
def test_what_a_handler_in_front_hands_on_too_late_is_told(run, lost, use_queues):
    """F57: `logging.shutdown` has it hand on its records after our own exit, which had delivered everything."""
    source = (
        down(use_queues=use_queues)
        + """
import logging.handlers
log.removeHandler(handler)
log.addHandler(logging.handlers.MemoryHandler(100, flushLevel=100, target=handler))
log.info("handed on")
"""
    )
    _, output = run(source)
    assert [(event["text"], event["reason"]) for event in lost()] == [("handed on", "exit")], output


def test_after_ctrl_c_at_the_exit_what_is_left_is_told(start, lost):
    """F25: the exit waits no longer, and neither stderr nor the function is left without a word."""
    source = down(close_timeout=3600) + "\natexit.register(print, 'ending', flush=True); log.info('impatient')"
    program = start(source)
    program.wait_for("no delivery, trying on")
    program.signal(signal.SIGINT)
    program.wait(60.0)
    assert [(event["text"], event["reason"]) for event in lost()] == [("impatient", "exit")], program.output
    assert "1 events not delivered at exit" in program.output


def test_more_than_may_wait_for_the_function_is_told_at_the_end(run, lost):
    """50,000 records of 100 bytes: the end waits for room, as long as there is time."""
    source = down() + "\nfor n in range(50_000): log.info('%0100d', n)\n"
    # Time is short for delivery, not for the function.
    source += "flusher._exit.flushed(False, float('inf'))\n"
    _, output = run(source)
    assert [int(event["text"]) for event in lost()] == list(range(50_000)), output


@pytest.mark.parametrize("ending", ["normal end", "sigterm that nobody handles"])
def test_a_function_that_hangs_takes_no_time_from_that_of_another_handler(run, lost, ending):
    """All that is left is reported before anybody waits for a function."""
    hanging = """
# Handlers come to their end in any order: most likely one of these does first.
for n in range(6):
    hanging = CloudWatchLogsHandler("other", "s", close_timeout=4.0, on_lost=lambda _: threading.Event().wait())
    log.addHandler(hanging)
log.info("")
before_telling = lambda: time.sleep(0.3)
"""
    this = down(close_timeout=4.0).replace("before_telling = lambda: None", "")
    source = f"{hanging}{this}log.info('last')\n{ENDS[ending][0]}"
    _, output = run(source)
    assert [event["text"] for event in lost()] == ["last"], output


def test_where_no_thread_can_be_started_the_thread_that_sends_calls_it(run, fake):
    """Otherwise nobody would be told before the end of the process, and a flush would wait for nobody."""
    first = """
import _thread
def refused(*_): raise RuntimeError("can't start new thread")
_thread.start_new_thread = refused
"""
    source = """
told = []
log.removeHandler(handler)
handler = CloudWatchLogsHandler("g", "s", on_lost=told.extend)
log.addHandler(handler)
log.info("")
print([event.reason for event in told])
log.info("fine")
"""
    assert run(source, first=first) == (0, "['empty']\n")
    assert fake.messages("g", "s") == ["fine"]


def test_a_function_that_hangs_ends_with_the_program(run):
    """The exit takes `close_timeout`, and not for ever."""
    source = down(kept=0.25).replace(
        'with open("lost"', "import threading; threading.Event().wait()\n    with open('lost'"
    )
    returned, output = run(source + "log.info(''); log.info('last')")
    assert returned == 0, output
    assert "1 events not delivered at exit" in output


def test_a_function_that_hangs_takes_no_time_from_the_last_records(run, tmp_path):
    """F26: what finalizers log while modules are torn down is sent as if nobody were to be told of a loss."""
    (tmp_path / "torn_down_early.py").write_text(
        """
import logging
class Late:
    def __del__(self, log=logging.getLogger("program")): log.info("late")
late = [Late() for _ in range(3)]
"""
    )
    source = """
class Client:
    def put_log_events(self, *, logEvents, write=os.write, **_):
        write(1, "".join(event["message"] + "," for event in logEvents).encode())
        headers = {"content-type": "application/x-amz-json-1.1"}
        return {"ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "x", "HTTPHeaders": headers}}
entered = threading.Event()
def on_lost(events, entered=entered, forever=threading.Event().wait):
    entered.set()
    forever()
log.removeHandler(handler)
handler = CloudWatchLogsHandler("g", "s", boto3_client=Client(), on_lost=on_lost, close_timeout=1.0)
log.addHandler(handler)
log.info("")
entered.wait()
import torn_down_early
"""
    assert run(source) == (0, "late,late,late,")


def test_a_request_that_is_not_answered_may_be_stored(run, fake, lost):
    """The program is told that, too."""
    fake.fail(reset_before_commit())
    source = down(boto3_client=None) + "log.info('asked')\nwhile not handler.stats.requests: handler.flush(0.5)\n"
    _, output = run(source)
    ((text, may_be_stored),) = [(event["text"], event["may_be_stored"]) for event in lost()]
    assert (text, may_be_stored) == ("asked", True), output


def test_what_is_on_disk_is_not_told(run, lost, tmp_path):
    """It is not lost: the next process delivers it."""
    source = down(spool_dir=str(tmp_path / "spool"))
    _, output = run(source + "log.info(''); log.info('kept')")
    assert [event["reason"] for event in lost()] == ["empty"], output
    assert "1 of them are kept" in output


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_what_the_disk_refuses_is_told(run, lost, tmp_path, mode):
    (tmp_path / "file").write_text("")
    source = down(spool_dir=str(tmp_path / "file" / "spool"), spool_mode=mode)
    _, output = run(source + "log.info('nowhere')")
    assert [(event["text"], event["reason"]) for event in lost()] == [("nowhere", "exit")], output


def test_a_forked_child_is_told_of_its_own_losses_only(run, lost):
    """Those of the parent are the parent's: also what had not been told yet at the fork."""
    source = (
        down()
        + """
go_on, parent = threading.Event(), os.getpid()
before_telling = lambda: os.getpid() == parent and go_on.wait(60)
log.info("")
while handler.stats.dropped == 0: time.sleep(0.01)
log.info("parent")
child = os.fork()
log.error("child" if child == 0 else "parent too")
if child == 0:
    sys.exit()
os.waitpid(child, 0)
go_on.set()
"""
    )
    _, output = run(source)
    texts = [event["text"] for event in lost()]
    assert sorted(texts) == ["", "child", "parent", "parent too"], output


def test_what_the_function_logs_is_delivered_and_does_not_go_on_for_ever(run, fake):
    """Each loss would cause a record, and that record's loss the next one."""
    source = """
calls = []
def on_lost(events):
    calls.append(events)
    log.error("%d lost", len(events))
    log.error("")
log.removeHandler(handler)
handler = CloudWatchLogsHandler("g", "s", on_lost=on_lost)
log.addHandler(handler)
log.info("")
# The first loss, and that of what the function logs.
while handler.stats.dropped < 2: time.sleep(0.01)
handler.flush()
handler.flush()
print(len(calls), handler.stats.dropped)
"""
    _, output = run(source)
    assert fake.messages("g", "s") == ["1 lost"], output
    assert output == "1 2\n"


def test_the_function_may_flush_and_close_the_handler(run):
    """It must not wait for itself, nor for what waits for it."""
    source = """
told = []
def on_lost(events):
    told.append(handler.flush())
    handler.close()
    told.append(handler.stats.dropped)
log.removeHandler(handler)
handler = CloudWatchLogsHandler("g", "s", on_lost=on_lost)
log.addHandler(handler)
log.info("")
while len(told) < 2: time.sleep(0.01)
print(told)
"""
    assert run(source) == (0, "[False, 1]\n")


def test_a_program_that_the_function_starts_is_not_deaf(run):
    """Threads of the handler block all signals, and children inherit that."""
    source = """
import subprocess
def on_lost(events):
    shown = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    print(subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True).stdout, end="")
log.removeHandler(handler)
handler = CloudWatchLogsHandler("g", "s", on_lost=on_lost)
log.addHandler(handler)
log.info("")
"""
    assert run(source) == (0, "set()\n")


def test_what_a_finalizer_logs_and_loses_at_the_very_end_is_told(run, lost):
    """Where no thread runs any more, the thread that logs calls the function."""
    source = (
        down()
        + """
import weakref
weakref.finalize(log, lambda: log.info(""))
"""
    )
    _, output = run(source, first="import logging, atexit")
    assert [event["reason"] for event in lost()] == ["empty"], output
