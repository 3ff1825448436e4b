"""A call of the service: one request, from its batch to its outcome, and the way of its result back to the next round.

Owns: when a request counts as arrived, that every call has an outcome, and the queue of results. Must not know: the
state of a stream, what an outcome means, on which thread a call runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final, Protocol, TypeAlias

from ..core import outcomes
from ..core.batches import Batch
from ..core.decisions import Send
from ..core.pacing import ARRIVED_AFTER_MOST
from ..core.targets import Target
from ..system.clock import Clock
from ..system.primitives import Empty, SimpleQueue
from .senders import Job

# Where results come fast, one waits for others, but no longer than so many seconds.
GATHERED_WITHIN: Final = 0.008
# An answer that took less than this is taken for one that took so many seconds: it is a divisor.
SHORTEST_ANSWER: Final = 0.0001


class Client(Protocol):
    """What this room needs of `aws.client.Client`. Simulations have a client of their own."""

    def connect(self, patience: float | None) -> outcomes.Connection:
        """Make the boto3 client and return which endpoint it talks to. ``patience``: see `put`."""

    def put(
        self,
        target: Target,
        batch: Batch,
        token: str | None,
        on_progress: Callable[[], None],
        patience: float | None,
        is_fresh: bool,
    ) -> outcomes.Outcome:
        """Make one request. ``on_progress`` is called when its sending begins, and perhaps again while it is sent.

        ``patience`` is how many seconds an answer may take; None: as many as usual. ``is_fresh`` asks for a new
        connection.
        """

    def create(self, target: Target, patience: float | None) -> outcomes.Outcome:
        """Create a stream that is known to be missing, and its group if need be; ``patience``: see `put`."""


Settle: TypeAlias = Callable[[float], None]
"""Takes in one result. Its argument is the present instant."""


class Results:
    """Results of calls. Any thread may `post`; only the thread that holds the lock of `rounds` may `collect`."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._waiting: SimpleQueue[Settle] = SimpleQueue()
        # As soon as so many results are here, the next round is to start.
        self._enough = 1
        # True if the last `collect` has found any.
        self._has_found = False

    def post(self, settle: Settle) -> None:
        """Have a result taken in by the next round, and make that round start soon; see `gather`."""
        self._waiting.put(settle)
        if self._waiting.qsize() >= self._enough:
            self._ring()

    def collect(self, now: float) -> None:
        """Take in all results that have been posted."""
        self._enough, self._has_found = 1, False
        while True:
            try:
                settle = self._waiting.get_nowait()
            except Empty:
                return
            self._has_found = True
            settle(now)

    def gather(self, under_way: int, answer_takes: float, now: float) -> float:
        """Let the next round wait for several results, if these are likely to come within GATHERED_WITHIN seconds.

        Return the instant at which it has to start in any case; ``inf`` if it starts with the next result.
        ``answer_takes`` is how many seconds each of the requests ``under_way`` is likely to take. All but one of them
        are enough in any case: that one goes on meanwhile. To wake the driver costs as much as to settle several
        results.
        """
        enough = min(under_way - 1, int(under_way * GATHERED_WITHIN / max(answer_takes, SHORTEST_ANSWER)))
        # If this round has found none, it was in vain to wait for several.
        if enough <= 1 or not self._has_found:
            return inf
        self._enough = enough
        if self._waiting.qsize() >= enough:
            # The last of them may have come just before, and have rung for nobody.
            self._ring()
        return now + GATHERED_WITHIN


Ended: TypeAlias = Callable[[outcomes.Outcome, float, float], None]
"""Takes in an outcome, the latest instant at which the request can have arrived, and the present instant."""


class Calls:
    """Makes requests. Its jobs may run on any thread: they use only the client, the clock and the results."""

    def __init__(self, client: Client, results: Results, clock: Clock) -> None:
        self._client = client
        self._results = results
        self._clock = clock

    def job(self, target: Target, send: Send, patience: float | None, ended: Ended) -> Job:
        """Return a job that makes one request, not before ``send.start``, and posts its outcome to ``ended``."""
        return partial(self._make, target, send, patience, ended)

    def _make(self, target: Target, send: Send, patience: float | None, ended: Ended) -> None:
        under_way_at = send.start

        def on_progress() -> None:
            nonlocal under_way_at
            self._clock.sleep_until(send.start)
            under_way_at = self._clock.monotonic()

        outcome: outcomes.Outcome = outcomes.Unavailable("interrupted", ambiguous=True)
        try:
            if send.creates:
                outcome = self._client.create(target, patience)
            else:
                outcome = self._client.put(target, send.batch, send.token, on_progress, patience, send.doubts > 0)
        except Exception as error:
            outcome = outcomes.Unavailable(f"{type(error).__name__}: {error}", ambiguous=True)
        finally:
            # Also after Ctrl-C, where the caller drives: see ARCHITECTURE, Ctrl-C, 3.
            arrived_at = min(self._clock.monotonic(), under_way_at + ARRIVED_AFTER_MOST)
            self._results.post(partial(ended, outcome, arrived_at))
