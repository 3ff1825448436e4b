"""RQ: a worker whose jobs deliver what they have logged, whether they end, fail or take too long.

RQ runs each job in a process of its own and ends it by ``os._exit``, which runs no exit code of Python. Start the
worker by ``rq worker --worker-class rq_shop.Worker``, or ``rq worker-pool`` with the same. Logging is configured when
this module is imported, so that it is in every process that RQ starts, whether by a fork or not.
"""

import logging
import logging.config
import time
from typing import Any

import rq

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "rq/{machine_name}/{process_id}",
            "formatter": "line",
        },
        # Warnings and errors also appear on the terminal where the program was started.
        "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "line"},
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
}

log = logging.getLogger("shop")


class Worker(rq.Worker):
    """Delivers what each job has logged."""

    def perform_job(self, *arguments: Any, **options: Any) -> bool:
        try:
            return super().perform_job(*arguments, **options)
        finally:
            # After this method RQ ends the job's process by os._exit. This delivers, for close_timeout at most.
            logging.shutdown()


def pack(order: int) -> None:
    log.info("order %d is packed", order)


def lose(order: int) -> None:
    log.info("order %d was somewhere here", order)
    raise LookupError(f"there is no order {order}")


def wait(seconds: float) -> None:
    log.info("waiting")
    time.sleep(seconds)


logging.config.dictConfig(LOGGING)
