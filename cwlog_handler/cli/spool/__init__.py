"""``spool``: shows, exports, sends or removes what processes have left in a spool's directory.

Owns: the command and its four parts, what is said of a directory that cannot be used. Must not know: what they do.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from . import drop, export, listing, send
from .survey import Unusable, absolute
from .wording import say, shown

_HELP: Final = "look after the records that wait on disk: list, export, send, drop"


def add_to(commands: Any) -> None:
    """Add this command to the command line's parser."""
    parser = commands.add_parser("spool", help=_HELP, description=f"{_HELP.capitalize()}.")
    parts = parser.add_subparsers(required=True, metavar="list|export|send|drop")
    for part in (listing, export, send, drop):
        part.add_to(parts)
    for of_part in parts.choices.values():
        of_part.set_defaults(run=run, parser=of_part)
        of_part.add_argument("directory", metavar="DIR", type=_directory, help="the handler's spool_dir")


def run(arguments: argparse.Namespace) -> int:
    """Run the part that was asked for and return the exit status."""
    try:
        status: int = arguments.run_spool(arguments)
    except Unusable as problem:
        say(shown(str(problem)))
        return 1
    return status


def _directory(text: str) -> str:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("give the path of a directory")
    return absolute(text)
