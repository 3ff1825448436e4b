"""Every record has the id of the request in which it was logged, without code in any view: WSGI, ASGI and a filter.

The id is the header ``X-Request-ID``, else the trace id of a load balancer's ``X-Amzn-Trace-Id``, else a new one. The
answer has it as ``X-Request-ID``. Wrap the whole application, and name the filter in your logging configuration:

    app.wsgi_app = wsgi_request_ids(app.wsgi_app)  # Flask
    application = wsgi_request_ids(get_wsgi_application())  # Django's wsgi.py
    app = asgi_request_ids(api)  # FastAPI, Starlette, Django's asgi.py

Views may be sync or async. ``asyncio.create_task``, ``asyncio.to_thread`` and background tasks keep the id. A thread of
your own begins without: start it with ``target=contextvars.copy_context().run, args=(work,)``.
"""

import contextvars
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

request_id = contextvars.ContextVar("request_id", default="-")

# A client may send anything: a line end, which would forge a line of the log, or a megabyte.
VALID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
ROOT = re.compile(r"(?:^|;) *Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")


def chosen(x_request_id: str, x_amzn_trace_id: str) -> str:
    """Return the id of a request with these two headers. A header that is missing is an empty text."""
    if VALID.fullmatch(x_request_id):
        return x_request_id
    root = ROOT.search(x_amzn_trace_id)
    return root[1] if root else uuid.uuid4().hex


class RequestIds(logging.Filter):
    """Add ``request_id`` to each record: for a handler's ``filters``."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def wsgi_request_ids(application: Callable[..., Any]) -> Callable[..., Any]:
    """Return a WSGI application that gives each request of ``application`` an id."""

    def with_id(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        identifier = chosen(environ.get("HTTP_X_REQUEST_ID", ""), environ.get("HTTP_X_AMZN_TRACE_ID", ""))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Request-ID", identifier)], exc_info)

        request_id.set(identifier)
        try:
            body = application(environ, start)
            try:
                # Not `return body`: what is logged while the body is sent belongs to the request, too.
                yield from body
            finally:
                getattr(body, "close", lambda: None)()
        finally:
            request_id.set("-")  # the server uses this thread for other requests

    return with_id


def asgi_request_ids(application: Callable[..., Any]) -> Callable[..., Any]:
    """Return an ASGI application that gives each request and each WebSocket of ``application`` an id."""

    async def with_id(scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        identifier = chosen(headers.get(b"x-request-id", ""), headers.get(b"x-amzn-trace-id", ""))

        async def answer(message: Any) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", identifier.encode())]}
            await send(message)

        # It stays set: each request has a context of its own, and the server logs an exception after this returns.
        request_id.set(identifier)
        await application(scope, receive, answer)

    return with_id
