"""FakeCloudWatchLogs: the object that tests use.

Owns: the public methods for settings, clients, faults, and looking at what happened. Must not know: rules, wires.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.config import Config

from .calls import Call
from .exchange import Exchange
from .faults import Fault
from .inprocess import in_process_client
from .ledger import Request
from .orders import Order
from .puts import Intake
from .rates import Quotas, busiest_second
from .rules import MAX_EVENT_BYTES
from .server import Server
from .service import Service
from .store import LogGroup, Store, StoredEvent, Stream

# In seconds. Changes in the fake wake `wait_for` at once, but a predicate may also look at something else.
_LOOK_AGAIN_INTERVAL = 0.05


class FakeCloudWatchLogs:
    """A strict fake of Amazon CloudWatch Logs: it keeps everything in memory, and fails in the way that a test orders.

    Any thread may call every method. Nothing of a refused request is stored.
    """

    def __init__(
        self,
        *,
        sequence_tokens: bool = False,
        requests_per_second: int | None = 5,
        max_event_bytes: int = MAX_EVENT_BYTES,
        account_retention_days: int | None = None,
        account_puts_per_second: int | None = None,
        account_streams_per_second: int | None = None,
        account_groups_per_second: int | None = None,
        takes_gzip: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a fake without any log group.

        ``sequence_tokens``: require them, as the service did until 2023; otherwise they are ignored and not returned.
        ``requests_per_second``: how many puts a stream accepts in any window of one second; None means no limit.
        ``max_event_bytes``: the largest event, its 26 bytes included; 262_144 is the limit before April 2025.
        ``account_retention_days``: the retention that the account's policy sets. It overrides that of each group:
        PutRetentionPolicy succeeds, but has no effect.
        ``account_puts_per_second``: how many puts the whole account accepts in any window of one second; likewise
        ``account_streams_per_second`` and ``account_groups_per_second`` for what it creates (the service: 50, fewer).
        ``takes_gzip``: False makes an endpoint that does not know compressed bodies, and finds no JSON in them.
        ``clock``: returns the service's time in seconds since the epoch, which decides what is too old or too new. With
        the default, freezegun does not freeze the fake (time-machine does); ``lambda: time.time()`` follows both.
        """
        self._store = Store(clock)
        intake = Intake(
            self._store,
            sequence_tokens=sequence_tokens,
            max_event_bytes=max_event_bytes,
            account_retention_days=account_retention_days,
        )
        quotas = Quotas(
            requests_per_second, account_puts_per_second, account_streams_per_second, account_groups_per_second
        )
        self._exchange = Exchange(Service(self._store, intake, quotas), self._store, takes_gzip=takes_gzip)
        self._changed = self._exchange.changed
        self._server: Server | None = None

    # Ways in

    def client(self, config: Config | None = None) -> Any:
        """Return a real boto3 "logs" client whose requests go to this fake.

        It opens no socket, has dummy keys, and reads nothing of the user's environment and files. It does not retry
        unless ``config`` says so.
        """
        return in_process_client(self._exchange, config)

    def start(self, port: int = 0) -> str:
        """Serve over HTTP on 127.0.0.1 and return the URL for ``endpoint_url``. Port 0 means any free port.

        Raises RuntimeError if it is being served already.
        """
        if self._server is not None:
            raise RuntimeError(f"The fake is being served already, at {self._server.url}: stop it first.")
        self._server = Server(self._exchange, port)
        return self._server.url

    def stop(self) -> None:
        """Stop serving: close all connections and end all threads. The data stays. May be called more than once."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Serve over HTTP inside a ``with`` block, which gets the URL."""
        url = self.start(port)
        try:
            yield url
        finally:
            self.stop()

    # Faults on order

    def fail(
        self,
        fault: Fault,
        times: int | None = None,
        *,
        seconds: float | None = None,
        operation: str | None = "PutLogEvents",
        group: str | None = None,
        stream: str | None = None,
        when: Callable[[Call], object] | None = None,
    ) -> None:
        """Let a fault hit the next ``times`` requests, or all requests of the next ``seconds``, or all until cleared.

        Only requests of this operation, group and stream are hit; None means any. ``when(call)`` may choose further:
        ``lambda call: any("bad" in text for _, text in call.batch)`` hits requests with a bad event. Several orders may
        stand: the oldest one that applies hits the request. So two orders with ``times`` are carried out one after the
        other.
        """
        if times is not None and times < 1:
            raise ValueError(f"times must be 1 or more, or None for no limit: {times!r}")
        with self._changed:
            until = None if seconds is None else self._exchange.monotonic() + seconds
            self._exchange.orders.add(Order(fault, times, until, operation, group, stream, when))

    def clear_faults(self) -> None:
        """Cancel all orders for faults. Requests that are held now stay held until ``release()``."""
        with self._changed:
            self._exchange.orders.clear()

    def release(self) -> None:
        """Let all requests go on that are held now. Orders stay: later requests are held as ordered."""
        self._exchange.gate.release()

    # Looking at what happened

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order of their arrival."""
        with self._changed:
            return list(self._exchange.ledger.requests)

    @property
    def groups(self) -> dict[str, LogGroup]:
        """All log groups as they are now, by name: retention, tags, key, class and the names of the streams."""
        with self._changed:
            return {name: group.snapshot() for name, group in self._store.groups.items()}

    def streams(self, group: str) -> list[str]:
        """The names of a group's streams in the order of their creation; empty if the group does not exist."""
        with self._changed:
            return list(self._streams(group))

    def events(self, group: str, stream: str) -> list[StoredEvent]:
        """A stream's events by timestamp, then in order of ingestion; empty if the stream does not exist."""
        with self._changed:
            found = self._streams(group).get(stream)
            return list(found.events) if found is not None else []

    def messages(self, group: str, stream: str | None = None) -> list[str]:
        """The messages of a stream, or of all of a group's streams, in the order of ``events``."""
        with self._changed:
            wanted = [found for name, found in self._streams(group).items() if stream in (None, name)]
            events = sorted((event for found in wanted for event in found.events), key=lambda event: event.key)
            return [event.message for event in events]

    def busiest_second(self, group: str, stream: str) -> int:
        """The highest number of puts that arrived for a stream in any window of one second, refused ones included."""
        return busiest_second(
            request.started
            for request in self.requests
            if request.operation == "PutLogEvents" and (request.group, request.stream) == (group, stream)
        )

    def wait_for(self, predicate: Callable[[], object], timeout: float = 30.0) -> bool:
        """Wait until the predicate is true; return False if it is not within ``timeout`` seconds.

        It is called again after each request and each change, and at least every 0.05 s. It runs on the calling thread,
        and no lock is held.
        """
        deadline = self._exchange.monotonic() + timeout
        while not predicate():
            remaining = deadline - self._exchange.monotonic()
            if remaining <= 0:
                return False
            with self._changed:
                self._changed.wait(min(remaining, _LOOK_AGAIN_INTERVAL))
        return True

    # What others do

    def create(
        self,
        group: str,
        *streams: str,
        retention_days: int | None = None,
        tags: Mapping[str, str] | None = None,
        kms_key_id: str | None = None,
        log_group_class: str = "STANDARD",
        deletion_protection: bool = False,
    ) -> None:
        """Create a log group with streams directly, without a request. What exists already stays as it is.

        Names and values are not checked. The keyword arguments apply only to a new group.
        """
        with self._changed:
            if group not in self._store.groups:
                made = self._store.add_group(group)
                made.retention_days, made.log_group_class = retention_days, log_group_class
                made.kms_key_id, made.tags = kms_key_id, dict(tags or {})
                made.deletion_protection = deletion_protection
            for stream in streams:
                if stream not in self._streams(group):
                    self._store.add_stream(group, stream)
            self._changed.notify_all()

    def create_role(self, arn: str, *, external_id: str | None = None, lifetime: float = 3600.0) -> None:
        """Have a role that may be assumed: AssumeRole is answered at the same URL (``AWS_ENDPOINT_URL``).

        A role that was not created, or another external id, is refused as STS does it. The credentials are good for
        ``lifetime`` seconds, by ``clock``. Then requests that are signed with them are refused. ValueError if ``arn``
        is none of a role.
        """
        with self._changed:
            self._exchange.sts.create(arn, external_id, lifetime)

    def delete_role(self, arn: str) -> None:
        """Delete a role: it can be assumed no more; credentials that were given out stay valid. KeyError if unknown."""
        with self._changed:
            del self._exchange.sts.roles[arn]

    def put_elsewhere(self, group: str, stream: str, message: str, timestamp: int | None = None) -> None:
        """Write an event to an existing stream as another client would: all known sequence tokens become stale.

        ``timestamp`` is in milliseconds since the epoch; the default is now.
        """
        with self._changed:
            at = self._store.now_ms() if timestamp is None else timestamp
            self._store.append(self._store.stream(group, stream), [(at, message)], (message,), request=0)
            self._changed.notify_all()

    def delete_log_group(self, group: str) -> None:
        """Delete a log group with everything in it, protected or not; KeyError if it does not exist."""
        with self._changed:
            del self._store.groups[group]
            self._changed.notify_all()

    def delete_log_stream(self, group: str, stream: str) -> None:
        """Delete a log stream with everything in it, as another client would; KeyError if it does not exist."""
        with self._changed:
            del self._store.groups[group].streams[stream]
            self._changed.notify_all()

    def _streams(self, group: str) -> dict[str, Stream]:
        found = self._store.groups.get(group)
        return found.streams if found is not None else {}
