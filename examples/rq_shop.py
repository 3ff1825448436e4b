"""An RQ worker class that delivers what each job has logged, before the job's process ends.

RQ runs each job in a forked child and ends it by ``os._exit``, which runs no exit code of Python. Give RQ the name of
this class: ``rq worker --worker-class rq_shop.Worker``.
"""

import logging
import logging.config
from typing import Any

import rq

from cwlog_handler import CloudWatchLogsHandler

log = logging.getLogger("shop")


def configure_logging() -> None:
    logging.config.dictConfig(
        {
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
    )


class Worker(rq.Worker):
    """Delivers what each job has logged."""

    def perform_job(self, *arguments: Any, **options: Any) -> bool:
        try:
            return super().perform_job(*arguments, **options)
        finally:
            # After this method RQ ends the child by os._exit.
            for handler in logging.getLogger().handlers:
                if isinstance(handler, CloudWatchLogsHandler):
                    handler.flush()


def pack(order: int) -> None:
    log.info("order %d is packed", order)


configure_logging()
