"""A dictionary for dictConfig: a formatter, a filter, a handler for each severity, a stream for each day."""

import logging
import logging.config

import boto3


class NoPasswords(logging.Filter):
    """Lets nothing through that speaks of passwords."""

    def filter(self, record):
        return "password" not in record.getMessage()


client = boto3.client("logs", region_name="eu-west-1")
logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"named": {"format": "%(name)s %(levelname)s %(message)s"}},
        "filters": {"no_passwords": {"()": NoPasswords}},
        "handlers": {
            "everything": {
                "class": "watchtower.CloudWatchLogHandler",
                "level": "INFO",
                "boto3_client": client,
                "log_group_name": "config/all",
                "log_stream_name": "web-{strftime:%Y-%m-%d}",
                "log_group_retention_days": 14,
                "formatter": "named",
                "filters": ["no_passwords"],
            },
            "errors": {
                "class": "watchtower.CloudWatchLogHandler",
                "level": "ERROR",
                "boto3_client": client,
                "log_group_name": "config/errors",
                "log_stream_name": "web",
                "use_queues": False,
                "send_interval": 1,
                "max_batch_count": 1000,
            },
        },
        "root": {"level": "DEBUG", "handlers": ["everything", "errors"]},
        "loggers": {"botocore": {"level": "INFO"}, "urllib3": {"level": "INFO"}},
    }
)
logger = logging.getLogger("shop")
logger.debug("too quiet")
logger.info("open")
logger.info("the password is 123")
logger.error("closed")
