"""One request through the fake: written down, hit by a fault or not, answered.

Owns the lock, the ledger and the order in which things happen to a request. Must not know rules, nor how a wire works:
it tells the wire what is to happen on it.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn, Protocol

from .answers import Answer
from .calls import Call
from .faults import Ending, Fault
from .gate import Gate
from .ledger import Ledger
from .orders import Orders
from .service import Service
from .store import Store


class Wire(Protocol):
    """What can happen between client and service. Each method raises what ends the exchange on this kind of wire."""

    def hold(self, ticket: int, seconds: float) -> None:
        """Keep the client waiting; raises if the client has given up meanwhile."""

    def reset(self) -> NoReturn:
        """Cut the connection."""

    def refuse(self) -> NoReturn:
        """Behave as if nobody listened."""


class Exchange:
    """Takes requests from any number of threads and wires, one store behind them all.

    ``changed`` is the one lock; it is notified after each request and each change from outside.
    """

    # Bound at import: a test that freezes time must not stop the rate limit's clock.
    monotonic = staticmethod(time.monotonic)

    def __init__(self, service: Service, store: Store) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.store = store
        self.ledger = Ledger()
        self.orders = Orders()
        self.gate = Gate()
        self._service = service

    def answer(self, headers: Mapping[str, str], body: bytes, wire: Wire) -> Answer:
        """Handle one request; the names of its headers are in lower case. Raises what the wire raises."""
        call = Call.parse(headers, body)
        with self.changed:
            now = self.monotonic()
            number = self.ledger.open(call, now)
            fault = self.orders.fault_for(call, now)
            if fault is None:
                answer = self._process(call, number, now)
                self.ledger.amend(number, answer=answer.code)
                return answer
            self.ledger.amend(number, answer=fault.name, ordered=True)
            ticket = self.gate.ticket()
            self.changed.notify_all()
        return self._misbehave(call, number, fault, wire, ticket)

    def _process(self, call: Call, number: int, now: float) -> Answer:
        with self.changed:
            ingested = self.store.ingested
            answer = self._service.answer(call, number, now)
            self.ledger.amend(number, stored=self.store.ingested - ingested)
            self.changed.notify_all()
            return answer

    def _misbehave(self, call: Call, number: int, fault: Fault, wire: Wire, ticket: int) -> Answer:
        if fault.hold_before:
            wire.hold(ticket, fault.hold_before)
        answer = self._process(call, number, self.monotonic()) if fault.commits else None
        if fault.hold_after:
            wire.hold(ticket, fault.hold_after)
        if fault.ending is Ending.RESET:
            wire.reset()
        if fault.ending is Ending.REFUSED:
            wire.refuse()
        if fault.answer is not None:
            answer = fault.answer(call)
        assert answer is not None  # Fault sees to it
        if fault.ending is Ending.TRUNCATED:
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        return answer
