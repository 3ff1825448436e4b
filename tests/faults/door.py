"""A door before the fake that looks at access keys, as the service does: the fake itself takes any."""

import re
import threading
from collections import Counter
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from cwlog_handler.testing import Refusal

ACCESS_KEY = re.compile(r"Credential=([^/]+)/")


class Door:
    """Lets requests through that are signed with a valid key; ``refusal`` is the answer to the others."""

    def __init__(self, fake_url: str, valid: str, refusal: Refusal) -> None:
        self.valid = valid
        self.refusal = refusal
        self.seen: Counter[str] = Counter()
        self.changed = threading.Condition()
        self.fake_url = fake_url

    def wait_until_seen(self, key: str, times: int) -> None:
        """Wait until so many requests came with a key."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.seen[key] >= times, timeout=60)

    @contextmanager
    def serve(self):
        """Stand before the fake; yields the URL."""
        door = self

        class Connection(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                door.answer(self)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, connection: BaseHTTPRequestHandler) -> None:
        """Refuse a request, or pass it on and its answer back."""
        body = connection.rfile.read(int(connection.headers["Content-Length"]))
        key = ACCESS_KEY.search(connection.headers["Authorization"])[1]
        with self.changed:
            self.seen[key] += 1
            self.changed.notify_all()
            is_valid = key == self.valid
        if is_valid:
            status, headers, body = self._passed_on(connection.headers, body)
        else:
            refused = self.refusal.answer()
            status, headers, body = refused.status, refused.headers.items(), refused.body
        connection.send_response(status)
        for name, value in headers:
            connection.send_header(name, value)
        connection.end_headers()
        connection.wfile.write(body)

    def _passed_on(self, headers, body):
        onward = HTTPConnection(urlsplit(self.fake_url).netloc, timeout=60)
        try:
            onward.request("POST", "/", body, {"X-Amz-Target": headers["X-Amz-Target"]})
            answer = onward.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            onward.close()
