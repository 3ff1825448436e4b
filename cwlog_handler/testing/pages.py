"""Answers in pages: where a page begins and ends, and the token that leads to the next one.

Owns: page tokens and page limits. Must not know: what the items are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .rules import MAX_PAGE_BYTES, MAX_PAGE_EVENTS, Constraints, invalid
from .store import StoredEvent

Item = TypeVar("Item")
Key = tuple[int, int]  # an event's place: timestamp, then order of ingestion


def limit_of(params: Mapping[str, Any], maximum: int) -> int:
    """The page limit of the request, or ``maximum`` if it has none; refuses limits below 1 or above ``maximum``."""
    limit = int(params.get("limit", maximum))
    constraints = Constraints()
    constraints.within(limit, "limit", 1, maximum)
    constraints.enforce()
    return limit


def page_of(
    found: Sequence[Item], params: Mapping[str, Any], maximum: int, size_of: Callable[[Item], int] = lambda _: 0
) -> tuple[Sequence[Item], dict[str, str]]:
    """The page that the request's ``nextToken`` asks for, and the ``nextToken`` of the following page if there is one.

    ``size_of`` returns an item's size in bytes; a page has at most 1 MiB. Without it, only the number of items counts.
    """
    token = params.get("nextToken", "0")
    if not token.isdecimal():
        raise _bad_token()
    start = int(token)
    page = _head(found[start:], limit_of(params, maximum), size_of)
    end = start + len(page)
    return page, {"nextToken": str(end)} if end < len(found) else {}


def events_page(
    events: Sequence[StoredEvent], params: Mapping[str, Any]
) -> tuple[Sequence[StoredEvent], dict[str, str]]:
    """GetLogEvents: a page of ordered events, and the tokens of the next page forward and backward.

    At the end of the stream the same token is returned again: this is how a reader notices the end.
    """
    limit, token = limit_of(params, MAX_PAGE_EVENTS), params.get("nextToken")
    forward = bool(params.get("startFromHead", False))
    edge: Key = (params.get("startTime", 0), 0)
    if token is not None:
        forward, edge = _read_token(token)
        events = [event for event in events if (event.key > edge if forward else event.key < edge)]
    page = _head(events, limit, _size_of) if forward else _head(events[::-1], limit, _size_of)[::-1]
    if page:
        first, last = page[0].key, page[-1].key
    elif token is None or forward:  # the backward token must lead to the event at the edge, too
        first, last = (edge[0], edge[1] + 1), edge
    else:
        first, last = edge, (edge[0], edge[1] - 1)
    return page, {"nextForwardToken": _token("f", last), "nextBackwardToken": _token("b", first)}


def _size_of(event: StoredEvent) -> int:
    return event.size_bytes


def _head(items: Sequence[Item], limit: int, size_of: Callable[[Item], int]) -> Sequence[Item]:
    """The first items that fit into one page."""
    page_bytes = 0
    for count, item in enumerate(items[:limit]):
        page_bytes += size_of(item)
        if page_bytes > MAX_PAGE_BYTES:
            return items[:count]
    return items[:limit]


def _token(direction: str, key: Key) -> str:
    return f"{direction}/{key[0]:020d}{key[1]:036d}/s"


def _read_token(token: str) -> tuple[bool, Key]:
    direction, _, digits = token.removesuffix("/s").partition("/")
    if direction not in ("f", "b") or len(digits) != 56 or not digits.isdecimal():
        raise _bad_token()
    return direction == "f", (int(digits[:20]), int(digits[20:]))


def _bad_token() -> Exception:
    return invalid("The specified nextToken is invalid.")
