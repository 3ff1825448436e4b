"""Checks that send one event as the handler does, report what had to be created for it, and read the event back.

Owns: the order of calls for one event. Must not know: what an error means (`errors` does), how the service is reached.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from ... import composition
from ...aws import errors
from ...aws.client import Client
from ...aws.creation import Group
from ...aws.making import Access
from ...core.batches import Batch
from ...core.events import Event
from ...core.outcomes import (
    Accepted,
    AlreadyAccepted,
    AskAgain,
    Created,
    Outcome,
    Refused,
    StaleToken,
    Throttled,
    Unavailable,
)
from ...core.targets import Target
from ..bounded import within
from .case import Case
from .findings import Finding, failed, failed_with, impossible, passed, skipped

# The worst usual case takes eight puts: one creates what is missing, one finds it not yet visible, one gets a sequence
# token (older service), two are refused for what they carry, two are throttled, and the last one succeeds.
_TRIES: Final = 8
# In seconds. In the real service, an event can be read only some seconds after it was acknowledged.
_READABLE_WITHIN: Final = 10.0
_READ_PAUSE: Final = 0.5
# Seconds between two tries. A quota that is used up for a moment is free again after this time.
_PAUSE: Final = 1.0
_EVENTS_A_PAGE: Final = 100

# Makes the event long enough to be compressed.
_LONG: Final = ", with more text so that it is compressed" * 20

_TRY_LATER: Final = "try again: the handler itself does so, and keeps the records meanwhile"
_TRY_AGAIN: Final = f"{_TRY_LATER}; if it goes on, check proxies and firewall"

_QUOTA: Final = (
    "try again: the handler itself does so, more slowly; if it goes on, send less often or ask AWS to raise the quota"
)


def creation(case: Case) -> Finding:
    """Send an event; the finding says whether log group and stream had to be created for it."""
    case.marker = f"cwlog_handler doctor: a test event, {uuid.uuid4().hex}"
    if case.known["compression"] is not None:
        case.marker += _LONG
    case.sent_ms = int(time.time() * 1000)
    # Three calls in addition create the group and the stream. Each call may take the time to connect and to answer.
    longest = 2 * case.patience * (_TRIES + 3)
    try:
        outcome = case.put_outcome = within(longest, lambda: _put(case))
    except TimeoutError as error:
        outcome = case.put_outcome = Unavailable(str(error), ambiguous=True)
    # Checked first, because the group may have been created and the stream not: then nothing is delivered.
    if isinstance(outcome, Refused) and outcome.code == errors.RESOURCE_NOT_FOUND:
        return failed_with(outcome, "")
    if _failed_to_create(case):
        return failed_with(outcome, _TRY_AGAIN)
    made = [operation for operation, code in case.calls if operation.startswith("Create") and code is None]
    if "CreateLogGroup" in made:
        text = "; ".join([f"log group and log stream {case.stream!r} were missing and have been made", *case.notes])
        return passed(text)
    if made:
        return passed(f"log stream {case.stream!r} was missing and has been made")
    if isinstance(outcome, (Accepted, AlreadyAccepted, Created)):
        return skipped(f"not needed: log group and log stream {case.stream!r} exist")
    return skipped("not tried: the put failed before it")


def put(case: Case) -> Finding:
    """Report the outcome of the put that `creation` has made."""
    outcome = case.put_outcome
    assert outcome is not None  # `creation` runs before and sets it
    match outcome:
        case Accepted(too_old=0, expired=0, too_new=0) | AlreadyAccepted():
            return passed(f"one event delivered to log stream {case.stream!r}")
        case Accepted():
            return failed("the service takes the call and rejects the event for its time", "set the clock, best by NTP")
        case Refused(code=errors.RESOURCE_NOT_FOUND):
            return impossible("not possible: there is nothing to put it in")
        case _ if _failed_to_create(case):
            return impossible("not possible: what is missing could not be made")
        case Created():
            cause = f"log group and log stream {case.stream!r} exist, but the put is told that they do not"
            return failed(cause, _TRY_LATER)
        case Throttled(code):
            return failed(f"throttled all the time [{code}]", _QUOTA)
        case _:
            return failed_with(outcome, _TRY_AGAIN)


def entity(case: Case) -> Finding:
    """Report whether the service has taken the entity of the event."""
    keys = case.known["entity"]["keyAttributes"]
    named = ", ".join(f"{key} {value!r}" for key, value in keys.items())
    return _carried(case, "entity", f"the service takes it: {named}")


def compression(case: Case) -> Finding:
    """Report whether the endpoint has taken the request compressed."""
    return _carried(case, "compression", f"the endpoint takes {case.known['compression']}")


def _carried(case: Case, kind: str, well: str) -> Finding:
    if kind not in case.left_out:
        return passed(well)
    cause, _, way_out = case.left_out[kind].rpartition("): ")
    return failed(f"{cause})", way_out.removesuffix("."))


def _failed_to_create(case: Case) -> bool:
    operation, code = case.calls[-1] if case.calls else ("", None)
    return operation.startswith("Create") and code not in (None, errors.RESOURCE_ALREADY_EXISTS)


def _put(case: Case) -> Outcome:
    known = case.known
    group = Group(
        known["log_group_name"],
        creates_group=known["create_log_group"],
        creates_stream=known["create_log_stream"],
        retention_days=known["log_group_retention_days"],
        tags=known["log_group_tags"],
        kms_key_id=known["log_group_kms_key_id"],
        group_class=known["log_group_class"],
        is_protected=bool(known["log_group_deletion_protection"]),
    )

    def leave_out(kind: str, text: str) -> None:
        case.left_out["compression" if kind == "compression" else "entity"] = text

    additions = composition.additions(group.name, known["entity"], known["compression"], leave_out)
    client = Client(
        Access(boto3_client=case.client),
        group,
        log_format=known["log_format"],
        additions=additions,
        say=lambda _, text, __="": case.notes.append(text),
    )
    stop_watching = _watch(case)
    try:
        return _put_until_settled(case, client)
    finally:
        stop_watching()


def _put_until_settled(case: Case, client: Client) -> Outcome:
    batch, token = Batch.of([Event(case.sent_ms, case.marker.encode())]), None
    outcome: Outcome = Unavailable("not tried", ambiguous=False)
    has_created = False
    for _ in range(_TRIES):
        outcome = client.put(Target(case.group, case.stream), batch, token, on_progress=lambda: None)
        match outcome:
            case Created() if not has_created:
                has_created = True
            case StaleToken(expected):
                token = expected
            case AskAgain():
                pass
            case Created() | Throttled():
                # A new stream or group may take a moment until it is visible.
                time.sleep(min(_PAUSE, case.patience))
            case _:
                break
    return outcome


def _watch(case: Case) -> Callable[[], None]:
    """Record in ``case.calls`` the calls that the client makes from now on; return the function that ends this."""

    def begin(model: Any, **_: Any) -> None:
        case.calls.append((model.name, "no answer"))

    def end(model: Any, parsed: Any, **_: Any) -> None:
        code = (parsed.get("Error") or {}).get("Code")
        case.calls[-1] = (model.name, code)

    events = case.client.meta.events
    events.register("before-call.cloudwatch-logs", begin)
    events.register("after-call.cloudwatch-logs", end)

    def stop() -> None:
        events.unregister("before-call.cloudwatch-logs", begin)
        events.unregister("after-call.cloudwatch-logs", end)

    return stop


def reading(case: Case) -> Finding:
    """Read the event back; if this is not permitted, the check is skipped, because the handler never reads."""
    give_up = time.monotonic() + _READABLE_WITHIN
    started = time.monotonic()
    while True:
        try:
            texts = within(2 * case.patience, lambda: _read(case))
        except Exception as error:
            code = errors.code_of(error)
            if code != errors.RESOURCE_NOT_FOUND:
                why = "not permitted" if code in errors.ACCESS_DENIED else f"not possible [{errors.text_of(error)}]"
                return skipped(f"{why} (logs:GetLogEvents), which the handler does not need")
            texts = []
        if case.marker in texts:
            return passed(f"the event is there, {time.monotonic() - started:.1f} s later")
        if time.monotonic() > give_up:
            return skipped(f"acknowledged, but not to be seen within {_READABLE_WITHIN:g} s; look again later")
        time.sleep(_READ_PAUSE)


def _read(case: Case) -> list[str]:
    page = case.client.get_log_events(
        logGroupName=case.group,
        logStreamName=case.stream,
        startTime=case.sent_ms,
        limit=_EVENTS_A_PAGE,
        startFromHead=True,
    )
    return [event["message"] for event in page["events"]]
