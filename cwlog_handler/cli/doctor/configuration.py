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

_AS_JSON = "give it as .yaml, .toml or as JSON: from a configuration in Python, write it with json.dump"
_ELSEWHERE = "correct it, or run this where the program runs, with its modules and environment"


class Unusable(Exception):
    """The file cannot be used; the message is the cause, ``way_out`` what to do."""

    def __init__(self, cause: str, way_out: str) -> None:
        super().__init__(cause)
        self.way_out = way_out


class _NotImported(Unusable):
    """The class of a handler cannot be imported."""


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
    config = configurator.config
    _check_version(config, path)
    entries = config["handlers"]
    found: list[Configured] = []
    not_imported: list[Unusable] = []
    for name in entries:
        place = f"{path}: handler {name!r}"
        try:
            if _is_ours(configurator, entries[name], place):
                _check_references(config, entries[name], place)
                found.append(Configured(str(name), _options(entries[name], place), _users(config, str(name))))
        except _NotImported as problem:
            # Another handler's, perhaps, whose package is only there where the program runs.
            not_imported.append(problem)
    _check_loggers(config, path)
    if not found and not_imported:
        raise not_imported[0]
    if not found:
        names = ", ".join(map(repr, entries)) or "none at all"
        raise Unusable(
            f"{path}: no CloudWatchLogsHandler among its handlers: {names}",
            "its entry needs 'class': 'cwlog_handler.CloudWatchLogsHandler'",
        )
    return found


def _loaded(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: {error}", "give a readable file in UTF-8") from None
    way_out = "correct the file"
    try:
        match path.suffix.lower():
            case ".yaml" | ".yml":
                return _module("yaml", "install pyyaml, or give JSON").safe_load(text)
            case ".toml":
                return _module("tomllib", "use Python 3.11 or newer, or give JSON").loads(text)
            case suffix:
                way_out = "correct the file" if suffix == ".json" else _AS_JSON
                return json.loads(text)
    except Unusable:
        raise
    except Exception as error:
        # yaml's errors have no class in common with the others'.
        raise Unusable(f"{path}: {' '.join(str(error).split())}", way_out) from None


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


def _check_version(config: Mapping[str, Any], path: Path) -> None:
    if config.get("version") != 1:
        raise Unusable(f"{path}: 'version' is {config.get('version')!r}", "dictConfig takes 1 only: write 'version': 1")


def _check_references(config: Mapping[str, Any], entry: Any, place: str) -> None:
    """See that formatter and filters are there: dictConfig would stumble over it."""
    filters = entry.get("filters") or ()
    for kind, names in (("formatter", [entry.get("formatter")]), ("filter", filters)):
        for name in names:
            # A filter may be an object, too.
            if isinstance(name, str) and name not in (config.get(f"{kind}s") or {}):
                raise Unusable(f"{place}: there is no {kind} {name!r}", f"add it to '{kind}s', or correct the name")


def _check_loggers(config: Mapping[str, Any], path: Path) -> None:
    loggers = {f"logger {name!r}": entry for name, entry in (config.get("loggers") or {}).items()}
    for place, entry in {"root": config.get("root"), **loggers}.items():
        names = (entry.get("handlers") if isinstance(entry, Mapping) else None) or ()
        if isinstance(names, str):
            raise Unusable(f"{path}: {place}: 'handlers' is {names!r}", f"write a list: [{names!r}]")
        for name in names:
            if name not in config["handlers"]:
                raise Unusable(f"{path}: {place}: there is no handler {name!r}", "correct the name, or add the handler")


def _is_ours(configurator: Any, entry: Any, place: str) -> bool:
    made_by = entry.get("()") or entry.get("class") if isinstance(entry, Mapping) else None
    if isinstance(made_by, str):
        try:
            made_by = configurator.resolve(made_by)
        except Exception as error:
            cause = f"{place}: {made_by!r} cannot be imported: {_said_by(error)}"
            if made_by.startswith("cwlog_handler"):
                raise Unusable(cause, "write 'class': 'cwlog_handler.CloudWatchLogsHandler'") from None
            raise _NotImported(cause, _ELSEWHERE) from None
    return isinstance(made_by, type) and issubclass(made_by, CloudWatchLogsHandler)


def _options(entry: Any, place: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    # Looked up one by one: only so are ext:// and cfg:// values resolved.
    for name in entry:
        if name not in _OF_DICTCONFIG:
            try:
                options[str(name)] = entry[name]
            except Exception as error:
                raise Unusable(f"{place}: {name}: {_said_by(error)}", _ELSEWHERE) from None
    return options


def _said_by(error: Exception) -> str:
    """Return what an exception says; the modules of a program may raise any when they are imported."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _users(config: Any, handler: str) -> tuple[str, ...]:
    entries = {"root": config.get("root"), **(config.get("loggers") or {})}
    entries |= {f"handler {name!r}": entry for name, entry in config["handlers"].items()}
    return tuple(
        str(name)
        for name, entry in entries.items()
        if isinstance(entry, Mapping) and (_has(entry.get("handlers"), handler) or entry.get("target") == handler)
    )


def _has(handlers: Any, name: str) -> bool:
    return isinstance(handlers, (list, tuple)) and name in handlers
