"""``handler.stats`` as Prometheus metrics: a collector over the handler, on a page for Prometheus to scrape.

Alarm on ``rate(cwlog_handler_events_dropped_total[5m]) > 0``, whose ``reason`` says why, and on a backlog that grows.
"""

import logging
import urllib.request

import prometheus_client

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.prometheus import CloudWatchLogsCollector


def main() -> None:
    cloudwatch = CloudWatchLogsHandler("my-app")
    prometheus_client.REGISTRY.register(CloudWatchLogsCollector(cloudwatch))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[cloudwatch])
    # Your own program takes the port that Prometheus is told.
    server, _ = prometheus_client.start_http_server(0, addr="127.0.0.1")

    for number in range(3):
        logging.info("order %d", number)
    logging.info("")  # the service takes no empty event
    cloudwatch.flush()

    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as page:
        print("\n".join(line for line in page.read().decode().splitlines() if line.startswith("cwlog_handler_")))


if __name__ == "__main__":
    main()
