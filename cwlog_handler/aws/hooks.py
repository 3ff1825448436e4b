"""Hooks in a boto3 client's events: they report that a request goes out, set its body and header, prevent retries.

Owns: which threads are in a call of ours through a boto3 client. Must not know: what the call is for, and its outcome.
The program may use the same client at the same time: its calls are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError

from ..core.limits import LOG_FORMAT_HEADER
from ..system.primitives import acquire, allocate_lock, get_ident, give_way

if TYPE_CHECKING:
    from .additions import Carried

# botocore raises an error for this HTTP status and all above.
FIRST_ERROR_STATUS: Final = 300
# In seconds. Longer than this the lock is never held, unless Ctrl-C or a fork has left it taken.
MOST_WAIT: Final = 1.0


class _Body:
    """A request body that is read like a file, but all of it in one read.

    http.client reads once more after it has sent everything. That read finds the end, and so tells when the network has
    the whole body.
    """

    __slots__ = ("_content", "_place", "on_end")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0
        self.on_end: Callable[[], None] | None = None
        """Called once, when a read finds the end of the body."""

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
    __slots__ = ("body", "carried", "content", "log_format", "on_progress")

    def __init__(
        self,
        on_progress: Callable[[], None] | None,
        content: bytes | None,
        log_format: str | None,
        carried: Carried | None,
    ) -> None:
        self.on_progress = on_progress
        self.content = content
        self.log_format = log_format
        self.carried = carried
        self.body: _Body | None = None
        """What is sent instead of what botocore has made of the parameters; None before that, and without content."""


# The calls of ours under way, by thread ident. There is one mapping for the module because several handlers may share a
# client, which is hooked once. It is not a threading.local: if gevent patches after this import, the greenlets of one
# thread would share that.
_ours: dict[int, _OurCall] = {}
# Two handlers may be given the same client at the same moment: botocore would register a hook twice.
_installing = allocate_lock()


def forget_all() -> None:
    """Start over in a forked child. Thread idents are reused: it may have that of a parent's thread inside our call."""
    global _installing
    _installing = allocate_lock()
    _ours.clear()


def can_hook(client: Any) -> bool:
    """True for a real boto3 client; a mock has no event system to hook into."""
    return isinstance(client, BaseClient)


def install(client: Any) -> None:
    """Register the hooks with a client; calling it again changes nothing. A mock is left as it is.

    All of them, whoever needs them: botocore may never call one that is added while a request of the client is made.
    """
    if can_hook(client):
        global _installing
        lock = _installing
        if not acquire(lock, MOST_WAIT):
            # See ARCHITECTURE, Ctrl-C, 4.
            lock = _installing = allocate_lock()
            lock.acquire()
        try:
            _register(client, client.meta.events)
        finally:
            lock.release()


def _register(client: Any, events: Any) -> None:
    # Last: the hooks of the client's owner see the body before it is compressed.
    events.register_last("before-call.cloudwatch-logs.PutLogEvents", _complete, unique_id="cwlog-handler-complete")
    events.register("before-send.cloudwatch-logs.PutLogEvents", _starts, unique_id="cwlog-handler-starts")
    events.register("response-received.cloudwatch-logs.PutLogEvents", _read, unique_id="cwlog-handler-read")
    if _retries(client).get("total_max_attempts") != 1:
        events.register_first("needs-retry.cloudwatch-logs", _no_retry, unique_id="cwlog-handler-no-retry")


def waits_on_its_own(client: Any) -> bool:
    """True if the client itself delays requests before they start (mode "adaptive"). No hook can prevent that."""
    return can_hook(client) and _retries(client).get("mode") == "adaptive"


def _retries(client: Any) -> Mapping[str, Any]:
    return getattr(client.meta.config, "retries", None) or {}


@contextmanager
def our_call(
    on_progress: Callable[[], None] | None = None,
    body: bytes | None = None,
    log_format: str | None = None,
    carried: Carried | None = None,
) -> Iterator[None]:
    """Mark the one call that this thread makes inside the block as ours: botocore does not retry it.

    ``on_progress`` is called when the request of PutLogEvents starts. ``body`` replaces the body that botocore has
    made; with it, ``on_progress`` is called again when the network has the whole body. ``log_format`` is sent as a
    header that tells the service the format of the messages; botocore has no parameter for it. ``carried`` adds the
    entity to a body that botocore has made, and compresses any body.
    """
    ident = get_ident()
    _ours[ident] = _OurCall(on_progress, body, log_format, carried)
    try:
        yield
    finally:
        _ours.pop(ident, None)


def _complete(params: dict[str, Any], **_: Any) -> None:
    call = _ours.get(get_ident())
    if call is None:
        return
    # Yield the GIL: botocore has just used 0.5 ms here, and will use as much again until the request goes out.
    give_way()
    # Header and body are set before the request is signed, so that the signature covers them as they are sent.
    if call.carried is not None:
        _add(call.carried, call, params)
    if call.content is not None:
        params["body"] = call.body = _Body(call.content)
    if call.log_format is not None:
        params["headers"][LOG_FORMAT_HEADER] = call.log_format


def _add(carried: Carried, call: _OurCall, params: dict[str, Any]) -> None:
    headers = params["headers"]
    if call.content is not None:
        call.content = carried.compressed(call.content, headers)
    elif isinstance(params["body"], bytes):
        params["body"] = carried.compressed(carried.with_entity(params["body"]), headers)


def _read(response_dict: Mapping[str, Any] | None = None, **_: Any) -> None:
    call = _ours.get(get_ident())
    if call is not None and call.carried is not None and response_dict is not None:
        call.carried.read_answer(response_dict["body"])


def _starts(**_: Any) -> None:
    call = _ours.get(get_ident())
    give_way()
    if call is not None and call.on_progress is not None:
        on_progress, call.on_progress = call.on_progress, None
        if call.body is not None:
            # Not set earlier: botocore reads the body once before this, to sign it.
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
        # Raise what botocore would raise if it did not retry. (With this, hooks on "after-call" are not called.)
        if caught_exception is not None:
            raise caught_exception
        if response is not None and response[0].status_code >= FIRST_ERROR_STATUS:
            raise ClientError(response[1], operation.name)
        return None
    # botocore uses the first hook's result that is not None.
    return False


def _botocore_hears_no() -> bool:
    """True if this botocore takes False of a "needs-retry" hook for "do not retry".

    Before version 1.43 it took False for a delay of 0 seconds, and retried at once and without end.
    """
    hooks = SimpleNamespace(emit=lambda *_, **__: [(None, False)])
    model = SimpleNamespace(name="", service_model=SimpleNamespace(service_id=SimpleNamespace(hyphenize=str)))
    try:
        # A private method, which every version has had so far. Without it, `_no_retry` raises, and that always works.
        return Endpoint._needs_retry(SimpleNamespace(_event_emitter=hooks), 1, model, {}) is False
    except Exception:
        return False


_hears_no: Final = _botocore_hears_no()
