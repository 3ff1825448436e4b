"""Turns a file for ``logging.config.fileConfig`` into the equivalent dict for dictConfig.

Owns: how fileConfig reads sections, ``%`` and expressions. Must not know: what makes a handler's options right.
fileConfig evaluates ``args`` and ``kwargs`` as Python code. This module evaluates only expressions that can do no harm.
"""

from __future__ import annotations

import ast
import configparser
import logging.config
import re
from pathlib import Path
from typing import Any, Final

from ...handler import CloudWatchLogsHandler
from .unusable import Unusable, said_by

_BY_POSITION: Final = ("log_group_name", "log_stream_name")
_HARMLESS: Final = (
    ast.Expression, ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.Load, ast.Name, ast.Attribute,
    ast.Subscript, ast.Slice, ast.UnaryOp, ast.unaryop, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv,
    ast.Mod, ast.BoolOp, ast.boolop, ast.IfExp, ast.Compare, ast.cmpop, ast.JoinedStr, ast.FormattedValue, ast.Call,
    ast.keyword,
)  # fmt: skip
_HARMLESS_CALLS: Final = frozenset({"os.getenv", "os.environ.get", "os.getpid", "os.uname", "str", "int", "float"})


def as_dict_config(text: str, path: Path) -> dict[str, Any]:
    """Return the configuration as a dict; raises Unusable where fileConfig would fail."""
    # Many programs pass these two names to fileConfig as defaults, as Pyramid's and Alembic's templates do.
    places = {"here": path.parent, "__file__": path}
    parser = configparser.ConfigParser({name: str(where).replace("%", "%%") for name, where in places.items()})
    try:
        parser.read_string(text, str(path))
    except configparser.Error as error:
        raise Unusable(f"{path}: {' '.join(str(error).split())}", "correct the file") from None
    file = _File(parser, path)
    formatters: dict[str, Any] = {name: {} for name in file.keys("formatters")}
    handlers = {name: file.handler(name) for name in file.keys("handlers")}
    loggers = {name: file.logger(name) for name in file.keys("loggers")}
    if "root" not in loggers:
        raise Unusable(f"{path}: [loggers] has no root", "add root to its keys, and a section [logger_root]")
    file.check_unused(handlers)
    root = loggers.pop("root")
    named = {entry.pop("qualname"): entry for entry in loggers.values()}
    return {"version": 1, "formatters": formatters, "handlers": handlers, "root": root, "loggers": named}


class _File:
    """The sections of an INI file; each value is read as fileConfig reads it."""

    def __init__(self, parser: configparser.ConfigParser, path: Path) -> None:
        self._parser = parser
        self._path = path

    def keys(self, section: str) -> list[str]:
        if not self._parser.has_option(section, "keys"):
            raise Unusable(
                f"{self._path}: there is no section [{section}] with keys",
                "give a file as logging.config.fileConfig takes it: it has [loggers], [handlers] and [formatters]",
            )
        return _listed(self._value(section, "keys"))

    def handler(self, name: str) -> dict[str, Any]:
        section = f"handler_{name}"
        self._expect(section, "handlers")
        given = {
            option: value
            for option in ("class", "level", "formatter", "target")
            if (value := self._value(section, option))
        }
        if "class" not in given:
            raise Unusable(f"{self._path}: [{section}] has no class", "write the handler's class there")
        # Both are read, also for other handlers: fileConfig would fail for an invalid one.
        args, keywords = self._value(section, "args", "()"), self._value(section, "kwargs", "{}")
        if not _is_ours(given["class"]):
            return {**given, "class": _as_dict_config_has_it(given["class"])}
        return given | self._arguments(section, args, keywords)

    def logger(self, name: str) -> dict[str, Any]:
        section = f"logger_{name}"
        self._expect(section, "loggers")
        entry: dict[str, Any] = {"handlers": _listed(self._value(section, "handlers"))}
        return entry if name == "root" else {**entry, "qualname": self._value(section, "qualname", name)}

    def check_unused(self, handlers: dict[str, Any]) -> None:
        """Raise Unusable if all our handlers are missing in the keys of [handlers], so that fileConfig ignores them."""
        if any(_is_ours(entry["class"]) for entry in handlers.values()):
            return
        for section in self._parser.sections():
            if section.startswith("handler_") and _is_ours(self._parser.get(section, "class", raw=True, fallback="")):
                name = section.removeprefix("handler_")
                cause = f"{self._path}: [{section}] is not used: the keys of [handlers] do not have {name!r}"
                raise Unusable(cause, f"add {name} to them")

    def _expect(self, section: str, where: str) -> None:
        if section not in self._parser:
            raise Unusable(
                f"{self._path}: there is no section [{section}]", f"add it, or correct the keys of [{where}]"
            )

    def _value(self, section: str, option: str, default: str = "") -> str:
        try:
            return self._parser.get(section, option, fallback=default)
        except configparser.InterpolationError as error:
            raw = self._parser.get(section, option, raw=True)
            doubled = re.sub("%%?", "%%", raw)
            cause = f"{self._path}: [{section}] {option}: {' '.join(str(error).split())}"
            way_out = f"write %% for each % that means itself, as fileConfig wants it: {option} = {doubled}"
            raise Unusable(cause, way_out) from None

    def _arguments(self, section: str, args: str, keywords: str) -> dict[str, Any]:
        place = f"{self._path}: [{section}]"
        by_position, by_name = _evaluated(args, f"{place} args"), _evaluated(keywords, f"{place} kwargs")
        if not isinstance(by_position, (tuple, list)):
            cause = f"{place} args: {args} is no tuple"
            raise Unusable(cause, 'write it with brackets and a comma: args = ("my-app",)')
        if not isinstance(by_name, dict):
            raise Unusable(f"{place} kwargs: {keywords} is no dict", 'write it as kwargs = {"send_interval": 5}')
        if len(by_position) > len(_BY_POSITION):
            cause = f"{place} args: {len(by_position)} of them, and only {' and '.join(_BY_POSITION)} come by position"
            raise Unusable(cause, "write the others into kwargs")
        named = dict(zip(_BY_POSITION, by_position, strict=False))
        if twice := named.keys() & by_name:
            raise Unusable(f"{place}: {', '.join(sorted(twice))} in args and in kwargs", "take it out of one of them")
        return named | by_name


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _is_ours(name: str) -> bool:
    try:
        found = logging.config.BaseConfigurator({}).resolve(name)
    except Exception:
        return False
    return isinstance(found, type) and issubclass(found, CloudWatchLogsHandler)


def _as_dict_config_has_it(name: str) -> str:
    # fileConfig accepts logging's own classes without the module's name; dictConfig does not.
    return f"logging.{name}" if hasattr(logging, name.partition(".")[0]) else name


def _evaluated(text: str, place: str) -> Any:
    """Evaluate an expression with the names of `logging`, as fileConfig does; raises Unusable if it could do harm."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise Unusable(f"{place}: {text}: {error}", "write it as a Python expression") from None
    for node in ast.walk(tree):
        if not _is_harmless(node):
            cause = f"{place}: {ast.unparse(node)} is not run here, as the program would"
            raise Unusable(cause, "write the value itself into a copy of the file")
    try:
        return eval(compile(tree, place, "eval"), dict(vars(logging)))
    except Exception as error:
        raise Unusable(
            f"{place}: {text}: {said_by(error)}", "correct it; names are those of the module logging"
        ) from None


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
        return False
    if isinstance(node, ast.Name) and node.id.startswith("_"):
        return False
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in _HARMLESS_CALLS
    return isinstance(node, _HARMLESS)
