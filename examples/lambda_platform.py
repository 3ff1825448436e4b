"""Plays AWS Lambda for one of the functions here: ``python lambda_platform.py lambda_function``.

Like Lambda, it sets environment variables, gives each invocation a trace id and a few seconds, and ends the process
without running ``atexit`` or ``finally``.
"""

import importlib
import os
import sys
import time

TRACE_IDS = ("1-5759e988-bd862e3fe1be46a994272793", "1-5759e98a-4f2a1c0de8e54ad1b3c7f6a2")
# In seconds: Lambda's default.
TIMEOUT = 3.0


class Context:
    """The context object of an invocation, with the one method that the functions here use."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + TIMEOUT

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends_at - time.monotonic()) * 1000)


def main() -> None:
    os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] = "2026/01/31/[$LATEST]0123456789abcdef"
    function = importlib.import_module(sys.argv[1])
    for number, trace_id in enumerate(TRACE_IDS):
        os.environ["_X_AMZN_TRACE_ID"] = f"Root={trace_id};Parent=53995c3f42cd8ad8;Sampled=1"
        print(function.lambda_handler({"number": number}, Context()), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
