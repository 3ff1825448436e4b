"""The way in over HTTP: a server on the loopback interface, and what a failing connection looks like there.

Owns sockets and the threads that serve them. Must not know rules, faults or what is stored.
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
_STOP_CHECK_INTERVAL: Final = 0.02  # seconds that a stop may take to be noticed; idle cost is not measurable
_HANG_LIMIT: Final = 10.0  # seconds; threads end at once when their socket is shut down, longer is a bug

# l_onoff = 1, l_linger = 0: closing sends RST. The C struct has two ints, on Windows two shorts.
_RESET_ON_CLOSE: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Server:
    """Serves from construction until ``stop``; one thread accepts, one more serves each connection."""

    def __init__(self, exchange: Exchange, port: int) -> None:
        self._exchange = exchange
        self._listener = _Listener(exchange, port)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_STOP_CHECK_INTERVAL,), name="fake-cloudwatch", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """What to give a client as ``endpoint_url``."""
        return f"http://{LOOPBACK}:{self._listener.server_address[1]}"

    def stop(self) -> None:
        """Close every connection, also those that are held or idle, and return when all threads have ended."""
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.hang_up()
        self._exchange.gate.wake_up()
        self._listener.join()


class _ClientGone(Exception):
    """There is nobody left to answer."""


class _Listener(socketserver.TCPServer):
    """One thread per connection; unlike the standard mix-in it can hang up on its clients."""

    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port
    request_queue_size = 128

    def __init__(self, exchange: Exchange, port: int) -> None:
        self.exchange = exchange
        self.is_stopping = False
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        super().__init__((LOOPBACK, port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection in a thread of its own."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), name="fake-cloudwatch-client")
        thread.daemon = True
        with self._lock:
            self._connections.add(request)
        thread.start()
        self._threads = [*(earlier for earlier in self._threads if earlier.is_alive()), thread]

    def hang_up(self) -> None:
        """Shut all connections down, which wakes whoever reads from them."""
        with self._lock:
            for connection in self._connections:
                _shut_down(connection)
        self.is_stopping = True

    def join(self) -> None:
        """Wait until every connection's thread has ended; the accepting thread must have ended before."""
        for thread in self._threads:
            thread.join(_HANG_LIMIT)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is its own business; anything else is a bug worth a traceback."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # as in the standard mix-in: one connection's trouble is not the server's
            self.handle_error(request, client_address)
        finally:
            with self._lock:
                self._connections.remove(request)
            self.shutdown_request(request)


class _Connection(BaseHTTPRequestHandler):
    """One keep-alive connection. Also the wire on which a fault takes place."""

    protocol_version = "HTTP/1.1"
    server_version = "FakeCloudWatchLogs"
    disable_nagle_algorithm = True
    server: _Listener

    def do_POST(self) -> None:
        """Read one request, answer it."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client has gone before it had said all
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
        """Keep the client waiting, at most until the server stops; raises if the connection has ended meanwhile."""
        self.server.exchange.gate.wait(ticket, seconds, lambda: self.server.is_stopping)
        if not self._client_is_there():
            raise _ClientGone

    def reset(self) -> NoReturn:
        """Send RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.rfile.close()  # the socket is closed in earnest only when no file refers to it any more
        self.connection.close()
        raise _ClientGone

    def refuse(self) -> NoReturn:
        """An accepted connection can no longer be refused: reset it."""
        self.reset()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: the time of the service's clock."""
        return super().date_time_string(self.server.exchange.store.now_ms() / 1000 if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Keep quiet: the ledger has it all."""

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.is_cut:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(answer.body)

    def _client_is_there(self) -> bool:
        """Whether the peer has not closed; it sends nothing while it waits, so anything to read is the end."""
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
