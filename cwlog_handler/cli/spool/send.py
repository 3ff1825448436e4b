"""``spool send``: delivers now what ended processes have left, to destinations that the user has confirmed.

Owns: which of the destinations that files name are sent to, the question, the summary. Must not know: how it is sent.

A file's own words never decide where its events go. The endpoint is always the one of this command's options and
surroundings. Group and region must be given, or agreed to.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from .. import arguments as handler_arguments
from ..send.display import displayed, size
from ..send.interruption import Interruption
from .delivery import Delivery
from .survey import Destination, Kind, Owner, SpoolFile, destination_of, group_of, survey
from .wording import agreed, extent, is_asked, named_groups, place, say, shown

HELP: Final = "deliver now what ended processes have left, and wait until it is done"
EPILOG: Final = """\
Shows the destinations that the files name, and sends only to those that are given by --log-group-name (in the region
of --region-name, or that boto3 finds), or to all of them after a question or with --yes. Endpoint and role are never
taken from a file: give --endpoint-url and --role-arn. Where the group is a template, its events go to the groups that
they were logged for, if it could have made their names. Files of living processes are left alone. SIGINT or SIGTERM
ends the command; what is not delivered stays in the directory. Exit status: 0 all that was left for these destinations
is delivered, 1 not all, or the answer was no, 2 wrong usage."""


class _Chosen(NamedTuple):
    """A destination, its files, and why nothing is sent there; empty: it is sent to."""

    destination: Destination
    files: list[SpoolFile]
    options: dict[str, Any]
    obstacle: str


def add_to(commands: Any) -> None:
    """Add this command to the parser of ``spool``."""
    parser = commands.add_parser("send", help=HELP, description=f"{HELP[0].upper()}{HELP[1:]}.", epilog=EPILOG)
    parser.set_defaults(run_spool=run)
    parser.add_argument(
        "--log-group-name",
        action="append",
        metavar="NAME",
        default=[],
        help="send what was logged for this log group; may be given more than once",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask: send to all log groups and regions found")
    handler_arguments.add_access_options(parser)
    handler_arguments.add_pace_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send, print on stderr what became of it, return the exit status."""
    files = survey(arguments.directory)
    _say_what_stays(files)
    chosen = [_chosen(target, of_it, arguments) for target, of_it in _by_destination(files).items()]
    if not chosen:
        say("nothing is left by processes that are gone")
        return 1 if arguments.log_group_name and _some_stay(files) else 0
    for target in chosen:
        told = f"{extent(target.files)}, for {place(target.destination)}"
        if "{" in target.destination.group:
            told += f" (log groups {named_groups(target.files)})"
        say(f"{told}: not sent: {target.obstacle}" if target.obstacle else told)
    wanted = [target for target in chosen if not target.obstacle]
    if not wanted:
        return 1
    if not (arguments.yes or arguments.log_group_name):
        if not is_asked():
            arguments.parser.error("give --log-group-name, or --yes: there is no terminal to ask on")
        if not agreed("Send them there?"):
            return 1
    done = [_send(target, arguments) for target in wanted]
    # Destinations that were not asked for do not count.
    asked = [target for target in chosen if target.obstacle != _NOT_GIVEN]
    return 0 if all(done) and len(wanted) == len(asked) else 1


def _say_what_stays(files: Iterable[SpoolFile]) -> None:
    for file in files:
        if file.kind is Kind.SPOOL and file.owner is Owner.UNKNOWN:
            why = "files cannot be locked here, so nobody knows whether its process is alive"
            say(f"{shown(file.name)}: not sent: {why}")
        elif file.kind in (Kind.LATER, Kind.UNREADABLE):
            say(f"{shown(file.name)}: not sent: {', '.join(filter(None, [file.kind.value, file.note]))}")


def _some_stay(files: Iterable[SpoolFile]) -> bool:
    return any(file.kind is Kind.SPOOL and file.owner is Owner.UNKNOWN for file in files)


def _by_destination(files: Iterable[SpoolFile]) -> Mapping[Destination, list[SpoolFile]]:
    found: dict[Destination, list[SpoolFile]] = {}
    for file in files:
        if file.is_deliverable and file.destination is not None:
            found.setdefault(file.destination, []).append(file)
    return found


_NOT_GIVEN: Final = "its log group was not given"


def _chosen(target: Destination, files: list[SpoolFile], arguments: argparse.Namespace) -> _Chosen:
    """Find out whether a handler made with this command's options would deliver to the destination."""
    options = handler_arguments.options_of(arguments)
    names = options.pop("log_group_name")
    if names and target.group not in {*names, *map(group_of, names)}:
        return _Chosen(target, files, {}, _NOT_GIVEN)
    if not names and "region_name" not in options and target.region:
        # Group and region come from the file: the question, or --yes, is about both.
        options["region_name"] = target.region
    options["log_group_name"] = target.group
    return _Chosen(target, files, options, _obstacle(target, destination_of(options)))


def _obstacle(target: Destination, here: Destination) -> str:
    region, endpoint = here.region, here.endpoint
    if here.account != target.account:
        if target.account:
            return f"it was logged with a role of account {target.account}: give that role as --role-arn"
        return f"it was logged without a role, and this command would assume one of account {here.account}"
    if endpoint != target.endpoint:
        if not target.endpoint:
            return f"it was logged for the region's own endpoint, and this command would use {endpoint}"
        ours = endpoint or "the region's own"
        return f"the endpoint would be {ours}: if that of the file is right, give it as --endpoint-url"
    if region != target.region:
        return f"the region would be {region or 'unknown'}: if that of the file is right, give it as --region-name"
    return ""


def _send(target: _Chosen, arguments: argparse.Namespace) -> bool:
    """Deliver what is left for one destination; return whether all of it arrived."""
    started = time.monotonic()
    with Interruption() as interruption:
        try:
            delivery = Delivery(
                arguments.directory,
                target.options,
                patience=arguments.give_up_after,
                is_interrupted=lambda: interruption.is_wanted,
            )
        except (TypeError, ValueError) as error:
            arguments.parser.error(str(error))
        try:
            with displayed(delivery, sum(file.events for file in target.files), say):
                delivery.deliver()
        except KeyboardInterrupt:
            say("interrupted again: no longer waiting")
        delivery.close()
    ended = "gave up: " if delivery.gave_up else "interrupted: " if interruption.is_wanted else ""
    return _sum_up(target, delivery, time.monotonic() - started, ended)


def _sum_up(target: _Chosen, delivery: Delivery, seconds: float, ended: str) -> bool:
    stats = delivery.stats
    rate = stats.delivered / max(seconds, 1e-3)
    say(
        f"{ended}{stats.delivered:,} events delivered to {place(target.destination)} "
        f"({size(stats.delivered_bytes)}) in {seconds:.1f} s ({rate:,.0f}/s)"
    )
    expected = sum(file.events for file in target.files)
    for count, what in (
        *((count, f"rejected by the service: {why}") for why, count in stats.rejected_by_reason.items()),
        *((count, f"not sent: {why}") for why, count in stats.dropped_by_reason.items()),
        (stats.pending, f"not delivered, they stay in the directory: {stats.last_error or 'there was no time left'}"),
        (stats.possibly_duplicated, "may be stored twice: the answer to a request was lost"),
        (
            max(0, expected - stats.recovered),
            "not taken over: another process was faster, or they are still in the directory",
        ),
    ):
        if count:
            say(f"{count:,} {what}")
    return not ended and stats.delivered == stats.emitted + stats.recovered and stats.recovered >= expected
