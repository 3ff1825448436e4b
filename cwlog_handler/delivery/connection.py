"""The connection to the service: a client that is made when it is first needed, and again when credentials change.

Owns: the endpoint, when making a client is tried again, and the lines on stderr about it. Must not know: streams,
requests, on which thread a job runs. The caller holds the lock of `rounds`, except while a job runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..core import outcomes
from ..core.ledger import Ledger
from ..core.retry import WORTH_A_LINE, Deadline, Retry
from ..system.stderr import Notices
from .calls import Client, Results
from .senders import Job


class Connection:
    """Whether there is a client, and to which service."""

    def __init__(
        self,
        client: Client,
        results: Results,
        ledger: Ledger,
        notices: Notices,
        log_group_name: str,
        jitter: Callable[[], float],
    ) -> None:
        self.endpoint: str | None = None
        """The endpoint to which the client talks. None: there is no client yet, or it has to be made again."""
        self._client = client
        self._results = results
        self._ledger = ledger
        self._notices = notices
        self._group = log_group_name
        self._is_being_made = False
        self._retry = Retry(jitter)

    def next_try_at(self, deadline: Deadline) -> float | None:
        """Return the instant from which a client may be made; None while one is being made."""
        return None if self._is_being_made else self._retry.at(deadline)

    def job(self, now: float, patience: float | None, ended: Callable[[], None]) -> Job:
        """Return a job that makes the client. ``ended`` is called when the result of the job is taken in."""
        self._is_being_made = True
        return partial(self._make, now, patience, ended)

    def renew(self) -> None:
        """Have the client made again before the next request."""
        self.endpoint = None

    def _make(self, started: float, patience: float | None, ended: Callable[[], None]) -> None:
        made: outcomes.Connection = outcomes.Unavailable("interrupted", ambiguous=False)
        try:
            made = self._client.connect(patience)
        except Exception as error:
            made = outcomes.Unavailable(f"{type(error).__name__}: {error}", ambiguous=False)
        finally:
            # Also after Ctrl-C, where the caller drives: see ARCHITECTURE, Ctrl-C, 3.
            self._results.post(partial(self._made, started, made, ended))

    def _made(self, started: float, made: outcomes.Connection, ended: Callable[[], None], now: float) -> None:
        ended()
        self._is_being_made = False
        match made:
            case outcomes.Connected(endpoint):
                self.endpoint = endpoint
                self._retry.worked()
                return
            case outcomes.Refused(code, advice):
                self._retry.refused(started, now)
                self._ledger.fail(advice)
                self._notices.say(code, advice)
            case outcomes.Unavailable(cause):
                self._retry.refused(started, now)
                self._ledger.fail(cause)
                if self._retry.failures >= WORTH_A_LINE:
                    self._notices.say("connect", f"log group {self._group!r}: no client, trying on: {cause}")
