"""A strict fake of Amazon CloudWatch Logs, for testing programs that log to it.

    from cwlog_handler.testing import FakeCloudWatchLogs, throttle

    fake = FakeCloudWatchLogs()
    client = fake.client()                 # a real boto3 client, no network
    fake.fail(throttle(), times=2)         # the next two puts are throttled
    ...
    assert fake.messages("my-group") == ["hello"]

Owns: the names that tests import. Must not know: the handler. The fake has its own copy of the service's limits, so
that it notices if the handler's are wrong.
"""

from .answers import Answer, Refusal
from .calls import Call
from .fake import FakeCloudWatchLogs
from .faults import (
    Ending,
    Fault,
    access_denied,
    captive_portal,
    clock_skew,
    connection_refused,
    empty_200,
    entity_refused,
    entity_rejected,
    error,
    expired_token,
    gzip_refused,
    operation_aborted,
    reset_after_commit,
    reset_before_commit,
    server_error,
    slow,
    stall,
    throttle,
    truncated_answer,
    unrecognized_client,
)
from .ledger import Request
from .store import LogGroup, StoredEvent

__all__ = [
    "Answer",
    "Call",
    "Ending",
    "FakeCloudWatchLogs",
    "Fault",
    "LogGroup",
    "Refusal",
    "Request",
    "StoredEvent",
    "access_denied",
    "captive_portal",
    "clock_skew",
    "connection_refused",
    "empty_200",
    "entity_refused",
    "entity_rejected",
    "error",
    "expired_token",
    "gzip_refused",
    "operation_aborted",
    "reset_after_commit",
    "reset_before_commit",
    "server_error",
    "slow",
    "stall",
    "throttle",
    "truncated_answer",
    "unrecognized_client",
]
