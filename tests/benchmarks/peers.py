"""The handlers that are compared: one small function each.

Must not know: what is logged, nor what is measured.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

OURS: Final = "cwlog_handler"
NULL: Final = "NullHandler"
FILE: Final = "FileHandler"
QUEUE: Final = "QueueHandler"
WATCHTOWER: Final = "watchtower"
# boto3 by itself: not a handler, but what both of the last two are compared with here and there.
BOTO3: Final = "boto3"

# Nothing is to be lost for want of room where the cost of a record is measured.
ROOM_BYTES: Final = 2**30
GROUP: Final = "benchmark"


@dataclass(frozen=True)
class Target:
    """A handler; ``settle`` returns when it has done all it has to, ``delivers`` says whether that is a delivery."""

    handler: logging.Handler
    settle: Callable[[], object]
    delivers: bool = False


def null(**_: Any) -> Target:
    """logging itself: the floor."""
    return Target(logging.NullHandler(), lambda: None)


def file(**_: Any) -> Target:
    """A file that costs nothing to write to."""
    handler = logging.FileHandler(os.devnull)
    return Target(handler, handler.flush)


def queue_handler(**_: Any) -> Target:
    """The cookbook's way to keep a slow handler off the caller; here the handler does nothing."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, logging.NullHandler())
    listener.start()
    return Target(logging.handlers.QueueHandler(records), listener.stop)  # type: ignore[arg-type]


def watchtower(*, log_stream_name: str = "stream", **_: Any) -> Target:
    """watchtower with its own defaults."""
    import watchtower

    handler = watchtower.CloudWatchLogHandler(GROUP, log_stream_name)
    return Target(handler, handler.flush, delivers=True)


def ours(
    *, log_stream_name: str = "stream", requests_per_second: float | None = None, max_buffer_size: int = ROOM_BYTES
) -> Target:
    """Ours, with the rate off unless it is the rate that is measured."""
    from cwlog_handler import CloudWatchLogsHandler

    handler = CloudWatchLogsHandler(
        GROUP,
        log_stream_name,
        requests_per_second=requests_per_second,
        max_buffer_size=max_buffer_size,
        close_timeout=300.0,
    )
    return Target(handler, handler.flush, delivers=True)


PEERS: Final[dict[str, Callable[..., Target]]] = {
    NULL: null,
    FILE: file,
    QUEUE: queue_handler,
    WATCHTOWER: watchtower,
    OURS: ours,
}
