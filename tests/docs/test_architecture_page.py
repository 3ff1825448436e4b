"""The map of the package is true: what `.docs/ARCHITECTURE.md` names exists, and it names every module."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cwlog_handler"
PAGE = (ROOT / ".docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
# `room/module.py` or `room/module.py:Class.method`: below the package.
NAMED = re.findall(r"`([\w/]+\.py)(?::([\w.]+))?`", PAGE)


def names(file):
    """All names that a module defines: functions, classes, constants; of a class also its members and attributes."""
    return set(of_scope(ast.parse(file.read_text(encoding="utf-8")), ""))


def of_scope(scope, prefix):
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from of_scope(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield from (prefix + attribute for attribute in of_self(node) if prefix)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


def of_self(method):
    """The attributes that a method gives its object."""
    for node in ast.walk(method):
        is_stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if is_stored and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_what_the_map_names_exists(file):
    """A stranger finds each decision where the page says that it is."""
    inside = (ROOT if file.startswith("tests/") else PACKAGE) / file
    assert inside.is_file(), f"{file} is no file any more"
    wanted = {name for of, name in NAMED if of == file and name}
    assert wanted <= names(inside), f"{file} has no {wanted - names(inside)}"


def test_the_map_names_every_module():
    """A module that nobody has put on the map would be found by luck."""
    modules = {file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py") if file.name != "__init__.py"}
    assert len(modules) > 50
    assert modules <= {file for file, _ in NAMED}


def test_a_name_that_looks_like_code_is_read_by_these_tests():
    """A slip in the form of a name must not take it out of the check."""
    in_code = re.findall(r"`([^`\n]*\.py[^`\n]*)`", PAGE)
    assert [code for code in in_code if not re.fullmatch(r"[\w/]+\.py(:[\w.]+)?", code)] == []


def test_links_within_the_map_lead_to_a_heading():
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


def test_comments_that_point_to_the_map_find_their_section():
    """The rule about Ctrl-C is told once, on the map; the comments of the package give section and number."""
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))
    found = []
    for file in PACKAGE.rglob("*.py"):
        text = re.sub(r"\n *(?:# )?", " ", file.read_text(encoding="utf-8"))
        for section, number in re.findall(r"see ARCHITECTURE, ([\w -]+)(?:, (\d))?", text, re.IGNORECASE):
            found.append(section)
            assert section in sections, (file.name, section)
            assert not number or f"\n{number}. " in sections[section], (file.name, section, number)
    assert len(found) > 10
