"""What the service stores: log groups, their streams and the events in them.

Owns: the data and its order. Must not know: requests, limits, faults. Not thread-safe: its owner holds a lock.
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
    """One stored event with its ``message``. ``timestamp`` and ``ingestion_time`` are in milliseconds since the epoch.

    ``request`` is the number of the request that brought it, or 0 if ``put_elsewhere`` did. ``position`` numbers all
    stored events in the order of their ingestion, from 1.
    """

    timestamp: int
    message: str
    ingestion_time: int
    request: int
    position: int

    @property
    def key(self) -> tuple[int, int]:
        """Sorts events by timestamp, then in order of ingestion."""
        return (self.timestamp, self.position)

    @property
    def size_bytes(self) -> int:
        """The event's size as the service counts it: UTF-8 bytes plus 26."""
        return len(self.message.encode()) + EVENT_OVERHEAD_BYTES


@dataclass(frozen=True)
class LogGroup:
    """A snapshot of a log group, for tests to look at.

    ``name``, ``tags``, ``kms_key_id`` and ``log_group_class`` are those of its creation. ``streams`` has the names of
    its streams. ``retention_days`` None means that events never expire. ``deletion_protection``: it cannot be deleted.
    """

    name: str
    retention_days: int | None
    tags: Mapping[str, str]
    kms_key_id: str | None
    log_group_class: str
    streams: tuple[str, ...]
    deletion_protection: bool = False


@dataclass
class Stream:
    """One log stream: its events in order, and the token that the older API expects next, None before the first put."""

    name: str
    created_ms: int
    events: list[StoredEvent] = field(default_factory=list)
    expected_token: str | None = None
    accepted_token: str | None = None  # the token of the last accepted put
    accepted_messages: tuple[str, ...] = ()  # the messages of the last accepted put


@dataclass
class Group:
    """One log group, and its streams by name."""

    name: str
    created_ms: int
    retention_days: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    kms_key_id: str | None = None
    log_group_class: str = "STANDARD"
    deletion_protection: bool = False
    streams: dict[str, Stream] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The group's resource name, without the trailing ``:*``."""
        return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{self.name}"

    def snapshot(self) -> LogGroup:
        """The group as an immutable value."""
        return LogGroup(
            self.name,
            self.retention_days,
            dict(self.tags),
            self.kms_key_id,
            self.log_group_class,
            tuple(self.streams),
            self.deletion_protection,
        )


class Store:
    """All log groups by name. ``clock`` returns the service's time in seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.groups: dict[str, Group] = {}
        self._clock = clock
        self.ingested = 0  # the number of events stored so far, deleted ones included
        self._random = random.Random()

    def now_ms(self) -> int:
        """The service's time in epoch milliseconds."""
        return int(self._clock() * 1000)

    def group(self, name: str) -> Group:
        """Return the log group; raises Refusal if it does not exist."""
        try:
            return self.groups[name]
        except KeyError:
            raise _not_found("log group") from None

    def stream(self, group_name: str, stream_name: str) -> Stream:
        """Return the log stream; raises Refusal if its group or the stream does not exist."""
        try:
            return self.group(group_name).streams[stream_name]
        except KeyError:
            raise _not_found("log stream") from None

    def add_group(self, name: str) -> Group:
        """Create a log group; raises Refusal if it exists."""
        if name in self.groups:
            raise _already_exists("log group")
        group = self.groups[name] = Group(name, self.now_ms())
        return group

    def add_stream(self, group_name: str, stream_name: str) -> Stream:
        """Create a log stream; raises Refusal if it exists or its group does not."""
        group = self.group(group_name)
        if stream_name in group.streams:
            raise _already_exists("log stream")
        stream = group.streams[stream_name] = Stream(stream_name, self.now_ms())
        return stream

    def append(self, stream: Stream, valid: Iterable[tuple[int, str]], sent: tuple[str, ...], request: int) -> None:
        """Store the ``valid`` events of a batch, (timestamp in ms, message); ``sent`` has all messages of the batch.

        After this the stream expects a new sequence token.
        """
        now_ms = self.now_ms()
        for timestamp, message in valid:
            self.ingested += 1
            event = StoredEvent(timestamp, message, now_ms, request, self.ingested)
            bisect.insort(stream.events, event, key=attrgetter("timestamp"))  # behind events of the same timestamp
        stream.accepted_token, stream.accepted_messages = stream.expected_token, sent
        stream.expected_token = self._new_token()

    def _new_token(self) -> str:
        return str(self._random.randrange(10**55, 10**56))  # 56 digits, like real ones; random, so no test can guess it


def _not_found(what: str) -> Refusal:
    return Refusal("ResourceNotFoundException", f"The specified {what} does not exist.")


def _already_exists(what: str) -> Refusal:
    return Refusal("ResourceAlreadyExistsException", f"The specified {what} already exists")
