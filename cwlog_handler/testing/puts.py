"""PutLogEvents: which batch is accepted, which events of it are stored, and with which message it is refused.

Owns: the rules of a put, in the order in which they are checked. Must not know: transports, faults, rates, the ledger.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .answers import Refusal
from .calls import Call
from .entities import check_form, verdict_on
from .rules import (
    DAY_MS,
    MAX_AGE_MS,
    MAX_AHEAD_MS,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_SPAN_MS,
    Constraints,
    invalid,
)
from .store import Store, Stream

Batch = Sequence[tuple[int, str]]


class Intake:
    """Puts batches into the store. Not thread-safe: the owner of the store holds a lock."""

    def __init__(
        self, store: Store, *, sequence_tokens: bool, max_event_bytes: int, account_retention_days: int | None
    ) -> None:
        self._store = store
        self._sequence_tokens = sequence_tokens
        self._max_event_bytes = max_event_bytes
        self._account_retention_days = account_retention_days

    def put(self, call: Call, request: int) -> dict[str, Any]:
        """Store the valid events of the batch; return the answer's members. If it raises Refusal, nothing is stored."""
        batch = _well_formed(call)
        self._check_sizes(call)
        _check_order(batch)
        stream = self._store.stream(call.group, call.stream)
        log_group_class = self._store.group(call.group).log_group_class
        entity_error = None if call.entity is None else verdict_on(call.entity, log_group_class)
        messages = tuple(message for _, message in batch)
        if self._sequence_tokens:
            _check_token(stream, call.params.get("sequenceToken"), messages)
        # PutAccountPolicy, API reference: an account's retention policy overrides that of a log group.
        retention_days = self._account_retention_days or self._store.group(call.group).retention_days
        valid, rejected = self._sift(batch, retention_days)
        if valid and valid[-1][0] - valid[0][0] > MAX_SPAN_MS:
            raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
        output: dict[str, Any] = {}
        if valid:
            self._store.append(stream, valid, messages, request)
            if self._sequence_tokens:
                output["nextSequenceToken"] = stream.expected_token
        if rejected:
            output["rejectedLogEventsInfo"] = rejected
        if entity_error is not None:
            output["rejectedEntityInfo"] = {"errorType": entity_error}
        return output

    def _check_sizes(self, call: Call) -> None:
        if call.size_bytes > MAX_BATCH_BYTES:
            raise invalid(f"Upload too large: {call.size_bytes} bytes exceeds limit of {MAX_BATCH_BYTES}")
        for size in call.event_sizes:
            if size > self._max_event_bytes:
                raise invalid(f"Log event too large: {size} bytes exceeds limit of {self._max_event_bytes}")

    def _sift(self, batch: Batch, retention_days: int | None) -> tuple[Batch, dict[str, int]]:
        """Return the valid part of a chronological batch, and ``rejectedLogEventsInfo`` for the rest."""
        timestamps = [timestamp for timestamp, _ in batch]
        now_ms = self._store.now_ms()
        too_old_end = bisect_left(timestamps, now_ms - MAX_AGE_MS)
        expired_end = 0 if retention_days is None else bisect_left(timestamps, now_ms - retention_days * DAY_MS)
        too_new_start = bisect_right(timestamps, now_ms + MAX_AHEAD_MS)
        rejected = {}
        if too_new_start < len(batch):
            rejected["tooNewLogEventStartIndex"] = too_new_start
        if too_old_end:
            rejected["tooOldLogEventEndIndex"] = too_old_end
        if expired_end:
            rejected["expiredLogEventEndIndex"] = expired_end
        return batch[max(too_old_end, expired_end) : too_new_start], rejected


def _well_formed(call: Call) -> Batch:
    constraints = Constraints()
    constraints.group_name(call.params.get("logGroupName"))
    constraints.stream_name(call.params.get("logStreamName"))
    if constraints.present(call.params.get("logEvents"), "logEvents"):
        constraints.length(call.params["logEvents"], "logEvents", 1, MAX_BATCH_EVENTS)
    if "sequenceToken" in call.params:
        constraints.length(call.params["sequenceToken"], "sequenceToken", 1)
    for number, (timestamp, message) in enumerate(call.batch, start=1):
        if not message or timestamp is None or timestamp < 0:
            _check_event(constraints, f"logEvents.{number}.member", timestamp, message)
    constraints.enforce()
    if call.entity is not None:
        check_form(call.entity)
    return [(timestamp or 0, message or "") for timestamp, message in call.batch]  # `or` is for the types: none is None


def _check_event(constraints: Constraints, where: str, timestamp: int | None, message: str | None) -> None:
    if constraints.present(timestamp, f"{where}.timestamp") and timestamp is not None:
        constraints.within(timestamp, f"{where}.timestamp", 0)
    if constraints.present(message, f"{where}.message") and message is not None:
        constraints.length(message, f"{where}.message", 1)


def _check_order(batch: Batch) -> None:
    if any(later < earlier for (earlier, _), (later, _) in pairwise(batch)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")


def _check_token(stream: Stream, token: str | None, messages: tuple[str, ...]) -> None:
    expected = stream.expected_token
    if token == expected:
        return
    members = {} if expected is None else {"expectedSequenceToken": expected}
    # A repeated batch is recognised by its messages alone: the real service ignored different timestamps when tested.
    if token is not None and token == stream.accepted_token and messages == stream.accepted_messages:
        raise Refusal(
            "DataAlreadyAcceptedException",
            "The given batch of log events has already been accepted. "
            f"The next batch can be sent with sequenceToken: {expected}",
            members=members,
        )
    raise Refusal(
        "InvalidSequenceTokenException",
        f"The given sequenceToken is invalid. The next expected sequenceToken is: {expected or 'null'}",
        members=members,
    )
