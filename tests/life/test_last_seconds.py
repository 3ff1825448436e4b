"""F50: programs that end while the service is ill; it is well again more than a second before their deadline."""

import threading

import pytest

from cwlog_handler.testing import faults

from ..conftest import logged
from ..programs import free_port

pytestmark = [pytest.mark.any_python, pytest.mark.slow]

# The deadline of the end, and how long the service is ill from just before the end on: seconds. What is left between
# the two is more than a thread waits for a processor on a busy machine.
PATIENCE = 12.0
ILL = 7.0
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


# The client is there when the service falls ill: how long it takes to make it has no part in this.
WELL = """
log.info("first")
assert handler.flush(50)
print("ready", flush=True)
while not os.path.exists("go on"): time.sleep(0.01)
"""


def program(ending):
    return f"def work():\n    for n in range({RECORDS}): log.info('%d', n)\n{ending}"


@pytest.fixture
def url(fake):
    """On a port that nobody else gets while the service is away."""
    with fake.serve(free_port()) as url:
        yield url


@pytest.fixture
def fall_ill(fake, start, tmp_path):
    """Start a program, and let a fault hit so many requests of its end, or all for `ILL` seconds."""

    def fall_ill(source, fault, times=None, **options):
        process = start(WELL + source, close_timeout=PATIENCE, **options)
        process.wait_for("ready")
        fake.fail(fault, times=times, seconds=ILL if times is None else None)
        (tmp_path / "go on").touch()
        return process

    return fall_ill


def assert_all_arrived(fake, output):
    found = {text for stream in fake.streams("g") for text in logged(fake.messages("g", stream))}
    assert found - {"first"} == {str(n) for n in range(RECORDS)}, output
    assert "not delivered" not in output


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_some_seconds_costs_nothing_at_the_end_of_a_program(fake, fall_ill, name):
    process = fall_ill(program(ENDINGS["the end of the interpreter"]), *FAULTS[name])
    assert process.wait() == 0
    assert_all_arrived(fake, process.output)
    fake.release()


@pytest.mark.parametrize("name", ["503", "a silent service"])
@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if ending != "the end of the interpreter"])
def test_however_a_program_waits_with_a_deadline_the_fault_costs_nothing(fake, fall_ill, ending, name):
    process = fall_ill(program(ENDINGS[ending]), *FAULTS[name])
    process.wait()
    assert_all_arrived(fake, process.output)
    fake.release()


@pytest.mark.parametrize("name", FAULTS)
def test_a_caller_that_waits_for_its_own_record_waits_through_the_fault(fake, fall_ill, name):
    process = fall_ill("log.info('0'); os._exit(0)", *FAULTS[name], use_queues=False)
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


def test_one_handler_whose_endpoint_is_dead_takes_no_time_from_another(fake, fall_ill):
    """Both wait side by side: the second has its tries while the first waits in vain."""
    source = f"""
dead = CloudWatchLogsHandler("g", "dead", endpoint_url="http://127.0.0.1:9", close_timeout={PATIENCE})
log.removeHandler(handler)
log.addHandler(dead)
log.addHandler(handler)
for n in range({RECORDS}): log.info("%d", n)
"""
    process = fall_ill(source, faults.server_error())
    assert process.wait() == 0
    found = logged(fake.messages("g", "s"))
    assert set(found) - {"first"} == {str(n) for n in range(RECORDS)}, process.output
    assert "not delivered" in process.output


def test_where_nothing_works_the_end_comes_at_the_deadline_and_says_how_much_is_lost(fake, start):
    fake.fail(faults.stall())
    process = start("for n in range(10): log.info('%d', n)", close_timeout=2)
    assert process.wait() == 0
    assert "10 events not delivered at exit: " in process.output
    fake.release()
