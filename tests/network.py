"""What stands between a program and the service, on the loopback interface: proxies, TLS, IPv6."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
import trustme

_CHUNK = 65536
_HEAD_END = b"\r\n\r\n"


def _has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")


@contextmanager
def nobody_listening(port=0):
    """Yield a port of 127.0.0.1 that refuses each connection; no other test is given it meanwhile, as a free one is."""
    with socket.socket() as held:
        # Connections that have ended there do not matter.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        yield held.getsockname()[1]


class Front:
    """Passes connections on to a port of 127.0.0.1, after shaking hands if it has a TLS context."""

    def __init__(self, target, *, host="127.0.0.1", tls=None):
        self.connections = 0
        self.target = urlsplit(target).port
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self._open = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            self.pass_on(connection)
        self._open.discard(connection)
        connection.close()

    def pass_on(self, connection, first=b""):
        with socket.create_connection(("127.0.0.1", self.target)) as target:
            target.sendall(first)
            back = threading.Thread(target=_copy, args=(target, connection), daemon=True)
            back.start()
            _copy(connection, target)
            back.join(10)


class Proxy(Front):
    """An HTTP proxy, which reaches any host at one port of 127.0.0.1, and remembers what was asked of it."""

    def __init__(self, target, *, user=None, answer=None, host="127.0.0.1", tls=None):
        self.asked = []
        self._user = user
        self._answer = answer
        super().__init__(target, host=host, tls=tls)

    def pass_on(self, connection, first=b""):
        head = b""
        while _HEAD_END not in head:
            part = connection.recv(_CHUNK)
            if not part:
                return
            head += part
        line, *fields = head.partition(_HEAD_END)[0].decode("latin-1").split("\r\n")
        method, where, _ = line.split(" ")
        self.asked.append((method, where))
        given = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if refusal := self._refusal(given.get("proxy-authorization")):
            connection.sendall(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        elif method == "CONNECT":
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            super().pass_on(connection)
        else:
            super().pass_on(connection, head)

    def _refusal(self, authorization):
        if self._answer is not None:
            return self._answer
        wanted = None if self._user is None else "Basic " + base64.b64encode(self._user.encode()).decode()
        return "407 Proxy Authentication Required" if wanted not in (None, authorization) else None


def _copy(source, sink):
    with suppress(OSError, ValueError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def running(front):
    try:
        yield front
    finally:
        front.stop()


class Authority:
    """A CA of its own, with files of certificates in a folder."""

    def __init__(self, folder):
        self._ca = trustme.CA()
        self._folder = folder
        self.bundle = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.bundle)

    def server(self, *names, wants_client=False):
        """A server's TLS context; with ``wants_client`` it lets nobody in without a certificate of this CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            self._ca.configure_trust(context)
        return context

    def client(self):
        """The paths of a client's certificate and of its key."""
        made = self._ca.issue_cert("client@shop.example")
        certificate, key = self._folder / "client.pem", self._folder / "client.key"
        made.cert_chain_pems[0].write_to_path(str(certificate))
        made.private_key_pem.write_to_path(str(key))
        return str(certificate), str(key)
