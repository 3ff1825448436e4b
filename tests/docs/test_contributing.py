"""The way in is true: what CONTRIBUTING names is there, and what CI runs is what everybody can run."""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from ..conftest import WORKERS, pytest_xdist_auto_num_workers
from ..markers import has_a_starter

pytestmark = pytest.mark.any_python

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def listed(name):
    """The entries of a list in pyproject.toml, each on a line of its own."""
    entries = re.search(rf"^{name} = \[\n(.*?)^\]$", PROJECT, re.DOTALL | re.MULTILINE)[1]
    return re.findall(r'^ *"(.*)",$', entries, re.MULTILINE)


def test_every_folder_of_tests_has_its_row():
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(re.findall(r"`tests/(\w+)/`", CONTRIBUTING)) == folders


def test_the_files_that_it_names_are_there():
    for name in re.findall(r"\b(?:tests|\.ci)/[\w/.-]*\w", CONTRIBUTING):
        assert (ROOT / name).exists(), name


def test_the_modules_that_it_runs_are_programs():
    for name in re.findall(r"-m (tests\.[\w.]*\w)", CONTRIBUTING):
        assert (ROOT / name.replace(".", "/") / "__main__.py").exists(), name


def test_the_one_test_that_it_shows_exists():
    path, keyword = re.search(r"pytest (\S+) -k (\w+)`", CONTRIBUTING).groups()
    assert re.search(rf"^def test_\w*{keyword}", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_smallest_group_has_as_many_packages_as_it_says():
    words = {"four": 4, "five": 5, "six": 6}
    said = re.search(r"\[test-core\]' +# (\w+) packages", CONTRIBUTING)[1]
    assert words[said] == len(listed("test-core"))


def test_every_extra_that_it_names_is_there():
    extras = re.search(r"^\[project\.optional-dependencies\]\n(.*?)^\[", PROJECT, re.DOTALL | re.MULTILINE)[1]
    known = re.findall(r"^([\w-]+) = ", extras, re.MULTILINE)
    named = re.findall(r"\.\[([\w-]+)\]'", CONTRIBUTING) + re.findall(r"\(`([\w-]+)`", CONTRIBUTING.split("## ")[1])
    assert {"test-core", "test", "recipes", "uwsgi"} == set(named) <= set(known)


def test_it_explains_every_marker():
    known = {entry.partition(":")[0] for entry in listed("markers")}
    assert set(re.findall(r"^- `(\w+)`: ", CONTRIBUTING, re.MULTILINE)) == known


@pytest.mark.parametrize(
    ("how", "workers"),
    [
        ({}, WORKERS),
        ({"args_source": pytest.Config.ArgsSource.ARGS}, 0),
        ({"keyword": "24_hours"}, 0),
        ({"markexpr": "not slow"}, 0),
        ({"lf": True}, 0),
        ({"numprocesses": 2}, None),
    ],
    ids=["whole", "file", "keyword", "marker", "failed last", "number"],
)
def test_only_the_whole_suite_starts_workers_by_itself(monkeypatch, how, workers):
    """Their start takes longer than most tests."""
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    options = {"numprocesses": "auto", "args_source": pytest.Config.ArgsSource.TESTPATHS, **how}
    config = SimpleNamespace(
        ArgsSource=pytest.Config.ArgsSource,
        args_source=options["args_source"],
        option=SimpleNamespace(numprocesses=options["numprocesses"]),
        getoption=options.get,
    )
    assert pytest_xdist_auto_num_workers(config) == workers


def test_what_starts_processes_is_marked_by_itself():
    """So "not process" leaves them out although nobody has marked them."""
    assert has_a_starter(importlib.import_module("tests.test_architecture"))
    assert not has_a_starter(importlib.import_module("tests.core.test_batches"))
    assert not has_a_starter(importlib.import_module(__name__))


def test_the_workflow_runs_what_everybody_can_run():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    runs = re.findall(r"^ +- run: (.*)$", workflow, re.MULTILINE)
    assert "bash .ci/run" in runs
    assert "bash .ci/coverage" in runs
    assert all(f"`{command}`" in CONTRIBUTING for command in ("bash .ci/run", "bash .ci/coverage"))


def test_whoever_reports_something_is_asked_for_what_is_needed():
    """GitHub offers a template for issues only if it begins with its name and what it is about."""
    folder = ROOT / ".github"
    templates = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("ISSUE_TEMPLATE/*.md")}
    assert set(templates) == {"bug.md", "idea.md"}
    assert all(re.match(r"---\nname: .+\nabout: .+\n---\n", text) for text in templates.values())
    assert all(word in templates["bug.md"] for word in ("stderr", "`handler.stats`", "cwlog_handler doctor`"))
    assert "`bash .ci/run` passes" in (folder / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in (folder / "SECURITY.md").read_text(encoding="utf-8")


def test_a_commit_is_checked_with_what_ci_checks():
    """Otherwise what passes before a commit fails after it."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = re.findall(r"entry: \.venv/bin/python -m (.*)$", hooks, re.MULTILINE)
    assert commands == ["ruff check", "ruff format --check", "mypy"]
    for command in commands:
        assert re.search(rf"python -m {command}\b", script), command
