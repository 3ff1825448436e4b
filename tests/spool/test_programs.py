"""Programs with a spool that are killed, forked, stopped and started again; and directories that cannot be used."""

import collections
import fcntl
import os
import random
import shutil
import signal
import subprocess
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, faults

from ..programs import HANG_LIMIT, python, started

PRELUDE = """\
import logging, logging.config, os, signal, sys, threading, time
from cwlog_handler import CloudWatchLogsHandler
def handler_of(stream, **more): return CloudWatchLogsHandler("g", stream, **{options!r}, **more)
log = logging.getLogger("program")
log.setLevel(logging.DEBUG)
handler = handler_of({stream!r})
log.addHandler(handler)
def until(condition):
    while not condition(): time.sleep(0.01)
def stored(): until(lambda: handler.stats.spooled == handler.stats.pending > 0)
"""
# Logs a number and the time every few milliseconds, and says so. A thread that has nothing to do with the handler notes
# when it began, when it last ran, and for how many seconds in all the machine has not let it run.
CHATTER = """
def beat(pulse, began, late):
    while True:
        os.pwrite(pulse, b"%020.6f %020.6f %020.6f" % (began, time.time(), late), 0)
        due = time.monotonic() + 0.02
        time.sleep(0.02)
        if time.monotonic() > due + 0.1: late += time.monotonic() - due
pulse = os.open("pulse of " + handler.log_stream_name, os.O_RDWR | os.O_CREAT)
threading.Thread(target=beat, args=(pulse, time.time(), 0.0), daemon=True).start()
handler.setFormatter(logging.Formatter("%(message)s %(created).6f"))
for n in range(10**6):
    log.info("%d", n)
    if n == 0: print("begun", flush=True)
    time.sleep(0.002)
"""
HEIR = """
log.info("fresh")
print("fresh", flush=True)
until(lambda: False)
"""
# However slowly a busy machine answers: no request is made beside another of the same stream.
ONE_AT_A_TIME = """
from cwlog_handler.core import requests
requests.SLOW_ANSWER = float("inf")
"""
# However slowly it answers: it is not taken for a service in trouble.
PATIENT = """
from cwlog_handler.delivery import storing
storing.TROUBLE_AFTER = float("inf")
"""
# What is younger than so many seconds may be missing after a kill. How late a busy machine was comes on top.
YOUNG = 3.3


@pytest.fixture
def fake():
    return FakeCloudWatchLogs(requests_per_second=None)


@pytest.fixture
def url(fake):
    with fake.serve() as url:
        yield url
        fake.release()


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def start(url, tmp_path, spool):
    """Start a program that logs to the stream ``s`` if nothing else is said."""
    with ExitStack() as programs:
        count = iter(range(100))

        def start(source, *, stream="s", **options):
            options = {"spool_dir": str(spool), "requests_per_second": None, "close_timeout": HANG_LIMIT, **options}
            path = tmp_path / f"program{next(count)}.py"
            path.write_text(PRELUDE.format(stream=stream, options=options) + textwrap.dedent(source))
            return programs.enter_context(started(python("-W", "ignore", str(path)), url=url, cwd=tmp_path))

        yield start


def kill(program):
    program.signal(signal.SIGKILL)
    program.wait()


def numbers(fake, stream="s"):
    return [int(message.split()[0]) for message in fake.messages("g", stream) if message[:1].isdigit()]


def files(spool):
    return sorted(path.name for path in spool.iterdir()) if spool.exists() else []


def check_chatter(fake, stream, folder):
    """All of a program's records older than a few seconds are there once, in order, with their times."""
    events = [(event.timestamp, event.message) for event in fake.events("g", stream)]
    found = [int(message.split()[0]) for _, message in events]
    assert found == list(range(len(found)))
    for timestamp, message in events:
        assert abs(timestamp - float(message.split()[1]) * 1000) <= 1.001
    check_age(fake, stream, folder)


def check_age(fake, stream, folder):
    """The youngest record of a program that was killed is as young as it must be."""
    began, lived_until, late = map(float, (folder / f"pulse of {stream}").read_text().split())
    youngest = max([began, *(float(message.split()[1]) for message in fake.messages("g", stream))])
    assert youngest > lived_until - late - YOUNG


def leave(start, fake, count, *, stream="s", length=10, **options):
    """Have a program leave so many records on disk."""
    fake.fail(faults.server_error())
    source = f"""
for n in range({count}): log.info("%d %s", n, "x" * {length})
stored()
print("stored", flush=True)
until(lambda: False)
"""
    program = start(source, stream=stream, **options)
    program.wait_for("stored")
    kill(program)
    fake.clear_faults()
    assert files(Path(options["spool_dir"]))


# -- killed ----------------------------------------------------------------------------------------------------------


def test_killed_in_an_outage_only_the_youngest_seconds_are_missing(fake, start, spool, tmp_path):
    """S27 to S31, S48: whatever the instant; the next process delivers, with one record of its own."""
    fake.fail(faults.server_error())
    programs = {f"s{n}": start(CHATTER, stream=f"s{n}") for n in range(3)}
    for program in programs.values():
        program.wait_for("begun")
    began = time.monotonic()
    for program, after in zip(programs.values(), sorted(random.uniform(0.2, 5.5) for _ in programs), strict=True):
        time.sleep(max(0.0, began + after - time.monotonic()))
        kill(program)
    fake.clear_faults()
    heir = start(HEIR, stream="heir")
    heir.wait_for("fresh")
    assert fake.wait_for(lambda: "fresh" in fake.messages("g", "heir"))
    assert fake.wait_for(lambda: not [name for name in files(spool) if name.endswith(".cwl")])
    for stream in programs:
        check_chatter(fake, stream, tmp_path)
    assert files(spool) == []


def test_an_endpoint_that_never_answers_does_not_keep_records_from_the_disk(fake, start, spool, tmp_path):
    """E2: writing must not wait for a request."""
    fake.fail(faults.stall())
    program = start(CHATTER)
    program.wait_for("begun")
    time.sleep(5.0)
    kill(program)
    fake.clear_faults()
    fake.release()
    start(HEIR, stream="heir")
    assert fake.wait_for(lambda: "fresh" in fake.messages("g", "heir"))
    assert fake.wait_for(lambda: files(spool) == [])
    found = numbers(fake)
    assert sorted(set(found)) == list(range(len(set(found))))
    check_age(fake, "s", tmp_path)
    # Of one request nobody knew whether it had arrived.
    doubled = collections.Counter(found).values()
    assert max(doubled) <= 2


def test_killed_while_taking_over_again_and_again(fake, start, spool):
    """E3: at most the requests under way are doubled, and nothing is lost."""
    leave(start, fake, 3000, length=300, spool_dir=str(spool))
    before = len(fake.requests)
    for kills in (4, 9, 15):
        heir = start(ONE_AT_A_TIME + HEIR, stream="heir", max_batch_count=100)
        assert fake.wait_for(lambda kills=kills: len(fake.requests) - before > kills)
        kill(heir)
    start(HEIR, stream="heir", max_batch_count=100)
    assert fake.wait_for(lambda: files(spool) == [])
    found = numbers(fake)
    assert sorted(set(found)) == list(range(3000))
    assert len(found) <= 3000 + 3 * 100


def test_two_that_start_at_once_take_over_each_record_once(fake, start, spool):
    """S40."""
    for n in range(4):
        leave(start, fake, 200, stream=f"s{n}", spool_dir=str(spool))
    heirs = [start(HEIR, stream=f"heir{n}") for n in range(2)]
    for heir in heirs:
        heir.wait_for("fresh")
    assert fake.wait_for(lambda: files(spool) == [])
    for n in range(4):
        assert numbers(fake, f"s{n}") == list(range(200))


# -- the end ---------------------------------------------------------------------------------------------------------


def test_the_end_in_an_outage_keeps_its_time_and_says_where_records_are(fake, start, spool):
    """S48."""
    fake.fail(faults.server_error())
    program = start("for n in range(50): log.info('%d', n)", close_timeout=1)
    began = time.monotonic()
    assert program.wait() == 0
    assert time.monotonic() - began < HANG_LIMIT / 2
    (line,) = [line for line in program.output.splitlines() if "not delivered at exit" in line]
    assert "50 events not delivered at exit (50 of them are kept in spool_dir" in line
    assert str(spool) in line
    fake.clear_faults()
    heir = start("log.info('fresh')", stream="heir")
    assert heir.wait() == 0
    assert numbers(fake) == list(range(50))
    assert files(spool) == []


def test_close_while_a_request_is_under_way_doubles_nothing(fake, start, spool):
    """E1: the answer comes after `close` has put everything on disk."""
    fake.fail(faults.stall(after_commit=True))
    source = """
    for n in range(100): log.info("%d", n)
    until(lambda: sys.stdin is None or os.path.exists("asked"))
    handler.close()
    stored()
    print("closed", flush=True)
    until(lambda: handler.stats.pending == 0)
    print("settled", flush=True)
    """
    program = start(source, close_timeout=0.5)
    assert fake.wait_for(lambda: fake.requests)
    (Path(spool).parent / "asked").touch()
    program.wait_for("closed")
    fake.clear_faults()
    fake.release()
    program.wait_for("settled")
    assert program.wait() == 0
    start("log.info('fresh')", stream="heir").wait()
    assert numbers(fake) == list(range(100)) or max(collections.Counter(numbers(fake)).values()) <= 2
    assert sorted(set(numbers(fake))) == list(range(100))
    assert files(spool) == []


def test_sigterm_in_an_outage(fake, start, spool):
    fake.fail(faults.server_error())
    program = start(
        "for n in range(50): log.info('%d', n)\nprint('logged', flush=True)\nuntil(lambda: False)", close_timeout=1
    )
    program.wait_for("logged")
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    fake.clear_faults()
    start("log.info('fresh')", stream="heir").wait()
    assert numbers(fake) == list(range(50))


# -- while all is well -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "until(lambda: handler.stats.pending == 0)"], ids=["at once", "when all is sent"])
def test_while_the_service_is_well_nothing_is_written(fake, start, spool, end):
    """S49: not even the directory; also where there is little time at the end, and nothing to do in it."""
    source = f"{PATIENT}\nfor n in range(2000): log.info('%d', n); n % 100 or time.sleep(0.05)\n{end}"
    assert start(source, close_timeout=0.2 if end else HANG_LIMIT).wait() == 0
    assert numbers(fake) == list(range(2000))
    assert not spool.exists()


def test_a_process_that_outlives_sigterm_goes_on_writing_nothing(fake, start, spool):
    """In a container, SIGTERM does not end the first process; and some servers deliver long before they end."""
    source = """
    from cwlog_handler.process import lifecycle
    log.info("0")
    until(lambda: handler.stats.delivered == 1)
    lifecycle.flushers.deliver_all()
    time.sleep(0.3)
    log.info("1")
    until(lambda: handler.stats.delivered == 2)
    """
    assert start(PATIENT + textwrap.dedent(source), close_timeout=0.2).wait() == 0
    assert numbers(fake) == [0, 1]
    assert not spool.exists()


def test_nothing_happens_before_the_first_record(fake, start, spool):
    """S4: not even what others have left delays the start."""
    leave(start, fake, 10, spool_dir=str(spool))
    before = files(spool)
    source = "print(len(os.listdir('/proc/self/task')), 'threads', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    program = start(source)
    assert program.wait_for("threads") == "1 threads\n"
    program.wait()
    assert files(spool) == before
    assert numbers(fake) == []


# -- what botocore logs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_what_botocore_logs_while_a_spool_is_made_ready_is_not_sent(fake, start, spool, mode):
    """F42: its configuration files are read for the region and the endpoint, on whatever thread needs them first."""
    fake.fail(faults.server_error())
    source = """
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    other = handler_of("t")
    log.addHandler(other)
    log.propagate = False
    log.info("0")
    handler.close()
    """
    assert start(source, spool_mode=mode, close_timeout=0.2).wait() == 0
    fake.clear_faults()
    start("log.info('fresh')", stream="heir").wait()
    assert fake.messages("g", "s") == fake.messages("g", "t") == ["0"]
    assert files(spool) == []


# -- several of them -------------------------------------------------------------------------------------------------

CHILDREN = {
    "fork": "if os.fork() == 0: time.sleep(100)",
    "multiprocessing": """
import multiprocessing
multiprocessing.get_context("fork").Process(target=time.sleep, args=(100,)).start()
""",
    "exec": "if os.fork() == 0: os.execv('/bin/sleep', ['sleep', '100'])",
    "subprocess": "import subprocess; subprocess.Popen(['sleep', '100'], close_fds=False)",
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child_holds_nothing_of_its_dead_parent(fake, start, spool, kind):
    """S43."""
    fake.fail(faults.server_error())
    source = f"log.info('m')\nstored()\n{CHILDREN[kind]}\nprint('forked', flush=True)\nuntil(lambda: False)"
    program = start(source)
    program.wait_for("forked")
    (path,) = spool.iterdir()
    with path.open("rb") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(program.pid, signal.SIGKILL)
        # Its children hold the pipe of its output.
        assert fake.wait_for(lambda: is_free(file))
    assert subprocess.run(["pgrep", "-g", str(program.pid)], capture_output=True, check=False).stdout


def is_free(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def test_workers_of_a_forking_server_keep_their_own_records(fake, start, spool):
    """S40, S44."""
    fake.fail(faults.server_error())
    source = """
    log.info("0 master")
    stored()
    for worker in (1, 2, 3):
        if os.fork() == 0:
            log.info("%d worker", worker)
            stored()
            # As one text: what several processes write at once comes in pieces.
            print(f"stored {worker}", flush=True)
            until(lambda: False)
    until(lambda: False)
    """
    program = start(source, stream="s")
    for worker in (1, 2, 3):
        program.wait_for(f"stored {worker}")
    os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    fake.clear_faults()
    start(HEIR, stream="heir")
    assert fake.wait_for(lambda: files(spool) == [])
    assert sorted(numbers(fake)) == [0, 1, 2, 3]


def test_two_handlers_of_a_process_share_a_directory(fake, start, spool):
    """S45."""
    fake.fail(faults.server_error())
    source = """
    other = handler_of("t")
    log.addHandler(other)
    for n in range(20): log.info("%d", n)
    stored()
    until(lambda: other.stats.spooled == 20)
    print("stored", flush=True)
    until(lambda: not (handler.stats.pending or other.stats.pending))
    assert handler.stats.recovered == other.stats.recovered == 0
    """
    program = start(source)
    program.wait_for("stored")
    assert len(files(spool)) == 2
    fake.clear_faults()
    assert program.wait() == 0, program.output
    assert numbers(fake, "s") == numbers(fake, "t") == list(range(20))
    assert files(spool) == []


def test_dict_config_twice_in_an_outage(fake, start, spool):
    """S45, E7."""
    fake.fail(faults.server_error())
    source = """
    log.removeHandler(handler)
    settings = {"version": 1, "root": {"handlers": ["c"], "level": "INFO"}}
    settings["handlers"] = {"c": {"()": handler_of, "stream": "s"}}
    for n in range(3):
        logging.config.dictConfig(settings)
        for k in range(10): logging.info("%d", n * 10 + k)
    first = logging.getLogger().handlers[0]
    until(lambda: first.stats.spooled == 10)
    print("stored", flush=True)
    """
    program = start(source, close_timeout=20)
    program.wait_for("stored")
    fake.clear_faults()
    assert program.wait() == 0, program.output
    start("log.info('fresh')", stream="heir").wait()
    assert sorted(numbers(fake)) == list(range(30))
    assert files(spool) == []


# -- directories that cannot be used ---------------------------------------------------------------------------------


def check_unharmed(fake, start, word, **options):
    """A program logs in an outage, and delivers from memory when it is over."""
    fake.fail(faults.server_error())
    program = start("for n in range(50): log.info('%d', n)", **options)
    program.wait_for(word)
    fake.clear_faults()
    assert program.wait() == 0
    assert numbers(fake) == list(range(50))
    assert "Traceback" not in program.output


def test_a_file_in_place_of_the_directory(fake, start, spool):
    spool.write_text("")
    check_unharmed(fake, start, "must be a directory")


def test_a_directory_whose_parent_is_missing(fake, start, spool):
    check_unharmed(fake, start, "No such file", spool_dir=str(spool / "deep" / "deeper"))


def test_a_link_in_place_of_the_directory(fake, start, spool, tmp_path):
    """S52."""
    (tmp_path / "elsewhere").mkdir()
    spool.symlink_to(tmp_path / "elsewhere")
    check_unharmed(fake, start, "must be a directory")
    assert files(tmp_path / "elsewhere") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission(fake, start, spool):
    """S50."""
    spool.mkdir(mode=0o500)
    check_unharmed(fake, start, "Permission denied")


@pytest.fixture
def mounted(spool):
    """Mount a small file system at the spool."""
    spool.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(spool)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("cannot mount a file system here")

    yield mount
    subprocess.run(["umount", "-l", str(spool)], capture_output=True, check=False)


def test_a_read_only_file_system(fake, start, mounted):
    """S49."""
    mounted("size=1m,ro")
    check_unharmed(fake, start, "Read-only file system")


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_a_full_file_system(fake, start, spool, mounted, mode):
    """S15, S16: a short write, then ENOSPC; no SIGBUS."""
    mounted("size=64k")
    fake.fail(faults.server_error())
    source = "for n in range(400): log.info('%d %s', n, 'x' * 1000); n % 40 or time.sleep(0.05)"
    program = start(source, spool_mode=mode)
    program.wait_for("cannot be used")
    fake.clear_faults()
    assert program.wait() == 0, program.output
    assert sorted(set(numbers(fake))) == list(range(400))
    assert len(numbers(fake)) == 400
    assert files(spool) == []


def test_a_directory_removed_while_it_is_used(fake, start, spool):
    """S47."""
    fake.fail(faults.server_error())
    source = """
    for n in range(50): log.info("%d", n)
    stored()
    print("stored", flush=True)
    until(lambda: not os.path.exists(SPOOL))
    for n in range(50, 100): log.info("%d", n)
    until(lambda: handler.stats.spooled == 100 and os.path.exists(SPOOL))
    print("again", flush=True)
    """
    program = start(f"SPOOL = {str(spool)!r}\n" + textwrap.dedent(source))
    program.wait_for("stored")
    shutil.rmtree(spool)
    program.wait_for("again")
    fake.clear_faults()
    assert program.wait() == 0, program.output
    assert numbers(fake) == list(range(100))
    assert files(spool) == []


def test_modes_of_what_is_made(fake, start, spool):
    """S51: whatever the umask."""
    fake.fail(faults.server_error())
    program = start("os.umask(0)\nlog.info('m')\nstored()\nprint('stored', flush=True)\nuntil(lambda: False)")
    program.wait_for("stored")
    assert spool.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in spool.iterdir()] == [0o600]


def test_the_end_does_not_wait_for_what_others_left_if_that_is_refused(fake, start, spool):
    """It stops after five seconds in vain, and after Ctrl-C at once, however long ``close_timeout`` is."""
    leave(start, fake, 5, stream="left", spool_dir=str(spool))
    fake.fail(faults.server_error(), stream="left")
    for interrupts in (False, True):
        program = start("log.info('fresh')\nprint('ends', flush=True)", stream="heir", close_timeout=600)
        program.wait_for("ends")
        ends_at = time.monotonic()
        if interrupts:
            assert fake.wait_for(lambda: len(fake.messages("g", "heir")) == 2)
            time.sleep(0.5)
            program.signal(signal.SIGINT)
        program.wait()
        assert time.monotonic() - ends_at < HANG_LIMIT / 2
    assert files(spool)


def test_the_end_waits_for_a_slow_answer_about_what_others_left(fake, start, spool):
    """The service accepts it: that is not to be taken for a refusal."""
    # So that the stream is there.
    start("log.info('first')", stream="left").wait()
    leave(start, fake, 5, stream="left", spool_dir=str(spool))
    fake.fail(faults.slow(3), stream="left")
    source = """
    from cwlog_handler.process import flusher
    # Five seconds, of which a busy machine may take some for itself.
    flusher.OTHERS_PATIENCE = 30.0
    log.info("fresh")
    """
    start(source, stream="heir").wait()
    assert files(spool) == []
