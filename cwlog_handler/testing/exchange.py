"""Takes a request through the fake: it is recorded, possibly hit by a fault, and answered.

Owns: the lock, the ledger, and the order in which things happen to a request. Must not know: rules, how a wire works.
It only says what has to happen on the wire.
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
        """Keep the client waiting for ``seconds`` or until a release; raises if the client gives up meanwhile."""

    def reset(self) -> NoReturn:
        """Cut the connection."""

    def refuse(self) -> NoReturn:
        """Behave as if no server listened on the port."""


class Exchange:
    """Takes requests from any number of threads and wires; all of them share one store.

    ``changed`` is the fake's only lock. It is notified after each request and after each change that a test makes.
    """

    # Bound at import, so that a test that freezes time does not stop the clock of the rate limit.
    monotonic = staticmethod(time.monotonic)

    def __init__(self, service: Service, store: Store) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.store = store
        self.ledger = Ledger()
        self.orders = Orders()
        self.gate = Gate()
        self._service = service

    def answer(self, headers: Mapping[str, str], body: bytes, wire: Wire) -> Answer:
        """Answer one request. The names in ``headers`` are in lower case. Raises what the wire raises."""
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
        assert answer is not None  # Fault.__post_init__ has checked it
        if fault.ending is Ending.TRUNCATED:
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        return answer
