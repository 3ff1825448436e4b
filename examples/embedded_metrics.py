"""Metrics in the log: CloudWatch makes metrics of documents in the embedded metric format.

A dict is sent as one JSON document. The metrics have their own logger, so that no other text gets into their stream.
``log_format`` sets a header that names the format: some regions do not detect it by themselves.
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
    """Log one measurement. The properties are only in the log: they help to find out why a request was slow."""
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
