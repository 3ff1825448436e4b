"""What the service keeps: log groups, their streams and the events in them.

Owns the data and its order. Must not know requests, limits or faults. Not thread-safe: whoever owns it holds a lock.
"""

import bisect
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from .answers import Refusal
from .calls import EVENT_OVERHEAD_BYTES

ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"


@dataclass(frozen=True)
class StoredEvent:
    """One stored event: its ``message``, and when it was. ``timestamp`` and ``ingestion_time`` are epoch milliseconds.

    ``request`` is the number of the request that brought it, 0 if it came from elsewhere; ``position`` counts stored
    events in the order of their ingestion, from 1.
    """

    timestamp: int
    message: str
    ingestion_time: int
    request: int
    position: int

    @property
    def key(self) -> tuple[int, int]:
        """Its place among the events: by timestamp, then in order of ingestion."""
        return (self.timestamp, self.position)

    @property
    def size_bytes(self) -> int:
        """Its size as the service counts it: UTF-8 bytes + 26."""
        return len(self.message.encode()) + EVENT_OVERHEAD_BYTES


@dataclass(frozen=True)
class LogGroup:
    """A log group as it is now: a snapshot for tests to look at.

    ``name``, ``tags``, ``kms_key_id`` and ``log_group_class`` are as it was made with, ``streams`` the names of its
    streams. ``retention_days`` None: events never expire.
    """

    name: str
    retention_days: int | None
    tags: Mapping[str, str]
    kms_key_id: str | None
    log_group_class: str
    streams: tuple[str, ...]


@dataclass
class Stream:
    """One log stream: its events in order, and the token the older API expects next (None before the first put)."""

    name: str
    created_ms: int
    events: list[StoredEvent] = field(default_factory=list)
    expected_token: str | None = None
    accepted_token: str | None = None  # the one expected before that: what the last accepted put came with
    accepted_messages: tuple[str, ...] = ()  # and the messages in that put


@dataclass
class Group:
    """One log group and its streams by name."""

    name: str
    created_ms: int
    retention_days: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    kms_key_id: str | None = None
    log_group_class: str = "STANDARD"
    streams: dict[str, Stream] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The group's resource name, without the trailing ``:*``."""
        return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{self.name}"

    def snapshot(self) -> LogGroup:
        """The group as an unchanging value."""
        return LogGroup(
            self.name, self.retention_days, dict(self.tags), self.kms_key_id, self.log_group_class, tuple(self.streams)
        )


class Store:
    """All log groups by name. ``clock`` gives the service's idea of epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.groups: dict[str, Group] = {}
        self._clock = clock
        self.ingested = 0  # events stored so far, deleted ones included
        self._random = random.Random()

    def now_ms(self) -> int:
        """The service's time in epoch milliseconds."""
        return int(self._clock() * 1000)

    def group(self, name: str) -> Group:
        """The log group, or the service's refusal."""
        try:
            return self.groups[name]
        except KeyError:
            raise _not_found("log group") from None

    def stream(self, group_name: str, stream_name: str) -> Stream:
        """The log stream, or the service's refusal: the group is looked up first."""
        try:
            return self.group(group_name).streams[stream_name]
        except KeyError:
            raise _not_found("log stream") from None

    def add_group(self, name: str) -> Group:
        """Make a log group, or refuse because it is there."""
        if name in self.groups:
            raise _already_exists("log group")
        group = self.groups[name] = Group(name, self.now_ms())
        return group

    def add_stream(self, group_name: str, stream_name: str) -> Stream:
        """Make a log stream, or refuse because it is there or its group is not."""
        group = self.group(group_name)
        if stream_name in group.streams:
            raise _already_exists("log stream")
        stream = group.streams[stream_name] = Stream(stream_name, self.now_ms())
        return stream

    def append(self, stream: Stream, valid: Iterable[tuple[int, str]], sent: tuple[str, ...], request: int) -> None:
        """Store the valid events, (timestamp in ms, message), of a batch with the messages ``sent``.

        The stream then expects a new sequence token.
        """
        now_ms = self.now_ms()
        for timestamp, message in valid:
            self.ingested += 1
            event = StoredEvent(timestamp, message, now_ms, request, self.ingested)
            bisect.insort(stream.events, event, key=attrgetter("timestamp"))  # behind its equals
        stream.accepted_token, stream.accepted_messages = stream.expected_token, sent
        stream.expected_token = self._new_token()

    def _new_token(self) -> str:
        return str(self._random.randrange(10**55, 10**56))  # 56 digits, as real ones; random, so that none is guessed


def _not_found(what: str) -> Refusal:
    return Refusal("ResourceNotFoundException", f"The specified {what} does not exist.")


def _already_exists(what: str) -> Refusal:
    return Refusal("ResourceAlreadyExistsException", f"The specified {what} already exists")
