"""Each record of an AWS Lambda function has the X-Ray trace id of the invocation that logged it.

Lambda sets the environment variable ``_X_AMZN_TRACE_ID=Root=1-…;Parent=…;Sampled=1`` for each invocation. A filter on
the handler reads it for each record, and the JSON formatter writes it as fields. ``xray_trace_id`` is the id as X-Ray
writes it. ``traceId`` is the same as OpenTelemetry writes it: CloudWatch Logs indexes the field of this name by itself.
"""

import logging
import logging.config
import os
from typing import Any


class XRayTraceId(logging.Filter):
    """Add ``traceId`` and ``xray_trace_id`` to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        header = os.environ.get("_X_AMZN_TRACE_ID", "")
        fields = dict(part.split("=", 1) for part in header.split(";") if "=" in part)
        if root := fields.get("Root"):
            record.xray_trace_id = root
            record.traceId = root.removeprefix("1-").replace("-", "")
        return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"xray": {"()": XRayTraceId}},
    "formatters": {
        "json": {"()": "pythonjsonlogger.json.JsonFormatter", "fmt": "%(levelname)s %(name)s %(message)s"},
    },
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
            "filters": ["xray"],
            "formatter": "json",
        },
    },
    "loggers": {"shop": {"level": "INFO", "handlers": ["cloudwatch"]}},
}
logging.config.dictConfig(LOGGING)
log = logging.getLogger("shop")
(cloudwatch,) = log.handlers


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        log.info("order", extra={"number": event["number"]})
        return {"statusCode": 200}
    finally:
        cloudwatch.flush(timeout=min(3, context.get_remaining_time_in_millis() / 1000 - 0.5))
