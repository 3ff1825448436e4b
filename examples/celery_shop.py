"""A Celery worker that logs to CloudWatch Logs: its own records, and those of the tasks in its forked children.

A function connected to ``setup_logging`` keeps Celery from configuring logging itself. Each process has its own stream,
and delivers what it has logged before it ends. Start it with ``celery -A celery_shop worker``.
"""

import logging.config

from celery import Celery, signals
from celery.utils.log import get_task_logger

app = Celery("shop")  # the broker comes from CELERY_BROKER_URL
log = get_task_logger(__name__)


@signals.setup_logging.connect
def configure_logging(**_: object) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
            "handlers": {
                "cloudwatch": {
                    "class": "cwlog_handler.CloudWatchLogsHandler",
                    "log_group_name": "my-app",
                    "log_stream_name": "celery/{machine_name}/{process_id}",
                    "formatter": "line",
                },
                # Warnings and errors also appear on the terminal where the program was started.
                "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "line"},
            },
            "root": {"level": "INFO", "handlers": ["cloudwatch", "console"]},
        }
    )


@app.task
def pack(order: int) -> None:
    log.info("order %d is packed", order)
