"""The requests of one handler: put events, create a missing stream or group; every answer becomes an outcome.

Owns: the call PutLogEvents. Must not know: when a batch is sent or retried, who waits for it. The only other calls are
those of `creation`: an IAM policy needs to allow no others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import EndpointConnectionError, InvalidRegionError

from ..core import advice
from ..core.advice import Call
from ..core.batches import Batch
from ..core.outcomes import Connected, Connection, Outcome, Refused, Unavailable
from ..core.targets import Target
from ..system.own_calls import own_call
from ..system.stderr import Say
from . import destination, errors, hooks, payload, sources
from .answers import outcome_of_answer
from .creation import Creator, Group
from .maker import Maker

if TYPE_CHECKING:
    from .additions import Additions, Carried
    from .making import Access


class Client:
    """Sends events to the log groups of one handler.

    `put` and `connect` never raise an Exception: they return it as an outcome.

    ``say`` is called with a warning for the operator when something was not done but no event is lost.
    ``making()`` returns a context manager, which is entered while modules may be loaded: while the client makes its own
    boto3 client, and while it looks for the region that was meant. ``shares``: handlers with equal settings may use one
    boto3 client together.
    """

    def __init__(
        self,
        access: Access,
        group: Group,
        *,
        log_format: str | None = None,
        additions: Additions | None = None,
        say: Say,
        making: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
        shares: bool = False,
    ) -> None:
        self._access = access
        self._log_group = group.name
        self._log_format = log_format
        self._additions = additions
        self._say = say
        self._making = making
        self._maker = Maker(access, group.name, say, making, shares)
        self._creator = Creator(group, say)

    def start_over(self) -> None:
        """Forget the boto3 client, in a forked child: its connections belong to the parent. Does no I/O."""
        hooks.forget_all()
        sources.forget_all()
        self._maker.start_over()

    def let_go(self) -> None:
        """Note that the handler is closed: idle connections that no other handler uses are closed. Does no I/O.

        Any thread may call this. The next request opens a new connection.
        """
        self._maker.let_go()

    @own_call
    def connect(self, patience: float | None = None) -> Connection:
        """Make the boto3 client if needed: there is none, its credentials were refused, or its time-outs do not fit.

        This may take seconds, because boto3 looks for credentials. A client that was passed in is used as it is.
        ``patience`` is the longest time that an answer may take, in seconds; None means `making.READ_TIMEOUT`.
        """
        try:
            client = self._maker.fitting(patience)
        except Exception as error:
            # Other handlers may be told of the same error: what is on this stack is not to live as long as it does.
            error = error.with_traceback(None)
            with self._making() if isinstance(error, InvalidRegionError) else contextlib.nullcontext():
                return errors.connect_outcome_of(error, Call(advice.PUT, self._log_group))
        if client is None:
            return Unavailable("another thread has been making the client for long", ambiguous=False)
        endpoint = getattr(getattr(client, "meta", None), "endpoint_url", None)
        return Connected(endpoint if isinstance(endpoint, str) else f"client-{id(client)}")

    @own_call
    def put(
        self,
        target: Target,
        batch: Batch,
        token: str | None,
        on_progress: Callable[[], None],
        patience: float | None = None,
        is_fresh: bool = False,
    ) -> Outcome:
        """Make one PutLogEvents request and return its outcome; create the stream or the group if it is missing.

        ``on_progress`` is called when the request goes to the network. If the client is our own, it is called again
        when the whole body has been handed to the network. It is not called if the request fails before that.
        ``patience`` is that of `connect`; a client that was passed in keeps its own time-outs. ``is_fresh`` asks for a
        new connection: an idle one may have died without a sign. Any thread may call this.
        """
        connected = self.connect(patience)
        if not isinstance(connected, Connected):
            return connected
        if is_fresh:
            self._maker.close_idle_connections()
        client = self._maker.client
        carried = None if self._additions is None else self._additions.for_put(target, batch)
        try:
            outcome = self._put(client, target, batch, token, on_progress, carried)
        except Exception as error:
            if errors.code_of(error) == errors.RESOURCE_NOT_FOUND:
                outcome = self._creator.create(client, target)
            else:
                outcome = errors.outcome_of(error, Call(advice.PUT, *target))
                self._doubt_region(error)
                if self._additions is not None and carried is not None:
                    outcome = self._additions.refused(carried, outcome, error)
        return self._heeded(outcome, client)

    @own_call
    def create(self, target: Target, patience: float | None = None) -> Outcome:
        """Create a stream that is known to be missing, and its group if that is missing too; return the outcome.

        ``patience`` is that of `connect`. Any thread may call this.
        """
        connected = self.connect(patience)
        if not isinstance(connected, Connected):
            return connected
        client = self._maker.client
        return self._heeded(self._creator.create(client, target), client)

    def _heeded(self, outcome: Outcome, client: Any) -> Outcome:
        if isinstance(outcome, Refused) and outcome.renew:
            self._maker.outdate(client)
        return outcome

    def _doubt_region(self, error: Exception) -> None:
        """Warn that the region is unknown, if its host cannot be reached: it may be a misspelling, not an outage."""
        if not isinstance(error, EndpointConnectionError) or self._access.endpoint_url or self._maker.is_users:
            return
        region = destination.unknown_region(self._maker.client)
        if region is not None:
            with self._making():
                hint = destination.nearest_region(region)
            self._say("region", advice.UNKNOWN_REGION.sentence(self._log_group, "", region=region, hint=hint))

    def _put(
        self,
        client: Any,
        target: Target,
        batch: Batch,
        token: str | None,
        on_progress: Callable[[], None],
        carried: Carried | None,
    ) -> Outcome:
        request: dict[str, Any] = {"logGroupName": target.group, "logStreamName": target.stream}
        if token is not None:
            request["sequenceToken"] = token
        body = None
        entity = None if carried is None else carried.entity
        if not self._maker.is_users:
            body = payload.put_log_events(*target, batch.columns, token, entity)
        elif not hooks.can_hook(client):
            on_progress()
            if entity is not None:
                request["entity"] = entity
        # With a body of our own, botocore needs an event only to validate the parameters: the first one is enough. A
        # client that was passed in may have its owner's hooks. They must see all events, as in any other call.
        shown = batch.columns if body is None else batch.columns.part(0, 1)
        request["logEvents"] = [{"timestamp": event.timestamp, "message": event.message} for event in shown]
        with hooks.our_call(on_progress, body, self._log_format, carried):
            answer = client.put_log_events(**request)
        outcome = outcome_of_answer(answer, len(batch), Call(advice.PUT, *target))
        if self._additions is None or carried is None:
            return outcome
        carried.heed_answer(answer)
        return self._additions.answered(carried, outcome)
