"""Sub-interpreters that end, as those of mod_wsgi do: all arrives, and no thread of ours stays behind.

Up to Python 3.13 a thread that is left aborts the whole process.
"""

import importlib.util
import sys
import textwrap

import pytest

from cwlog_handler.testing import server_error, stall

from ..programs import python, started
from .conftest import PATIENCE

# How an interpreter is made, runs `code` and is ended.
WAYS = {
    # What embeds Python does this in C: Py_NewInterpreter, Py_EndInterpreter.
    "embedded": ("_testcapi", "assert _testcapi.run_in_subinterp(code) == 0"),
    "isolated": ("_interpreters", "x = _interpreters.create(); run(_interpreters, x); _interpreters.destroy(x)"),
    # Before 3.12 one that is isolated has no threads.
    "without threads": (
        "_xxsubinterpreters",
        "x = _xxsubinterpreters.create(); run(_xxsubinterpreters, x); _xxsubinterpreters.destroy(x)",
    ),
    "with": (
        "concurrent.interpreters",
        "import concurrent.interpreters as i; x = i.create(); x.exec(code); x.close()",
    ),
    "pool": (
        "concurrent.interpreters",
        "import concurrent.futures as c\n"  # noqa: ISC004
        "with c.InterpreterPoolExecutor(1) as x: x.submit(exec, code, {}).result()",
    ),
}
PRELUDE = """\
import logging, sys, atexit, time, threading
{first}
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler("g", "s", **{options!r})
log = logging.getLogger("program")
log.setLevel(logging.DEBUG)
log.addHandler(handler)
"""
# Whether all threads are gone is looked at for less time than one of ours lingers without work.
MAIN = """\
import os, time
def run(interpreters, x):
    error = interpreters.run_string(x, code)
    assert error is None, error
def threads(): return len(os.listdir("/proc/self/task"))
code = {code!r}
{before}
count = threads()
{way}
give_up = time.monotonic() + 5
while threads() > count and time.monotonic() < give_up: time.sleep(0.01)
print("threads left:", threads() - count)
{after}
"""


def is_there(module):
    if module == "_interpreters" and sys.version_info >= (3, 14):
        # What `concurrent.interpreters` is made of.
        return False
    if module == "_xxsubinterpreters" and sys.version_info >= (3, 12):
        # There it has threads, and what imports ssl breaks the heap when such an interpreter ends.
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(params=[name for name, (module, _) in WAYS.items() if is_there(module)])
def run(request, fake, tmp_path):
    """Run a source in a sub-interpreter that ends; return what the process wrote."""
    module, way = WAYS[request.param]

    def run(source, *, first="", before="", after="", **options):
        options = {"close_timeout": PATIENCE, **options}
        code = PRELUDE.format(first=first, options=options) + textwrap.dedent(source)
        path = tmp_path / "program.py"
        way_there = f"import {module}\n{way}"
        path.write_text(MAIN.format(code=code, before=before, way=way_there, after=after))
        with fake.serve() as url, started(python(str(path)), url=url, cwd=tmp_path) as program:
            status = program.wait()
        assert status == 0, program.output
        return program.output

    return run


pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="threads are counted as Linux shows them"),
    # In such an interpreter coverage starts a second time, and fails.
    pytest.mark.unmeasured,
]

LIVES = {
    "a record that waits": "log.info('last')",
    "threads without work": "log.info('last'); handler.flush()",
    "more after a flush": "log.info('first'); handler.flush(); log.info('last')",
    "a closed handler": "log.info('last'); handler.close()",
    "a record after close": "log.info('first'); handler.close(); log.info('last')",
    "a record of a callback that runs last": "",
    "a handler that is gone": "log.info('last'); log.removeHandler(handler); del handler; import gc; gc.collect()",
    "several handlers": (
        "log.addHandler(CloudWatchLogsHandler('g', 't', close_timeout=50))\nlog.info('last'); handler.flush()"
    ),
    "many streams": (
        "log.addHandler(CloudWatchLogsHandler('g', '{logger_name}', close_timeout=50))\n"
        "for n in range(20): logging.getLogger(f'program.{n}').info('more')\n"
        "log.handlers[1].flush(); log.info('last')"
    ),
    "a thread that Python waits for at the end": """
        def work():
            time.sleep(0.3)
            log.info("last")
        threading.Thread(target=work).start()
        """,
}


@pytest.mark.parametrize("name", LIVES)
def test_all_arrives_and_no_thread_is_left(fake, run, name, request):
    """F55."""
    if "without threads" in request.node.name and "Thread" in LIVES[name]:
        pytest.skip("such an interpreter has no threads")
    first = "atexit.register(lambda: log.info('last'))" if name == "a record of a callback that runs last" else ""
    assert run(LIVES[name], first=first) == "threads left: 0\n"
    assert fake.messages("g", "s")[-1:] == ["last"]


def test_each_record_is_sent_by_its_caller_without_threads(fake, run):
    """F55."""
    assert run("log.info('last')", use_queues=False) == "threads left: 0\n"
    assert fake.messages("g", "s") == ["last"]


def test_what_cannot_be_delivered_is_told_and_no_thread_goes_on_trying(fake, run):
    """F55: the service is down for the whole of `close_timeout`, and beyond."""
    fake.fail(server_error(503), times=1000)
    output = run("log.info('lost')", close_timeout=0.5)
    assert "1 events not delivered at exit" in output
    assert "threads left: 0" in output


def test_a_request_without_an_answer_is_waited_for_beyond_the_deadline(fake, run):
    """F55: a thread that is in a call cannot be ended, and left behind it would end the whole process."""
    client = """
import boto3, botocore.config
once = botocore.config.Config(read_timeout=2, retries={"total_max_attempts": 1})
log.removeHandler(handler)
handler = CloudWatchLogsHandler("g", "s", boto3_client=boto3.client("logs", config=once), close_timeout=0.5)
log.addHandler(handler)
log.info("lost")
"""
    fake.fail(stall(), times=1000)
    output = run(client)
    assert "1 events not delivered at exit" in output
    assert "threads left: 0" in output


def test_the_main_interpreter_and_the_next_one_go_on(fake, run):
    """F55: what ends is the business of one interpreter."""
    main = PRELUDE.format(first="", options={"log_stream_name": "main", "close_timeout": PATIENCE}).replace('"s", ', "")
    before = f"{main}\nlog.info('first'); handler.flush()"
    after = "log.info('last')\nassert handler.flush() and handler.stats.delivered == 2"
    assert run("log.info('m'); handler.flush()", before=before, after=after) == "threads left: 0\n"
    assert fake.messages("g", "main") == ["first", "last"]
    assert fake.messages("g", "s") == ["m"]
