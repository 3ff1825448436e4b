"""The way in over HTTP: a server on the loopback interface, and how a failing connection looks there.

Owns: sockets, and the threads that serve them. Must not know: rules, faults, what is stored.
"""

import os
import socket
import socketserver
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, NoReturn

from .answers import Answer
from .exchange import Exchange

LOOPBACK: Final = "127.0.0.1"
_STOP_CHECK_INTERVAL: Final = 0.02  # seconds until `stop` is noticed; the cost while idle is not measurable
_HANG_LIMIT: Final = 10.0  # seconds; a thread ends at once when its socket is shut down, so a longer wait is a bug

# With l_onoff = 1 and l_linger = 0, closing a socket sends RST. The C struct has two ints, on Windows two shorts.
_RESET_ON_CLOSE: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Server:
    """Serves from construction until ``stop``. One thread accepts connections; each connection has its own thread."""

    def __init__(self, exchange: Exchange, port: int) -> None:
        self._exchange = exchange
        self._listener = _Listener(exchange, port)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_STOP_CHECK_INTERVAL,), name="fake-cloudwatch", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The URL for a client's ``endpoint_url``."""
        return f"http://{LOOPBACK}:{self._listener.server_address[1]}"

    def stop(self) -> None:
        """Close every connection, even if it is held or idle, and return when all threads have ended."""
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.hang_up()
        self._exchange.gate.wake_up()
        self._listener.join()


class _ClientGone(Exception):
    """The client has closed the connection, so no answer is sent."""


class _Listener(socketserver.TCPServer):
    """Serves each connection on its own thread. Unlike socketserver's ThreadingMixIn it can close all connections."""

    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port
    request_queue_size = 128

    def __init__(self, exchange: Exchange, port: int) -> None:
        self.exchange = exchange
        self.is_stopping = False
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        super().__init__((LOOPBACK, port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection on its own thread."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), name="fake-cloudwatch-client")
        thread.daemon = True
        with self._lock:
            self._connections.add(request)
        thread.start()
        self._threads = [*(earlier for earlier in self._threads if earlier.is_alive()), thread]

    def hang_up(self) -> None:
        """Shut down all connections, which wakes the threads that read from them."""
        with self._lock:
            for connection in self._connections:
                _shut_down(connection)
        self.is_stopping = True

    def join(self) -> None:
        """Wait until every connection's thread has ended; the accepting thread must have ended before."""
        for thread in self._threads:
            thread.join(_HANG_LIMIT)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore an OSError, because a client may hang up; print the traceback of anything else: it is a bug."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # as in ThreadingMixIn: an error in one connection must not end the server
            self.handle_error(request, client_address)
        finally:
            with self._lock:
                self._connections.remove(request)
            self.shutdown_request(request)


class _Connection(BaseHTTPRequestHandler):
    """One keep-alive connection. It is also the `Wire` on which a fault happens."""

    protocol_version = "HTTP/1.1"
    server_version = "FakeCloudWatchLogs"
    disable_nagle_algorithm = True
    server: _Listener

    def do_POST(self) -> None:
        """Read one request and answer it."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client has closed the connection before it had sent everything
            self.close_connection = True
            return
        try:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = self.server.exchange.answer(headers, body, self)
        except _ClientGone:
            self.close_connection = True
            return
        self._send(answer)

    def hold(self, ticket: int, seconds: float) -> None:
        """Keep the client waiting, at most until the server stops; raises if the client hangs up meanwhile."""
        self.server.exchange.gate.wait(ticket, seconds, lambda: self.server.is_stopping)
        if not self._client_is_there():
            raise _ClientGone

    def reset(self) -> NoReturn:
        """Send RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.rfile.close()  # the socket is really closed only when no file refers to it any more
        self.connection.close()
        raise _ClientGone

    def refuse(self) -> NoReturn:
        """Reset the connection: it has been accepted, and can no longer be refused."""
        self.reset()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the Date header, by the fake service's clock."""
        return super().date_time_string(self.server.exchange.store.now_ms() / 1000 if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Print nothing: the ledger records all requests."""

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.is_cut:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(answer.body)

    def _client_is_there(self) -> bool:
        """Whether the client is still connected. It sends nothing while it waits: readable means that it has gone."""
        try:
            self.connection.settimeout(0)
            try:
                return len(self.connection.recv(1, socket.MSG_PEEK)) > 0
            except BlockingIOError:
                return True
            finally:
                self.connection.settimeout(None)
        except OSError:
            return False


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # already closed by its own thread
