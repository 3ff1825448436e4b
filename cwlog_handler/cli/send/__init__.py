"""``send``: lines from standard input to CloudWatch Logs, through the handler itself.

Owns: the command, its arguments, the summary, its exit status. Must not know: how lines are read and sent.
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
import time
from functools import partial
from typing import Any, Final

from ...handler import CloudWatchLogsHandler
from .. import arguments as handler_arguments
from .display import displayed, say, size
from .interruption import Interruption
from .lines import Lines
from .shipment import Shipment
from .timestamps import Timestamps

# Used in place of the handler's default, which would contain the path of this package's __main__.py.
_LOG_STREAM_NAME: Final = "{machine_name}/send/{process_id}"
# In seconds. It never applies: `Shipment` waits for room before the handler would have to.
_FOR_EVER: Final = 365 * 24 * 3600.0
# Seconds without a new line after which joined lines are sent. A program writes a traceback without such a pause, and a
# reader who waits for it on the screen can wait this long.
_JOIN_PATIENCE: Final = 5.0
# Explanations of the reasons that can occur for lines of a file.
_REASONS: Final = {
    "too_old": "more than 14 days ago, or than --log-group-retention-days",
    "expired": "before what the log group's retention keeps",
    "too_new": "more than 2 hours ahead: see --timezone and the clock",
    "invalid": "see what stands above",
}

_HELP: Final = "send lines from standard input, and wait until all are delivered"
_EPILOG: Final = """\
Lines without a timestamp of the format have the time of the line before. Joined lines are sent when none has followed
for 5 seconds. Empty lines are left out: the service takes
none. What is older than 14 days cannot be delivered, and is counted as too_old. SIGINT or SIGTERM ends the reading
and delivers what was read, for 10 seconds; a second one ends that too. Exit status: 0 all lines were read and
delivered, 1 not all, or none had a timestamp of the format, 2 wrong usage."""


def add_to(commands: Any) -> None:
    """Add this command to the command line's parser."""
    parser = commands.add_parser("send", help=_HELP, description=f"{_HELP.capitalize()}.", epilog=_EPILOG)
    parser.set_defaults(run=run, parser=parser)
    add = parser.add_argument
    add("--timestamp-format", metavar="FORMAT", help="of strptime: the time at the beginning of each line")
    add(
        "--timezone", default="UTC", metavar="NAME", help="of times that do not tell theirs: %(default)s, local, a name"
    )
    add("--join-lines", action="store_true", help="make one event of a line and those after it without a timestamp")
    handler_arguments.add_pace_options(parser)
    handler_arguments.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send standard input, print on stderr what happened to it, return the exit status."""
    parser = arguments.parser
    if not hasattr(arguments, "log_group_name"):
        parser.error("the following arguments are required: --log-group-name")
    if arguments.join_lines and arguments.timestamp_format is None:
        parser.error("--join-lines needs --timestamp-format, which tells where an event begins")
    try:
        timestamps = Timestamps(arguments.timestamp_format, arguments.timezone) if arguments.timestamp_format else None
        handler = CloudWatchLogsHandler(**_options(arguments))
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    source = sys.stdin.fileno() if sys.stdin is not None else os.open(os.devnull, os.O_RDONLY)
    started = time.monotonic()
    with Interruption() as interruption:
        lines = Lines(partial(interruption.read, source, _JOIN_PATIENCE if arguments.join_lines else None))
        shipment = Shipment(
            handler,
            lines,
            timestamps,
            joins=arguments.join_lines,
            patience=arguments.give_up_after,
            is_interrupted=lambda: interruption.is_wanted,
            say=say,
        )
        try:
            with displayed(shipment, _size_of(source), say):
                shipment.ship()
        except KeyboardInterrupt:
            say("interrupted again: no longer waiting")
        handler.close()
    return _sum_up(shipment, time.monotonic() - started, is_interrupted=interruption.is_wanted)


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    options = {"log_stream_name": _LOG_STREAM_NAME, **handler_arguments.options_of(arguments)}
    # The command does all the waiting, and shows it. So the handler must not wait again when the interpreter ends.
    ours = {"overflow": "block", "block_timeout": _FOR_EVER, "close_timeout": 0, "flush_on_sigterm": False}
    return options | ours


def _size_of(source: int) -> int | None:
    """Return how many bytes of a file are left to read; None for a pipe or a terminal."""
    status = os.fstat(source)
    if not stat.S_ISREG(status.st_mode):
        return None
    return max(0, status.st_size - os.lseek(source, 0, os.SEEK_CUR))


def _sum_up(shipment: Shipment, seconds: float, is_interrupted: bool) -> int:
    """Print on stderr what happened to the lines, and return the exit status."""
    stats = shipment.stats
    rate = stats.delivered / max(seconds, 1e-3)
    say(
        f"{shipment.taken:,} lines read, {stats.delivered:,} events delivered ({size(stats.delivered_bytes)}) "
        f"in {seconds:.1f} s ({rate:,.0f}/s)"
    )
    undated = "lines before the first timestamp have the present time"
    if not shipment.has_times:
        undated = "lines have the present time: none begins with a time of the format"
    for count, what in (
        (shipment.empty, "empty lines left out: the service takes none"),
        (shipment.lines.broken, "lines were not UTF-8: what could not be read became U+FFFD"),
        (shipment.lines.cut, "pieces cut from lines of more than 4 MiB"),
        (shipment.undated, undated),
        *((count, f"rejected by the service: {_in_words(why)}") for why, count in stats.rejected_by_reason.items()),
        *((count, f"not sent: {_in_words(why)}") for why, count in stats.dropped_by_reason.items()),
        (stats.pending, f"not delivered: {stats.last_error or 'there was no time left'}"),
        (stats.possibly_duplicated, "may be stored twice: the answer to a request was lost"),
    ):
        if count:
            say(f"{count:,} {what}")
    ended = shipment.reading_problem or ("gave up" if shipment.gave_up else "interrupted" if is_interrupted else "")
    if ended:
        left = "all lines were read" if shipment.has_read_all else f"what follows line {shipment.taken:,} was not read"
        say(f"{ended}: {left}")
    return 0 if shipment.has_read_all and shipment.has_times and stats.delivered == stats.emitted else 1


def _in_words(reason: str) -> str:
    return f"{reason} ({_REASONS[reason]})" if reason in _REASONS else reason
