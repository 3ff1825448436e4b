"""Our hooks in a boto3 client's events: to see a request go out, to give its body and a header, to keep retries out.

Owns: which thread is in a call of ours. Must not know: what is called, and what comes of it. Others may use the same
client at the same time: their calls are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError

from ..core.limits import LOG_FORMAT_HEADER
from ..system.primitives import get_ident, give_way

# From here on botocore raises an error instead of returning the answer.
FIRST_ERROR_STATUS: Final = 300


class _Body:
    """A body that is read like a file, but at a gulp. Whoever sends it finds its end when the network has all of it."""

    __slots__ = ("_content", "_place", "on_end")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0
        self.on_end: Callable[[], None] | None = None
        """Called once, when its end is found."""

    def __len__(self) -> int:
        return len(self._content)

    def tell(self) -> int:
        return self._place

    def seek(self, place: int) -> None:
        self._place = place

    def read(self, _size: int = -1) -> bytes:
        rest = self._content[self._place :]
        self._place = len(self._content)
        if not rest and self.on_end is not None:
            on_end, self.on_end = self.on_end, None
            on_end()
        return rest


class _OurCall:
    __slots__ = ("body", "log_format", "on_progress")

    def __init__(self, on_progress: Callable[[], None] | None, body: _Body | None, log_format: str | None) -> None:
        self.on_progress = on_progress
        self.body = body
        self.log_format = log_format


# By thread, for those in a call of ours. Module-wide, as several handlers may share a client, which is hooked once. Not
# threading.local: greenlets of gevent's would share it if it patched later.
_ours: dict[int, _OurCall] = {}


def forget_all() -> None:
    """Start over in a forked child: a thread of it may get the ident of one that is in our call in the parent."""
    _ours.clear()


def can_hook(client: Any) -> bool:
    """True for a real client; a mock has no events."""
    return isinstance(client, BaseClient)


def install(client: Any) -> None:
    """Hook into a client, once however often it is asked for; a mock is left as it is."""
    if can_hook(client):
        events: Any = client.meta.events
        events.register("before-call.cloudwatch-logs.PutLogEvents", _complete, unique_id="cwlog-handler-complete")
        events.register("before-send.cloudwatch-logs.PutLogEvents", _starts, unique_id="cwlog-handler-starts")
        if _retries(client).get("total_max_attempts") != 1:
            events.register_first("needs-retry.cloudwatch-logs", _no_retry, unique_id="cwlog-handler-no-retry")


def waits_on_its_own(client: Any) -> bool:
    """True if the client holds requests back before they start, which no hook can prevent."""
    return can_hook(client) and _retries(client).get("mode") == "adaptive"


def _retries(client: Any) -> Mapping[str, Any]:
    return getattr(client.meta.config, "retries", None) or {}


@contextmanager
def our_call(
    on_progress: Callable[[], None] | None = None, body: bytes | None = None, log_format: str | None = None
) -> Iterator[None]:
    """Mark the call made inside as ours, made once.

    ``on_progress`` is called when PutLogEvents goes to HTTP; ``body`` is sent in place of what botocore has serialised,
    and ``on_progress`` called again when all of it has been handed to the network; ``log_format`` is what the service
    is told the messages are, which botocore has no parameter for.
    """
    ident = get_ident()
    _ours[ident] = _OurCall(on_progress, None if body is None else _Body(body), log_format)
    try:
        yield
    finally:
        _ours.pop(ident, None)


def _complete(params: dict[str, Any], **_: Any) -> None:
    call = _ours.get(get_ident())
    if call is None:
        return
    # Half a millisecond of botocore's own lies behind, and as much again until the request goes out.
    give_way()
    if call.body is not None:
        params["body"] = call.body
    if call.log_format is not None:
        # Signed with the rest, which happens after this.
        params["headers"][LOG_FORMAT_HEADER] = call.log_format


def _starts(**_: Any) -> None:
    call = _ours.get(get_ident())
    give_way()
    if call is not None and call.on_progress is not None:
        on_progress, call.on_progress = call.on_progress, None
        if call.body is not None:
            # Not before: it is read once to be signed.
            call.body.on_end = on_progress
        on_progress()


def _no_retry(
    operation: Any = None,
    response: tuple[Any, dict[str, Any]] | None = None,
    caught_exception: Exception | None = None,
    **_: Any,
) -> bool | None:
    if get_ident() not in _ours:
        return None
    if not _hears_no:
        # What botocore would raise itself if nobody asked for a retry. (Hooks into "after-call" see nothing of it.)
        if caught_exception is not None:
            raise caught_exception
        if response is not None and response[0].status_code >= FIRST_ERROR_STATUS:
            raise ClientError(response[1], operation.name)
        return None
    # botocore takes the first answer that is not None.
    return False


def _botocore_hears_no() -> bool:
    """True if False means no retry; before botocore 1.43 it was a delay of no seconds: a retry at once, for ever."""
    hooks = SimpleNamespace(emit=lambda *_, **__: [(None, False)])
    model = SimpleNamespace(name="", service_model=SimpleNamespace(service_id=SimpleNamespace(hyphenize=str)))
    try:
        # Private, and there in every version so far; where it is not, raising does in any case.
        return Endpoint._needs_retry(SimpleNamespace(_event_emitter=hooks), 1, model, {}) is False
    except Exception:
        return False


_hears_no: Final = _botocore_hears_no()
