"""The reasons for which events are lost."""

import ast
import inspect

import pytest

from cwlog_handler import Stats
from cwlog_handler.core.ledger import DROP_REASONS, REJECT_REASONS


@pytest.mark.parametrize(("field", "reasons"), [("rejected", REJECT_REASONS), ("dropped", DROP_REASONS)])
def test_the_docstrings_of_the_stats_name_every_reason(field, reasons):
    """Editors show them, and the reference is made of them."""
    (stats,) = ast.parse(inspect.getsource(Stats)).body
    docstrings = {
        before.target.id: node.value.value
        for before, node in zip(stats.body, stats.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign) and isinstance(node, ast.Expr)
    }
    listed = docstrings[f"{field}_by_reason"].partition(": ")[2].rstrip(".")
    assert tuple(listed.split(", ")) == reasons
