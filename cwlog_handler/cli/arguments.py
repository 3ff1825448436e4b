"""The handler's options as arguments of a command, with the same names: ``--log-group-name`` and so on.

Owns: which options a command takes, and their help texts. Must not know: commands, defaults, what makes a value right:
the handler has the defaults and checks the values.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

_TEXTS: Final = {
    "log_group_name": "the log group",
    "log_stream_name": "the log stream, or a template with the handler's fields",
    "region_name": "AWS region; else what boto3 finds",
    "endpoint_url": "another endpoint than the region's",
    "boto3_profile_name": "profile of the AWS configuration files",
    "log_group_kms_key_id": "ARN of the KMS key of a group that is made",
    "log_group_class": "class of a group that is made",
}
_SWITCHES: Final = {
    "create_log_group": "make the group if it is missing (the default)",
    "create_log_stream": "make the stream if it is missing (the default)",
}
_OPTIONS: Final = (*_TEXTS, *_SWITCHES, "log_group_retention_days", "log_group_tags")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add those of the handler's options that say where records go and what is created there."""
    group = parser.add_argument_group("options of the handler")
    for name, meaning in _TEXTS.items():
        group.add_argument(_flag(name), metavar="TEXT", default=argparse.SUPPRESS, help=meaning)
    for name, meaning in _SWITCHES.items():
        group.add_argument(_flag(name), action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=meaning)
    group.add_argument(
        _flag("log_group_retention_days"),
        type=int,
        metavar="DAYS",
        default=argparse.SUPPRESS,
        help="retention of a group that is made",
    )
    group.add_argument(
        _flag("log_group_tags"),
        type=_tag,
        nargs="+",
        metavar="KEY=VALUE",
        default=argparse.SUPPRESS,
        help="tags of a group that is made",
    )


def options_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given, as the handler's keyword arguments."""
    options = {name: getattr(arguments, name) for name in _OPTIONS if hasattr(arguments, name)}
    if "log_group_tags" in options:
        options["log_group_tags"] = dict(options["log_group_tags"])
    return options


def seconds(text: str) -> float:
    """Parse a duration in seconds, more than 0; raises ArgumentTypeError or ValueError."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: give more than 0 seconds")
    return value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _tag(text: str) -> tuple[str, str]:
    key, is_there, value = text.partition("=")
    if not is_there:
        raise argparse.ArgumentTypeError(f"{text!r}: write it as KEY=VALUE")
    return key, value
