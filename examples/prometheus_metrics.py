"""``handler.stats`` as Prometheus metrics: a collector over the handler, served on a port of its own.

Runs against an embedded stand-in for the service, with no AWS account, and prints what Prometheus would scrape:

    pip install 'cwlog-handler[prometheus]' && python examples/prometheus_metrics.py

The lines of a program of yours are those of ``main``; the rest is the stand-in, and reading the page.
"""

import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.prometheus import CloudWatchLogsCollector


def main(port: int = 0) -> str:
    handler = CloudWatchLogsHandler("my-app", "shop")
    log = logging.getLogger("shop")
    log.setLevel(logging.INFO)
    log.addHandler(handler)

    # In a program of yours: prometheus_client.REGISTRY, which has the metrics of the process too, and a fixed port.
    registry = CollectorRegistry()
    registry.register(CloudWatchLogsCollector(handler))
    server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)

    for number in range(1000):
        log.info("order %d received", number)
    log.info("")  # the service takes no empty event: dropped, and counted
    handler.flush()

    page = read(f"http://127.0.0.1:{server.server_port}/metrics")
    server.shutdown()
    server.server_close()
    return page


def read(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return str(answer.read().decode())


@contextmanager
def stand_in() -> Iterator[None]:
    """CloudWatch Logs on 127.0.0.1, unless the environment names an endpoint already."""
    if "AWS_ENDPOINT_URL" in os.environ:
        yield
        return
    from cwlog_handler.testing import FakeCloudWatchLogs

    with FakeCloudWatchLogs().serve() as url:
        os.environ.update(
            AWS_ENDPOINT_URL=url,
            AWS_ACCESS_KEY_ID="testing",
            AWS_SECRET_ACCESS_KEY="testing",
            AWS_DEFAULT_REGION="us-east-1",
        )
        yield
        logging.shutdown()


if __name__ == "__main__":
    with stand_in():
        print(main())
