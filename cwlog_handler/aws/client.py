"""boto3, and nothing else: making a client, the put, creating what is missing; every answer becomes an outcome.

Owns: everything that touches boto3. Must not know: retry, waiting, batching, threads. No call but PutLogEvents,
CreateLogStream, CreateLogGroup and PutRetentionPolicy is ever made, so that a policy needs to allow no other.
"""

from __future__ import annotations

import contextlib

# The first connection would import it, and a child that is forked in that moment could never import it again.
import encodings.idna  # noqa: F401
import select
import ssl
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

import boto3.session
from botocore import httpsession
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from urllib3.util import wait

from ..core import advice
from ..core.advice import Call
from ..core.batches import Batch
from ..core.outcomes import Accepted, Connected, Connection, Created, Outcome, Refused, Unavailable
from ..system.own_calls import own_call
from ..system.primitives import acquire, allocate_lock
from . import destination, errors, helpers, hooks, payload

# A request is small and one at a time per stream: whoever does not answer within these will not. botocore's 60 s for
# both would keep a stream waiting for minutes; half of ours would give up on 1 MiB over a slow line.
CONNECT_TIMEOUT: Final = 5
READ_TIMEOUT: Final = 15
# To make a client takes some 10 ms: one whose time-outs are longer or shorter than wanted by no more than these factors
# is kept.
MOST_EXCESS: Final = 1.25
MOST_HASTE: Final = 2.0
# botocore's own default, and more than we ever use: "Connection pool is full" would be a log record.
MAX_CONNECTIONS: Final = 10

_PUT: Final = "logs:PutLogEvents"
# Replace parts of the standard library when they are told to.
_PATCHERS: Final = frozenset({"gevent.monkey", "eventlet.patcher"})


class Client:
    """One log group's way to the service. `put` and `connect` never raise: what goes wrong is an outcome.

    ``say(key, text)`` takes notices for the operator about what was not done although nothing is lost by it.
    ``making`` makes what is entered while a boto3 client of our own is made.
    """

    def __init__(
        self,
        *,
        log_group_name: str,
        region_name: str | None,
        endpoint_url: str | None,
        boto3_profile_name: str | None,
        boto3_client: Any,
        create_log_group: bool,
        create_log_stream: bool,
        log_group_retention_days: int | None,
        log_group_tags: Mapping[str, str] | None,
        log_group_kms_key_id: str | None,
        log_group_class: str | None,
        log_format: str | None = None,
        say: Callable[[str, str], None],
        making: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self._log_group = log_group_name
        self._region_name = region_name
        self._endpoint_url = endpoint_url
        self._profile_name = boto3_profile_name
        self._users_client = boto3_client
        self._creates_group = create_log_group
        self._creates_stream = create_log_stream
        self._retention_days = log_group_retention_days
        self._tags = dict(log_group_tags or {})
        self._kms_key_id = log_group_kms_key_id
        self._log_group_class = log_group_class
        self._log_format = log_format
        self._say = say
        self._making = making
        # What the time-outs of our own client are bounded by, in seconds.
        self._patience: float = READ_TIMEOUT
        self._is_outdated = False
        self._is_inherited = False
        self._forget()

    def start_over(self) -> None:
        """Forget the boto3 client, in a forked child: its open connections are the parent's. Does no I/O."""
        self._is_inherited = self._is_inherited or self._boto3 is not None
        hooks.forget_all()
        self._forget()

    def _forget(self) -> None:
        self._boto3: Any = None
        self._session: Any = None
        # Held while the session is used: it makes one client at a time.
        self._lock = allocate_lock()

    @own_call
    def connect(self, patience: float | None = None) -> Connection:
        """Make the boto3 client, if there is none, it was refused for its credentials, or its time-outs are others.

        It may take seconds, looking for credentials. A client that was passed in is used as it is. ``patience`` is how
        many seconds an answer may take at most; None for as many as usual.
        """
        try:
            _follow_patches()
            client = self._boto3
            if not self._is_fit(client, patience):
                client = self._made_by_one_thread(patience)
                if client is None:
                    return Unavailable("another thread has been making the client for long", ambiguous=False)
        except Exception as error:
            return errors.connect_outcome_of(error, Call(_PUT, self._log_group))
        endpoint = getattr(getattr(client, "meta", None), "endpoint_url", None)
        return Connected(endpoint if isinstance(endpoint, str) else f"client-{id(client)}")

    def _is_fit(self, client: Any, patience: float | None) -> bool:
        """Return whether the client need not be made anew; there may be none."""
        if client is None or self._is_outdated:
            return False
        # While modules are torn down no client can be made any more: then the old one, with its time-outs, has to do.
        if self._users_client is not None or sys.is_finalizing():
            return True
        wanted = _bounded(patience)
        return wanted / MOST_HASTE <= self._patience <= wanted * MOST_EXCESS

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
        """Make one PutLogEvents request and say what it came to; a missing stream or group is created.

        ``on_progress`` is called when the request goes to the network, and again, if the client is our own, when all of
        it has been handed over; not at all if it fails before that. ``patience``: see `connect`; of a client that was
        passed in the time-outs are its own. ``is_fresh`` asks for a new connection: an idle one may be dead, and nobody
        told us.
        """
        connected = self.connect(patience)
        if not isinstance(connected, Connected):
            return connected
        if is_fresh and self._users_client is None:
            # Closes the connections that no request is using.
            with contextlib.suppress(Exception):
                self._boto3.close()
        try:
            outcome = self._put(stream_name, batch, token, on_progress)
        except Exception as error:
            if errors.code_of(error) == errors.RESOURCE_NOT_FOUND:
                outcome = self._create(stream_name)
            else:
                outcome = errors.outcome_of(error, Call(_PUT, self._log_group, stream_name))
                self._doubt_region(error)
        if isinstance(outcome, Refused) and outcome.renew:
            self._is_outdated = True
        return outcome

    def _made_by_one_thread(self, patience: float | None) -> Any:
        """Return the client, made anew unless another thread does it meanwhile; None if none is to be had in time."""
        lock = self._lock
        is_taken = False
        try:
            is_taken = acquire(lock, _bounded(patience))
            if not is_taken:
                # Credentials are slow to come, or Ctrl-C between two instructions left it taken. The next one does
                # not wait for that again, and has a session of its own.
                self._lock, self._session = allocate_lock(), None
                return None if self._is_outdated else self._boto3
            if not self._is_fit(self._boto3, patience):
                client = self._users() if self._users_client is not None else self._made(patience)
                hooks.install(client)
                self._boto3, self._is_outdated = client, False
            return self._boto3
        finally:
            if is_taken:
                lock.release()

    def _made(self, patience: float | None) -> Any:
        with self._making():
            # The session has the credentials, which may take seconds to come by: it is kept unless they were refused.
            session = self._session
            if session is None or self._is_outdated:
                session = _a_session(self._profile_name)
            client = _made_by(session, self._region_name, self._endpoint_url, _bounded(patience))
            self._session, self._patience = session, _bounded(patience)
        return client

    def _users(self) -> Any:
        client = self._users_client
        if self._is_inherited:
            # Else both processes read from the same sockets. Not in start_over: a lock may be held since the fork.
            with contextlib.suppress(Exception):
                client.close()
            self._is_inherited = False
        if hooks.waits_on_its_own(client):
            self._say("adaptive", advice.ADAPTIVE_RETRIES.sentence(self._log_group, ""))
        return client

    def _doubt_region(self, error: Exception) -> None:
        """Tell of a region that nobody knows, where its host cannot be reached: an outage passes, a misspelling not."""
        if not isinstance(error, EndpointConnectionError) or self._endpoint_url or self._users_client is not None:
            return
        region = destination.unknown_region(self._boto3)
        if region is not None:
            hint = destination.nearest_region(region)
            self._say("region", advice.UNKNOWN_REGION.sentence(self._log_group, "", region=region, hint=hint))

    def _put(self, stream: str, batch: Batch, token: str | None, on_progress: Callable[[], None]) -> Outcome:
        request: dict[str, Any] = {"logGroupName": self._log_group, "logStreamName": stream}
        if token is not None:
            request["sequenceToken"] = token
        body = None
        if self._users_client is None:
            body = payload.put_log_events(self._log_group, stream, batch.columns, token)
        elif not hooks.can_hook(self._boto3):
            on_progress()
        # With a body of our own botocore looks at one event for form's sake. A client that was passed in may have hooks
        # of its owner's, which are to see what they would see of any call.
        shown = batch.columns if body is None else batch.columns.part(0, 1)
        request["logEvents"] = [{"timestamp": event.timestamp, "message": event.message} for event in shown]
        with hooks.our_call(on_progress, body, self._log_format):
            answer = self._boto3.put_log_events(**request)
        return _answered(answer, len(batch), Call(_PUT, self._log_group, stream))

    def _create(self, stream: str) -> Outcome:
        """Create the stream, and its group if that is missing too."""
        if not self._creates_stream:
            return Call(_PUT, self._log_group, stream).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_STREAM)
        outcome = self._create_stream(stream)
        if outcome is not None:
            return outcome
        if not self._creates_group:
            return Call(_PUT, self._log_group, stream).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_GROUP)
        group = self._create_group(stream)
        if not isinstance(group, Created):
            return group
        outcome = self._create_stream(stream)
        if outcome is None:
            return Unavailable("the new log group cannot be seen yet", ambiguous=False)
        return group if isinstance(outcome, Created) else outcome

    def _create_stream(self, stream: str) -> Outcome | None:
        """Create the stream; None if its group is missing."""
        try:
            with hooks.our_call():
                self._boto3.create_log_stream(logGroupName=self._log_group, logStreamName=stream)
        except Exception as error:
            code = errors.code_of(error)
            if code == errors.RESOURCE_NOT_FOUND:
                return None
            if code != errors.RESOURCE_ALREADY_EXISTS:
                return errors.creation_outcome_of(error, Call("logs:CreateLogStream", self._log_group, stream))
        return Created()

    def _create_group(self, stream: str) -> Outcome:
        """Create the log group and set its retention; Created if it is there now, made by us or by somebody else."""
        error = self._try_create_group(self._tags)
        if error is not None and self._tags and errors.refuses_tags(error):
            tags_error, error = error, self._try_create_group({})
            if error is None:
                reason = errors.text_of(tags_error)
                self._say("tags", advice.TAGS_LEFT_OUT.sentence(self._log_group, "", reason=reason))
        if error is None:
            return Created(self._set_retention())
        if errors.code_of(error) == errors.RESOURCE_ALREADY_EXISTS:
            # Whoever has just made it may have ended before setting its retention, or may set another one after us.
            self._set_retention()
            return Created()
        return errors.creation_outcome_of(error, Call("logs:CreateLogGroup", self._log_group, stream))

    def _try_create_group(self, tags: Mapping[str, str]) -> Exception | None:
        options = {"tags": dict(tags), "kmsKeyId": self._kms_key_id, "logGroupClass": self._log_group_class}
        try:
            with hooks.our_call():
                self._boto3.create_log_group(
                    logGroupName=self._log_group, **{name: value for name, value in options.items() if value}
                )
        except Exception as error:
            return error
        return None

    def _set_retention(self) -> int | None:
        """Set the group's retention; return it, or None if it was not set."""
        if self._retention_days is None:
            return None
        try:
            with hooks.our_call():
                self._boto3.put_retention_policy(logGroupName=self._log_group, retentionInDays=self._retention_days)
        except Exception as error:
            reason = errors.text_of(error)
            self._say("retention", advice.RETENTION_NOT_SET.sentence(self._log_group, "", reason=reason))
            return None
        return self._retention_days


def make(region_name: str | None, endpoint_url: str | None, profile_name: str | None, patience: float) -> Any:
    """Make a boto3 client that tries once; ``patience`` bounds its time-outs, in seconds.

    Raises what boto3 raises, also for a region or an endpoint that cannot be and that boto3 itself would take.
    """
    _follow_patches()
    return _made_by(_a_session(profile_name), region_name, endpoint_url, patience)


def _a_session(profile_name: str | None) -> Any:
    session = boto3.session.Session(profile_name=profile_name)
    helpers.let_signals_through(session)
    return session


def _made_by(session: Any, region_name: str | None, endpoint_url: str | None, patience: float) -> Any:
    config = Config(
        # The mode too: "adaptive", which the environment may ask for, waits before requests on a clock of its own.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(CONNECT_TIMEOUT, patience),
        read_timeout=min(READ_TIMEOUT, patience),
        max_pool_connections=MAX_CONNECTIONS,
    )
    client = session.client("logs", region_name=region_name, endpoint_url=endpoint_url, config=config)
    destination.check(client)
    return client


def _bounded(patience: float | None) -> float:
    return READ_TIMEOUT if patience is None else min(READ_TIMEOUT, patience)


def _follow_patches() -> None:
    """Mend what gevent and eventlet break when they patch after botocore was imported, for the program's clients too.

    Both replace ``ssl.SSLContext``, and then the old one recurses without end (gevent#1016): no client can be made.
    eventlet also removes ``select.poll``, which urllib3 has chosen by then to look whether a connection is still open:
    every request on a connection that was used before would fail.
    """
    if not _PATCHERS.isdisjoint(sys.modules):
        if httpsession.SSLContext is not ssl.SSLContext:
            httpsession.SSLContext = ssl.SSLContext
        if not hasattr(select, "poll") and wait.wait_for_socket is wait.poll_wait_for_socket:
            wait.wait_for_socket = wait.select_wait_for_socket


def _answered(answer: Any, count: int, call: Call) -> Accepted | Unavailable | Refused:
    """Read the answer to a put of ``count`` events. What is no answer is no success; a Mock's answer is one.

    200 with the service's mark and a body without members is a success, too: newer services than botocore knows are
    like that.
    """
    if _is_mock(answer):
        return Accepted(None)
    if not isinstance(answer, Mapping):
        return call.refuse("NoAnswer", advice.NO_ANSWER, answer=_no_answer(answer))
    token = answer.get("nextSequenceToken")
    metadata = answer.get("ResponseMetadata")
    if isinstance(metadata, Mapping) and not token:
        headers = metadata.get("HTTPHeaders") or {}
        content_type = str(headers.get("content-type", ""))
        if "x-amzn-requestid" not in headers and "json" not in content_type:
            # A page of HTML is a portal's or a proxy's instead of the service's; of anything else we cannot tell.
            cause = f"the answer is not from CloudWatch Logs: HTTP 200 with content type {content_type or 'none'!r}"
            return Unavailable(cause, ambiguous="html" not in content_type)
    return _accepted(token, answer.get("rejectedLogEventsInfo") or {}, count)


def _is_mock(answer: object) -> bool:
    # By name: importing unittest.mock takes milliseconds, and the package `mock` has classes of its own.
    return any(kind.__name__ == "NonCallableMock" for kind in type(answer).__mro__)


def _no_answer(answer: object) -> str:
    """Say what stands in place of an answer, as text for the operator."""
    if isinstance(answer, Coroutine):
        # Nobody will ever await it, and Python would warn of that.
        answer.close()
        return "a coroutine that nobody awaits"
    # The text of other objects may be long, or anybody's secret.
    return repr(answer) if answer is None or isinstance(answer, bool) else f"an object of type {type(answer).__name__}"


def _accepted(token: str | None, rejected: Mapping[str, int], count: int) -> Accepted:
    """Make counts of the service's indexes, of which the old ones overlap."""
    too_old = min(rejected.get("tooOldLogEventEndIndex", 0), count)
    old = max(too_old, min(rejected.get("expiredLogEventEndIndex", 0), count))
    start = max(old, min(rejected.get("tooNewLogEventStartIndex", count), count))
    return Accepted(token, too_old, old - too_old, count - start)
