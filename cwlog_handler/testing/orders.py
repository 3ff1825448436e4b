"""Which request is hit by which fault.

Owns the standing orders. Must not know what a fault does, nor read a clock. Not thread-safe: its owner holds a lock.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .calls import Call
from .faults import Fault


@dataclass
class Order:
    """A fault for the requests that match: None matches all. ``until`` is in monotonic seconds, None is for ever."""

    fault: Fault
    times: int | None
    until: float | None
    operation: str | None
    group: str | None
    stream: str | None
    when: Callable[[Call], object] | None = None

    def applies_to(self, call: Call) -> bool:
        """Whether the request is one of those meant."""
        return (
            self.operation in (None, call.operation)
            and self.group in (None, call.group)
            and self.stream in (None, call.stream)
            and (self.when is None or bool(self.when(call)))
        )

    def is_over(self, now: float) -> bool:
        """Whether the order has been carried out as often, or stood as long, as was asked."""
        return self.times == 0 or (self.until is not None and now >= self.until)


class Orders:
    """Standing orders, the oldest first: each request is hit by the first one that applies, by one at most."""

    def __init__(self) -> None:
        self._standing: list[Order] = []

    def add(self, order: Order) -> None:
        """Queue an order behind those that stand."""
        self._standing.append(order)

    def clear(self) -> None:
        """Forget all orders."""
        self._standing.clear()

    def fault_for(self, call: Call, now: float) -> Fault | None:
        """The fault that hits this request; it counts as carried out."""
        self._standing = [order for order in self._standing if not order.is_over(now)]
        for order in self._standing:
            if order.applies_to(call):
                if order.times is not None:
                    order.times -= 1
                return order.fault
        return None
