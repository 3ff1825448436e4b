"""Mode "always" in real programs: no record whose call has returned is missing, whatever ends the process."""

import os
import signal

import pytest

from cwlog_handler.testing import server_error

from ..programs import python, started
from .kills import LEAST, MOST_DOUBLED, kills

PROGRAM = """
import logging, os, signal, sys, threading, time
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler(
    'g', 's', region_name='us-east-1', spool_dir='spool', spool_mode='always', close_timeout={close_timeout}
)
log = logging.getLogger('program'); log.setLevel(10); log.addHandler(handler)
"""


@pytest.fixture
def url(fake):
    with fake.serve() as url:
        yield url


@pytest.fixture
def run(url, tmp_path):
    def run(source, *, close_timeout=30):
        program = PROGRAM.format(close_timeout=close_timeout) + source
        with started(python("-c", program), url=url, cwd=tmp_path) as running:
            return running.wait(), running.output

    return run


def texts(fake):
    return fake.messages("g", "s") if "g" in fake.groups else []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_no_record_whose_call_returned_is_missing_after_a_kill(tmp_path, seed):
    """The last request may have been stored before the kill: its events come twice."""
    for kill in kills(2, seed, str(tmp_path / "spool")):
        assert kill.returned > LEAST
        assert kill.missing == 0, kill
        assert kill.doubled <= MOST_DOUBLED
        assert not kill.left


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"])
def test_a_record_survives_an_end_that_tells_nobody(fake, run, end):
    fake.fail(server_error(), times=10**6)
    run(f"log.info('last words'); {end}")
    assert not texts(fake)
    fake.clear_faults()
    status, output = run("log.info('next')")
    assert status == 0, output
    assert sorted(texts(fake)) == ["last words", "next"]


def test_a_program_that_delivers_all_leaves_no_file(fake, run, tmp_path):
    status, output = run("[log.info('%d', n) for n in range(500)]")
    assert (status, output) == (0, "")
    assert texts(fake) == [str(number) for number in range(500)]
    assert not os.listdir(tmp_path / "spool")


def test_there_is_neither_a_file_nor_a_thread_before_the_first_record(run, tmp_path):
    status, output = run("print(os.path.exists('spool'), len(os.listdir('/proc/self/task')))")
    assert (status, output.split()) == (0, ["False", "1"])


def test_an_outage_at_the_end_is_told_with_the_place(fake, run):
    fake.fail(server_error(), times=10**6)
    status, output = run("[log.info('%d', n) for n in range(100)]", close_timeout=0.2)
    assert status == 0
    assert "100 events not delivered at exit (100 of them are kept in spool_dir 'spool')" in output


def test_a_forked_child_has_files_of_its_own(fake, run, tmp_path):
    """The parent's records are the parent's, and the lock on its files goes with it."""
    fake.fail(server_error(), times=10**6)
    source = """
log.info('parent')
if os.fork() == 0:
    log.info('child')
    os._exit(0)
os.wait()
os._exit(0)
"""
    run(source)
    assert len(os.listdir(tmp_path / "spool")) == 2
    fake.clear_faults()
    status, output = run("log.info('next')")
    assert status == 0, output
    assert sorted(texts(fake)) == ["child", "next", "parent"]


def test_a_living_process_keeps_what_is_its_own(fake, run, url, tmp_path):
    fake.fail(server_error(), times=10**6)
    living = PROGRAM.format(close_timeout=0.1) + "log.info('mine'); print('logged', flush=True); signal.pause()"
    with started(python("-c", living), url=url, cwd=tmp_path) as running:
        running.wait_for("logged")
        fake.clear_faults()
        fake.wait_for(lambda: "mine" in texts(fake))
        before = texts(fake).count("mine")
        run("log.info('other')")
        assert (before, texts(fake).count("mine")) == (1, 1)
        running.signal(signal.SIGKILL)


def test_records_of_a_signal_handler_are_on_disk_too(fake, run):
    """It may interrupt the writing of another record."""
    fake.fail(server_error(), times=10**6)
    source = """
signal.signal(signal.SIGALRM, lambda *_: log.warning('from the handler'))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for number in range(3000):
    log.info('%d', number)
signal.setitimer(signal.ITIMER_REAL, 0)
os._exit(0)
"""
    run(source)
    fake.clear_faults()
    status, output = run("log.info('next')")
    assert status == 0, output
    arrived = texts(fake)
    assert [text for text in arrived if text.isdigit()] == [str(number) for number in range(3000)]
    assert "from the handler" in arrived


def test_without_a_place_to_write_records_are_delivered_from_memory(fake, run, tmp_path):
    (tmp_path / "spool").write_text("a file of somebody's")
    status, output = run("log.info('one')")
    assert (status, texts(fake)) == (0, ["one"])
    assert "spool_dir" in output
    assert (tmp_path / "spool").read_text() == "a file of somebody's"


def test_the_program_is_told_of_what_was_left_and_is_no_event(fake, run):
    """All that the ledger counts as dropped is told (`on_lost`), whoever has logged it."""
    # Otherwise the handler's own thread might settle it before.
    run("sys.setswitchinterval(100); log.info('words'); log.info(''); os._exit(3)")
    source = """
log.removeHandler(handler)
def tell(events):
    for event in events: print(event.counted_as, event.reason, event.log_stream, event.count, event.text)
options = dict(region_name='us-east-1', spool_dir='spool', spool_mode='always', close_timeout=30)
log.addHandler(CloudWatchLogsHandler('g', 's', on_lost=tell, **options))
log.info('next')
"""
    assert run(source) == (0, "dropped empty s 1 None\n")
    assert sorted(texts(fake)) == ["next", "words"]
