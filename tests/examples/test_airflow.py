"""The recipe for Airflow 3, run by Airflow itself, where it is installed: it is in the extra `recipes`."""

import json
import re
from importlib.util import find_spec

import pytest

from cwlog_handler.testing import FakeCloudWatchLogs, access_denied

from ..programs import python, started
from .conftest import PATH
from .test_recipes import run

# In seconds, on a busy machine.
PATIENCE = 300.0

if find_spec("airflow") is None:
    pytest.skip("needs the extra `recipes`", allow_module_level=True)

pytestmark = [
    # It starts a server and several commands of Airflow, each of which imports all of it.
    pytest.mark.timeout(PATIENCE + 30),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def ran():
    return run("airflow", patience=PATIENCE)


def shown(ran):
    """What the API server returned for each try, as (level, text): the local files are gone then."""
    pattern = r"^(\w+, try \d), as Airflow's UI shows it:\n(.*?)(?=^\w+, try|\Z)"
    tries = re.findall(pattern, ran.terminal, re.MULTILINE | re.DOTALL)
    return {name: re.findall(r"^    (\w*) (\S.*)$", text, re.MULTILINE) for name, text in tries}


def test_each_try_of_a_task_has_its_stream(ran):
    tasks = ("invoice/attempt=1", "pack/attempt=1", "ship/attempt=1", "ship/attempt=2")
    name = r"dag_id=shop/run_id=manual__[\w.+-]+/task_id=(\w+/attempt=\d)\.log"
    assert tuple(re.fullmatch(name, stream)[1] for stream in sorted(ran.streams)) == tasks
    for stream, messages in ran.streams.items():
        documents = [json.loads(message) for message in messages]
        assert all(document["timestamp"] and document["level"] for document in documents), stream


def test_the_ui_shows_what_tasks_have_logged_and_printed(ran):
    about = shown(ran)
    assert ("info", "order 17 is packed") in about["pack, try 1"]
    assert ("info", "its label is printed") in about["pack, try 1"]
    assert ("error", "Task failed with exception") in about["ship, try 1"]
    assert ("info", "shipped to Zoë") in about["ship, try 2"]
    for lines in about.values():
        assert lines[1][1].startswith("CloudWatch Logs: group my-app, stream dag_id=shop/run_id=manual__")


def test_a_failed_try_has_its_traceback_as_fields(ran):
    (stream,) = [name for name in ran.streams if "ship/attempt=1" in name]
    (failed,) = [found for found in map(json.loads, ran.streams[stream]) if found["level"] == "error"]
    assert (failed["error_detail"][0]["exc_type"], failed["error_detail"][0]["exc_value"]) == (
        "LookupError",
        "there is no lorry",
    )


def test_the_lines_of_a_task_that_was_killed_are_there(ran):
    *_, warning, killed = shown(ran)["invoice, try 1"]
    assert warning == ("warning", "out of memory soon")
    assert killed[0] == "critical"
    assert "Process terminated by signal" in killed[1]


# One program, because importing Airflow takes some seconds.
DIRECTLY = """
import json, sys
from datetime import datetime, timezone
from pathlib import Path
import airflow_cloudwatch as recipe
from cwlog_handler import CloudWatchLogsHandler

log = recipe.REMOTE_TASK_LOG
log.handler = CloudWatchLogsHandler("my-app", "{logger_name}", close_timeout=60)

class Logger:
    def __init__(self, file):
        self._file = file

def send(path, event):
    file = Path(recipe.BASE_LOG_FOLDER, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as opened:
        timestamp = datetime.now(timezone.utc).isoformat()
        log.send(Logger(opened), "info", {"event": event, "level": "info", "timestamp": timestamp})

def read(path):
    sources, streams = log.stream(path, None)
    lines = [line for stream in streams for line in stream]
    assert log.read(path, None) == (sources, ["\\n".join(lines)] if streams else [])
    return *sources, [json.loads(line)["event"] for line in lines]

def files():
    return sorted(path.name for path in Path(recipe.BASE_LOG_FOLDER).rglob("*.log"))

def tell(**what):
    print(json.dumps(what), flush=True)

for file in (sys.stderr.buffer, open("/dev/null", "ab"), None):
    log.send(Logger(file), "info", {"event": "of no task", "level": "info"})
tell(of_no_task=log.handler.stats.emitted)

send("run_id=a:b/attempt=1.log", "deferred")
send("run_id=a:b/attempt=1.log.trigger.7.log", "triggered")
log.upload("run_id=a:b/attempt=1.log.trigger.7.log")
tell(of_a_try=read("run_id=a:b/attempt=1.log"), left=files())

tell(missing=read("missing.log"))

for number in range(11_000):
    send("long.log", str(number))
log.handler.flush(60)
tell(of_many_pages=read("long.log")[1] == [str(number) for number in range(11_000)])

# Nobody waits long for what is refused.
log.handler = CloudWatchLogsHandler("my-app", "{logger_name}", close_timeout=2)
send("refused.log", "not delivered")
log.upload("refused.log")
tell(refused=files())
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What a program says that uses the recipe as Airflow does, without tasks."""
    fake = FakeCloudWatchLogs()
    fake.fail(access_denied(), stream="refused.log")
    env = {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")), "AIRFLOW__LOGGING__DELETE_LOCAL_LOGS": "True"}
    env["PYTHONPATH"] = PATH
    with fake.serve() as url, started(python("-c", DIRECTLY), url=url, **env) as program:
        assert program.wait(PATIENCE) == 0, program.output
    lines = [json.loads(line) for line in program.output.splitlines() if line.startswith("{")]
    return {name: value for line in lines for name, value in line.items()}


def test_what_is_no_log_of_a_task_is_not_sent(told):
    assert told["of_no_task"] == 0


def test_what_a_trigger_logs_is_in_the_stream_of_its_try(told):
    source = "CloudWatch Logs: group my-app, stream run_id=a_b/attempt=1.log"
    assert told["of_a_try"] == [source, ["deferred", "triggered"]]


def test_a_local_file_is_deleted_only_if_its_lines_were_delivered(told):
    assert told["left"] == ["attempt=1.log"]
    assert "refused.log" in told["refused"]


def test_a_log_of_many_pages_is_read_to_its_end(told):
    assert told["of_many_pages"]


def test_a_log_that_is_not_there_is_told_with_its_reason(told):
    """Airflow then shows the local file."""
    source, lines = told["missing"]
    assert source.startswith("CloudWatch Logs: group my-app, stream missing.log: ")
    assert source.endswith("The specified log stream does not exist.")
    assert lines == []
