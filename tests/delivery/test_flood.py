"""Callers that log faster than the driver can take in, because it gets too little CPU."""

import threading
import time
from dataclasses import dataclass, field
from math import inf

import pytest

from cwlog_handler.delivery.senders import Senders
from cwlog_handler.system.clock import SYSTEM_CLOCK
from cwlog_handler.system.own_threads import own_thread

from ..programs import HANG_LIMIT
from ..simulation import Service, simulated, to
from ..values import changed

MUCH_BYTES = 256 * 1024
TEXT = "x" * 100


@dataclass
class Starved:
    """Rounds whose driver holds their lock, as one does that waits for a processor in the middle of a round."""

    holds: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.rounds = simulated(
            Service(),
            changed(SYSTEM_CLOCK, times_of_day_ms=self._starve),
            senders=Senders(),
            max_bytes=16 * MUCH_BYTES,
            flush_level=100,
        )
        self.driver = threading.Thread(target=self._drive, daemon=True)
        self.log()
        self.driver.start()
        assert self.holds.wait(HANG_LIMIT)

    def _starve(self):
        self.holds.set()
        self.goes_on.wait(HANG_LIMIT)
        return SYSTEM_CLOCK.times_of_day_ms()

    def _drive(self):
        with own_thread():
            self.rounds.step()

    def log(self):
        self.rounds.put(SYSTEM_CLOCK.times_of_day_ms()[0] / 1000, TEXT, to("s"), 20)

    def end(self):
        self.goes_on.set()
        self.driver.join(HANG_LIMIT)
        assert not self.driver.is_alive()


@pytest.mark.parametrize("callers", [1, 8])
def test_what_waits_to_be_taken_in_stays_within_bounds_while_the_driver_is_starved(callers):
    """Each caller gives the driver its processor for a moment, instead of logging on."""
    starved = Starved()
    most, ends_at = 0, inf

    def flood():
        nonlocal most, ends_at
        for _ in range(20_000 // callers):
            # The callers themselves look at the clock: another thread may get no processor in time to end them.
            if time.monotonic() > ends_at:
                break
            starved.log()
            most = max(most, starved.rounds.inbox.size_bytes)
            if most >= 2 * MUCH_BYTES:
                # As long as it takes others to have their turns.
                ends_at = min(ends_at, time.monotonic() + 0.2)

    threads = [threading.Thread(target=flood, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_LIMIT)
        assert not thread.is_alive()
    starved.end()
    assert most < 4 * MUCH_BYTES
