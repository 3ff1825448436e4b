"""An AWS Lambda function that flushes per invocation: Lambda freezes the process when the handler has returned.

The function has a log group of its own, apart from what Lambda writes for it. Host name and process id say nothing
there, so the stream is named as Lambda names its own: one for each instance of the function.
"""

import logging
import os
from typing import Any

from cwlog_handler import CloudWatchLogsHandler

stream = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "local")
cloudwatch = CloudWatchLogsHandler("my-app", stream)
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.addHandler(cloudwatch)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        log.info({"event": "order", "number": event["number"]})
        return {"statusCode": 200}
    finally:
        # Lambda ends a function that takes too long: a moment is left to return in. What is not delivered by then, for
        # which flush returns False, goes out with the next one.
        cloudwatch.flush(timeout=min(3, context.get_remaining_time_in_millis() / 1000 - 0.5))
