"""Django's settings: a client with keys of its own, a formatter with dates, the "django" logger."""

import logging

import boto3
import django
from django.conf import settings

client = boto3.client("logs", aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
settings.configure(
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "root": {"level": logging.ERROR, "handlers": ["console"]},
        "formatters": {"aws": {"format": "%(asctime)s [%(levelname)-8s] %(message)s", "datefmt": "%Y-%m-%d"}},
        "handlers": {
            "console": {"class": "logging.StreamHandler"},
            "cloudwatch": {
                "level": "DEBUG",
                "class": "watchtower.CloudWatchLogHandler",
                "boto3_client": client,
                "log_group_name": "django",
                "log_stream_name": "site",
                "formatter": "aws",
            },
        },
        "loggers": {"django": {"level": "INFO", "handlers": ["cloudwatch"], "propagate": False}},
    }
)
django.setup()
logging.getLogger("django.request").warning("Not Found: %s", "/nothing")
logging.getLogger("django.db.backends").debug("too quiet")
