"""The README is true: its snippets run, its tables are the constructor's, its commands are those that are checked."""

import inspect
import json
import logging
import re
import time
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from cwlog_handler import CloudWatchLogsHandler, Stats
from cwlog_handler.core.ledger import DROP_REASONS, REJECT_REASONS

from ..programs import python, started

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARAMETERS = {
    name: parameter
    for name, parameter in inspect.signature(CloudWatchLogsHandler.__init__).parameters.items()
    if name != "self"
}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def section(title):
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[1]


def rows(title):
    """The cells of the section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def run(snippet):
    """Execute a snippet, and the tests that it defines."""
    names = {"__name__": "readme"}
    exec(compile(snippet, "README.md", "exec"), names)
    for name in [name for name in names if name.startswith("test_")]:
        names[name]()


@pytest.fixture
def loggers_as_they_were():
    """dictConfig and the snippets change the root logger and "shop": afterwards they are what they were."""
    before = [(logger, logger.handlers[:], logger.level) for logger in (logging.getLogger(), logging.getLogger("shop"))]
    yield
    for logger, handlers, level in before:
        for handler in logger.handlers:
            if isinstance(handler, CloudWatchLogsHandler):
                handler.close()
        logger.handlers[:] = handlers
        logger.setLevel(level)


PYTHON = blocks("python")


@pytest.mark.parametrize("snippet", [s for s in PYTHON if "cwlog_handler.testing" in s])
def test_snippets_for_tests_run_as_they_stand(snippet, loggers_as_they_were, monkeypatch):
    """Also where nobody has ever heard of AWS: that is the point of a stand-in."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    run(snippet)


@pytest.mark.parametrize("snippet", [s for s in PYTHON if "cwlog_handler.testing" not in s])
def test_snippets_for_programs_deliver_what_they_log(snippet, loggers_as_they_were):
    with mock_aws():
        run(snippet)
        logger = next(logger for logger in (logging.getLogger("shop"), logging.getLogger()) if logger.handlers)
        handler = logger.handlers[0]
        assert handler.flush(30)
        # What boto3 logs below is the program's own and would be sent too, after moto has ended.
        logger.removeHandler(handler)
        handler.close()
        client = boto3.client("logs")
        events = client.filter_log_events(logGroupName="my-app")["events"]

    text = re.search(r'logger\.warning\("(.*?)"\)', snippet)
    assert (text[1] if text else "Hello, CloudWatch") in [event["message"] for event in events]


def test_six_lines_are_enough():
    assert len([line for line in PYTHON[0].splitlines() if line]) == 6


def test_the_options_table_lists_the_constructors_keywords_with_their_defaults():
    listed = {name.strip("`"): default for name, default, *_ in rows("Options")}

    assert list(listed.pop("log_group_name").split()) == ["required"]
    assert PARAMETERS["log_group_name"].default is inspect.Parameter.empty
    assert set(listed) == set(PARAMETERS) - {"log_group_name"}
    for name, default in listed.items():
        value = eval(default.strip("`"), {"logging": logging})
        assert (value, type(value)) == (PARAMETERS[name].default, type(PARAMETERS[name].default)), name


def test_every_policy_is_json_and_allows_what_its_text_says():
    one, four = [json.loads(block)["Statement"][0]["Action"] for block in blocks("json")]

    assert one == "logs:PutLogEvents"
    assert set(four) == {
        f"logs:{x}" for x in ("PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy")
    }


def test_every_count_that_the_readme_names_is_in_the_stats():
    told = section("Is it all there? `flush` and `stats`")
    also = re.search(r"There are also (.*?)\.\s", told, re.DOTALL)[1]
    named = set(re.findall(r"stats\.(\w+)", README)) | set(re.findall(r"`(\w+)`", also))

    assert named - {"rejected", "dropped"} <= set(Stats.__dataclass_fields__)
    assert named | set(re.findall(r"`(\w+_by_reason)`", told)) >= {*Stats.__dataclass_fields__, "rejected", "dropped"}


@pytest.mark.parametrize(
    ("field", "reasons"), [("rejected_by_reason", REJECT_REASONS), ("dropped_by_reason", DROP_REASONS)]
)
def test_the_readme_lists_every_reason_that_is_counted(field, reasons):
    listed = re.search(rf"\(`{field}`:\s(.*?)\)", README, re.DOTALL)[1]

    assert tuple(re.findall(r"`(\w+)`", listed)) == reasons


def test_the_commands_are_the_ones_that_ci_runs():
    """.ci/run takes them out of the README: it must find each of them, once, and have none of its own."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    patterns = re.findall(r"\$\(readme_command '(.*?)'\)", script)
    commands = [command.strip() for command in blocks("sh")]

    assert len(patterns) == len(commands) == 2
    for pattern in patterns:
        found = re.findall(rf"^python3 -m venv .*{pattern}$", README, re.MULTILINE)
        assert len(found) == 1
        assert found[0] in commands
        assert found[0] not in script


def test_what_a_record_costs_is_what_the_chart_shows():
    """The medians of `tests.benchmarks`, as they are written on the bars: both panels, one thread and eight.

    The page that compares ways has measured one thread again. The README's words must be right for both.
    """
    svg = (ROOT / ".docs" / "cost.svg").read_text(encoding="utf-8")
    shown = iter([float(number) for number in re.findall(r">(\d+\.\d)(?:, \d threads?)?</text>", svg)])
    peers = ("ours", "watchtower", "file", "queue", "null")
    cpu, cpu_8, call, call_8 = [dict(zip(peers, shown, strict=False)) for _ in range(4)]
    assert not list(shown)
    told = " ".join(README.split())
    page = (ROOT / ".docs" / "COMPARISON.md").read_text(encoding="utf-8")
    lines = [line.split("|") for line in page.splitlines() if ", delivered" in line]
    again = {name.strip(" *"): float(each.strip(" *")) for _, name, _, each, _ in lines}

    assert f"takes {call['ours'] / call['null']:.1f} times as long as with a handler that does nothing" in told
    assert f"{call_8['ours'] / call_8['null']:.1f} times where eight threads log at once" in told
    assert f"writing to a file ({cpu['ours'] / cpu['file']:.1f} times; a third of it with eight threads)" in told
    assert cpu_8["ours"] / cpu_8["file"] == pytest.approx(1 / 3, abs=0.04)
    assert "a third of watchtower's, or a sixth with eight threads" in told
    assert cpu["ours"] / cpu["watchtower"] == pytest.approx(1 / 3, abs=0.04)
    assert again["cwlog-handler, delivered"] / again["watchtower, delivered"] == pytest.approx(1 / 3, abs=0.04)
    assert cpu_8["ours"] / cpu_8["watchtower"] == pytest.approx(1 / 6, abs=0.04)


def test_what_a_fleet_comes_to_is_what_its_page_says():
    """The page has it from the simulation, which takes minutes."""
    page = (ROOT / ".docs" / "FLEET.md").read_text(encoding="utf-8")
    deploy = page[page.index("\n## A deploy\n") : page.index("\n## Other days\n")]
    figures = re.findall(r"^\| [^|]+ \| \**([\d.]+)[^|]* \| \**([\d.]+)[^|]* \|", deploy, re.MULTILINE)
    refused, _, used, late, *_ = [(float(before), float(after)) for before, after in figures]
    told, changelog = " ".join(README.split()), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    changes = " ".join(changelog.split())
    assert f"use {used[1]:.0f} % of the quota, and their records are {late[1]:.0f} seconds late in the median" in told
    assert f"{refused[1]:.0f} % of the requests are refused instead of {refused[0]:.0f} %" in changes
    assert f"records are {late[1]:.0f} s late instead of {late[0]:.0f}" in changes


def test_awslogs_shows_what_arrived(fake, logger):
    """As the README says it, but without waiting for more."""
    command = re.search(r"^ {4}(awslogs get .*) --watch$", README, re.MULTILINE)
    handler = CloudWatchLogsHandler("my-app", boto3_client=fake.client())
    logger.addHandler(handler)
    logger.info("Hello, reader")
    assert handler.flush(30)
    with fake.serve() as url, started(python("-m", *command[1].split()), url=url) as reader:
        assert reader.wait() == 0
    assert reader.output.endswith(" Hello, reader\n")


def test_the_aws_cli_shows_what_arrived(fake, logger):
    """By the requests that the README's commands make: version 2 of the AWS CLI, which has `tail`, is no package."""
    group = re.search(r"^ {4}aws logs tail (\S+) --since 10m --follow$", README, re.MULTILINE)[1]
    find = rf"^ {{4}}aws logs filter-log-events --log-group-name {group} --filter-pattern (\S+)$"
    term = re.search(find, README, re.MULTILINE)[1]
    handler = CloudWatchLogsHandler(group, boto3_client=fake.client())
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.info("Hello, reader")
    logger.error("no paper")
    assert handler.flush(30)
    with fake.serve() as url:
        client = boto3.client("logs", endpoint_url=url)
        since = int((time.time() - 600) * 1000)
        tailed = client.filter_log_events(logGroupName=group, interleaved=True, startTime=since)
        found = client.filter_log_events(logGroupName=group, filterPattern=term)
    assert [event["message"] for event in tailed["events"]] == ["INFO Hello, reader", "ERROR no paper"]
    assert [event["message"] for event in found["events"]] == ["ERROR no paper"]
