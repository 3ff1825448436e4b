"""Decides which request is hit by which fault.

Owns: the faults that a test has ordered and not cleared yet. Must not know: what a fault does, clocks. Not thread-safe:
its owner holds a lock.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .calls import Call
from .faults import Fault


@dataclass
class Order:
    """A fault for all requests that match; in each field None matches every request.

    ``times`` is how many more requests it hits; None means no limit. ``until`` is its end in monotonic seconds; None
    means that it has no end.
    """

    fault: Fault
    times: int | None
    until: float | None
    operation: str | None
    group: str | None
    stream: str | None
    when: Callable[[Call], object] | None = None

    def applies_to(self, call: Call) -> bool:
        """Whether the order is for this request."""
        return (
            self.operation in (None, call.operation)
            and self.group in (None, call.group)
            and self.stream in (None, call.stream)
            and (self.fault.concerns is None or self.fault.concerns(call))
            and (self.when is None or bool(self.when(call)))
        )

    def is_over(self, now: float) -> bool:
        """Whether the order has hit as many requests, or has lasted as long, as was asked for."""
        return self.times == 0 or (self.until is not None and now >= self.until)


class Orders:
    """Standing orders, the oldest first. A request is hit by the first order that applies, and by no other."""

    def __init__(self) -> None:
        self._standing: list[Order] = []

    def add(self, order: Order) -> None:
        """Add an order behind the others."""
        self._standing.append(order)

    def clear(self) -> None:
        """Forget all orders."""
        self._standing.clear()

    def fault_for(self, call: Call, now: float) -> Fault | None:
        """Return the fault that hits this request, or None. The order then counts as carried out once more."""
        self._standing = [order for order in self._standing if not order.is_over(now)]
        for order in self._standing:
            if order.applies_to(call):
                if order.times is not None:
                    order.times -= 1
                return order.fault
        return None
