"""GetLogEvents and FilterLogEvents: which events a reader gets.

Owns: the selection of events. Must not know: how events were stored, transports, faults, the ledger.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .groups import group_identified_by
from .pages import events_page, page_of
from .rules import MAX_PAGE_EVENTS, Constraints, invalid
from .store import Store, StoredEvent

Params = Mapping[str, Any]


def get_log_events(store: Store, params: Params) -> dict[str, Any]:
    """GetLogEvents: one stream's events in order; ``startTime`` is included, ``endTime`` is not."""
    constraints = Constraints()
    constraints.stream_name(params.get("logStreamName"))
    constraints.enforce()
    stream = store.stream(group_identified_by(params), params["logStreamName"])
    end_time = params.get("endTime")
    asked_for = [
        event
        for event in stream.events
        if event.timestamp >= params.get("startTime", 0) and (end_time is None or event.timestamp < end_time)
    ]
    page, tokens = events_page(asked_for, params)
    return {"events": [_members(event) for event in page]} | tokens


def filter_log_events(store: Store, params: Params) -> dict[str, Any]:
    """FilterLogEvents: events of a group's streams in order; both ends of the time range are included.

    Filter patterns may have only plain terms: every term must occur in the message. Others are refused.
    """
    group = store.group(group_identified_by(params))
    names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix", "")
    if names and prefix:
        raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    if names:
        streams = [store.stream(group.name, name) for name in names]
    else:
        streams = [stream for name, stream in group.streams.items() if name.startswith(prefix)]
    terms, end_time = _terms(params.get("filterPattern", "")), params.get("endTime")
    asked_for = [
        (event, stream.name)
        for stream in streams
        for event in stream.events
        if event.timestamp >= params.get("startTime", 0)
        and (end_time is None or event.timestamp <= end_time)
        and _has_all(event.message, terms)
    ]
    asked_for.sort(key=lambda found: found[0].key)
    page, next_token = page_of(asked_for, params, MAX_PAGE_EVENTS, size_of=lambda found: found[0].size_bytes)
    shown = [{"logStreamName": name, **_members(event), "eventId": f"{event.position:056d}"} for event, name in page]
    return {"events": shown, "searchedLogStreams": []} | next_token


def _members(event: StoredEvent) -> dict[str, Any]:
    return {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingestion_time}


def _terms(pattern: str) -> list[str]:
    terms = re.findall(r'"[^"]*"|\S+', pattern)
    if any(term.startswith(("{", "[", "%", "-", "?")) for term in terms):
        raise invalid("This stand-in for the service understands only plain terms in filterPattern.")
    return [term.strip('"') for term in terms]


def _has_all(message: str, terms: Iterable[str]) -> bool:
    return all(term in message for term in terms)
