"""The handlers in a file with a configuration for ``logging.config.dictConfig``: JSON, YAML or TOML.

Owns: reading the file, finding our handlers in it and who uses them. Must not know: checks. Nothing is configured.
"""

from __future__ import annotations

import importlib
import json
import logging.config
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...handler import CloudWatchLogsHandler

# What dictConfig itself takes of a handler's entry, before the rest becomes its keyword arguments.
_OF_DICTCONFIG = frozenset({"class", "()", "formatter", "filters", "."})


class Unusable(Exception):
    """The file cannot be used; the message is the cause, ``way_out`` what to do."""

    def __init__(self, cause: str, way_out: str) -> None:
        super().__init__(cause)
        self.way_out = way_out


@dataclass(frozen=True, slots=True)
class Configured:
    """One handler of the file: its name, its options, and the loggers (and handlers) that have it."""

    name: str
    options: Mapping[str, Any]
    users: tuple[str, ...]


def handlers_in(path: Path) -> list[Configured]:
    """Return every CloudWatchLogsHandler that the file configures, subclasses too; raises Unusable.

    Classes and ``ext://`` values are imported, as dictConfig would.
    """
    configurator = logging.config.DictConfigurator(_configuration(_loaded(path), path))
    entries = configurator.config.get("handlers") or {}
    found = [
        Configured(str(name), _options(entry), _users(configurator.config, str(name)))
        for name, entry in ((name, entries[name]) for name in entries)
        if _is_ours(configurator, entry)
    ]
    if not found:
        names = ", ".join(map(repr, entries)) or "none at all"
        raise Unusable(
            f"{path}: no CloudWatchLogsHandler among its handlers: {names}",
            "its entry needs 'class': 'cwlog_handler.CloudWatchLogsHandler'",
        )
    return found


def _loaded(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: {error}", "give a readable file in UTF-8") from None
    try:
        match path.suffix.lower():
            case ".yaml" | ".yml":
                return _module("yaml", "install pyyaml, or give JSON").safe_load(text)
            case ".toml":
                return _module("tomllib", "use Python 3.11 or newer, or give JSON").loads(text)
            case _:
                return json.loads(text)
    except Unusable:
        raise
    except Exception as error:
        # yaml's errors have no class in common with the others'.
        raise Unusable(f"{path}: {' '.join(str(error).split())}", "correct the file (.json, .yaml or .toml)") from None


def _module(name: str, way_out: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Unusable(f"{name} cannot be imported", way_out) from None


def _configuration(loaded: Any, path: Path) -> dict[str, Any]:
    """Return the part with handlers: the file, or the one table of it (``[logging]``) that has them."""
    if isinstance(loaded, dict):
        tables = [table for table in (loaded, *loaded.values()) if isinstance(table, dict)]
        for table in tables:
            if isinstance(table.get("handlers"), dict):
                return table
    raise Unusable(f"{path}: no 'handlers' in it", "give a configuration as logging.config.dictConfig takes it")


def _is_ours(configurator: Any, entry: Any) -> bool:
    made_by = entry.get("()") or entry.get("class") if isinstance(entry, Mapping) else None
    if isinstance(made_by, str):
        try:
            made_by = configurator.resolve(made_by)
        except (ValueError, ImportError, AttributeError) as error:
            if made_by.startswith("cwlog_handler"):
                cause = f"{made_by!r} cannot be imported: {error}"
                raise Unusable(cause, "write 'class': 'cwlog_handler.CloudWatchLogsHandler'") from None
            return False
    return isinstance(made_by, type) and issubclass(made_by, CloudWatchLogsHandler)


def _options(entry: Any) -> dict[str, Any]:
    # Looked up one by one: only so are ext:// and cfg:// values resolved.
    return {str(name): entry[name] for name in entry if name not in _OF_DICTCONFIG}


def _users(config: Any, handler: str) -> tuple[str, ...]:
    entries = {"root": config.get("root"), **(config.get("loggers") or {})}
    entries |= {f"handler {name!r}": entry for name, entry in config["handlers"].items()}
    return tuple(
        str(name)
        for name, entry in entries.items()
        if isinstance(entry, Mapping) and _has(entry.get("handlers"), handler)
    )


def _has(handlers: Any, name: str) -> bool:
    return isinstance(handlers, (list, tuple)) and name in handlers
