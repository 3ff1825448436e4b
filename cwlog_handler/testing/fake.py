"""FakeCloudWatchLogs: the one object that tests hold.

Owns the public surface: settings, ways in, orders for faults, and looking at what happened. Must not know rules or
wires.
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
from .rates import RateLimit, busiest_second
from .rules import MAX_EVENT_BYTES
from .server import Server
from .service import Service
from .store import LogGroup, Store, StoredEvent, Stream

_LOOK_AGAIN_INTERVAL = 0.05  # seconds; predicates may look at more than the fake, whose changes notify at once


class FakeCloudWatchLogs:
    """A strict stand-in for Amazon CloudWatch Logs that keeps everything in memory and misbehaves on order.

    Every method may be called from any thread. Nothing is stored from a request that was refused.
    """

    def __init__(
        self,
        *,
        sequence_tokens: bool = False,
        requests_per_second: int | None = 5,
        max_event_bytes: int = MAX_EVENT_BYTES,
        account_retention_days: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start empty: no log groups.

        ``sequence_tokens``: demand them as the service did until 2023; otherwise they are ignored and not given.
        ``requests_per_second``: puts per stream in any window of one second; None is no limit.
        ``max_event_bytes``: of one event, its 26 bytes included; 262_144 is the service before April 2025.
        ``account_retention_days``: the account's own policy, which overrides the retention of each group;
        PutRetentionPolicy succeeds all the same, without effect.
        ``clock``: the service's epoch seconds, which decide what is too old or too new. The default is real time even
        where freezegun freezes ``time.time`` later (time-machine freezes both); ``lambda: time.time()`` follows.
        """
        self._store = Store(clock)
        intake = Intake(
            self._store,
            sequence_tokens=sequence_tokens,
            max_event_bytes=max_event_bytes,
            account_retention_days=account_retention_days,
        )
        self._exchange = Exchange(Service(self._store, intake, RateLimit(requests_per_second)), self._store)
        self._changed = self._exchange.changed
        self._server: Server | None = None

    # Ways in

    def client(self, config: Config | None = None) -> Any:
        """A real boto3 "logs" client that ends in this fake: no socket, dummy keys, nothing read from the user's files.

        Calls are made once, without retries, unless ``config`` says otherwise.
        """
        return in_process_client(self._exchange, config)

    def start(self, port: int = 0) -> str:
        """Serve over HTTP on 127.0.0.1 and return the URL to use as ``endpoint_url``; port 0 picks a free one."""
        if self._server is not None:
            raise RuntimeError(f"The fake is being served already, at {self._server.url}: stop it first.")
        self._server = Server(self._exchange, port)
        return self._server.url

    def stop(self) -> None:
        """Stop serving: all connections are closed and no thread is left. Nothing is forgotten; harmless if stopped."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Serve over HTTP inside a ``with`` block; yields the URL."""
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
        """Let a fault hit the next ``times`` requests, or all within ``seconds`` from now, or all until cleared.

        Only requests of that operation, group and stream are meant; None means any. ``when`` looks at the request too:
        ``lambda call: any("bad" in text for _, text in call.batch)`` makes some events bad. Orders queue up: a request
        is hit by the oldest one that applies, so two orders of two faults give first the one, then the other.
        """
        if times is not None and times < 1:
            raise ValueError(f"times must be 1 or more, or None for no limit: {times!r}")
        with self._changed:
            until = None if seconds is None else self._exchange.monotonic() + seconds
            self._exchange.orders.add(Order(fault, times, until, operation, group, stream, when))

    def clear_faults(self) -> None:
        """Behave from now on; requests that are held stay held until ``release()``."""
        with self._changed:
            self._exchange.orders.clear()

    def release(self) -> None:
        """Let go of all requests that are held now. Orders stay: what comes later is held as ordered."""
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
        """The names of a group's streams, in the order they were made; empty if the group is not there."""
        with self._changed:
            return list(self._streams(group))

    def events(self, group: str, stream: str) -> list[StoredEvent]:
        """A stream's events by timestamp, then in order of ingestion; empty if the stream is not there."""
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
        """The most puts that arrived for a stream in any window of one second, throttled and failed ones included."""
        return busiest_second(
            request.started
            for request in self.requests
            if request.operation == "PutLogEvents" and (request.group, request.stream) == (group, stream)
        )

    def wait_for(self, predicate: Callable[[], object], timeout: float = 30.0) -> bool:
        """Wait until the predicate is true: asked again after each request and change, and now and then besides.

        It is asked on the calling thread, without any lock held. Returns False if ``timeout`` seconds ran out first.
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
    ) -> None:
        """Make a log group with streams as if they had always been there; what exists already is left alone.

        Names and values are not checked. The rest is for a new group only.
        """
        with self._changed:
            if group not in self._store.groups:
                made = self._store.add_group(group)
                made.retention_days, made.log_group_class = retention_days, log_group_class
                made.kms_key_id, made.tags = kms_key_id, dict(tags or {})
            for stream in streams:
                if stream not in self._streams(group):
                    self._store.add_stream(group, stream)
            self._changed.notify_all()

    def put_elsewhere(self, group: str, stream: str, message: str, timestamp: int | None = None) -> None:
        """Somebody else writes an event to an existing stream, which makes everybody's sequence token stale.

        ``timestamp`` is in epoch milliseconds, now by default.
        """
        with self._changed:
            at = self._store.now_ms() if timestamp is None else timestamp
            self._store.append(self._store.stream(group, stream), [(at, message)], (message,), request=0)
            self._changed.notify_all()

    def delete_log_group(self, group: str) -> None:
        """Somebody deletes a log group with all that is in it; KeyError if it is not there."""
        with self._changed:
            del self._store.groups[group]
            self._changed.notify_all()

    def delete_log_stream(self, group: str, stream: str) -> None:
        """Somebody deletes a log stream with all that is in it; KeyError if it is not there."""
        with self._changed:
            del self._store.groups[group].streams[stream]
            self._changed.notify_all()

    def _streams(self, group: str) -> dict[str, Stream]:
        found = self._store.groups.get(group)
        return found.streams if found is not None else {}
