"""Takes a request through the fake: it is recorded, possibly hit by a fault, and answered.

Owns: the lock, the ledger, and the order in which things happen to a request. Must not know: rules, how a wire works.
It only says what has to happen on the wire.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NoReturn, Protocol

from . import sts
from .answers import ACCEPTED, Answer, Refusal
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

    def __init__(self, service: Service, store: Store, *, takes_gzip: bool = True) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.store = store
        self.ledger = Ledger()
        self.orders = Orders()
        self.gate = Gate()
        self._service = service
        self._takes_gzip = takes_gzip
        self.sts = sts.Sts(lambda: store.now_ms() / 1000)

    def answer(self, headers: Mapping[str, str], body: bytes, wire: Wire) -> Answer:
        """Answer one request. The names in ``headers`` are in lower case. Raises what the wire raises."""
        of_sts, origin = sts.parse(headers, body), sts.Origin.of(headers)
        call = of_sts or Call.parse(headers, body, takes_gzip=self._takes_gzip)
        answer = self._answer(call, wire, origin, is_sts=of_sts is not None)
        return answer if of_sts is None else sts.as_xml(answer)

    def _answer(self, call: Call, wire: Wire, origin: sts.Origin, is_sts: bool) -> Answer:
        with self.changed:
            now = self.monotonic()
            number = self.ledger.open(call, now)
            self.ledger.amend(number, user_agent=origin.user_agent, assumed_role=self.sts.session_of(origin))
            fault = self.orders.fault_for(call, now)
            if fault is None:
                answer = self._process(call, number, now, origin, is_sts)
                self.ledger.amend(number, answer=answer.code)
                return answer
            self.ledger.amend(number, answer=fault.name, ordered=True)
            ticket = self.gate.ticket()
            self.changed.notify_all()
        process = partial(self._process, call, number, origin=origin, is_sts=is_sts)
        return self._misbehave(call, process, fault, wire, ticket)

    def _process(self, call: Call, number: int, now: float, origin: sts.Origin, is_sts: bool) -> Answer:
        with self.changed:
            ingested = self.store.ingested
            answer = self.sts.answer(call, origin) if is_sts else self._checked(call, number, now, origin)
            self.ledger.amend(number, stored=self.store.ingested - ingested)
            self.changed.notify_all()
            return answer

    def _checked(self, call: Call, number: int, now: float, origin: sts.Origin) -> Answer:
        try:
            self.sts.check(origin, "logs")
        except Refusal as refusal:
            return refusal.answer()
        return self._service.answer(call, number, now)

    def _misbehave(
        self, call: Call, process: Callable[[float], Answer], fault: Fault, wire: Wire, ticket: int
    ) -> Answer:
        if fault.hold_before:
            wire.hold(ticket, fault.hold_before)
        answer = process(self.monotonic()) if fault.commits else None
        if fault.hold_after:
            wire.hold(ticket, fault.hold_after)
        if fault.ending is Ending.RESET:
            wire.reset()
        if fault.ending is Ending.REFUSED:
            wire.refuse()
        if fault.answer is not None:
            answer = fault.answer(call)
        assert answer is not None  # Fault.__post_init__ has checked it
        if fault.adds and answer.code == ACCEPTED:
            answer = answer.with_members(fault.adds)
        if fault.ending is Ending.TRUNCATED:
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        return answer
