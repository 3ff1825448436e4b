"""Programs configured for watchtower run with only the class path changed, and the same arrives as with watchtower."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from ..programs import PATIENCE, ROOT, python, started

pytest.importorskip("watchtower", reason="watchtower is not installed")

PROGRAMS = Path(__file__).with_name("programs")
THEIRS = "watchtower.CloudWatchLogHandler"
OURS = "cwlog_handler.CloudWatchLogsHandler"
PROFILE = """[profile logs-only]
region = eu-west-1
endpoint_url = {url}
aws_access_key_id = test
aws_secret_access_key = test
"""
ANY = None  # the default stream's name, which has the machine's and the process's in it

EXPECTED = {
    "plain": {
        ("plain", ANY): [
            "open",
            "order 7 costs 1.50",
            {"order": 7, "paid": True, "by": {"name": "Zoë"}},
            "no basket … KeyError: 'basket'",
        ]
    },
    "positional": {("positional", "by-position"): [f"[WARNING] number {number}" for number in range(25)]},
    "streams": {("streams", f"shop.till/{name}"): [f"from {name}"] for name in ("one", "two")},
    "dict_config": {
        ("config/all", "web-DATE"): ["shop INFO open", "shop ERROR closed"],
        ("config/errors", "web"): ["closed"],
    },
    "yaml_config": {("yaml", "shop-DATE"): ["DEBUG shop:sell - sold"]},
    "file_config": {("ini", "main"): ["INFO open"]},
    "flask_app": {
        ("flask", "shop"): [
            "hello you",
            "hello nobody",
            "Exception on /nobody [GET] … ValueError: nobody",
        ],
        ("flask", "werkzeug"): ["stopped"],
    },
    "django_site": {("django", "site"): ["DATE [WARNING ] Not Found: /nothing"]},
    "airflow_task": {
        ("airflow-tasks", "dag_id=etl/run_id=scheduled__2026-01-01T00_00_00+00_00/task_id=load/attempt=1.log"): [
            "loading",
            {"day": "2026-01-01", "what": None},
        ],
        ("airflow-tasks", "dag_id=etl/task_id=load/attempt=1.log.trigger.7.log"): ["waiting"],
    },
    "airflow_remote": {
        ("airflow-remote", "run_id=manual__2026-01-01T00_00_00/attempt=1.log"): [
            {"event": "step 0", "at_ms": "TIME"},
            {"event": "step 2", "at_ms": "TIME"},
        ],
        ("airflow-remote", "run_id=manual__2026-01-01T00_00_00/attempt=2.log"): [
            {"event": "step 1", "at_ms": "TIME"},
            {"event": "step 3", "at_ms": "TIME"},
        ],
        ("airflow-remote", "late.log"): [{"event": "after the end", "at_ms": "TIME"}],
    },
    "subclass": {
        ("settings", "s"): [{"level": "INFO", "text": "open"}, {"level": "INFO", "text": ""}],
        ("careful", "host-one"): ["open"],
    },
    "formatter": {
        ("formatter", "s"): [
            {"msg": "open", "levelname": "INFO", "funcName": "<module>"},
            {"order": 7, "levelname": "WARNING", "funcName": "<module>"},
        ]
    },
}
# Where watchtower does otherwise, on its own: it looks at the text before the formatter has made something of it.
WATCHTOWER_DIFFERS = {"subclass": {("settings", "s"): [{"level": "INFO", "text": "open"}]}}


def test_every_program_is_run():
    assert set(EXPECTED) == {path.stem for path in PROGRAMS.glob("*.py")}


@pytest.mark.parametrize("handler", [OURS, THEIRS], ids=["here", "watchtower"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_program_made_for_watchtower_logs_here_what_it_logged_there(fake, tmp_path, name, handler):
    if name == "yaml_config":
        pytest.importorskip("yaml")
    # These do not make what is missing.
    fake.create("positional", "by-position")
    fake.create("yaml")
    with fake.serve() as url:
        config = tmp_path / "aws-config"
        config.write_text(PROFILE.format(url=url))
        argv = python(str(moved(tmp_path / "program", handler) / f"{name}.py"))
        path = os.pathsep.join(map(str, (PATIENCE, ROOT)))
        with started(argv, url=url, AWS_CONFIG_FILE=str(config), PYTHONPATH=path) as program:
            assert program.wait() == 0, program.output

    expected = EXPECTED[name] | (WATCHTOWER_DIFFERS.get(name, {}) if handler == THEIRS else {})
    assert arrived(fake, {group for group, _ in expected}, expected) == expected, program.output


def moved(folder, handler):
    """Copy the programs, with no more changed in them than the class path; what is imported follows from it."""
    shutil.copytree(PROGRAMS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.iterdir():
        text = path.read_text()
        changed = text.replace(THEIRS, handler)
        if changed != text:
            changed = changed.replace("import watchtower\n", "import watchtower\nimport cwlog_handler\n")
        path.write_text(changed)
    return folder


def arrived(fake, groups, expected):
    """What is in these groups, by stream, with what differs from run to run made the same."""
    found = {}
    for group in groups:
        for stream in fake.streams(group):
            name = ANY if (group, ANY) in expected else without_date(stream)
            messages = [normalized(event) for event in fake.events(group, stream)]
            if messages:
                found.setdefault((group, name), []).extend(messages)
    return found


def normalized(event):
    text = event.message
    if text.startswith("{"):
        document = json.loads(text)
        if document.get("at_ms") == event.timestamp:
            document["at_ms"] = "TIME"
        return document
    lines = text.splitlines()
    return without_date(text if len(lines) == 1 else f"{lines[0]} … {lines[-1]}")


def without_date(text):
    # Any date will do, as midnight may have passed; those of Airflow's names are followed by a time.
    return re.sub(r"\b(20)?\d\d-\d\d-\d\d(?!T)", "DATE", text)
