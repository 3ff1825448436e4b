"""Logging configured by a dict in Python: every option of the handler is plain data.

Records of INFO and above go to CloudWatch Logs and to the terminal. Nothing has to be closed: the end of the program
delivers what still waits.
"""

import logging.config

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "{machine_name}/{process_id}",
            "log_group_retention_days": 30,
            "formatter": "line",
        },
    },
    "root": {"level": "INFO", "handlers": ["console", "cloudwatch"]},
    # The INFO records of botocore are of no interest here, neither in CloudWatch Logs nor on the terminal.
    "loggers": {"botocore": {"level": "WARNING"}},
}

log = logging.getLogger("shop")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    log.info("order %d: %d pieces", 17, 3)
    log.debug("not sent: the root logger's level is INFO")
    try:
        {}["basket"]
    except KeyError:
        log.exception("order %d has no basket", 18)


if __name__ == "__main__":
    main()
