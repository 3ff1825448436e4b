"""``spool drop``: removes what processes that are gone have left, after a question.

Owns: which files may be removed, the question, the exit status. Must not know: how a lock is asked for.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from .survey import Kind, Owner, SpoolFile, survey, take_away
from .wording import agreed, extent, is_asked, say, shown

HELP: Final = "remove what ended processes have left, for example before an image is made of this machine"
EPILOG: Final = """\
Removes the files of processes that are gone, files that end in .bad, and files of a later version whose process is
gone. Never removed: the file of a living process, a file whose owner is unknown because files cannot be locked here,
and what is not the package's. Exit status: 0 nothing of the package is left in the directory, 1 something is, or the
answer was no, 2 wrong usage."""


def add_to(commands: Any) -> None:
    """Add this command to the parser of ``spool``."""
    parser = commands.add_parser("drop", help=HELP, description=f"{HELP[0].upper()}{HELP[1:]}.", epilog=EPILOG)
    parser.set_defaults(run_spool=run)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    """Ask, remove, and return the exit status."""
    files = [file for file in survey(arguments.directory) if file.kind is not Kind.NOT_OURS]
    victims = [file for file in files if file.owner is Owner.GONE or _is_untried(file)]
    for file in files:
        if file not in victims:
            say(f"{shown(file.name)}: left alone, its process is {_in_words(file.owner)}")
    if not victims:
        say("nothing to remove")
        return 1 if files else 0
    told = extent(victims)
    if not arguments.yes:
        if not is_asked():
            arguments.parser.error(f"{told} would be removed: give --yes, there is no terminal to ask on")
        if not agreed(f"Remove {told}? They are not delivered then."):
            say("nothing removed")
            return 1
    removed = [file for file in victims if _is_removed(file)]
    say(f"removed: {extent(removed)}")
    return 0 if len(removed) == len(files) else 1


def _is_untried(file: SpoolFile) -> bool:
    """Whether nobody has looked for the owner yet, because there is nothing in the file."""
    return file.kind is Kind.EMPTY and file.size_bytes == 0


def _in_words(owner: Owner) -> str:
    return "alive" if owner is Owner.ALIVE else "unknown: files cannot be locked or opened here"


def _is_removed(file: SpoolFile) -> bool:
    try:
        is_removed = take_away(file)
    except FileNotFoundError:
        # Somebody has delivered it, or removed it, in the meantime.
        return True
    except OSError as error:
        say(f"{shown(file.name)}: {error.strerror}")
        return False
    if not is_removed:
        say(f"{shown(file.name)}: left alone, a process has used it in the meantime")
    return is_removed
