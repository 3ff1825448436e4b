"""The public names are typed, and tightly: mypy and pyright, both strict, agree with a program that uses them all."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cwlog_handler
import cwlog_handler.prometheus
import cwlog_handler.testing

from ..programs import HANG_LIMIT, ROOT, environment

PROGRAM = Path(__file__).with_name("public_api.py")
TEXT = PROGRAM.read_text(encoding="utf-8")


def check(*argv):
    result = subprocess.run(
        [sys.executable, "-m", *argv, str(PROGRAM)],
        cwd=ROOT,
        env=environment(PYRIGHT_PYTHON_IGNORE_WARNINGS="1"),
        capture_output=True,
        text=True,
        timeout=2 * HANG_LIMIT,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_mypy_strict_agrees(tmp_path):
    check("mypy", "--strict", f"--cache-dir={tmp_path}")


@pytest.mark.slow
def test_pyright_strict_agrees():
    pytest.importorskip("pyright", reason="pyright is not installed")
    check("pyright", "--pythonpath", sys.executable)


PACKAGES = [cwlog_handler, cwlog_handler.testing, cwlog_handler.prometheus]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_program_uses_every_public_name(package):
    for name in package.__all__:
        assert re.search(rf"\b{name}\b", TEXT), name
        value = getattr(package, name)
        if inspect.isclass(value) and not issubclass(value, BaseException):
            own = {member for member in vars(value) if not member.startswith("_")}
            own |= set(getattr(value, "__dataclass_fields__", ()))
            # Of an enumeration one member will do.
            missing = {member for member in own if not re.search(rf"\.{member}\b", TEXT)}
            assert not missing or hasattr(value, "__members__"), (name, missing)


def test_the_program_gives_every_option_right_and_wrong():
    options = set(inspect.signature(cwlog_handler.CloudWatchLogsHandler.__init__).parameters) - {"self"}
    assert options <= set(re.findall(r"^ {12}(\w+)=", TEXT, re.MULTILINE))
    # What is passed on to boto3 may be anything, a mock as well; the first two are given by position.
    wrong = set(re.findall(r'^    CloudWatchLogsHandler\("group", (\w+)=.*# type: ignore', TEXT, re.MULTILINE))
    assert options - wrong == {"log_group_name", "log_stream_name", "boto3_client"}
