"""Plays the surroundings of on_premises.py: the signing helper, and a proxy that alone reaches the VPC endpoint.

The proxy opens TLS with a CA of its own, as many companies' proxies do, and prints where requests went and with whose
keys they were signed.
"""

import os
import ssl
import subprocess
import sys
import tempfile
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from container_platform import HERE, Platform, stand_in

SIGNING_HELPER = f"""#!{sys.executable}
import json, sys
assert sys.argv[1] == "credential-process" and "--role-arn" in sys.argv, sys.argv
keys = {{"AccessKeyId": "ASIAANYWHERE", "SecretAccessKey": "secret", "SessionToken": "session"}}
print(json.dumps({{"Version": 1, "Expiration": "2099-01-01T00:00:00Z", **keys}}))
"""
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=proxy -keyout key.pem -out ca.pem -addext"


class Proxy(Platform):
    """Answers for the host that a client wants to be connected with."""

    protocol_version = "HTTP/1.1"
    tls: ssl.SSLContext

    def do_CONNECT(self) -> None:  # noqa: N802 - the name is http.server's
        print(f"the proxy was asked for {self.path}", flush=True)
        self.send_response(200)
        self.end_headers()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False


def main() -> int:
    Platform.logs = stand_in()
    with tempfile.TemporaryDirectory() as scratch:
        helper = Path(scratch, "aws_signing_helper")
        helper.write_text(SIGNING_HELPER)
        helper.chmod(0o700)
        names = "subjectAltName=DNS:*.logs.eu-west-1.vpce.amazonaws.com"
        subprocess.run([*CERTIFICATE.split(), names], cwd=scratch, check=True, capture_output=True)
        Proxy.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        Proxy.tls.load_cert_chain(Path(scratch, "ca.pem"), Path(scratch, "key.pem"))
        server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_CONFIG_FILE": str(HERE / "on_premises.ini"),
            "AWS_CA_BUNDLE": str(Path(scratch, "ca.pem")),
            "HTTPS_PROXY": f"http://127.0.0.1:{server.server_address[1]}",
            "PATH": os.pathsep.join([scratch, os.environ["PATH"]]),
        }
        status = subprocess.run([sys.executable, "on_premises.py"], cwd=HERE, env=environment, check=False).returncode
        for signer in sorted(Platform.signed_by):
            print(f"requests were signed by {signer}")
        return status


if __name__ == "__main__":
    sys.exit(main())
