"""An AWS Lambda function that flushes in each invocation, because Lambda freezes the process when the function returns.

The function logs to a log group of its own, beside the one that Lambda writes for it. In Lambda, host name and process
id say nothing. So the stream has the name that Lambda gives its own stream: one for each instance of the function.
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
        # Lambda ends a function that takes too long, so 0.5 s are left for returning. If flush returns False, the rest
        # is delivered in the next invocation.
        cloudwatch.flush(timeout=min(3, context.get_remaining_time_in_millis() / 1000 - 0.5))
