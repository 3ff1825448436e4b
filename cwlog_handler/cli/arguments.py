"""The handler's options as arguments of a command, with the same names: ``--log-group-name`` and so on.

Owns: which options a command takes, and their help texts. Must not know: commands, defaults, what makes a value right:
the handler has the defaults and checks the values.
"""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from ..core.limits import REQUESTS_PER_SECOND

# Seconds without any delivery after which a command gives up: a few minutes of outage or throttling must not end it.
_PATIENCE: Final = 300.0

_TEXTS: Final = {
    "log_group_name": "the log group, or a template with the handler's fields",
    "log_stream_name": "the log stream, or a template with the handler's fields",
    "region_name": "AWS region; else what boto3 finds",
    "endpoint_url": "another endpoint than the region's",
    "boto3_profile_name": "profile of the AWS configuration files",
    "role_arn": "a role to assume, for example one of another account",
    "external_id": "the external id that the role's trust policy asks for",
    "role_session_name": "the session's name in CloudTrail",
    "log_group_kms_key_id": "ARN of the KMS key of a group that is made",
    "log_group_class": "class of a group that is made",
    "compression": "gzip compresses the requests",
}
_SPOOL_TEXTS: Final = {
    "spool_dir": "the directory in which records survive the process",
    "spool_mode": "outage or always",
}
_SWITCHES: Final = {
    "create_log_group": "make the group if it is missing (the default)",
    "create_log_stream": "make the stream if it is missing (the default)",
    "log_group_deletion_protection": "protect a group that is made against deletion",
}
_OF_ACCESS: Final = (
    "region_name", "endpoint_url", "boto3_profile_name", "role_arn", "external_id", "role_session_name",
)  # fmt: skip
_CONFIG: Final = "boto3_config"
_OPTIONS: Final = (
    *_TEXTS,
    _CONFIG,
    *_SWITCHES,
    "log_group_retention_days",
    "log_group_tags",
    *_SPOOL_TEXTS,
    "max_spool_size",
    "spool_sync",
    "requests_per_second",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add those of the handler's options that say where records go and what is created there."""
    group = parser.add_argument_group("options of the handler")
    for name, meaning in _TEXTS.items():
        group.add_argument(_flag(name), metavar="TEXT", default=argparse.SUPPRESS, help=meaning)
    _add_config(group)
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


def add_spool_options(parser: argparse.ArgumentParser) -> None:
    """Add the handler's options about the spool on disk."""
    group = parser.add_argument_group("the spool")
    for name, meaning in _SPOOL_TEXTS.items():
        group.add_argument(_flag(name), metavar="TEXT", default=argparse.SUPPRESS, help=meaning)
    group.add_argument(
        _flag("max_spool_size"),
        type=int,
        metavar="BYTES",
        default=argparse.SUPPRESS,
        help="the most that the directory may take",
    )
    group.add_argument(
        _flag("spool_sync"),
        action=argparse.BooleanOptionalAction,
        default=argparse.SUPPRESS,
        help="have records survive a power cut too",
    )


def add_access_options(parser: argparse.ArgumentParser) -> None:
    """Add those of the handler's options that say how the service is reached."""
    for name in _OF_ACCESS:
        parser.add_argument(_flag(name), metavar="TEXT", default=argparse.SUPPRESS, help=_TEXTS[name])
    _add_config(parser)


def _add_config(to: Any) -> None:
    to.add_argument(
        _flag(_CONFIG),
        type=_mapping,
        metavar="JSON",
        default=argparse.SUPPRESS,
        help="keywords of botocore's Config: '{\"use_fips_endpoint\": true}'",
    )


def add_pace_options(parser: argparse.ArgumentParser) -> None:
    """Add the rate of requests, and how long a command goes on without any success."""
    parser.add_argument(
        "--give-up-after",
        type=seconds,
        default=_PATIENCE,
        metavar="SECONDS",
        help="end when nothing could be delivered for so long (%(default)g)",
    )
    parser.add_argument(
        _flag("requests_per_second"),
        type=float,
        default=argparse.SUPPRESS,
        metavar="NUMBER",
        help=f"at most, each of up to 1 MiB ({REQUESTS_PER_SECOND})",
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


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        # The text is not shown: there may be a proxy's password in it.
        raise argparse.ArgumentTypeError(f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("write it as a JSON object, in curly brackets")
    return value
