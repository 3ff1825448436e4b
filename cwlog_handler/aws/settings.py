"""The option ``boto3_config``: which keywords of botocore's ``Config`` the handler's own client may have.

Owns: which keywords and values are refused, and why. Must not know: how a client is made. botocore checks few of these
values. A proxy of a wrong form, for example, fails at each request. This module is imported only if the option is used.
Nothing here reads a file or makes a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlsplit

import botocore
from botocore.config import Config

from .making import MAX_CONNECTIONS

_SIGNATURE: Final = "CloudWatch Logs takes signature version 4 only, as botocore makes it by itself; leave it out"
_REFUSED: Final = {
    "retries": "the handler itself decides when a request is made again, and botocore would go past its limits; "
    "leave it out",
    "region_name": "give the handler's option region_name instead",
    "signature_version": _SIGNATURE,
    "auth_scheme_preference": _SIGNATURE,
}
_BOOLEANS: Final = frozenset({
    "disable_request_compression", "ignore_configured_endpoint_urls", "inject_host_prefix", "parameter_validation",
    "tcp_keepalive", "use_dualstack_endpoint", "use_fips_endpoint",
})  # fmt: skip
# Keywords that an older botocore may lack. Here only so that the message can tell them from misspelt ones.
_NEWER: Final = (
    "account_id_endpoint_mode", "auth_scheme_preference", "disable_request_compression",
    "request_checksum_calculation", "request_min_compression_size_bytes", "response_checksum_validation",
    "sigv4a_signing_region_set", "user_agent_appid",
)  # fmt: skip
_OF_PROXIES: Final = ("proxy_ca_bundle", "proxy_client_cert", "proxy_use_forwarding_for_https")
# User and password of a URL, with all before them: there may be any character in a password.
_PASSWORD: Final = r"[^\s'\"]*@"
_SCHEME: Final = r"([A-Za-z][A-Za-z0-9+.-]*)://"


def config(value: Mapping[str, Any] | None, endpoint_url: str | None = None) -> dict[str, Any]:
    """Accept keywords of botocore's ``Config`` and return a copy; None means none. Raises TypeError or ValueError.

    What JSON or YAML has as a list becomes the tuple that botocore wants.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        way_out = "give a mapping of its keywords, such as {'tcp_keepalive': True}"
        raise TypeError(f"boto3_config is of type {type(value).__name__}: {way_out}")
    taken = {name: _taken(name, value[name]) for name in value}
    if endpoint_url is not None:
        for name in ("use_fips_endpoint", "use_dualstack_endpoint"):
            if taken.get(name):
                raise _wrong(name, True, "botocore ignores it if endpoint_url is given; leave one of the two out")
    try:
        Config(**taken)
    except Exception as error:
        raise ValueError(f"boto3_config: botocore refuses it: {_hidden(str(error))}") from None
    return taken


def _taken(name: Any, value: Any) -> Any:
    if name in _REFUSED:
        raise ValueError(f"boto3_config[{name!r}]: {_REFUSED[name]}")
    if name not in Config.OPTION_DEFAULTS:
        raise ValueError(f"boto3_config[{name!r}]: {_unknown(str(name))}")
    if name in _BOOLEANS:
        return _boolean(name, value)
    check = _CHECKS.get(name)
    return value if check is None else check(name, value)


def _unknown(name: str) -> str:
    has = f"botocore {botocore.__version__} has no such keyword"
    if name in _NEWER:
        return f"{has}; newer versions have it: update boto3, or leave it out"
    if name == "verify":
        return f"{has}; set AWS_CA_BUNDLE, or ca_bundle in the AWS configuration file, to your CA's certificates"
    if near := get_close_matches(name.lower(), [known for known in Config.OPTION_DEFAULTS if known not in _REFUSED], 1):
        return f"{has}; did you mean {near[0]!r}?"
    return f"{has}; its keywords are those of botocore.config.Config"


def _boolean(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, bool):
        raise _wrong_type(name, value, "give True or False")
    return value


def _header(name: str, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type(name, value, "give text")
    if not all(" " <= character <= "~" for character in value):
        raise _wrong(name, value, "a header has ASCII characters only, and no line end")
    return value


def _time_out(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong_type(name, value, "give seconds; without a limit a request could hang")
    if not 0 < value < float("inf"):
        raise _wrong(name, value, "give more than 0 seconds, or leave it out")
    return value


def _connections(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(name, value, f"give a whole number, {MAX_CONNECTIONS} or more")
    if value < MAX_CONNECTIONS:
        raise _wrong(name, value, f"the handler makes requests side by side; give {MAX_CONNECTIONS} or more")
    return value


def _certificate(name: str, value: Any) -> Any:
    """Accept a path, or the paths of certificate and key."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        # Looked up one by one: a list of `logging.config` resolves "ext://…" only so.
        paths = value[0], value[1]
        if all(isinstance(path, str) for path in paths):
            return paths
    raise _wrong_type(name, value, "give the path of a certificate, or the two paths of certificate and key")


def _proxies(name: str, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _wrong_type(name, value, "give a mapping such as {'https': 'http://proxy:3128'}")
    # Looked up one by one: a mapping of `logging.config` resolves "ext://…" only so.
    taken = {scheme: value[scheme] for scheme in value}
    for scheme, url in taken.items():
        # botocore looks up no other key, although its documentation speaks of host names too.
        if scheme not in ("http", "https"):
            way_out = "botocore uses the keys 'http' and 'https' only: they are the scheme of the endpoint"
            raise ValueError(f"boto3_config['proxies'][{scheme!r}]: {way_out}")
        if url is not None:
            _check_proxy(f"boto3_config['proxies'][{scheme!r}]", url)
    return taken


def _check_proxy(place: str, url: Any) -> None:
    if not isinstance(url, str):
        raise TypeError(f"{place} is of type {type(url).__name__}: give text such as 'http://proxy:3128'")
    scheme = re.match(_SCHEME, url)
    if scheme is not None and scheme[1] not in ("http", "https"):
        raise ValueError(f"{place}={_hidden(url)!r}: botocore takes proxies of http:// and https:// only")
    try:
        parts = urlsplit(url if scheme is not None else f"http://{url.removeprefix('//')}")
        is_right = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(f"{place}={_hidden(url)!r}: no URL of a proxy; write it as 'http://host:port'")
    if not url.isascii():
        raise ValueError(f"{place}={_hidden(url)!r}: not all of it is ASCII; write user and password percent-encoded")


def _proxies_config(name: str, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _wrong_type(name, value, "give a mapping such as {'proxy_ca_bundle': '/etc/ssl/proxy.pem'}")
    taken = {key: value[key] for key in value}
    for key, part in list(taken.items()):
        if key not in _OF_PROXIES:
            way_out = f"no such key; give {', '.join(map(repr, _OF_PROXIES[:-1]))} or {_OF_PROXIES[-1]!r}"
            raise ValueError(f"boto3_config['proxies_config'][{key!r}]: {way_out}")
        if key == "proxy_client_cert":
            taken[key] = _certificate(f"{name}.{key}", part)
        elif key == "proxy_ca_bundle":
            if part is not None and not isinstance(part, str):
                raise _wrong_type(f"{name}.{key}", part, "give the path of a file with certificates")
        else:
            _boolean(f"{name}.{key}", part)
    return taken


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "user_agent": _header,
    "user_agent_extra": _header,
    "user_agent_appid": _header,
    "connect_timeout": _time_out,
    "read_timeout": _time_out,
    "max_pool_connections": _connections,
    "client_cert": _certificate,
    "proxies": _proxies,
    "proxies_config": _proxies_config,
}


def _hidden(text: str) -> str:
    """Return the text without the user and password of a URL."""
    return re.sub(_PASSWORD, "…@", text)


def _wrong(name: str, value: Any, way_out: str) -> ValueError:
    return ValueError(f"boto3_config[{name!r}]={_hidden(repr(value))}: {way_out}")


def _wrong_type(name: str, value: Any, way_out: str) -> TypeError:
    return TypeError(f"boto3_config[{name!r}]={_hidden(repr(value))} is of type {type(value).__name__}: {way_out}")
