"""Ids of requests by examples/request_ids.py: in every record of a request, in its answer, and never taken unseen."""

import asyncio
import contextvars
import logging
import re
import sys
import threading
from wsgiref.util import setup_testing_defaults

import pytest
import request_ids
from fastapi import BackgroundTasks, FastAPI, WebSocket
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from request_ids import asgi_request_ids, chosen, request_id, wsgi_request_ids

from .conftest import Kept

FORMAT = logging.Formatter("%(request_id)s %(message)s")
NEW = re.compile(r"[0-9a-f]{32}")
ROOT = "1-5759e988-bd862e3fe1be46a994272793"


@pytest.fixture
def ids(logger):
    handler = Kept(FORMAT)
    handler.addFilter(request_ids.RequestIds())
    logger.addHandler(handler)
    yield handler
    request_id.set("-")


def wsgi(application, **headers):
    """Make a request; return the headers of the answer, and the body as it comes."""
    environ = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    setup_testing_defaults(environ)
    answered = []
    body = application(environ, lambda status, headers, exc_info=None: answered.append(dict(headers)))
    first = next(body, b"")
    return answered[0], first, body


async def asgi(application, path="/", kind="http", **headers):
    """Make a request as a server does, in a task of its own; return the messages of the answer."""
    scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    received = [{"type": "http.request"} if kind == "http" else {"type": "websocket.connect"}]
    sent = []

    async def receive():
        if received:
            return received.pop()
        if kind == "http":
            await asyncio.Event().wait()  # the client stays
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message):
        sent.append(message)

    await asyncio.create_task(application(scope, receive, send))
    return sent


def id_in(messages):
    return dict(messages[0]["headers"])[b"x-request-id"].decode()


@given(st.text(), st.text())
def test_an_id_never_has_what_could_forge_a_line(x_request_id, x_amzn_trace_id):
    assert re.fullmatch(r"[!-~]{1,128}", chosen(x_request_id, x_amzn_trace_id))


@pytest.mark.parametrize("good", ["r", "7b1e6c0e-5f0c-4c0e-9c43-1f0a5a3f0b11", "a" * 128, "Root=1/2+3.4_5:6@7"])
def test_a_good_header_is_taken(good):
    assert chosen(good, f"Root={ROOT}") == good


@pytest.mark.parametrize("bad", ["", "a" * 129, "a\nERROR forged", "a\r", "a b", "ä", '"', "a,b", "a\x1b[0m"])
def test_another_one_is_not_taken(bad):
    assert chosen(bad, f"Self=1-67891234-12456789abcdef012345678a;Root={ROOT};Sampled=1") == ROOT
    assert NEW.fullmatch(chosen(bad, ""))


@pytest.mark.parametrize("bad", [f"Root={ROOT}0", "Root=1-x", f"Uproot={ROOT}", f"Root={ROOT}\n;"])
def test_a_wrong_trace_id_is_not_taken(bad):
    assert NEW.fullmatch(chosen("", bad))


def test_requests_in_threads_of_a_wsgi_server_keep_their_ids(ids, logger):
    """Each in its place, also while the body is sent, and none is left behind in the thread."""
    both = threading.Barrier(2)
    application = Flask("shop")

    @application.get("/")
    def view():
        both.wait()
        logger.info("view")

        def body():
            yield b"first"
            both.wait()
            logger.info("body")
            yield b"second"

        return body()

    def serve(number):
        headers, first, rest = wsgi(wsgi_request_ids(application.wsgi_app), x_request_id=f"r-{number}")
        answers.append((headers["X-Request-ID"], first + b"".join(rest)))
        logger.info("after")

    answers = []
    threads = [threading.Thread(target=serve, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [("r-0", b"firstsecond"), ("r-1", b"firstsecond")]
    assert sorted(ids.texts) == [
        "- after",
        "- after",
        *sorted(f"r-{n} {w}" for n in range(2) for w in ("view", "body")),
    ]


def test_a_wsgi_application_that_fails_leaves_no_id_and_is_closed(ids, logger):
    class Body:
        closed = False

        def __iter__(self):
            raise LookupError("no body")

        def close(self):
            Body.closed = True

    def application(environ, start_response):
        start_response("200 OK", [])
        return Body()

    with pytest.raises(LookupError):
        wsgi(wsgi_request_ids(application))
    assert Body.closed
    assert request_id.get() == "-"


def test_views_tasks_threads_and_background_tasks_of_an_asgi_server_keep_their_ids(ids, logger):
    api = FastAPI()

    def background():
        logger.info("background")

    @api.get("/async")
    async def view(tasks: BackgroundTasks):
        logger.info("async")
        await asyncio.create_task(asyncio.to_thread(logger.info, "task and thread"))
        tasks.add_task(background)

    @api.get("/sync")
    def sync():
        logger.info("sync")
        own = threading.Thread(target=contextvars.copy_context().run, args=(logger.info, "own thread"))
        own.start()
        own.join()

    @api.get("/fails")
    async def fails():
        raise LookupError("no order")

    application = asgi_request_ids(api)

    async def main():
        one, other = await asyncio.gather(
            asgi(application, "/async", x_request_id="r-0"), asgi(application, "/sync", x_request_id="r-1")
        )
        assert (id_in(one), id_in(other)) == ("r-0", "r-1")
        assert id_in(await asgi(application, "/missing", x_amzn_trace_id=f"Root={ROOT}")) == ROOT
        with pytest.raises(LookupError):
            await asgi(application, "/fails")
        logger.info("after")

    asyncio.run(main())
    assert sorted(ids.texts) == [
        "- after",
        *("r-0 async", "r-0 background", "r-0 task and thread"),
        *("r-1 own thread", "r-1 sync"),
    ]


def test_the_answer_to_a_request_that_failed_has_the_id():
    """It is the one that somebody will ask for."""
    api = FastAPI()

    @api.get("/")
    async def fails():
        raise LookupError("no order")

    sent = []

    async def application(scope, receive, send):
        async def keep(message):
            sent.append(message)

        try:
            await asgi_request_ids(api)(scope, receive, keep)
        except LookupError:
            sent.append(request_id.get())

    asyncio.run(asgi(application, x_request_id="r-0"))
    assert sent[0]["status"] == 500
    assert id_in(sent) == "r-0"
    # For the server, which logs the exception then.
    assert sent[-1] == "r-0"


def test_a_websocket_has_an_id_and_the_lifespan_has_none(ids, logger):
    api = FastAPI()

    @api.websocket("/")
    async def view(socket: WebSocket):
        await socket.accept()
        logger.info("connected")

    messages = asyncio.run(asgi(asgi_request_ids(api), kind="websocket", x_request_id="r-0"))
    assert messages[0]["type"] == "websocket.accept"
    assert id_in(messages) == "r-0"
    assert ids.texts == ["r-0 connected"]

    async def application(scope, receive, send):
        assert request_id.get() == "-"

    asyncio.run(asgi_request_ids(application)({"type": "lifespan"}, None, None))


def test_sync_and_async_views_of_django_by_wsgi_and_asgi(ids, logger, monkeypatch):
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path

    def sync_view(request):
        logger.info("sync")
        return HttpResponse("")

    async def async_view(request):
        logger.info("async")
        await asyncio.create_task(asyncio.to_thread(logger.info, "thread"))
        return HttpResponse("")

    module = type(sys)("urls_of_a_test")
    module.urlpatterns = [path("sync", sync_view), path("async", async_view)]
    monkeypatch.setitem(sys.modules, "urls_of_a_test", module)
    monkeypatch.setattr(settings, "ROOT_URLCONF", "urls_of_a_test", raising=False)
    monkeypatch.setattr(settings, "MIDDLEWARE", [], raising=False)
    django.setup(set_prefix=False)
    application = wsgi_request_ids(WSGIHandler())
    for view in ("sync", "async"):
        environ = {"PATH_INFO": f"/{view}", "HTTP_X_REQUEST_ID": f"wsgi-{view}"}
        setup_testing_defaults(environ)
        list(application(environ, lambda *_: None))
    for view in ("sync", "async"):
        asyncio.run(asgi(asgi_request_ids(ASGIHandler()), f"/{view}", x_request_id=f"asgi-{view}"))
    assert ids.texts == [
        *("wsgi-sync sync", "wsgi-async async", "wsgi-async thread"),
        *("asgi-sync sync", "asgi-async async", "asgi-async thread"),
    ]
