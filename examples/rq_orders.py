"""Gives an RQ worker of rq_shop.py its jobs, through a stand-in for Redis on 127.0.0.1, and waits until it ends."""

import subprocess
import sys
import threading

import redis
import rq
from fakeredis import TcpFakeServer
from fakeredis._socket import _base
from fakeredis.model import ClientInfo

WORKER = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--worker-class", "rq_shop.Worker"]


class Info(ClientInfo):
    """How the stand-in for Redis describes a connection."""

    def as_bytes(self) -> bytes:
        # fakeredis writes an address as Python's tuple, with a space. RQ's worker cannot parse that.
        return super().as_bytes().replace(b"', ", b":").replace(b"('", b"").replace(b")", b"")


def main() -> int:
    _base.ClientInfo = Info
    server = TcpFakeServer(("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"redis://127.0.0.1:{server.server_address[1]}"
    orders = rq.Queue(connection=redis.Redis.from_url(url))
    orders.enqueue("rq_shop.pack", 17)
    orders.enqueue("rq_shop.lose", 18)
    # RQ stops it. It counts the seconds from before the job's first line, which a busy machine may be slow to reach.
    orders.enqueue("rq_shop.wait", 60, job_timeout=5)
    orders.enqueue("rq_shop.pack", 19)
    return subprocess.run([*WORKER, "--url", url], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
