"""As Airflow 3's remote logging does it: one handler, told the stream before each record; the end is a flush.

The records are made by hand, of a dictionary and with a time of their own, and come by ``handle``.
"""

import logging
import time

import boto3
import watchtower

handler = watchtower.CloudWatchLogHandler(
    log_group_name="airflow-remote",
    log_stream_name="task",
    use_queues=True,
    boto3_client=boto3.client("logs", region_name="eu-west-1"),
    json_serialize_default=str,
)


def process(path, event, created):
    handler.log_stream_name = path.replace(":", "_")
    record = logging.getLogRecordFactory()(
        "task", logging.INFO, pathname="", lineno=0, msg=event, args=(), exc_info=None, func=None, sinfo=None
    )
    record.created = created
    handler.handle(record)


def close():
    if handler is None or handler.shutting_down:
        return
    handler.flush()


start = int(time.time()) - 60
for step in range(4):
    moment = start + step * 0.25
    path = f"run_id=manual__2026-01-01T00:00:00/attempt={step % 2 + 1}.log"
    process(path, {"event": f"step {step}", "at_ms": int(moment * 1000)}, moment)
close()
process("late.log", {"event": "after the end", "at_ms": start * 1000}, start)
close()
