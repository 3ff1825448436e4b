"""As Airflow 2's CloudwatchTaskHandler does it: a handler inside a handler, made anew for each task instance.

The group's name is cut out of an ARN, the stream's is the rendered file name without colons; records come by ``emit``;
``close`` is called more than once, and logging goes on for other tasks after it.
"""

import logging
from datetime import date, datetime

import boto3
import watchtower


def serialize(value):
    return value.isoformat() if isinstance(value, (date, datetime)) else None


class TaskHandler(logging.Handler):
    def __init__(self, log_group_arn):
        super().__init__()
        self.log_group = log_group_arn.split(":")[6]
        self.region_name = log_group_arn.split(":")[3]
        self.handler = None
        self.closed = False

    def set_context(self, filename, is_trigger=False):
        self.handler = watchtower.CloudWatchLogHandler(
            log_group_name=self.log_group,
            log_stream_name=filename.replace(":", "_"),
            use_queues=not is_trigger,
            boto3_client=boto3.client("logs", region_name=self.region_name),
            json_serialize_default=serialize,
        )

    def emit(self, record):
        self.handler.emit(record)

    def flush(self):
        if self.handler is not None:
            self.handler.flush()

    def close(self):
        if self.closed:
            return
        if self.handler is not None:
            self.handler.close()
        self.closed = True


logger = logging.getLogger("airflow.task")
logger.setLevel(logging.INFO)
handler = TaskHandler("arn:aws:logs:eu-west-1:123456789012:log-group:airflow-tasks")
logger.addHandler(handler)
handler.set_context("dag_id=etl/run_id=scheduled__2026-01-01T00:00:00+00:00/task_id=load/attempt=1.log")
logger.info("loading")
logger.info({"day": date(2026, 1, 1), "what": {1, 2}})
handler.set_context("dag_id=etl/task_id=load/attempt=1.log.trigger.7.log", is_trigger=True)
logger.info("waiting")
handler.flush()
handler.close()
handler.close()
