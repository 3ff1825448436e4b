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
        # Well within the function's own timeout. False: not all was delivered yet, it goes out with the next flush.
        cloudwatch.flush(timeout=3)
