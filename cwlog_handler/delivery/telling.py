"""When the rounds of a handler tell the program's function of lost events, and what they tell at the end.

Owns: whether the reporter's thread or the driver calls the function, and what was reported as left at the end of the
process. Must not know: how the function is called.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Final

from ..core.batches import Batch
from ..core.stream import Stream
from ..system.clock import Clock
from ..system.primitives import pause
from .reporting import Reporter
from .senders import Senders

if TYPE_CHECKING:
    from .storing import Storing

# While more waits to be told to the program than may wait, the end of the process looks at this interval, in seconds.
POLL: Final = 0.002


class Telling:
    """What `rounds` do for the option ``on_lost``. Not thread-safe, except where a method says so."""

    def __init__(self, reporter: Reporter, senders: Senders, clock: Clock, storing: Storing | None) -> None:
        self.reporter = reporter
        self._senders = senders
        self._clock = clock
        self._storing = storing
        # What has a number up to this one, and was pending at the end of the process, has been reported.
        self._reported_up_to = -1

    @property
    def _thread_calls(self) -> bool:
        # While the interpreter ends, other threads do not run.
        return self.reporter.has_thread and not sys.is_finalizing()

    @property
    def _callers_drive(self) -> bool:
        return self._senders.inline or not self.reporter.is_to_have_thread

    def after_round(self, until: float) -> None:
        """Have the function told of what the driver's round has lost; begin no second call after ``until``."""
        if not self._callers_drive:
            self.reporter.start_if_needed()
        elif not self._thread_calls:
            self.reporter.call(until)

    def wait(self, until: float, patience: float) -> None:
        """See `Rounds.wait_for_reports`. Any thread may call this, if it may wait."""
        if self.reporter.is_idle:
            return
        if self._thread_calls:
            self.reporter.wait(until, patience=patience)
        elif patience == inf or self._callers_drive:
            self.reporter.call(until)

    def report_what_is_left(self, streams: Iterable[Stream], last_number: int, until: float) -> None:
        """See `Rounds.report_what_is_left`; ``last_number`` is that of the last record that is in the streams."""
        for stream in list(streams):
            for batch, may_be_stored in stream.in_memory(self._reported_up_to):
                if (left := self._not_reported(batch)) is not None:
                    self._wait_for_room(left.size_bytes, until)
                    self.reporter.untold.batch(stream.target, left, "pending", "exit", may_be_stored)
        self._reported_up_to = last_number

    def _not_reported(self, batch: Batch) -> Batch | None:
        # First: where thousands of records come one after another, all that was left before is gone through for each.
        if max(batch.columns.numbers) <= self._reported_up_to:
            return None
        left = batch if self._storing is None else self._storing.in_memory_only(batch)
        if left is None or min(left.columns.numbers) > self._reported_up_to:
            return left
        places = [place for place, number in enumerate(left.columns.numbers) if number > self._reported_up_to]
        return left.only(left.columns.picked([places])[0]) if places else None

    def _wait_for_room(self, size_bytes: int, until: float) -> None:
        while not self.reporter.untold.has_room(size_bytes) and self._clock.monotonic() < until:
            if self._thread_calls:
                pause(POLL)
            else:
                self.reporter.call(until)
