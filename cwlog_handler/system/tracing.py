"""No spans of our own calls, where the program is traced: each batch of records would be a trace, or part of one.

Owns: what OpenTelemetry and X-Ray understand as "not this". Neither is a dependency: only where the program has loaded
them are they spoken to, and whatever goes wrong with that is no reason not to deliver.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

# OpenTelemetry's keys for "no instrumentation", as plain text for its older versions.
_PLAIN_KEYS: Final = ("suppress_instrumentation", "suppress_http_instrumentation")
_KEYS: Final = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")


@contextmanager
def no_spans() -> Iterator[None]:
    """Have the tracing tools that the program uses leave out what this thread does inside."""
    with ExitStack() as stack:
        opentelemetry = sys.modules.get("opentelemetry.context")
        if opentelemetry is not None:
            with suppress(Exception):
                stack.enter_context(_no_opentelemetry(opentelemetry))
        xray = sys.modules.get("aws_xray_sdk.core")
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
    """Put a segment that is not sampled in the place of the thread's own, or of the error that there is none."""
    entities = sys.modules["aws_xray_sdk.core.models.dummy_entities"]
    # Private, as there is no other way to give back the subsegments that are open. Where tasks have segments of their
    # own, another thread's would be changed.
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
