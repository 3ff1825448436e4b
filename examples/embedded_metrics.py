"""Metrics in the log: documents in the embedded metric format, of which CloudWatch makes metrics by itself.

A dict is sent as the document that it is; a logger of its own keeps other text out of its stream. ``log_format`` sets
the header that tells the service what the documents are, for regions in which it does not see that by itself.
"""

import logging
import logging.config
import time

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "metrics": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "metrics/{machine_name}/{process_id}",
            "log_format": "json/emf",
        },
    },
    "loggers": {"metrics": {"level": "INFO", "handlers": ["metrics"], "propagate": False}},
}

metrics = logging.getLogger("metrics")


def put_latency(service: str, milliseconds: float, **properties: object) -> None:
    """Log one measurement; properties are in the log only, there to look into a slow one."""
    directive = {
        "Namespace": "my-app",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": "latency", "Unit": "Milliseconds"}],
    }
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    metrics.info({"_aws": about, "service": service, "latency": milliseconds, **properties})


def main() -> None:
    logging.config.dictConfig(LOGGING)
    put_latency("orders", 12.5, order=17)
    put_latency("orders", 340.0, order=18)


if __name__ == "__main__":
    main()
