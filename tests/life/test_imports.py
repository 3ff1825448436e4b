"""What our threads, and those that log, import while the program runs.

A child that is forked in the middle of an import has the lock of that module, and nobody releases it there: whatever
imports it in the child waits for ever. So all that is needed is imported before the first thread starts, or while forks
are put off.
"""

import textwrap

import pytest

from cwlog_handler import testing

ARN = "arn:aws:iam::222222222222:role/logs"
# All that is imported on other threads than the main one, unless forks are put off meanwhile: for the first request,
# mostly, while the client is made. So it is the second request that proves something.
WITNESS = """
from cwlog_handler.process.forks import no_fork
imported = []
class Witness:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread() and not no_fork._lock.locked():
            imported.append(name)
sys.meta_path.insert(0, Witness())
"""
FAULTS = {
    "none": [],
    "throttled": [testing.throttle()],
    "no permission": [testing.access_denied()],
    "wrong key": [testing.unrecognized_client()],
    "old token": [testing.expired_token()],
    "clock": [testing.clock_skew()],
    "nobody listens": [testing.connection_refused()],
    "reset": [testing.reset_before_commit()],
    "reset after": [testing.reset_after_commit()],
    "half an answer": [testing.truncated_answer()],
    "portal": [testing.captive_portal()],
    "empty answer": [testing.empty_200()],
    "aborted": [testing.operation_aborted()],
    "server": [testing.server_error()],
    "invalid": [testing.error("InvalidParameterException", "no")],
    "no such token": [testing.error("InvalidSequenceTokenException", "The next expected sequenceToken is: 7")],
    "entity": [testing.entity_refused(), testing.entity_rejected()],
    "gzip": [testing.gzip_refused()],
}
ENTITY = {"keyAttributes": {"Type": "Service", "Name": "shop"}}
OPTIONS = {
    "role": {"role_arn": ARN},
    "group": {"log_group_tags": {"a": "b"}, "log_group_retention_days": 7},
    "template": {"stream": "{strftime:%Y-%m-%d}/{logger_name}/{env:HOME}/{ecs_task_id}"},
    "spool": {"spool_dir": "spool"},
    "spool always": {"spool_dir": "spool", "spool_mode": "always"},
    "broken sizes": {"max_message_size": 100, "oversize": "truncate"},
    "boto3_config": {"boto3_config": {"proxies": {}, "user_agent_extra": "x"}},
}
TWICE = "log.info('one'); print(handler.flush(30)); log.info('two'); print(handler.flush(30), imported)\n"


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_is_answered_our_threads_import_nothing(run, fake, name):
    for fault in FAULTS[name]:
        fake.fail(fault, times=1)
    options = {"entity": ENTITY, "compression": "gzip"} if name in ("entity", "gzip") else {}
    _, output = run(WITNESS + TWICE, **options)
    assert output.splitlines()[-1] == "True []", output


@pytest.mark.parametrize("name", OPTIONS)
def test_whatever_is_set_our_threads_import_nothing(run, fake, name):
    fake.create_role(ARN)
    _, output = run(WITNESS + TWICE.replace("one", "one " + 30 * "ä€ "), **OPTIONS[name])
    assert output.splitlines()[-1] == "True []", output


@pytest.mark.parametrize("mode", [{}, {"spool_dir": "spool", "spool_mode": "always"}])
def test_a_thread_of_the_program_that_logs_imports_nothing(run, mode):
    """Its main thread may fork in that moment. What logging needs with any handler has been imported before."""
    source = """
    def logs():
        log.info("one")
        log.info({"number": 1, "of": Exception})
        log.error("€ %s", chr(0xd800) + 30 * "x")
        log.info("%d", "no number")
        try: raise ValueError(1)
        except ValueError: log.exception("raised")
    others = logging.StreamHandler()
    log.removeHandler(handler)
    log.addHandler(others)
    logs()
    log.removeHandler(others)
    log.addHandler(handler)
    """
    on_threads = """
    for call in logs, handler.flush, logs, handler.close, logs, handler.flush, lambda: handler.stats:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    print(imported)
    """
    stream = "{strftime:%Y}/{logger_name}/{record:tenant|none}"
    program = textwrap.dedent(source) + WITNESS + textwrap.dedent(on_threads)
    _, output = run(program, stream=stream, max_message_size=200, **mode)
    assert output.splitlines()[-1] == "[]", output


def test_to_take_over_what_is_left_our_threads_import_nothing(run, fake, tmp_path):
    options = {"spool_dir": "spool", "spool_mode": "always"}
    run("log.info('left'); os._exit(0)", **options)
    _, output = run(WITNESS + TWICE, stream="t", **options)
    assert output.splitlines()[-1] == "True []", output
    assert fake.messages("g", "s") == ["left"]


@pytest.mark.parametrize("mode", ["outage", "always"])
def test_in_an_outage_our_threads_import_nothing(run, fake, mode):
    """What is lost is told to a function, and what can be is written to disk."""
    source = """
    os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    told = threading.Event()
    log.removeHandler(handler)
    options = {"spool_dir": "spool", "spool_mode": %r, "close_timeout": 0.5}
    handler = CloudWatchLogsHandler("g", "s", on_lost=lambda events: told.set(), **options)
    log.addHandler(handler)
    log.info("kept")
    while not (handler.stats.last_error and handler.stats.spooled): time.sleep(0.01)
    # Only now: while the client is made, and forks are put off, the witness sees nothing.
    log.info("")
    print(told.wait(30), imported)
    """
    _, output = run(WITNESS + textwrap.dedent(source % mode))
    assert "True []" in output.splitlines(), output
