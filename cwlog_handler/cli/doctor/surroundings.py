"""Checks that make no request to CloudWatch Logs: versions, options, loggers, region, credentials.

Owns: where these settings come from. Must not know: the way to the service, what is sent.
"""

from __future__ import annotations

import inspect
import os
import platform
from collections.abc import Mapping
from typing import Any, Final

import boto3
import botocore

from ... import __version__, keywords
from ...aws import errors
from ...core import advice
from ...handler import CloudWatchLogsHandler
from ..bounded import within
from .case import Case
from .files import Tagged
from .findings import Finding, failed, failed_with, passed, skipped
from .names import sample

_OLDEST_BOTO3: Final = (1, 34)
# Seconds to wait for credentials. Looking for a container's takes 9 s to fail, for an instance's role about 2 s.
_CREDENTIALS_PATIENCE: Final = 15.0
# Characters shown of a key's id: enough to recognise the key, too few to help in guessing it.
_SHOWN_OF_KEY: Final = 4
_SHOWN_TAGS: Final = 5
_SHORTEST_KEY: Final = 16

_METHODS: Final = {
    "env": "the environment, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "the AWS configuration file",
    "assume-role": "a role that the profile assumes",
    "assume-role-with-web-identity": "a role for a web identity token",
    "sso": "aws sso login",
    "login": "aws login",
    "custom-process": "the profile's credential_process",
    "container-role": "the container's role",
    "iam-role": "the EC2 instance's role",
}


def versions(_case: Case) -> Finding:
    """Report the versions of Python, boto3 and this package; boto3 must not be too old."""
    text = (
        f"{platform.python_version()}, boto3 {boto3.__version__}, botocore {botocore.__version__}, "
        f"cwlog-handler {__version__}"
    )
    if tuple(int(part) for part in boto3.__version__.split(".")[:2]) < _OLDEST_BOTO3:
        return failed(text, f"install boto3 {'.'.join(map(str, _OLDEST_BOTO3))} or newer")
    return passed(text)


def tags(case: Case) -> Finding:
    """List the tags of a YAML file that only the program's own loader understands."""
    shown = "; ".join(f"line {line}: {text}" for line, text in case.tags[:_SHOWN_TAGS])
    more = f"; and {len(case.tags) - _SHOWN_TAGS} more" if len(case.tags) > _SHOWN_TAGS else ""
    return skipped(f"read as text, for only the program's own loader knows what they stand for: {shown}{more}")


def options(case: Case) -> Finding:
    """Check the options by making a handler with them. Its constructor makes no request."""
    parameters = inspect.signature(CloudWatchLogsHandler).parameters
    if found := keywords.mistakes(case.options, parameters):
        named = ", ".join(repr(name) for name, _, _ in found)
        if len(found) == 1:
            return failed(f"no such option: {named}", found[0][2])
        return failed(f"no such options: {named}", "; ".join(f"{name}: {way_out}" for name, _, way_out in found))
    if "log_group_name" not in case.options:
        return failed("log_group_name is missing", "give the name of the log group")
    if behind := [f"{name} is {tag}" for name, value in case.options.items() if (tag := _tag_in(value))]:
        way_out = (
            "write the values into a copy of the file, or give them as --log-group-name and so on, without --config"
        )
        return failed(f"{', '.join(behind)}: the value is not in the file", way_out)
    try:
        # Without this, the handler would set a SIGTERM handler in doctor's own process.
        handler = CloudWatchLogsHandler(**{**case.options, "flush_on_sigterm": False})
    except (TypeError, ValueError) as error:
        return failed(str(error), "correct it")
    handler.close()
    bound = inspect.signature(CloudWatchLogsHandler).bind(**case.options)
    bound.apply_defaults()
    case.known = bound.arguments
    case.target = sample(case.known)
    own = f"; left out, for only its class knows them: {', '.join(case.of_its_class)}" if case.of_its_class else ""
    return passed(f"log group {handler.log_group_name!r}, log stream {handler.log_stream_name!r}{own}")


def _tag_in(value: Any) -> str | None:
    """Return the first unknown YAML tag in a value, also inside a mapping or list; None if there is none."""
    if isinstance(value, Tagged):
        return value.tag
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return next(filter(None, map(_tag_in, inside)), None)


def loggers(case: Case) -> Finding:
    """Check that at least one logger in the configuration file uses the handler."""
    if not case.loggers:
        return failed("no logger of the configuration has this handler", "add its name to 'handlers' of 'root'")
    return passed(", ".join(case.loggers))


def region(case: Case) -> Finding:
    """Report the region, and the setting that it comes from."""
    if case.known["boto3_client"] is not None:
        case.region = case.known["boto3_client"].meta.region_name
        return passed(f"{case.region}, of the boto3_client that is passed in")
    try:
        case.region = case.known["region_name"] or case.session.get_config_variable("region")
    except Exception as error:
        return failed_with(errors.connect_outcome_of(error, case.call), "correct the AWS configuration")
    if case.region:
        return passed(f"{case.region}, from {_region_source(case)}")
    cause = advice.NO_REGION
    if other := os.environ.get("AWS_REGION"):
        return failed(f"{cause.problem}; AWS_REGION is {other!r}, which boto3 does not read", cause.way_out)
    return failed(cause.problem, cause.way_out)


def _region_source(case: Case) -> str:
    if case.known["region_name"]:
        return "region_name"
    if os.environ.get("AWS_DEFAULT_REGION"):
        return "AWS_DEFAULT_REGION"
    return f"profile {_profile(case)!r} in {case.session.get_config_variable('config_file')}"


def credentials(case: Case) -> Finding:
    """Report where the credentials come from. Only the last 4 characters of the access key id are shown."""
    if case.known["boto3_client"] is not None:
        return passed("those of the boto3_client that is passed in")
    try:
        found, frozen = within(max(_CREDENTIALS_PATIENCE, case.patience), lambda: _frozen(case.session))
    except TimeoutError as error:
        return failed(f"looking for credentials: {error}", advice.NO_CREDENTIALS.way_out)
    except Exception as error:
        outcome = errors.connect_outcome_of(error, case.call)
        case.credentials_problem = failed_with(outcome, advice.NO_CREDENTIALS.way_out)
        return case.credentials_problem
    if frozen is None:
        cause = "boto3 finds no credentials: not in the environment, the AWS files, a container's or an instance's role"
        return failed(cause, advice.NO_CREDENTIALS.way_out)
    parts = {"access key id": frozen.access_key, "secret access key": frozen.secret_key, "session token": frozen.token}
    if wrong := [name for name, value in parts.items() if not _is_legal(value or "")]:
        cause = f"the {' and the '.join(wrong)} has a character in it that is of no credentials, such as a line end"
        return failed(cause, f"correct it where it comes from: {_method(case, found)}")
    case.account = getattr(frozen, "account_id", None)
    return passed(f"from {_method(case, found)}{_key(frozen.access_key)}")


def _frozen(session: Any) -> tuple[Any, Any]:
    found = session.get_credentials()
    return found, None if found is None else found.get_frozen_credentials()


def _is_legal(value: str) -> bool:
    return all("!" <= character <= "~" for character in value)


def _method(case: Case, found: Any) -> str:
    method = str(found.method)
    text = _METHODS.get(method, method)
    if method == "shared-credentials-file":
        text += f" {case.session.get_config_variable('credentials_file')}"
    return text if method == "env" else f"{text}, profile {_profile(case)!r}"


def _profile(case: Case) -> str:
    return str(case.session.profile or "default")


def _key(key_id: str) -> str:
    return f", key …{key_id[-_SHOWN_OF_KEY:]}" if len(key_id) >= _SHORTEST_KEY else ""
