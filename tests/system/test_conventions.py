"""What the rooms that decide and act have to keep: the clock is handed in, a field has one owner, names are honest."""

import ast

from ..programs import ROOT

PACKAGE = ROOT / "cwlog_handler"
# What a clock is made of (`system/stdlib.py`, `time`), and the system's own (`system/clock.py`).
CLOCKS = {"time", "monotonic", "times_of_day_ms", "SYSTEM_CLOCK"}
CLAIMS = ("is_", "has_", "may_", "can_")


def modules():
    """Each module of the rooms `core`, `delivery` and `process`, as a tree."""
    for room in ("core", "delivery", "process"):
        for path in sorted((PACKAGE / room).glob("*.py")):
            yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def clocks_in(tree):
    """The clocks that a module takes by itself: imported by name, or as an attribute of a module that has them."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from CLOCKS & {name.name for name in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "stdlib":
            yield from CLOCKS & {node.attr}


def changed_in(node):
    """Each attribute that is assigned or deleted somewhere in this code: whose it is, and its name."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, (ast.Store, ast.Del)):
            yield ast.unparse(part.value), part.attr


def test_only_what_a_process_shares_takes_the_systems_clock_by_itself():
    """A simulation hands in another one, without replacing a name."""
    found = {f"{module}: {clock}" for module, tree in modules() for clock in clocks_in(tree)}
    # Both are there before any handler: by default they have the system's clock.
    assert found == {"delivery/pool.py: SYSTEM_CLOCK", "process/carriers.py: SYSTEM_CLOCK"}


def test_nobody_changes_the_fields_of_an_object_that_another_module_describes():
    """Who wants to know why a field has its value has one module to read."""
    found = set()
    for module, tree in modules():
        changed = set(changed_in(tree))
        own = {name for owner, name in changed if owner in ("self", "cls")}
        found |= {f"{module}: {owner}.{name}" for owner, name in changed if name not in own}
    assert found == {
        # Counted without a call: see ARCHITECTURE, Ctrl-C, 1.
        *(f"core/stream.py: ledger.{name}" for name in ("emitted", "pending", "pending_bytes")),
        # Whom the spool tells, once: who stores is made after it.
        "delivery/storing.py: spool.on_lost",
        # A program of others is changed where uvicorn handles SIGTERM.
        "process/runtimes.py: server._captured_signals",
        "process/runtimes.py: server_class.capture_signals",
    }


def test_what_reads_as_a_claim_changes_nothing():
    """Whoever asks may ask twice."""
    found = set()
    for module, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.lstrip("_").startswith(CLAIMS):
                found |= {f"{module}: {node.name} changes {name}" for _, name in changed_in(node)}
    assert not found
