"""The service itself, without any transport: it gets a decoded request and returns an answer.

Owns: the table of operations. Must not know: transports, faults, the ledger. Not thread-safe: its owner holds a lock.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from .answers import Answer, Refusal, success
from .calls import Call
from .groups import (
    create_log_group,
    create_log_stream,
    delete_log_group,
    delete_log_stream,
    delete_retention_policy,
    describe_log_groups,
    describe_log_streams,
    put_log_group_deletion_protection,
    put_retention_policy,
    tag_resource,
)
from .puts import Intake
from .rates import Quotas
from .reads import filter_log_events, get_log_events
from .store import Store

_OPERATIONS: Final[Mapping[str, Callable[[Store, Mapping[str, Any]], dict[str, Any] | None]]] = {
    "CreateLogGroup": create_log_group,
    "CreateLogStream": create_log_stream,
    "DeleteLogGroup": delete_log_group,
    "DeleteLogStream": delete_log_stream,
    "DeleteRetentionPolicy": delete_retention_policy,
    "DescribeLogGroups": describe_log_groups,
    "DescribeLogStreams": describe_log_streams,
    "FilterLogEvents": filter_log_events,
    "GetLogEvents": get_log_events,
    "PutLogGroupDeletionProtection": put_log_group_deletion_protection,
    "PutRetentionPolicy": put_retention_policy,
    "TagResource": tag_resource,
}


class Service:
    """Answers requests from a store by the service's rules, without faults."""

    def __init__(self, store: Store, intake: Intake, quotas: Quotas) -> None:
        self._store = store
        self._intake = intake
        self._quotas = quotas

    def answer(self, call: Call, request: int, now: float) -> Answer:
        """Return the answer to a request. ``request`` is its number; ``now`` is in monotonic seconds. Never raises."""
        try:
            return success(self._output(call, request, now))
        except Refusal as refusal:
            return refusal.answer()

    def _output(self, call: Call, request: int, now: float) -> dict[str, Any] | None:
        if call.problem is not None:
            raise call.problem
        if not self._quotas.admits(call.operation, call.group, call.stream, now):
            raise Refusal("ThrottlingException", "Rate exceeded")
        if call.operation == "PutLogEvents":
            return self._intake.put(call, request)
        operation = _OPERATIONS.get(call.operation)
        if operation is None:
            raise Refusal("UnknownOperationException", None)
        return operation(self._store, call.params)
