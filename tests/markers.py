"""Which marks a test has by what it uses, so that nobody needs to remember them."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from functools import cache
from types import ModuleType

import pytest

from . import programs

# Whatever has one of these starts processes.
STARTERS = (subprocess, multiprocessing, programs, programs.Program, programs.python, programs.started)


def starts_processes(item: pytest.Item) -> bool:
    """True if a test's module, or the conftest of a fixture that it uses, has what starts processes."""
    module, fixtures = item.module, item.fixturenames
    conftest = sys.modules.get(f"{module.__package__}.conftest")
    return (
        "pytester" in fixtures
        or has_a_starter(module)
        or (conftest is not None and has_a_starter(conftest) and any(name in vars(conftest) for name in fixtures))
    )


@cache
def has_a_starter(module: ModuleType) -> bool:
    """True if a module has a starter, by itself or by a module of these tests that it imports from."""
    values = list(vars(module).values())
    if any(value is starter for value in values for starter in STARTERS):
        return True
    names = {str(getattr(value, "__module__", getattr(value, "__name__", ""))) for value in values}
    helpers = {name for name in names if name.startswith(f"{__package__}.")} - {module.__name__, __name__}
    return any(has_a_starter(sys.modules[name]) for name in helpers if name in sys.modules)
