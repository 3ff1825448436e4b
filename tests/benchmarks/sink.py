"""An endpoint that takes PutLogEvents at next to no cost, in a process of its own, and tells later what came.

HTTP/1.1 with keep-alive, a thread for each connection. While a program is measured a request is only read, counted and
kept; what was in it is looked at when somebody asks. Must not know: who is measured, nor what for.

The measured program speaks to it over the same port: ``POST /begin`` (a new run, see `Orders`), ``GET /wait?events=N``
(answered when so many were accepted, or nothing comes any more), ``GET /report`` (see `arrivals`), ``GET /tls`` (from
then on it is served over TLS, too: the URL and the authority's certificate).
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from time import monotonic, sleep
from typing import BinaryIO, Final

from .arrivals import Arrivals

# Who has said nothing for so long has nothing more to say.
QUIET_LIMIT: Final = 20.0
PUT: Final = b"Logs_20140328.PutLogEvents"
HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n"
)
# The answer to whatever else is asked: done, and there is nothing yet.
NOTHING: Final = b'{"logGroups":[],"logStreams":[]}'


@dataclass(frozen=True)
class Orders:
    """How the sink behaves in a run: its messages' name; seconds before each answer; puts answered, None for all."""

    run: str
    latency: float = 0.0
    answers: int | None = None


class Sink:
    """Takes requests on a port of 127.0.0.1."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._begin(Orders("nobody"))

    def _begin(self, orders: Orders) -> None:
        with self._changed:
            self._orders = orders
            self._arrivals = Arrivals(orders.run)
            self._puts = 0
            self._changed.notify_all()

    def serve(self) -> None:
        """Take connections for ever."""
        self._serve_all(self._listener, None)

    def _serve_all(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve_one, args=(connection, context), daemon=True).start()

    def _secured(self) -> dict[str, str]:
        """Serve over TLS, too; return the URL, and the certificate that clients have to trust."""
        # Imported here because hardly a measurement needs it.
        from .certificates import server_context

        context, authority = server_context()
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._serve_all, args=(listener, context), daemon=True).start()
        return {"url": f"https://127.0.0.1:{listener.getsockname()[1]}", "ca": authority}

    def _serve_one(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb", 1 << 18) as reader, suppress(OSError):
            while line := reader.readline():
                target, length, coding = _headers(reader)
                body = reader.read(length)
                answer = self._put(body, coding) if target == PUT else self._other(line.split(b" ")[1].decode(), body)
                if answer is None:
                    return
                connection.sendall(HEAD % len(answer) + answer)

    def _put(self, body: bytes, coding: bytes) -> bytes | None:
        """Take a request; None if it is never answered."""
        at = monotonic()
        with self._changed:
            orders, arrivals = self._orders, self._arrivals
            self._puts += 1
            if orders.answers is not None and self._puts > orders.answers:
                self._changed.wait_for(lambda: self._orders is not orders)
                return None
        if orders.latency:
            sleep(orders.latency)
        with self._changed:
            arrivals.add(at, gzip.decompress(body) if coding == b"gzip" else body, len(body))
            self._changed.notify_all()
        return b"{}"

    def _other(self, path: str, body: bytes) -> bytes:
        path, _, query = path.partition("?")
        if path == "/begin":
            self._begin(Orders(**json.loads(body)))
        elif path == "/tls":
            return json.dumps(self._secured()).encode()
        elif path == "/wait":
            return json.dumps(self._wait_for(int(query.removeprefix("events=")))).encode()
        elif path == "/report":
            with self._changed:
                return json.dumps(self._arrivals.report()).encode()
        return NOTHING

    def _wait_for(self, wanted: int) -> dict[str, int]:
        """Wait until so many events were accepted, or nothing comes any more."""
        with self._changed:
            while self._arrivals.events < wanted and self._changed.wait(QUIET_LIMIT):
                pass
            return {"events": self._arrivals.events}


def _headers(reader: BinaryIO) -> tuple[bytes, int, bytes]:
    """Read to the end of the headers; return the operation, and the body's length and coding."""
    target, length, coding = b"", 0, b""
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        match name.lower():
            case b"x-amz-target":
                target = value.strip()
            case b"content-length":
                length = int(value)
            case b"content-encoding":
                coding = value.strip()
    return target, length, coding


def _serve(pipe: Connection) -> None:
    sink = Sink()
    pipe.send(sink.url)
    threading.Thread(target=sink.serve, daemon=True).start()
    # The end of the pipe is the end of whoever started us, whatever became of it.
    with suppress(EOFError):
        pipe.recv()


@contextmanager
def served() -> Iterator[str]:
    """Serve from a process of its own; yields the URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()
