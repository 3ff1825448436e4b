"""``handler.stats`` as Prometheus metrics, on a page for Prometheus to scrape.

Set an alarm on ``rate(cwlog_handler_events_dropped_total[5m]) > 0``, whose label ``reason`` says why events were lost,
and one on a growing ``cwlog_handler_events_pending``.
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
    # In your program, use the port that Prometheus scrapes. Port 0 here means any free port.
    server, _ = prometheus_client.start_http_server(0, addr="127.0.0.1")

    for number in range(3):
        logging.info("order %d", number)
    logging.info("")  # dropped and counted: the service accepts no empty event
    cloudwatch.flush()

    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as page:
        print("\n".join(line for line in page.read().decode().splitlines() if line.startswith("cwlog_handler_")))


if __name__ == "__main__":
    main()
