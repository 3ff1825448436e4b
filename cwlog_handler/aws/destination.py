"""Checks of the options that say where records go: region, endpoint and client.

Owns: what a region's name looks like, and what counts as a client for CloudWatch Logs. Must not know: how a client is
made. boto3 does not check most of this. A region that does not exist becomes a host that is never found. A client for
another service fails at each put. An asynchronous client returns a coroutine, which would be mistaken for an answer.
Nothing here makes a request or a client.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import InvalidRegionError
from botocore.utils import is_valid_endpoint_url, is_valid_ipv6_endpoint_url

# The patterns in this module are compiled when they are first used: few constructors use any of them.

# The form of all region names in all AWS partitions: us-east-1, us-gov-west-1, eusc-de-east-1. Older names of FIPS
# endpoints have "fips-" before or "-fips" behind it.
_REGION: Final = r"(?:fips-)?[a-z]{2,}(?:-[a-z]+)+-[0-9]+(?:-fips)?"
# botocore's rule for a region's name, because the region becomes part of a host name.
_HOST_LABEL: Final = r"(?![0-9]+\Z)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)"
_REGION_IN_TEXT: Final = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
_ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL")
_IGNORES_CONFIGURED: Final = "ignore_configured_endpoint_urls"
# A region's own endpoints, with FIPS and dual stack among them: all of them lead to the same log groups.
_USUAL_ENDPOINT: Final = (
    r"https://logs(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)/?"
)
_HOST_AND_PORT: Final = r"(?P<host>[\w.-]+)(?::\d+)?(?:/.*)?"
_PASSWORD: Final = r"(?<=//)[^/@\s]*@"

# The beginning of botocore's error message; the URL follows.
INVALID_ENDPOINT: Final = "Invalid endpoint: "

_SERVICE: Final = "logs"
_GIVE_A_CLIENT: Final = "give what boto3.client('logs') returns, or leave it out"
_MISSING: Final = object()
_UNKNOWN: Final = object()


def is_region(name: str) -> bool:
    """True if AWS may have a region of that name, even one that this version of botocore does not know yet."""
    return re.fullmatch(_REGION, name) is not None


def region_name(value: str | None, endpoint_url: str | None, profile_name: str | None) -> str | None:
    """Accept the name of a region; None leaves the choice to boto3. Raises TypeError or ValueError.

    If an endpoint is given, by argument, environment or configuration file, any name that boto3 takes is accepted:
    people who use a stand-in for AWS write names such as "local".
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"region_name={value!r} is of type {type(value).__name__}: give text such as 'us-east-1'")
    if is_region(value):
        return value
    if re.fullmatch(_HOST_LABEL, value) and (endpoint_url or _has_endpoint_of_its_own(profile_name)):
        return value
    raise ValueError(f"region_name={value!r}: no AWS region is called that; {nearest_region(value)}")


def check(client: Any) -> None:
    """Raise if a boto3 client would send its requests to a host that cannot exist.

    Region and endpoint may come from the environment or a configuration file, and boto3 checks few of them. Raises
    InvalidRegionError for the region, and ValueError for the endpoint, as botocore does.
    """
    region, url = str(client.meta.region_name), str(client.meta.endpoint_url)
    if problem := problem_of_url(url):
        raise ValueError(f"{INVALID_ENDPOINT}{url} ({problem})")
    host = urlsplit(url).hostname or ""
    if not is_region(region) and re.match(rf"logs(?:-fips)?\.{re.escape(region.lower())}\.", host):
        raise InvalidRegionError(region_name=region)


def unknown_region(client: Any) -> str | None:
    """Return the region of a boto3 client if this version of botocore does not know it: new or misspelt. Else None."""
    region = str(client.meta.region_name)
    return None if region in _known_regions() else region


def region_and_endpoint(
    region_name: str | None,
    endpoint_url: str | None,
    profile_name: str | None,
    client: object,
    ignores_configured: bool = False,
) -> tuple[str, str]:
    """Return the region and the endpoint to which requests will go; "" where that is unknown, or the usual endpoint.

    ``ignores_configured``: the client takes no endpoint from environment and configuration files.
    Two processes with the same options and surroundings get the same. No client is made, and no request.
    """
    meta = getattr(client, "meta", None)
    if meta is not None:
        region, endpoint = getattr(meta, "region_name", None), getattr(meta, "endpoint_url", None)
    else:
        region, endpoint = region_name, endpoint_url
        if client is None:
            with suppress(Exception):  # the same problem is reported when the client is made
                session = botocore.session.Session(profile=profile_name)
                region = region or session.get_config_variable("region")
                ignores_configured = ignores_configured or bool(session.get_config_variable(_IGNORES_CONFIGURED))
                endpoint = endpoint or session.get_scoped_config().get("endpoint_url")
            configured = [] if ignores_configured else [*map(os.environ.get, _ENDPOINT_VARIABLES), endpoint]
            endpoint = next(filter(None, [endpoint_url, *configured]), None)
    # Attributes of a mock are mocks.
    region = region if isinstance(region, str) else ""
    endpoint = endpoint if isinstance(endpoint, str) else ""
    return region, "" if re.fullmatch(_USUAL_ENDPOINT, endpoint) else endpoint.rstrip("/")


def likely_endpoint(
    region_name: str | None, endpoint_url: str | None, client: object, config: Mapping[str, Any]
) -> str | None:
    """Return the endpoint to which requests will go, as options and environment say; None if these do not suffice.

    Configuration files are not read: no client is made, and no file is opened.
    """
    if client is not None:
        known = _look_up(client, "meta", "endpoint_url")
        return known if isinstance(known, str) else None
    if endpoint_url:
        return endpoint_url
    if any(os.environ.get(f"AWS_{name.upper()}") or config.get(name) for name in _SWITCHES):
        return None
    configured = next(filter(None, map(os.environ.get, _ENDPOINT_VARIABLES)), None)
    region = region_name or os.environ.get("AWS_DEFAULT_REGION")
    if configured or not region or not re.fullmatch(_PLAIN_REGION, region):
        return configured
    return f"https://logs.{region}.amazonaws.com"


# What makes botocore choose another endpoint, as botocore's Config names it. A variable has AWS_ before that.
_SWITCHES: Final = ("use_fips_endpoint", "use_dualstack_endpoint", "ignore_configured_endpoint_urls")
# Neither of China nor of another partition that has a domain of its own.
_PLAIN_REGION: Final = r"(?!cn-)[a-z]{2}-[a-z]+-[0-9]+"
_NO_SUGGESTION: Final = "give one such as 'us-east-1', or None for the region that boto3 finds"


def nearest_region(name: str) -> str:
    """Suggest which region was meant by a name that is not a region's, as text for the operator.

    This may load a module: a thread of ours calls it with forks put off.
    """
    text = re.sub(r"[\s_]+", "-", name.strip().lower())
    if text in {"", "none", "null"}:
        return "leave it out, or give None, for the region that boto3 finds"
    try:
        # Imported here because it is needed only when something is wrong; the list of regions is read then, too.
        from difflib import get_close_matches
    except ImportError:  # the interpreter ends
        return _NO_SUGGESTION
    known = _known_regions()
    # First: regions named inside the text, as in an ARN, a URL or the name of an availability zone. Second: regions of
    # which the text is only the beginning.
    meant = [found for found in re.findall(_REGION_IN_TEXT, text) if found in known]
    meant += [region for region in known if region.startswith(text)]
    by_letters = {_letters(region): region for region in known}
    likest = get_close_matches(_letters(text), by_letters, n=1 if _letters(text) in by_letters else 2, cutoff=0.7)
    meant = meant[:1] or [by_letters[letters] for letters in likest]
    if not meant:
        return _NO_SUGGESTION
    return f"the nearest {'is' if len(meant) == 1 else 'are'} {' and '.join(map(repr, meant))}"


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name)


@functools.cache
def _known_regions() -> list[str]:
    # Cached because botocore reads a file of 1 MB for it.
    session = botocore.session.Session()
    return sorted(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions(_SERVICE, partition)
    )


def _has_endpoint_of_its_own(profile_name: str | None) -> bool:
    if any(os.environ.get(name) for name in _ENDPOINT_VARIABLES):
        return True
    try:
        session = botocore.session.Session(profile=profile_name)
        profile = session.get_scoped_config()
    except Exception:
        # The profile does not exist or the file cannot be read: this is reported when the client is made.
        return True
    return bool(profile.get("endpoint_url") or profile.get("services"))


def problem_of_url(url: str) -> str:
    """Return why boto3 cannot send requests to a URL; empty if it can.

    boto3 itself accepts some such URLs, and then fails at each request.
    """
    try:
        parts = urlsplit(url)
        # A port that is not a number raises only when `port` is read.
        if parts.port == 0:
            return "no port is called 0"
    except ValueError as error:
        return str(error)
    if not is_valid_endpoint_url(url) and not is_valid_ipv6_endpoint_url(url):
        return "no URL"
    return "" if parts.scheme in ("http", "https") else "no URL of http or https"


def endpoint_url(value: str | None) -> str | None:
    """Accept a URL that boto3 can send requests to; None means the region's own endpoint."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"endpoint_url={value!r} is of type {type(value).__name__}: give text such as 'https://…'")
    if problem := problem_of_url(value):
        raise ValueError(f"endpoint_url={re.sub(_PASSWORD, '…@', value)!r}: {problem}; {url_meant(value)}")
    return value


def url_meant(value: str) -> str:
    """Suggest how to write an endpoint that is not a valid URL, as text for the operator."""
    if not value.strip() or value.lower() in {"none", "null"}:
        return "leave it out, or give None, for the region's own endpoint"
    if re.match(r"(?i)(?:https?:)?//[^/]*_", value):
        return "boto3 takes no host with '_' in its name"
    bare = value.strip().removeprefix("//")
    if matched := re.fullmatch(_HOST_AND_PORT, bare):
        is_here = matched["host"] in ("localhost", "127.0.0.1", "host.docker.internal") or "." not in matched["host"]
        return f"write it with its scheme: '{'http' if is_here else 'https'}://{bare}'"
    return "write it as 'https://host' or 'http://host:port'"


def client(value: Any) -> Any:
    """Accept a client for CloudWatch Logs, or an object that replaces one: a Mock, a wrapper, the user's own class.

    It must have a synchronous method ``put_log_events``, and must not be the client of another service. None means that
    the handler makes its own client. Raises TypeError.
    """
    if value is None:
        return None
    if isinstance(value, type):
        raise _no_client(value, "the class itself", "give an instance, as boto3.client('logs') returns")
    service = _look_up(value, "meta", "service_model", "service_name")
    put = _look_up(value, "put_log_events")
    # The type is compared because an autospec's attribute is a mock for which isinstance(…, str) may be true.
    if type(service) is str and service != _SERVICE:
        raise _no_client(value, f"one for another service, {service!r}", _GIVE_A_CLIENT)
    if put is _UNKNOWN:
        # For example a proxy that is not bound to an object yet: whether it works is seen at the first put.
        return value
    if put is _MISSING or not callable(put):
        raise _no_client(value, *_taken_for(value))
    if _is_asynchronous(put) or _is_asynchronous(_look_up(value, "_make_api_call")):
        raise _no_client(value, "an asynchronous one", _SYNCHRONOUS)
    return value


def _is_asynchronous(function: Any) -> bool:
    # In some versions of Python, inspect does not recognise the autospec of a coroutine function.
    return inspect.iscoroutinefunction(function) or any(kind.__name__ == "AsyncMock" for kind in type(function).__mro__)


# Asynchronous packages whose sessions have the same attributes as boto3's.
_ASYNCHRONOUS_PACKAGES: Final = ("aioboto3", "aiobotocore")
_SYNCHRONOUS: Final = (
    "give what boto3.client('logs') returns, or leave it out: the handler makes its requests on a thread of its own, "
    "and no event loop waits for them"
)


def _taken_for(value: Any) -> tuple[str, str]:
    """Describe what was given in place of a client, and say what to give instead."""
    if isinstance(value, str):
        return "text", (
            "leave it out, and say region_name, endpoint_url or boto3_profile_name; or, in a configuration, name an "
            "object: 'ext://package.module.client'"
        )
    if isinstance(value, Mapping):
        return "a mapping", "leave it out, and say region_name, endpoint_url or boto3_profile_name as options"
    kind = type(value).__name__
    is_of_aio = type(value).__module__.partition(".")[0] in _ASYNCHRONOUS_PACKAGES
    if is_of_aio or inspect.isawaitable(value) or _look_up(value, "__aenter__") is not _MISSING:
        return f"an asynchronous one ({kind})", _SYNCHRONOUS
    if inspect.ismodule(value):
        return "a module", _GIVE_A_CLIENT
    if _look_up(value, "meta", "client") is not _MISSING:
        return f"a resource ({kind})", _GIVE_A_CLIENT
    if callable(_look_up(value, "create_client")):
        return f"a session ({kind})", "give session.create_client('logs')"
    if callable(_look_up(value, "client")):
        return f"a session ({kind})", "give session.client('logs')"
    if callable(value):
        return f"a function ({kind})", "call it, and give what it returns"
    return f"an object without put_log_events ({kind})", _GIVE_A_CLIENT


def _look_up(value: Any, *names: str) -> Any:
    """Return an attribute of an attribute; _MISSING if it does not exist, _UNKNOWN if looking it up raises."""
    try:
        for name in names:
            value = getattr(value, name, _MISSING)
            if value is _MISSING:
                return _MISSING
    except Exception:
        return _UNKNOWN
    return value


def _no_client(value: Any, kind: str, way_out: str) -> TypeError:
    # Only the keys of a mapping are shown: its values may be credentials.
    shown = f"{{{', '.join(f'{key!r}: …' for key in value)}}}" if isinstance(value, Mapping) else repr(value)
    return TypeError(f"boto3_client={shown} is no client for CloudWatch Logs, but {kind}: {way_out}")
