"""The logging configuration of the programs here, as an application writes it: one handler of ours on the root logger.

A file beside it, written by the standard library, is the witness: whatever a process logged is in there.
"""

import json
import logging
import os

# Nothing is to be logged before the first order: then the handler was made, but has not sent.
QUIET = os.environ.get("QUIET") == "1"


class Testimony(logging.Formatter):
    """A line for each record: who logged what."""

    def format(self, record):
        return json.dumps([record.process, record.name, record.getMessage()])


def log_settings() -> dict:
    early = {"level": "WARNING" if QUIET else "INFO"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"witness": {"()": Testimony}},
        "handlers": {
            # A busy machine may take longer than the 10 s that the end has otherwise, but gunicorn waits for 30.
            "cloudwatch": {
                "class": "cwlog_handler.CloudWatchLogsHandler",
                "log_group_name": "g",
                "close_timeout": 25,
            },
            "witness": {"class": "logging.FileHandler", "filename": os.environ["WITNESS"], "formatter": "witness"},
        },
        "root": {"level": "INFO", "handlers": ["cloudwatch", "witness"]},
        "loggers": {
            "early": early,
            # gunicorn gives these handlers of their own and lets nothing through to the root.
            "gunicorn.error": {**early, "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": True},
        },
    }
