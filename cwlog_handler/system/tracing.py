"""Keeps our own requests out of the program's traces; otherwise each batch of records would appear as a span.

Owns: how OpenTelemetry and X-Ray are told not to trace. Must not know: requests. Neither library is a dependency: each
is used only if the program has loaded it. An error in one of them does not prevent delivery.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any, Final

# OpenTelemetry's keys for "no instrumentation". Older versions use them as plain text, newer ones as these attributes.
_PLAIN_KEYS: Final = ("suppress_instrumentation", "suppress_http_instrumentation")
_KEYS: Final = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")


_NOTHING: Final[AbstractContextManager[None]] = nullcontext()


def no_spans() -> AbstractContextManager[None]:
    """Prevent the program's tracing tools from recording what this thread does inside the block."""
    opentelemetry, xray = sys.modules.get("opentelemetry.context"), sys.modules.get("aws_xray_sdk.core")
    return _NOTHING if opentelemetry is None and xray is None else _tell(opentelemetry, xray)


@contextmanager
def _tell(opentelemetry: Any, xray: Any) -> Iterator[None]:
    with ExitStack() as stack:
        if opentelemetry is not None:
            with suppress(Exception):
                stack.enter_context(_no_opentelemetry(opentelemetry))
        if xray is not None:
            with suppress(Exception):
                stack.enter_context(_no_xray(xray.xray_recorder))
        yield


@contextmanager
def _no_opentelemetry(module: Any) -> Iterator[None]:
    context = module.get_current()
    for key in (*_PLAIN_KEYS, *(getattr(module, name, None) for name in _KEYS)):
        if key is not None:
            context = module.set_value(key, True, context)
    token = module.attach(context)
    try:
        yield
    finally:
        module.detach(token)


@contextmanager
def _no_xray(recorder: Any) -> Iterator[None]:
    """Give this thread a segment that is not sampled while the block runs; without one, X-Ray would report an error."""
    entities = sys.modules["aws_xray_sdk.core.models.dummy_entities"]
    # A private attribute: the public ones cannot restore the subsegments that are open. It must be thread-local. With
    # X-Ray's AsyncContext, where each task has its own segment, this could change another thread's segment.
    local = recorder.context._local
    if type(local) is not threading.local:
        yield
        return
    before = getattr(local, "entities", None)
    local.entities = [entities.DummySegment()]
    try:
        yield
    finally:
        local.entities = before
