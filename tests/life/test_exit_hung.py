"""Exit when the endpoint is not well: one deadline, however much waits; then one line, with how many and why."""

import signal

import pytest

from cwlog_handler.testing import faults

pytestmark = pytest.mark.any_python


def not_delivered(output):
    return [line for line in output.splitlines() if "not delivered at exit" in line]


def test_a_hung_endpoint_costs_one_deadline_and_one_line_however_many_streams(fake, run):
    """F25: 120 s were measured elsewhere with two streams; then it says how many were lost, and why."""
    fake.fail(faults.stall())
    # One after another their deadlines would take longer than a program may.
    source = "for n in range(160): logging.getLogger(f'program.{n % 80}').info('%d', n)"
    returned, output = run(source, stream="{logger_name}", close_timeout=1)
    assert returned == 0
    assert len(output.splitlines()) == 1
    # Which of the two it is depends on whether the first request started in the first half second.
    why = ("no answer to a request for ", "not finished within close_timeout=1 s")
    assert any(f"160 events not delivered at exit: {words}" in output for words in why), output


# The exit says why, as far as a try has failed: on a busy machine there may be none in a few seconds.
UNTIL_IT_HAS_FAILED = "while not handler.stats.last_error: time.sleep(0.01)"
CAUSES = {
    "refused": ("s", faults.access_denied(), "logs:PutLogEvents is not allowed"),
    "unavailable": ("s", faults.server_error(), "ServiceUnavailable"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_line_at_exit_says_why(fake, run, name):
    """F25."""
    stream, fault, words = CAUSES[name]
    fake.fail(fault)
    returned, output = run(f"log.info('m')\n{UNTIL_IT_HAS_FAILED}", stream=stream, close_timeout=1)
    assert returned == 0
    (line,) = not_delivered(output)
    assert "1 events not delivered" in line
    assert words in line


def test_an_endpoint_that_nobody_listens_on_is_told_at_exit(run):
    source = f"""
    log.removeHandler(handler)
    handler = CloudWatchLogsHandler("g", endpoint_url="http://127.0.0.1:9", close_timeout=1)
    log.addHandler(handler)
    log.info("m")
    {UNTIL_IT_HAS_FAILED}
    """
    returned, output = run(source)
    assert returned == 0
    (line,) = not_delivered(output)
    assert "Could not connect" in line


def test_handlers_wait_side_by_side_at_exit(fake, run):
    """F25: twenty deadlines, but at the same time. One after another they would take a minute."""
    fake.fail(faults.stall())
    source = """
    for n in range(19): log.addHandler(CloudWatchLogsHandler("g", f"s{n}", close_timeout=3))
    log.info("m")
    """
    returned, output = run(source, close_timeout=3, within=50)
    assert returned == 0
    assert len(not_delivered(output)) == 20


def test_loggings_own_shutdown_does_not_wait_again_for_a_hung_endpoint(fake, start):
    """F25, F43: its flush and close come after our exit hook, which has waited already."""
    fake.fail(faults.stall())
    # Between our hook and logging's. From then on a wait is one for ever.
    first = "import atexit, logging; atexit.register(lambda: wait_for_ever_from_now_on())"
    source = """
    def wait_for_ever_from_now_on():
        handler._flusher._close_timeout = handler._flusher._exit._close_timeout = 3600.0
    log.info('m')
    """
    program = start(source, first=first, close_timeout=1)
    program.wait_for("1 events not delivered at exit")
    assert program.wait() == 0


@pytest.mark.parametrize("before", ["", "log.info('first')"], ids=["first ever", "not the first"])
def test_records_logged_after_our_exit_hook_add_no_minutes_when_the_endpoint_hangs(fake, run, before):
    """F25, F26: the deadline of the exit is theirs too, however many they are."""
    fake.fail(faults.stall())
    first = "import atexit, logging\nfor n in range(5): atexit.register(lambda n=n: log.info('late %d', n))"
    returned, output = run(before, first=first, close_timeout=1)
    assert returned == 0
    assert len(not_delivered(output)) == 1


def test_ctrl_c_while_the_exit_waits_for_a_hung_endpoint_ends_the_program(fake, start):
    """F25: whoever is impatient is not made to wait a second time."""
    fake.fail(faults.stall())
    # Nothing but the exit has the request made.
    program = start("log.info('m')", send_interval=3600, close_timeout=3600)
    assert fake.wait_for(lambda: any(request.operation == "PutLogEvents" for request in fake.requests))
    program.signal(signal.SIGINT)
    program.wait()
    assert len(not_delivered(program.output)) == 1
