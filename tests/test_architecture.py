"""The rooms of the package import downwards only; the contract stands in pyproject.toml."""

import subprocess

from .programs import HANG_LIMIT, ROOT, environment, python

# The command `lint-imports`, without the cache that it leaves behind.
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def test_the_import_contract_is_kept():
    """What decides can be read and tested without what acts; nothing is imported upwards or sideways."""
    linted = subprocess.run(
        python("-c", LINT), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=HANG_LIMIT
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
