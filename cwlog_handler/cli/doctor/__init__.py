"""``doctor``: checks step by step whether a set-up delivers; shows cause and way out, and the least IAM policy.

Owns: the command, its arguments, its exit status. Must not know: what is checked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from .. import arguments as handler_arguments
from .case import Case
from .configuration import handlers_in
from .examination import examine
from .findings import Lines, Mark, failed
from .policy import least_policy
from .role import policies as role_policies
from .unusable import Unusable

_Say: TypeAlias = Callable[[str], None]

# Seconds to wait for each answer. The service takes about 10 ms, a far region about 300 ms.
_PATIENCE: Final = 5.0
_HELP: Final = "check a set-up step by step, by sending one event"
_EPILOG: Final = """\
Sends one event to the log stream; group and stream are made if the options say so, as the handler would. Secrets are
never shown. Exit status: 0 all needed checks passed, 1 something has to be put right, 2 wrong usage."""


def add_to(commands: Any) -> None:
    """Add this command to the command line's parser."""
    parser = commands.add_parser("doctor", help=_HELP, description=f"{_HELP.capitalize()}.", epilog=_EPILOG)
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="check every handler in a file for dictConfig (JSON, YAML, TOML) or fileConfig (INI), or in the dict of a "
        "module: shop.settings:LOGGING",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.add_argument(
        "--timeout",
        type=handler_arguments.seconds,
        default=_PATIENCE,
        metavar="SECONDS",
        help="the longest wait for each answer (%(default)g)",
    )
    handler_arguments.add_options(parser)
    handler_arguments.add_spool_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check what the arguments name, print the findings, return the exit status: 0 all is well, 1 it is not."""
    options = handler_arguments.options_of(arguments)
    if options if arguments.config else "log_group_name" not in options:
        arguments.parser.error("give --log-group-name and other options of the handler, or --config FILE; not both")
    say = _keep_quiet if arguments.json else _print
    reports = list(_reports(arguments.config, options, arguments.timeout, say))
    is_well = all(report["ok"] for report in reports)
    if arguments.json:
        _print(json.dumps({"ok": is_well, "handlers": reports}, ensure_ascii=not _is_unicode(), indent=2))
    return 0 if is_well else 1


def _reports(config: Path | None, options: dict[str, Any], patience: float, say: _Say) -> Iterator[dict[str, Any]]:
    if config is None:
        yield _report(None, Case(options, patience), say)
        return
    try:
        handlers = handlers_in(config)
    except Unusable as problem:
        finding = failed(str(problem), problem.way_out)
        say(Lines(sys.stdout.encoding).of("config file", finding))
        yield {"handler": None, "ok": False, "checks": [finding.as_json("config file")], "policy": None}
        return
    for handler in handlers:
        case = Case(handler.options, patience, handler.users, handler.tags, handler.of_its_class)
        yield _report(handler.name, case, say)


def _report(name: str | None, case: Case, say: _Say) -> dict[str, Any]:
    """Check one handler and pass each finding to ``say`` at once; return the whole report as plain data."""
    if name is not None:
        say(f"Handler {name!r}")
    lines, findings, policy = Lines(sys.stdout.encoding), [], None
    of_role: dict[str, Any] = {}
    for check, finding in examine(case):
        say(lines.of(check, finding))
        findings.append((check, finding))
    if case.known:
        policy = least_policy(case.known, **case.place)
        of_what = "these options"
        if case.known["role_arn"] is not None:
            of_role, of_what = role_policies(case), f"the role {case.known['role_arn']}"
            say(f"\nThe policy of who assumes the role:\n{json.dumps(of_role['assume_role_policy'], indent=2)}")
            say(f"\nThe trust policy of the role:\n{json.dumps(of_role['trust_policy'], indent=2)}")
        say(f"\nThe least IAM policy for {of_what}:\n{json.dumps(policy, indent=2)}")
    wrong = [check for check, finding in findings if finding.mark is Mark.FAILED]
    say(f"\nTo be put right: {', '.join(wrong)}.\n" if wrong else "\nAll needed checks passed.\n")
    checks = [finding.as_json(check) for check, finding in findings]
    return {"handler": name, "ok": not wrong, "checks": checks, "policy": policy, **of_role}


def _is_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def _print(text: str) -> None:
    # Texts of the service or of a file may have characters that the terminal cannot show.
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201


def _keep_quiet(text: str) -> None:
    """Print nothing, in place of `_print`: with --json only the document is printed."""
