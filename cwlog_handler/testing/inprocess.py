"""The way in without a network: a real boto3 client whose requests are answered just before they would be sent.

Owns: the client, and what botocore raises when a connection fails. Must not know: rules, faults, what is stored.
"""

import functools
import io
import math
import os
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import boto3.session
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from .exchange import Exchange
from .gate import Gate
from .store import REGION

# Overrides everything that a session would read from the user's environment and files.
_NOTHING_FROM_THE_USER: Final = {
    "profile": None,
    "config_file": os.devnull,
    "credentials_file": os.devnull,
    "defaults_mode": "legacy",  # "auto" asks the instance metadata service
}


def in_process_client(exchange: Exchange, config: Config | None) -> Any:
    """Return a boto3 "logs" client that opens no socket. It makes one attempt per call unless ``config`` says more."""
    core = _session()
    core.register_component("data_loader", _loader())
    session = boto3.session.Session(
        botocore_session=core, aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
    )
    one_attempt = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    client = session.client(
        "logs",
        endpoint_url=f"https://logs.{REGION}.amazonaws.com",  # given here, so that AWS_ENDPOINT_URL has no effect
        verify=False,
        config=one_attempt.merge(config) if config is not None else one_attempt,
    )
    # Registered first: another fake in this process, such as moto, may hook into all clients and would answer instead.
    client.meta.events.register_first("before-send.cloudwatch-logs", _Interceptor(exchange, _read_timeout(client)))
    return client


def _session() -> botocore.session.Session:
    core = botocore.session.Session()
    settings = core.get_component("config_store")  # used directly: for the session's own setter None means "not set"
    for name, value in _NOTHING_FROM_THE_USER.items():
        settings.set_config_variable(name, value)
    return core


@functools.cache
def _loader() -> Any:
    """Return the loader of the services' models, which caches them: loading takes most of the 50 ms of a client."""
    return _session().get_component("data_loader")


class _Interceptor:
    def __init__(self, exchange: Exchange, read_timeout: float | None) -> None:
        self._exchange = exchange
        self._read_timeout = read_timeout

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        context = getattr(request, "context", None) or {}  # not there in older versions of botocore
        read_timeout = context.get("read_timeout", self._read_timeout)
        wire = _InProcessWire(request, self._exchange.gate, read_timeout)
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        answer = self._exchange.answer(headers, _bytes(request.body), wire)
        return AWSResponse(request.url, answer.status, HTTPHeaders.from_dict(answer.headers), _Body(answer.body))


class _InProcessWire:
    def __init__(self, request: Any, gate: Gate, read_timeout: float | None) -> None:
        self._request = request
        self._gate = gate
        self._patience = math.inf if read_timeout is None else read_timeout

    def hold(self, ticket: int, seconds: float) -> None:
        """Wait on the client's own thread; raises ReadTimeoutError when the client's read time-out is over."""
        released = self._gate.wait(ticket, min(seconds, self._patience))
        if not released and seconds >= self._patience:
            raise ReadTimeoutError(endpoint_url=self._request.url, error=TimeoutError("Read timed out."))
        self._patience -= 0 if released else seconds

    def reset(self) -> NoReturn:
        """Raise what botocore raises when the peer resets the connection."""
        error = ConnectionResetError("Connection reset by peer")
        raise ConnectionClosedError(error=error, request=self._request, endpoint_url=self._request.url)

    def refuse(self) -> NoReturn:
        """Raise what botocore raises when nobody listens."""
        error = ConnectionRefusedError("Connection refused")
        raise EndpointConnectionError(endpoint_url=self._request.url, error=error)


class _Body(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def _read_timeout(client: Any) -> float | None:
    timeout = client.meta.config.read_timeout
    return None if timeout is None else float(timeout)


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


def _bytes(body: Any) -> bytes:
    """Return a request's body as bytes. botocore accepts bytes, text and files."""
    if hasattr(body, "read"):
        body = body.read()
    return body.encode() if isinstance(body, str) else bytes(body or b"")
