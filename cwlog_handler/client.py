"""boto3, and nothing else: making a client, the put, creating what is missing; every answer becomes an outcome.

Owns: everything that touches boto3. Must not know: retry, waiting, batching, threads. No call but PutLogEvents,
CreateLogStream, CreateLogGroup and PutRetentionPolicy is ever made, so that a policy needs to allow no other.
"""

from __future__ import annotations

import contextlib

# The first connection would import it, and a child that is forked in that moment could never import it again.
import encodings.idna  # noqa: F401
import ssl
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import boto3.session
from botocore import httpsession
from botocore.config import Config

from . import advice, errors, hooks, payload
from .advice import Call
from .batches import Batch
from .outcomes import Accepted, Connected, Connection, Created, Outcome, Refused, Unavailable
from .own_calls import own_call

# A request is small and one at a time per stream: whoever does not answer within these will not. botocore's 60 s for
# both would keep a stream waiting for minutes; half of ours would give up on 1 MiB over a slow line.
CONNECT_TIMEOUT: Final = 5
READ_TIMEOUT: Final = 15
# botocore's own default, and more than we ever use: "Connection pool is full" would be a log record.
MAX_CONNECTIONS: Final = 10

_PUT: Final = "logs:PutLogEvents"


class Client:
    """One log group's way to the service. `put` and `connect` never raise: what goes wrong is an outcome.

    ``say(key, text)`` takes notices for the operator about what was not done although nothing is lost by it.
    ``patience`` bounds the time-outs of calls, in seconds; None: they are long enough for anything.
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
        patience: float | None = None,
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
        self._patience = READ_TIMEOUT if patience is None else patience
        self._boto3: Any = None
        self._is_outdated = False
        self._is_inherited = False
        self._is_hurried = False

    def start_over(self) -> None:
        """Forget the boto3 client, in a forked child: its open connections are the parent's. Does no I/O."""
        self._is_inherited = self._boto3 is not None
        self._boto3 = None

    def hurry(self, seconds: float) -> None:
        """Give up on a call after so many seconds from now on. A client that was passed in keeps its time-outs."""
        if seconds < self._patience:
            self._patience = seconds
            self._is_hurried = self._boto3 is not None and self._users_client is None

    @own_call
    def connect(self) -> Connection:
        """Make the boto3 client, if there is none or it was refused for its credentials.

        It may take seconds, looking for credentials. A client that was passed in is used as it is.
        """
        client = self._boto3
        # While modules are torn down no client can be made any more: then the old one, with its time-outs, has to do.
        if client is None or self._is_outdated or (self._is_hurried and not sys.is_finalizing()):
            try:
                client = self._users() if self._users_client is not None else self._made()
                hooks.install(client)
            except Exception as error:
                return errors.connect_outcome_of(error, Call(_PUT, self._log_group))
            self._boto3, self._is_outdated, self._is_hurried = client, False, False
        endpoint = getattr(getattr(client, "meta", None), "endpoint_url", None)
        return Connected(endpoint if isinstance(endpoint, str) else f"client-{id(client)}")

    @own_call
    def put(self, stream_name: str, batch: Batch, token: str | None, on_progress: Callable[[], None]) -> Outcome:
        """Make one PutLogEvents request and say what it came to; a missing stream or group is created.

        ``on_progress`` is called when the request goes to the network, and again, if the client is our own, when all of
        it has been handed over; not at all if it fails before that.
        """
        connected = self.connect()
        if not isinstance(connected, Connected):
            return connected
        try:
            outcome = self._put(stream_name, batch, token, on_progress)
        except Exception as error:
            if errors.code_of(error) == errors.RESOURCE_NOT_FOUND:
                outcome = self._create(stream_name)
            else:
                outcome = errors.outcome_of(error, Call(_PUT, self._log_group, stream_name))
        if isinstance(outcome, Refused) and outcome.renew:
            self._is_outdated = True
        return outcome

    def _made(self) -> Any:
        return make(self._region_name, self._endpoint_url, self._profile_name, self._patience)

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
        return _answered(answer, len(batch))

    def _create(self, stream: str) -> Outcome:
        """Create the stream, and its group if that is missing too."""
        if not self._creates_stream:
            return Call(_PUT, self._log_group, stream).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_STREAM)
        outcome = self._create_stream(stream)
        if outcome is not None:
            return outcome
        if not self._creates_group:
            return Call(_PUT, self._log_group, stream).refuse(errors.RESOURCE_NOT_FOUND, advice.NO_GROUP)
        refusal = self._create_group(stream)
        if refusal is not None:
            return refusal
        self._set_retention()
        outcome = self._create_stream(stream)
        return Unavailable("the new log group cannot be seen yet", ambiguous=False) if outcome is None else outcome

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

    def _create_group(self, stream: str) -> Outcome | None:
        """Create the log group; None if it is there now, made by us or by somebody else."""
        error = self._try_create_group(self._tags)
        if error is not None and self._tags and errors.refuses_tags(error):
            tags_error, error = error, self._try_create_group({})
            if error is None:
                reason = errors.text_of(tags_error)
                self._say("tags", advice.TAGS_LEFT_OUT.sentence(self._log_group, "", reason=reason))
        if error is None or errors.code_of(error) == errors.RESOURCE_ALREADY_EXISTS:
            return None
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

    def _set_retention(self) -> None:
        if self._retention_days is None:
            return
        try:
            with hooks.our_call():
                self._boto3.put_retention_policy(logGroupName=self._log_group, retentionInDays=self._retention_days)
        except Exception as error:
            reason = errors.text_of(error)
            self._say("retention", advice.RETENTION_NOT_SET.sentence(self._log_group, "", reason=reason))


def make(region_name: str | None, endpoint_url: str | None, profile_name: str | None, patience: float) -> Any:
    """Make a boto3 client that tries once; ``patience`` bounds its time-outs, in seconds. Raises what boto3 raises."""
    _follow_gevent()
    session = boto3.session.Session(profile_name=profile_name)
    config = Config(
        # The mode too: "adaptive", which the environment may ask for, waits before requests on a clock of its own.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(CONNECT_TIMEOUT, patience),
        read_timeout=min(READ_TIMEOUT, patience),
        max_pool_connections=MAX_CONNECTIONS,
    )
    return session.client("logs", region_name=region_name, endpoint_url=endpoint_url, config=config)


def _follow_gevent() -> None:
    """Where gevent has replaced ssl.SSLContext since botocore was imported, give botocore the new one.

    The old one recurses without end then (gevent#1016): every client would fail, ours and the program's.
    """
    if httpsession.SSLContext is not ssl.SSLContext and "gevent.monkey" in sys.modules:
        httpsession.SSLContext = ssl.SSLContext


def _answered(answer: Any, count: int) -> Accepted | Unavailable:
    """Read the answer to a put of ``count`` events. A stand-in may answer anything, which counts as success.

    So does 200 with the service's mark and a body without members: newer ones than botocore knows look like that.
    """
    if not isinstance(answer, Mapping):
        return Accepted(None)
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


def _accepted(token: str | None, rejected: Mapping[str, int], count: int) -> Accepted:
    """Make counts of the service's indexes, of which the old ones overlap."""
    too_old = min(rejected.get("tooOldLogEventEndIndex", 0), count)
    old = max(too_old, min(rejected.get("expiredLogEventEndIndex", 0), count))
    start = max(old, min(rejected.get("tooNewLogEventStartIndex", count), count))
    return Accepted(token, too_old, old - too_old, count - start)
