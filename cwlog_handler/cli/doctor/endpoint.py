"""Checks of the way to the service, from its URL to an HTTP answer, and of the difference between the two clocks.

Owns: name look-up, connection, one request without a signature. Must not know: credentials, permissions, log groups.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from botocore import exceptions
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from ...aws import errors, making
from ...core import advice
from ..bounded import within
from .case import Case
from .findings import Finding, failed, failed_with, impossible, passed, skipped

# Seconds to wait for a boto3 client: making one reads some MB of service models.
_MAKING_PATIENCE: Final = 15.0
# Signature version 4: beyond this many seconds the service answers "Signature expired" or "not yet current".
_SIGNATURE_TOLERANCE: Final = 300.0
_WORTH_A_WORD: Final = 30.0

_REGION_OR_URL: Final = (
    "correct region_name or endpoint_url; in a VPC, check its DNS and its endpoint for CloudWatch Logs"
)
_FIREWALL: Final = (
    "check firewall, security groups and routes, endpoint_url, and the proxy settings (HTTPS_PROXY, NO_PROXY)"
)
_PROXY: Final = f"check whether the proxy is running and may be reached from here; {advice.PROXY_SETTINGS}"
# Messages of OpenSSL if the other end does not speak TLS.
_NOT_TLS: Final = re.compile(r"wrong.version.number|record.layer.failure|http.request|EOF", re.IGNORECASE)
_NO_TLS: Final = (
    "there is no TLS at the other end: correct endpoint_url (http:// or another port?) or the proxy settings"
)
_TLS_INSTEAD: Final = "correct endpoint_url (https:// rather than http://?)"
_SOMEBODY_ELSE: Final = (
    "correct endpoint_url or the proxy settings (HTTPS_PROXY, NO_PROXY); log in where a portal wants it"
)


def endpoint(case: Case) -> Finding:
    """Report the URL that boto3 uses, and the setting that it comes from."""
    try:
        case.client = case.known["boto3_client"] or within(_MAKING_PATIENCE, lambda: _client(case))
        url = _url(case)
        # A port that is not a number raises ValueError only when it is read.
        _address(url)
    except Exception as error:
        finding = failed_with(errors.connect_outcome_of(error, case.call), "correct endpoint_url")
        # boto3 also looks for credentials when it makes a client. Their problem has already been reported.
        return impossible("not tried: needs credentials") if finding == case.credentials_problem else finding
    if not url.hostname:
        return failed(f"{url.geturl()!r} is no URL", "correct endpoint_url")
    return passed(f"{url.scheme}://{_host_and_port(url)}, {_source(case)}")


def _client(case: Case) -> Any:
    case.made = making.prepare(case.access)
    return making.client_of(case.made, case.access, case.patience)


def _source(case: Case) -> str:
    url = _url(case).geturl().rstrip("/")
    if case.known["boto3_client"] is not None:
        return "of the boto3_client that is passed in"
    if case.known["endpoint_url"]:
        return "from endpoint_url"
    for name in ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL"):
        if os.environ.get(name, "").rstrip("/") == url:
            return f"from {name}"
    if url in (configured.rstrip("/") for configured in _configured(case.session)):
        return "from the AWS configuration file"
    return "the region's own"


def _configured(session: Any) -> list[str]:
    """Return the endpoints in the configuration file: the profile's, and the service's in the section it names."""
    profile = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    return [of.get("endpoint_url", "") for of in (profile, services.get("cloudwatch_logs", {}))]


def name(case: Case) -> Finding:
    """Look up the host's name in the DNS: the service's, or that of the proxy on the way."""
    at = _next_hop(case)
    host, port = _address(at)
    try:
        found = within(case.patience, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        on_the_way = _is_proxy(case)
        return failed(f"{host}: {error}{on_the_way}", _PROXY if on_the_way else _REGION_OR_URL)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    return passed(f"{host} is {', '.join(addresses[:3])}{' …' if len(addresses) > 3 else ''}{_is_proxy(case)}")


def connection(case: Case) -> Finding:
    """Open a TCP connection to the service, or to the proxy on the way."""
    host, port = _address(_next_hop(case))
    started = time.monotonic()
    try:
        # create_connection tries several addresses, each with the full time-out. `within` limits them together.
        within(case.patience, lambda: socket.create_connection((host, port), case.patience).close())
    except OSError as error:
        on_the_way = _is_proxy(case)
        return failed(f"{host} port {port}: {error}{on_the_way}", _PROXY if on_the_way else _FIREWALL)
    return passed(f"TCP to port {port} in {(time.monotonic() - started) * 1000:.0f} ms{_is_proxy(case)}")


def answer(case: Case) -> Finding:
    """Check TLS and HTTP with a request without signature: the service refuses it, but its answer shows who answers."""
    url = _url(case)
    started, began = time.time(), time.monotonic()
    try:
        response = within(2 * case.patience, lambda: _ask(case, url.geturl()))
    except Exception as error:
        return failed_with(errors.outcome_of(error, case.call), _way_out(error, url.scheme))
    seconds = time.monotonic() - began
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    kind = headers.get("content-type", "")
    told = f"HTTP {response.status_code} in {seconds * 1000:.0f} ms{', TLS' if url.scheme == 'https' else ''}"
    if "html" in kind:
        return failed(f"{told}: a page of {kind!r}, not from CloudWatch Logs", _SOMEBODY_ELSE)
    case.clock_ahead = _ahead(headers, started + seconds / 2)
    return passed(told)


def _way_out(error: Exception, scheme: str) -> str:
    if not isinstance(error, exceptions.SSLError):
        is_cut = isinstance(error, exceptions.ConnectionClosedError)
        return f"{_TLS_INSTEAD}; {_FIREWALL}" if is_cut and scheme == "http" else _FIREWALL
    # Certificates have a way out of their own, in `advice`.
    return _NO_TLS if _NOT_TLS.search(str(error)) else advice.UNTRUSTED.way_out


def _ask(case: Case, url: str) -> Any:
    verify = case.session.get_config_variable("ca_bundle") or True
    # An unsigned call of DescribeLogGroups: the service refuses it, stand-ins such as moto answer it.
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.DescribeLogGroups"}
    config = case.client.meta.config
    session = URLLib3Session(
        verify=verify,
        proxies=_proxies(case),
        timeout=(case.patience, case.patience),
        client_cert=config.client_cert,
        proxies_config=config.proxies_config,
    )
    try:
        return session.send(AWSRequest("POST", url, headers, b'{"limit":1}').prepare())
    finally:
        session.close()


def _ahead(headers: Mapping[str, str], ours: float) -> float | None:
    try:
        date = parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    # The header has whole seconds, rounded down: half a second is the mean error.
    return ours - (date.timestamp() + 0.5)


def clock(case: Case) -> Finding:
    """Compare our clock with the date in the service's answer."""
    ahead = case.clock_ahead
    if ahead is None:
        return skipped("the answer has no date to compare with")
    if abs(ahead) < 1:
        return passed("less than a second off")
    told = f"{abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the service's"
    if abs(ahead) >= _SIGNATURE_TOLERANCE:
        return failed(f"{told}: beyond 300 s it refuses all signatures", "set the clock of this machine, best by NTP")
    return passed(f"{told}; accepted up to 300 s" if abs(ahead) >= _WORTH_A_WORD else told)


def _url(case: Case) -> SplitResult:
    return urlsplit(str(case.client.meta.endpoint_url))


def _proxies(case: Case) -> dict[str, str]:
    given = case.client.meta.config.proxies
    proxies: dict[str, str] = get_environ_proxies(_url(case).geturl()) if given is None else given
    return proxies


def _next_hop(case: Case) -> SplitResult:
    """Return the URL that we connect to: the proxy on the way if there is one, else the service."""
    url = _url(case)
    proxy = _proxies(case).get(url.scheme)
    if not proxy:
        return url
    return urlsplit(proxy if "://" in proxy else f"http://{proxy.removeprefix('//')}")


def _is_proxy(case: Case) -> str:
    return "" if _next_hop(case) == _url(case) else ", a proxy on the way to the endpoint"


def _address(url: SplitResult) -> tuple[str, int]:
    return str(url.hostname), url.port or (443 if url.scheme == "https" else 80)


def _host_and_port(url: SplitResult) -> str:
    # `netloc` is not shown because it may contain a password.
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else str(url.hostname)
    return host + (f":{url.port}" if url.port else "")
