"""FastAPI under uvicorn, started as its users start it: the event loop waits for nobody, a graceful stop is the end."""

import http.client
import json
import signal
import textwrap
from contextlib import contextmanager

import pytest

from cwlog_handler.testing import faults

from ..programs import HANG_LIMIT, free_port, script, started, wait_until_it_listens

pytest.importorskip("uvicorn", reason="uvicorn is not installed")
pytest.importorskip("fastapi", reason="FastAPI is not installed")

SURROUNDINGS = {
    "PYTHONWARNINGS": "ignore:The `uvicorn.workers` module:DeprecationWarning",
    # In seconds. After 5 uvicorn kills a worker that says nothing, although it may only be slow to start.
    "UVICORN_TIMEOUT_WORKER_HEALTHCHECK": "60",
}
APP = """
import asyncio, contextlib, logging, os
import fastapi

log = logging.getLogger("app")
ticks = 0

async def ticker():
    global ticks
    while True:
        await asyncio.sleep(0.001)
        ticks += 1

@contextlib.asynccontextmanager
async def lifespan(app):
    ticking = asyncio.create_task(ticker())
    log.info("starting")
    yield
    ticking.cancel()
    log.info("stopping")

app = fastapi.FastAPI(lifespan=lifespan)

@app.get("/loop/{number}")
async def on_the_loop(number: int):
    log.info("loop %d", number)
    return {"pid": os.getpid(), "ticks": ticks}

@app.get("/thread/{number}")
def on_a_thread(number: int):
    log.info("thread %d", number)
    return {"pid": os.getpid(), "ticks": ticks}
"""


class Site:
    """The program, and a way to ask it."""

    def __init__(self, program, port):
        self.program = program
        self._port = port

    def get(self, path):
        """One request, answered by whichever worker takes the connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=HANG_LIMIT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200
            return json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture
def site(fake, tmp_path):
    """Start the application and wait until it serves; all its loggers reach the handler, and the terminal."""

    @contextmanager
    def site(*arguments, is_configured_by_app=False, by_gunicorn=False, **options):
        handler = {"class": "cwlog_handler.CloudWatchLogsHandler", "log_group_name": "g", "formatter": "named"}
        # A busy machine may take longer than the 10 s that a program's end has otherwise.
        handler["close_timeout"] = 40
        config = {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"named": {"format": "%(name)s: %(message)s"}},
            "handlers": {
                "cloudwatch": {**handler, "log_stream_name": "{process_id}", **options},
                "terminal": {"class": "logging.StreamHandler"},
            },
            "root": {"handlers": ["cloudwatch", "terminal"], "level": "INFO"},
        }
        configure = f"import logging.config\nlogging.config.dictConfig({config!r})\n" if is_configured_by_app else ""
        (tmp_path / "app.py").write_text(configure + textwrap.dedent(APP))
        (tmp_path / "log.json").write_text(json.dumps(config))
        if not is_configured_by_app:
            arguments = ("--log-config", "log.json", *arguments)
        port = free_port()
        if by_gunicorn:
            worker = ("-k", "uvicorn.workers.UvicornWorker", "--bind", f"127.0.0.1:{port}", "--no-control-socket")
            argv, ready = [script("gunicorn"), "app:app", *worker, *arguments], "Application startup complete"
        else:
            argv, ready = [script("uvicorn"), "app:app", "--port", str(port), *arguments], "Uvicorn running on"
        with fake.serve() as url, started(argv, url=url, cwd=tmp_path, **SURROUNDINGS) as program:
            program.wait_for(ready)
            # With several workers it is said before the first of them listens.
            wait_until_it_listens(port)
            yield Site(program, port)

    return site


def from_the_app(messages):
    return [message for message in messages if message.startswith("app: ")]


def test_records_of_handlers_and_of_uvicorn_itself_arrive(fake, site):
    with site() as asked:
        asked.get("/loop/1")
        asked.get("/thread/2")
        assert fake.wait_for(lambda: len([m for m in fake.messages("g") if m.startswith("uvicorn.access: ")]) == 2)
        messages = fake.messages("g", str(asked.program.pid))
        assert from_the_app(messages) == ["app: starting", "app: loop 1", "app: thread 2"]
        assert "uvicorn.error: Application startup complete." in messages
        assert [m.split('"')[1] for m in messages if m.startswith("uvicorn.access: ")] == [
            "GET /loop/1 HTTP/1.1",
            "GET /thread/2 HTTP/1.1",
        ]


def test_the_event_loop_goes_on_while_the_endpoint_does_not_answer(fake, site):
    """All tasks and requests of a process share the loop's thread: a handler that waits there stops them all."""
    fake.fail(faults.stall())
    with site(send_interval=0.01) as asked:
        assert fake.wait_for(lambda: fake.requests)
        first = asked.get("/loop/0")["ticks"]
        number = 0
        while asked.get(f"/loop/{number + 1}")["ticks"] < first + 20:
            number += 1
        # All of this was answered while not one request of ours was.
        assert fake.messages("g") == []
        fake.clear_faults()
        fake.release()
        expected = ["app: starting", *(f"app: loop {n}" for n in range(number + 2))]
        assert fake.wait_for(lambda: from_the_app(fake.messages("g"))[len(expected) - 1 :])
        assert from_the_app(fake.messages("g")) == expected


def test_a_graceful_stop_delivers_all(fake, site):
    """F25: Ctrl-C. Nothing is sent by itself before the end."""
    with site(send_interval=600) as asked:
        for number in range(20):
            asked.get(f"/loop/{number}")
        asked.program.signal(signal.SIGINT)
        asked.program.wait()
        messages = fake.messages("g", str(asked.program.pid))
        assert from_the_app(messages) == ["app: starting", *(f"app: loop {n}" for n in range(20)), "app: stopping"]
        assert messages[-1] == f"uvicorn.error: Finished server process [{asked.program.pid}]", asked.program.output


def test_each_of_several_workers_delivers_its_own_records_once(fake, site):
    with site("--workers", "2") as asked:
        took = {}
        for number in range(20):
            took.setdefault(str(asked.get(f"/loop/{number}")["pid"]), []).append(f"app: loop {number}")
        assert fake.wait_for(lambda: len(from_the_app(fake.messages("g"))) == 22)
        workers = set(fake.streams("g")) - {str(asked.program.pid)}
        assert len(workers) == 2
        assert {worker: from_the_app(fake.messages("g", worker)) for worker in workers} == {
            worker: ["app: starting", *took.get(worker, [])] for worker in workers
        }


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_is_a_graceful_stop_too(fake, site, workers):
    """F25: when it has shut down, uvicorn raises the signal again with Python's default: death without ``atexit``.

    So ends every container that is stopped. Nothing is sent by itself before the end.
    """
    with site("--workers", str(workers), send_interval=600) as asked:
        served_by = str(asked.get("/loop/0")["pid"])
        asked.program.signal(signal.SIGTERM)
        asked.program.wait()
        messages = fake.messages("g", served_by)
        assert from_the_app(messages) == ["app: starting", "app: loop 0", "app: stopping"], asked.program.output
        assert messages[-1] == f"uvicorn.error: Finished server process [{served_by}]"


@pytest.mark.parametrize("arguments", [(), ("--workers", "2"), ("--reload",)], ids=" ".join)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_graceful_stop_delivers_all_of_an_application_that_configures_logging_itself(fake, site, arguments, number):
    """F25: it is imported while uvicorn handles the signal, so the handler is not asked whether it may."""
    with site(*arguments, is_configured_by_app=True, send_interval=600) as asked:
        served_by = str(asked.get("/loop/0")["pid"])
        asked.program.signal(number)
        asked.program.wait()
        messages = from_the_app(fake.messages("g", served_by)) if fake.groups else []
        assert messages == ["app: starting", "app: loop 0", "app: stopping"], asked.program.output


@pytest.mark.parametrize("arguments", [(), ("--preload",), ("--workers", "2")], ids=" ".join)
def test_workers_of_gunicorn_that_serve_by_uvicorn_deliver_all_at_a_graceful_stop(fake, site, arguments):
    """F25: gunicorn gives them Python's default handler of SIGTERM. uvicorn restores it and raises the signal again."""
    with site(*arguments, is_configured_by_app=True, by_gunicorn=True, send_interval=600) as asked:
        served_by = str(asked.get("/loop/0")["pid"])
        asked.program.signal(signal.SIGTERM)
        asked.program.wait()
        messages = from_the_app(fake.messages("g", served_by)) if fake.groups else []
        assert messages == ["app: starting", "app: loop 0", "app: stopping"], asked.program.output
