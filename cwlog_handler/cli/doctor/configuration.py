"""Finds our handlers in a configuration for ``logging.config.dictConfig``, without configuring anything.

Owns: finding our handlers, and the loggers that use them. Must not know: checks, how a file is read.
"""

from __future__ import annotations

import inspect
import logging.config
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...handler import CloudWatchLogsHandler
from . import files
from .unusable import Unusable, said_by

# Keys of a handler's entry that dictConfig uses itself. All others become keyword arguments of the handler.
_OF_DICTCONFIG: Final = frozenset({"class", "()", "formatter", "filters", "."})

_OURS: Final = "cwlog_handler.CloudWatchLogsHandler"
_ELSEWHERE: Final = "correct it, or run this where the program runs, with its modules and environment"
_DEEPEST: Final = 5


class _NotImported(Unusable):
    """The class of a handler cannot be imported."""


@dataclass(frozen=True, slots=True)
class Configured:
    """One handler of the file: its name, its options, and the loggers (and other handlers) that use it."""

    name: str
    options: Mapping[str, Any]
    users: tuple[str, ...]
    tags: list[files.Tag] = field(default_factory=list)
    """The YAML tags of the whole file that only the program's own loader understands."""
    of_its_class: tuple[str, ...] = ()
    """Keywords that only its class, a subclass of our handler, takes. They are left out of ``options``."""


def handlers_in(path: Path) -> list[Configured]:
    """Return every CloudWatchLogsHandler that the file configures, subclasses included; raises Unusable.

    Classes and ``ext://`` values are imported, as dictConfig does it.
    """
    contents = files.read(path)
    tables = list(_configurations(contents.documents))
    if not tables:
        behind = "".join(f"; line {line}: {text} is read as text" for line, text in contents.tags)
        raise Unusable(
            f"{path}: no 'handlers' in it{behind}", "give a configuration as logging.config.dictConfig takes it"
        )
    found = [
        handler
        for where, table in tables
        for handler in _handlers_of(table, path, contents.tags, f"{where}: " if len(tables) > 1 else "")
    ]
    if not found:
        raise _nothing_of_ours([table for _, table in tables], path)
    return found


def _configurations(documents: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each table that has handlers, with its place: a whole document, or a part of it such as ``[logging]``.

    If some tables have a version, only those are taken: the others may be about other handlers than logging's.
    """
    found = [
        (where, table)
        for number, document in enumerate(documents, 1)
        for where, table in _tables(document, f"document {number}" if len(documents) > 1 else "", 0)
    ]
    versioned = [(where, table) for where, table in found if "version" in table]
    yield from versioned or found


def _tables(value: Any, where: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict) and depth <= _DEEPEST:
        if isinstance(value.get("handlers"), dict):
            yield where, value
            return
        for name, part in value.items():
            yield from _tables(part, f"{where}.{name}" if where else str(name), depth + 1)


def _handlers_of(table: dict[str, Any], path: Path, tags: list[files.Tag], prefix: str) -> list[Configured]:
    configurator = logging.config.DictConfigurator(table)
    config = configurator.config
    _check_version(config, path)
    entries = config["handlers"]
    found: list[Configured] = []
    not_imported: list[Unusable] = []
    for name in entries:
        place = f"{path}: {prefix}handler {name!r}"
        try:
            kind = _class_of(configurator, entries[name], place)
            if isinstance(kind, type) and issubclass(kind, CloudWatchLogsHandler):
                _check_references(config, entries[name], place)
                options = _options(entries[name], place)
                own = tuple(_taken_by(kind) & options.keys())
                known = {option: value for option, value in options.items() if option not in own}
                found.append(Configured(f"{prefix}{name}", known, _users(config, str(name)), tags, own))
        except _NotImported as problem:
            # It may be another handler's class, whose package is installed only where the program runs.
            not_imported.append(problem)
    _check_loggers(config, path)
    if not found and not_imported and not _is_for_watchtower(entries):
        raise not_imported[0]
    return found


def _nothing_of_ours(tables: list[dict[str, Any]], path: Path) -> Unusable:
    entries = {name: entry for table in tables for name, entry in table["handlers"].items()}
    if _is_for_watchtower(entries):
        cause = f"{path}: its handlers are watchtower's: {', '.join(map(repr, entries))}"
        return Unusable(cause, f"write 'class': '{_OURS}' instead, and keep the settings")
    names = ", ".join(map(repr, entries)) or "none at all"
    return Unusable(
        f"{path}: no CloudWatchLogsHandler among its handlers: {names}", f"its entry needs 'class': '{_OURS}'"
    )


def _is_for_watchtower(entries: Mapping[str, Any]) -> bool:
    return any(
        isinstance(entry, Mapping) and str(entry.get("()") or entry.get("class")).startswith("watchtower.")
        for entry in entries.values()
    )


def _taken_by(kind: type) -> frozenset[str]:
    """Return the keywords that a subclass of our handler takes and our handler does not."""
    ours = inspect.signature(CloudWatchLogsHandler).parameters
    return frozenset(inspect.signature(kind).parameters) - frozenset(ours)


def _check_version(config: Mapping[str, Any], path: Path) -> None:
    if config.get("version") != 1:
        raise Unusable(f"{path}: 'version' is {config.get('version')!r}", "dictConfig takes 1 only: write 'version': 1")


def _check_references(config: Mapping[str, Any], entry: Any, place: str) -> None:
    """Raise Unusable if the handler's formatter or a filter is not defined: dictConfig would fail."""
    filters = entry.get("filters") or ()
    for kind, names in (("formatter", [entry.get("formatter")]), ("filter", filters)):
        for name in names:
            # A filter may also be an object instead of a name.
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


def _class_of(configurator: Any, entry: Any, place: str) -> Any:
    made_by = entry.get("()") or entry.get("class") if isinstance(entry, Mapping) else None
    if not isinstance(made_by, str):
        return made_by
    try:
        return configurator.resolve(made_by)
    except Exception as error:
        cause = f"{place}: {made_by!r} cannot be imported: {said_by(error)}"
        if made_by.startswith("cwlog_handler"):
            raise Unusable(cause, f"write 'class': '{_OURS}'") from None
        raise _NotImported(cause, _ELSEWHERE) from None


def _options(entry: Any, place: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    # Values are looked up one by one, because only `entry[name]` resolves ext:// and cfg:// values.
    for name in entry:
        if name not in _OF_DICTCONFIG:
            try:
                options[str(name)] = entry[name]
            except Exception as error:
                raise Unusable(f"{place}: {name}: {said_by(error)}", _ELSEWHERE) from None
    return options


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
