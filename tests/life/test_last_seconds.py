"""F50: programs that end while the service is ill; it is well again more than a second before their deadline."""

import threading
from collections import Counter

import pytest

from cwlog_handler.testing import faults

from ..conftest import logged

pytestmark = pytest.mark.any_python

# The deadline of the end, and how long the service is ill from its first request on: seconds.
PATIENCE = 6.0
ILL = 3.5
RECORDS = 2000

ENDINGS = {
    "the end of the interpreter": "work()",
    "close": "work(); handler.close(); os._exit(0)",
    "flush": f"work(); handler.flush({PATIENCE}); os._exit(0)",
    "SIGTERM": "work(); os.kill(os.getpid(), signal.SIGTERM); signal.pause()",
    "a child of multiprocessing": (
        "import multiprocessing; child = multiprocessing.get_context('fork').Process(target=work); child.start(); "
        "child.join()"
    ),
}


FAULTS = {
    "503": (faults.server_error(), None),
    "a silent service": (faults.stall(), None),
    "six expired tokens": (faults.expired_token(), 6),
    "throttled six times": (faults.throttle(), 6),
    "six resets": (faults.reset_before_commit(), 6),
    "one request that is swallowed": (faults.stall(), 1),
}


def program(ending):
    return f"def work():\n    for n in range({RECORDS}): log.info('%d', n)\n{ending}"


def strike(fake, fault, times):
    """Let the fault hit so many requests, or all from the first one on for `ILL` seconds."""
    if times is None:
        assert fake.wait_for(lambda: fake.requests)
        fake.clear_faults()
        fake.fail(fault, seconds=ILL)


def assert_all_arrived(fake, output):
    found = Counter(text for stream in fake.streams("g") for text in logged(fake.messages("g", stream)))
    assert set(found) == {str(n) for n in range(RECORDS)}, output
    assert "not delivered" not in output


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_some_seconds_costs_nothing_at_the_end_of_a_program(fake, start, name):
    fault, times = FAULTS[name]
    fake.fail(fault, times=times)
    process = start(program(ENDINGS["the end of the interpreter"]), close_timeout=PATIENCE)
    strike(fake, fault, times)
    assert process.wait() == 0
    assert_all_arrived(fake, process.output)
    fake.release()


@pytest.mark.parametrize("name", ["503", "a silent service"])
@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if ending != "the end of the interpreter"])
def test_however_a_program_waits_with_a_deadline_the_fault_costs_nothing(fake, start, ending, name):
    fault, times = FAULTS[name]
    fake.fail(fault, times=times)
    process = start(program(ENDINGS[ending]), close_timeout=PATIENCE)
    strike(fake, fault, times)
    process.wait()
    assert_all_arrived(fake, process.output)
    fake.release()


@pytest.mark.parametrize("name", FAULTS)
def test_a_caller_that_waits_for_its_own_record_waits_through_the_fault(fake, start, name):
    fault, times = FAULTS[name]
    fake.fail(fault, times=times)
    process = start("log.info('0'); os._exit(0)", close_timeout=PATIENCE, use_queues=False)
    strike(fake, fault, times)
    process.wait()
    assert logged(fake.messages("g", "s"))[-1:] == ["0"], process.output
    fake.release()


@pytest.mark.parametrize("ending", ["the end of the interpreter", "SIGTERM"])
def test_an_endpoint_that_nobody_listens_on_until_the_last_seconds_costs_nothing(fake, start, url, ending):
    fake.stop()
    process = start(program(ENDINGS[ending]) + "\n", first="print('begins', flush=True)", close_timeout=PATIENCE)
    process.wait_for("begins")
    comes_up = threading.Timer(ILL, fake.start, [int(url.rpartition(":")[2])])
    comes_up.start()
    process.wait()
    comes_up.join()
    assert_all_arrived(fake, process.output)


def test_one_handler_whose_endpoint_is_dead_takes_no_time_from_another(fake, start):
    """Both wait side by side: the second has its tries while the first waits in vain."""
    fake.fail(faults.server_error())
    source = f"""
    dead = CloudWatchLogsHandler("g", "dead", endpoint_url="http://127.0.0.1:9", close_timeout={PATIENCE})
    log.removeHandler(handler)
    log.addHandler(dead)
    log.addHandler(handler)
    for n in range({RECORDS}): log.info("%d", n)
    """
    process = start(source, close_timeout=PATIENCE)
    strike(fake, faults.server_error(), None)
    assert process.wait() == 0
    found = logged(fake.messages("g", "s"))
    assert set(found) == {str(n) for n in range(RECORDS)}, process.output
    assert "not delivered" in process.output


def test_where_nothing_works_the_end_comes_at_the_deadline_and_says_how_much_is_lost(fake, start):
    fake.fail(faults.stall())
    process = start("for n in range(10): log.info('%d', n)", close_timeout=2)
    assert process.wait(20) == 0
    assert "10 events not delivered at exit: " in process.output
    fake.release()
