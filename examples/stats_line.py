"""Logs ``handler.stats`` once a minute: what was delivered, what waits, what was lost and why.

The line also goes to the terminal: an operator needs it most when nothing arrives in CloudWatch Logs.
"""

import logging
import threading

from cwlog_handler import CloudWatchLogsHandler

log = logging.getLogger("shop")


def log_stats(handler: CloudWatchLogsHandler) -> None:
    stats = handler.stats
    logging.getLogger("shop.logging").log(
        logging.WARNING if stats.dropped or stats.rejected or stats.last_error else logging.INFO,
        "cloudwatch: %d emitted, %d delivered, %d pending, dropped %s, rejected %s; %d requests, last error: %s",
        stats.emitted,
        stats.delivered,
        stats.pending,
        dict(stats.dropped_by_reason),
        dict(stats.rejected_by_reason),
        stats.requests,
        stats.last_error,
    )


def log_stats_every(seconds: float, handler: CloudWatchLogsHandler) -> None:
    stop = threading.Event()  # never set: the thread ends with the program

    def run() -> None:
        while not stop.wait(seconds):
            log_stats(handler)

    threading.Thread(target=run, name="log-stats", daemon=True).start()


def main() -> None:
    cloudwatch = CloudWatchLogsHandler("my-app")
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[logging.StreamHandler(), cloudwatch])
    logging.getLogger("botocore").setLevel(logging.WARNING)
    log_stats_every(60, cloudwatch)

    for number in range(3):
        log.info("order %d", number)
    log.info("")  # dropped and counted: the service accepts no empty event
    cloudwatch.flush()
    log_stats(cloudwatch)


if __name__ == "__main__":
    main()
