"""The requests of one log group: put events, create a missing stream or group; every answer becomes an outcome.

Owns: the boto3 client and the calls made with it. Must not know: when a batch is sent or retried, who waits for it.
The only calls are PutLogEvents, CreateLogStream, CreateLogGroup and PutRetentionPolicy: an IAM policy needs to allow
no others.
"""

from __future__ import annotations

import contextlib

# Imported here because the first connection would import it otherwise. A child that is forked during that import
# inherits its import lock, which nobody releases: the child could never import the module.
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

# In seconds. A request has at most 1 MiB: a service that has not answered by then will not answer. With botocore's 60 s
# for both a stream would wait for minutes. With half of these a request of 1 MiB would fail on a slow line.
CONNECT_TIMEOUT: Final = 5
READ_TIMEOUT: Final = 15
# Making a client takes about 10 ms. So a client is kept if its time-outs are at most 1.25 times as long as wanted, and
# at least half as long.
MOST_EXCESS: Final = 1.25
MOST_HASTE: Final = 2.0
# botocore's default, and more than we ever use. With too small a pool urllib3 would log "Connection pool is full".
MAX_CONNECTIONS: Final = 10

_PUT: Final = "logs:PutLogEvents"
# The modules with which gevent and eventlet replace parts of the standard library.
_PATCHERS: Final = frozenset({"gevent.monkey", "eventlet.patcher"})


class Client:
    """Sends events to one log group. `put` and `connect` never raise an Exception: they return it as an outcome.

    ``say(key, text)`` is called with a warning for the operator when something was not done but no event is lost.
    ``making()`` returns a context manager, which is entered while the client makes its own boto3 client.
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
        self._boto3: Any = None
        # The upper limit of the time-outs of our own boto3 client, in seconds.
        self._patience: float = READ_TIMEOUT
        self._is_outdated = False
        self._is_inherited = False
        self.start_over()

    def start_over(self) -> None:
        """Forget the boto3 client, in a forked child: its connections belong to the parent. Does no I/O."""
        self._is_inherited = self._is_inherited or self._boto3 is not None
        self._boto3 = self._session = None
        # Held while the session makes a client: boto3 sessions are not thread-safe.
        self._lock = allocate_lock()

    @own_call
    def connect(self, patience: float | None = None) -> Connection:
        """Make the boto3 client if needed: there is none, its credentials were refused, or its time-outs do not fit.

        This may take seconds, because boto3 looks for credentials. A client that was passed in is used as it is.
        ``patience`` is the longest time that an answer may take, in seconds; None means READ_TIMEOUT.
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
        """Return whether this client can be used; False for None."""
        if client is None or self._is_outdated:
            return False
        # While the interpreter shuts down, boto3 can make no client any more. Then the old one is used, whatever its
        # time-outs are.
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
        """Make one PutLogEvents request and return its outcome; create the stream or the group if it is missing.

        ``on_progress`` is called when the request goes to the network. If the client is our own, it is called again
        when the whole body has been handed to the network. It is not called if the request fails before that.
        ``patience`` is that of `connect`; a client that was passed in keeps its own time-outs. ``is_fresh`` asks for a
        new connection: an idle one may have died without a sign. Any thread may call this.
        """
        connected = self.connect(patience)
        if not isinstance(connected, Connected):
            return connected
        if is_fresh and self._users_client is None:
            # Closes only idle connections; requests under way keep theirs.
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
        """Return a usable client, made by one thread at a time; None if that takes longer than ``patience``."""
        lock = self._lock
        is_taken = False
        try:
            is_taken = acquire(lock, _bounded(patience))
            if not is_taken:
                # Either another thread waits for slow credentials, or Ctrl-C came between two instructions and left
                # the lock taken. A new lock and a new session let the next caller go on without waiting again.
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
            # The session holds the credentials. Finding them may take seconds, so it is kept unless they were refused.
            session = self._session
            if session is None or self._is_outdated:
                session = _a_session(self._profile_name)
            client = _made_by(session, self._region_name, self._endpoint_url, _bounded(patience))
            self._session, self._patience = session, _bounded(patience)
        return client

    def _users(self) -> Any:
        client = self._users_client
        if self._is_inherited:
            # Without this, parent and child would read from the same sockets. It is not done in `start_over`, which
            # runs right after the fork: a thread of the parent may have held one of the client's locks then.
            with contextlib.suppress(Exception):
                client.close()
            self._is_inherited = False
        if hooks.waits_on_its_own(client):
            self._say("adaptive", advice.ADAPTIVE_RETRIES.sentence(self._log_group, ""))
        return client

    def _doubt_region(self, error: Exception) -> None:
        """Warn that the region is unknown, if its host cannot be reached: it may be a misspelling, not an outage."""
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
        # With a body of our own, botocore needs an event only to validate the parameters: the first one is enough. A
        # client that was passed in may have its owner's hooks. They must see all events, as in any other call.
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
        """Create the log group and set its retention; Created if the group exists now, whoever created it."""
        error = self._try_create_group(self._tags)
        if error is not None and self._tags and errors.refuses_tags(error):
            tags_error, error = error, self._try_create_group({})
            if error is None:
                reason = errors.text_of(tags_error)
                self._say("tags", advice.TAGS_LEFT_OUT.sentence(self._log_group, "", reason=reason))
        if error is None:
            return Created(self._set_retention())
        if errors.code_of(error) == errors.RESOURCE_ALREADY_EXISTS:
            # The process that created the group may have ended before it set the retention. If it has not, it may still
            # set another one after us.
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
        """Set the group's retention; return it in days, or None if it was not set."""
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
    """Make a boto3 client that never retries; its time-outs are at most ``patience`` seconds.

    Raises what boto3 raises; also for an impossible region or endpoint, which boto3 itself would accept.
    """
    _follow_patches()
    return _made_by(_a_session(profile_name), region_name, endpoint_url, patience)


def _a_session(profile_name: str | None) -> Any:
    session = boto3.session.Session(profile_name=profile_name)
    helpers.let_signals_through(session)
    return session


def _made_by(session: Any, region_name: str | None, endpoint_url: str | None, patience: float) -> Any:
    config = Config(
        # The mode is set too: the environment may ask for "adaptive", in which botocore itself delays requests.
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
    """Repair what gevent and eventlet break if they patch after botocore was imported; helps the program's clients too.

    Both replace ``ssl.SSLContext``. After that the old class recurses without end (gevent#1016), and no client can be
    made. eventlet also removes ``select.poll``. By then urllib3 has chosen it for checking whether a connection is
    still open, so that every request on a reused connection would fail.
    """
    if not _PATCHERS.isdisjoint(sys.modules):
        if httpsession.SSLContext is not ssl.SSLContext:
            httpsession.SSLContext = ssl.SSLContext
        if not hasattr(select, "poll") and wait.wait_for_socket is wait.poll_wait_for_socket:
            wait.wait_for_socket = wait.select_wait_for_socket


def _answered(answer: Any, count: int, call: Call) -> Accepted | Unavailable | Refused:
    """Return the outcome of a put of ``count`` events. Anything that is not the service's answer is no success.

    HTTP 200 with the service's request id and an empty body is a success: endpoints that are newer than botocore answer
    like that. The answer of a ``unittest.mock`` object counts as a success.
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
            # An HTML page comes from a captive portal or a proxy: the service did not get the events. With any other
            # content it may have got them.
            cause = f"the answer is not from CloudWatch Logs: HTTP 200 with content type {content_type or 'none'!r}"
            return Unavailable(cause, ambiguous="html" not in content_type)
    return _accepted(token, answer.get("rejectedLogEventsInfo") or {}, count)


def _is_mock(answer: object) -> bool:
    # Compared by name: importing unittest.mock takes milliseconds, and the PyPI package `mock` has its own classes.
    return any(kind.__name__ == "NonCallableMock" for kind in type(answer).__mro__)


def _no_answer(answer: object) -> str:
    """Describe, for the operator, what was returned in place of an answer."""
    if isinstance(answer, Coroutine):
        # Closed because Python would warn "was never awaited" otherwise.
        answer.close()
        return "a coroutine that nobody awaits"
    # The repr of other objects may be long or contain secrets.
    return repr(answer) if answer is None or isinstance(answer, bool) else f"an object of type {type(answer).__name__}"


def _accepted(token: str | None, rejected: Mapping[str, int], count: int) -> Accepted:
    """Turn the indexes in ``rejectedLogEventsInfo`` into counts that do not overlap.

    The service counts from the oldest event on: "expired" up to its end index includes "too old" up to its own.
    """
    too_old = min(rejected.get("tooOldLogEventEndIndex", 0), count)
    old = max(too_old, min(rejected.get("expiredLogEventEndIndex", 0), count))
    start = max(old, min(rejected.get("tooNewLogEventStartIndex", count), count))
    return Accepted(token, too_old, old - too_old, count - start)
