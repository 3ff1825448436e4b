"""The requests of one log group: put events, create a missing stream or group; every answer becomes an outcome.

Owns: the call PutLogEvents. Must not know: when a batch is sent or retried, who waits for it. The only other calls are
those of `creation`: an IAM policy needs to allow no others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from botocore.exceptions import EndpointConnectionError

from ..core import advice
from ..core.advice import Call
from ..core.batches import Batch
from ..core.outcomes import Connected, Connection, Outcome, Refused, Unavailable
from ..system.own_calls import own_call
from . import destination, errors, hooks, payload
from .answers import outcome_of_answer
from .creation import Creator, Group
from .making import Access, Maker


class Client:
    """Sends events to one log group. `put` and `connect` never raise an Exception: they return it as an outcome.

    ``say(key, text)`` is called with a warning for the operator when something was not done but no event is lost.
    ``making()`` returns a context manager, which is entered while the client makes its own boto3 client.
    """

    def __init__(
        self,
        access: Access,
        group: Group,
        *,
        log_format: str | None = None,
        say: Callable[[str, str], None],
        making: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self._access = access
        self._log_group = group.name
        self._log_format = log_format
        self._say = say
        self._maker = Maker(access, group.name, say, making)
        self._creator = Creator(group, say)

    def start_over(self) -> None:
        """Forget the boto3 client, in a forked child: its connections belong to the parent. Does no I/O."""
        hooks.forget_all()
        self._maker.start_over()

    @own_call
    def connect(self, patience: float | None = None) -> Connection:
        """Make the boto3 client if needed: there is none, its credentials were refused, or its time-outs do not fit.

        This may take seconds, because boto3 looks for credentials. A client that was passed in is used as it is.
        ``patience`` is the longest time that an answer may take, in seconds; None means `making.READ_TIMEOUT`.
        """
        try:
            client = self._maker.fitting(patience)
        except Exception as error:
            return errors.connect_outcome_of(error, Call(advice.PUT, self._log_group))
        if client is None:
            return Unavailable("another thread has been making the client for long", ambiguous=False)
        endpoint = getattr(getattr(client, "meta", None), "endpoint_url", None)
        return Connected(endpoint if isinstance(endpoint, str) else f"client-{id(client)}")

    @own_call
    def put(
        self,
        stream_name: str,
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
        try:
            outcome = self._put(stream_name, batch, token, on_progress)
        except Exception as error:
            if errors.code_of(error) == errors.RESOURCE_NOT_FOUND:
                outcome = self._creator.create(self._maker.client, stream_name)
            else:
                outcome = errors.outcome_of(error, Call(advice.PUT, self._log_group, stream_name))
                self._doubt_region(error)
        if isinstance(outcome, Refused) and outcome.renew:
            self._maker.outdate()
        return outcome

    def _doubt_region(self, error: Exception) -> None:
        """Warn that the region is unknown, if its host cannot be reached: it may be a misspelling, not an outage."""
        if not isinstance(error, EndpointConnectionError) or self._access.endpoint_url or self._maker.is_users:
            return
        region = destination.unknown_region(self._maker.client)
        if region is not None:
            hint = destination.nearest_region(region)
            self._say("region", advice.UNKNOWN_REGION.sentence(self._log_group, "", region=region, hint=hint))

    def _put(self, stream: str, batch: Batch, token: str | None, on_progress: Callable[[], None]) -> Outcome:
        request: dict[str, Any] = {"logGroupName": self._log_group, "logStreamName": stream}
        if token is not None:
            request["sequenceToken"] = token
        client, body = self._maker.client, None
        if not self._maker.is_users:
            body = payload.put_log_events(self._log_group, stream, batch.columns, token)
        elif not hooks.can_hook(client):
            on_progress()
        # With a body of our own, botocore needs an event only to validate the parameters: the first one is enough. A
        # client that was passed in may have its owner's hooks. They must see all events, as in any other call.
        shown = batch.columns if body is None else batch.columns.part(0, 1)
        request["logEvents"] = [{"timestamp": event.timestamp, "message": event.message} for event in shown]
        with hooks.our_call(on_progress, body, self._log_format):
            answer = client.put_log_events(**request)
        return outcome_of_answer(answer, len(batch), Call(advice.PUT, self._log_group, stream))
