"""Reads a configuration file into plain data: JSON, YAML, TOML, INI, or a dict in a Python module.

Owns: file formats. Must not know: handlers, what dictConfig expects.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from . import ini
from .unusable import Unusable, said_by

_AS_JSON: Final = "give it as .yaml, .toml, .ini or JSON"
_FROM_PYTHON: Final = (
    "give it as JSON: from a configuration in Python, write it with json.dump; or name the dict, as in "
    "--config shop.settings:LOGGING"
)
# "package.module:NAME": hardly any file has such a name.
_OBJECT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_INI_SUFFIXES: Final = frozenset({".ini", ".cfg", ".conf"})
_YAMLS_OWN_TAGS: Final = "tag:yaml.org,2002:"


class Tagged(str):
    """The text behind a YAML tag such as ``!ENV``. ``tag`` is the tag with this text, as written in the file."""

    tag: str


class Tag(NamedTuple):
    """A tag that YAML itself does not define: its line number, and its text with what stands behind it."""

    line: int
    text: str


class Contents(NamedTuple):
    """The documents of a file (only YAML can have more than one), and its unknown tags."""

    documents: list[Any]
    tags: list[Tag]


def read(path: Path) -> Contents:
    """Return the contents of a file, or of a dict named as "package.module:NAME"; raises Unusable."""
    if _OBJECT.fullmatch(str(path)) and not path.exists():
        return Contents([_imported(str(path))], [])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: {error}", "give a readable file in UTF-8") from None
    way_out = "correct the file"
    try:
        match _kind(path.suffix.lower(), text):
            case ".yaml" | ".yml":
                return _yaml(text)
            case ".toml":
                return Contents([_module("tomllib", "use Python 3.11 or newer, or give JSON").loads(text)], [])
            case ".ini":
                return Contents([ini.as_dict_config(text, path)], [])
            case kind:
                way_out = {".json": "correct the file", ".py": _FROM_PYTHON}.get(kind, _AS_JSON)
                return Contents([json.loads(text)], [])
    except Unusable:
        raise
    except Exception as error:
        # The errors of yaml, tomllib and json have no base class in common but Exception.
        raise Unusable(f"{path}: {' '.join(str(error).split())}", way_out) from None


def _kind(suffix: str, text: str) -> str:
    """Return the suffix that names the format. If the file's suffix is not clear, its first line decides."""
    first = next((line for line in map(str.strip, text.splitlines()) if line and line[0] not in "#;"), "")
    if suffix in _INI_SUFFIXES and not first.startswith("{"):
        return ".ini"
    if suffix in {".json", ".py", ".toml", ".yaml", ".yml"}:
        return suffix
    return ".ini" if re.fullmatch(r"\[[^\[\]]+\]", first) else ".json" if first.startswith("{") else suffix


def _imported(name: str) -> Any:
    try:
        return pkgutil.resolve_name(name)
    except Exception as error:
        cause = f"{name} cannot be imported: {said_by(error)}"
        raise Unusable(cause, "correct it, or run this where the program runs, with its modules") from None


def _module(name: str, way_out: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Unusable(f"{name} cannot be imported", way_out) from None


def _yaml(text: str) -> Contents:
    yaml = _module("yaml", "install pyyaml, or give JSON")
    tags: list[Tag] = []

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        """Loads as safe_load does; a tag that it does not know stands for the text behind it."""

    def text_behind(loader: Any, tag: str, node: Any) -> Any:
        written = tag.replace(_YAMLS_OWN_TAGS, "!!")
        if isinstance(node, yaml.MappingNode):
            value: Any = loader.construct_mapping(node, deep=True)
            tags.append(Tag(node.start_mark.line + 1, f"{written} {{…}}"))
            return value
        behind = node.value if isinstance(node, yaml.ScalarNode) else str(loader.construct_sequence(node, deep=True))
        value = Tagged(behind or written.rpartition(":")[2])
        value.tag = f"{written} {behind}".strip()
        tags.append(Tag(node.start_mark.line + 1, value.tag))
        return value

    Loader.add_multi_constructor("", text_behind)
    documents = list(yaml.load_all(text, Loader))
    # Sorted by line, because YAML constructs the values of a mapping later than the mapping.
    return Contents(documents, sorted(tags))
