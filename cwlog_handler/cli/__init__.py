"""The command line: ``python -m cwlog_handler doctor``, ``… send`` and ``… spool``.

Owns: which commands exist. Must not know: what they do. ``import cwlog_handler`` imports nothing of this package.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from . import doctor, send, spool

_DESCRIPTION = "Check a set-up for Amazon CloudWatch Logs, ship lines there, look after records on disk."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status. ``argv`` None means the arguments of this process.

    Wrong usage ends in SystemExit with the status 2, as argparse does it.
    """
    parser = argparse.ArgumentParser(prog="python -m cwlog_handler", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"cwlog-handler {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (doctor, send, spool):
        command.add_to(commands)
    _open_what_is_closed()
    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except BrokenPipeError:
        # The reader of our output has closed the pipe, as `head` does. stdout now goes to the null device: otherwise
        # the interpreter's flush at exit would fail once more, with a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201
        return 130
    return status


def _open_what_is_closed() -> None:
    """Open the null device for a missing stdout or stderr: in a process started without them they are None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
