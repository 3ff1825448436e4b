"""Classes derived from the handler: with a client of their own, with other keywords, with a formatter set inside."""

import json
import logging

import boto3
import watchtower


class FromSettings(watchtower.CloudWatchLogHandler):
    def __init__(self, *args, **kwargs):
        region_name = kwargs.pop("region")
        kwargs["boto3_client"] = boto3.client("logs", region_name=region_name)
        super().__init__(*args, **kwargs)
        self.setFormatter(AsJson())


class Careful(watchtower.CloudWatchLogHandler):
    def __init__(self, name):
        super().__init__(log_group_name="careful", log_stream_name=f"host-{name}", send_interval=60, use_queues=False)

    def emit(self, record):
        try:
            super().emit(record)
        except Exception as error:
            print(f"not logged: {error}")


class AsJson(logging.Formatter):
    def format(self, record):
        return json.dumps({"level": record.levelname, "text": record.getMessage()})


logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
logger.addHandler(FromSettings(log_group_name="settings", log_stream_name="s", region="eu-west-1"))
logger.addHandler(Careful("one"))
logger.info("open")
logger.info("")
logger.handlers[0].flush()
