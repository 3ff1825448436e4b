"""Run a recipe, then read back through boto3 what arrived in CloudWatch Logs, and print it.

    python examples/run.py django           # against a stand-in for the service on 127.0.0.1: no AWS account needed
    python examples/run.py django --aws     # against the real service, with your usual credentials and region

With ``--aws``, or with AWS_ENDPOINT_URL in the environment, boto3 chooses the endpoint. Without a name this lists the
recipes. A recipe is what you would write in your own program: it needs nothing of this file.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from cwlog_handler.testing import FakeCloudWatchLogs

HERE = Path(__file__).resolve().parent
LOG_GROUP = "my-app"
ROLE = "arn:aws:iam::222222222222:role/my-app-logs"
# In seconds: longer than any recipe takes, even on a busy machine.
HANG_LIMIT = 60.0
# In seconds. In the real service, an event can be read only some seconds after it was acknowledged.
READABLE_AFTER = 5.0


@dataclass(frozen=True)
class Recipe:
    """How to run a program, in the directory of this file.

    ``python`` has the interpreter's arguments, with ``{port}`` for a free port. ``gets`` are the pages that are
    requested when the program listens. ``until`` is for a program that does not end by itself: a number and a text. The
    program is stopped when that many events with this text have arrived. ``first`` is another program, which runs
    before. ``limit`` is how many seconds it may take.
    """

    python: str
    gets: tuple[str, ...] = ()
    until: tuple[int, str] | None = None
    first: str | None = None
    limit: float = HANG_LIMIT


RECIPES = {
    "dictconfig-python": Recipe("dictconfig_python.py"),
    "dictconfig-json": Recipe("dictconfig_json.py"),
    "dictconfig-yaml": Recipe("dictconfig_yaml.py"),
    "fileconfig": Recipe("fileconfig.py"),
    "existing-loggers": Recipe("existing_loggers.py"),
    "cross-account": Recipe("cross_account.py"),
    "django": Recipe("django_manage.py runserver --noreload {port}", gets=("order/17", "missing")),
    "flask": Recipe("-m flask --app flask_shop run --port {port}", gets=("order/12", "order/13")),
    "fastapi": Recipe(
        "-m uvicorn fastapi_shop:app --port {port} --log-config uvicorn_logging.json", gets=("order/17", "missing")
    ),
    "celery": Recipe(
        "-m celery -A celery_shop worker --concurrency 2 --without-gossip --without-mingle",
        first="celery_orders.py",
        until=(4, "is packed"),
    ),
    # It starts a process for each job, one of which RQ stops only after some seconds.
    "rq": Recipe("rq_orders.py", limit=100.0),
    # It starts four processes that import all of Airflow.
    "airflow": Recipe("airflow_platform.py", limit=300.0),
    "gunicorn": Recipe(
        "-m gunicorn -c gunicorn_settings.py --no-control-socket -b 127.0.0.1:{port} gunicorn_shop:application",
        gets=("order/17", "order/18", "order/19", "order/20"),
        # Stopped before both workers are ready, gunicorn would wait for its graceful_timeout: 30 seconds.
        until=(2, "is ready"),
    ),
    "ecs": Recipe("container_platform.py ecs"),
    "batch": Recipe("container_platform.py batch"),
    "eks-pod-identity": Recipe("container_platform.py eks-pod-identity"),
    "eks-irsa": Recipe("container_platform.py eks-irsa"),
    "on-premises": Recipe("on_premises_platform.py"),
    "lambda": Recipe("lambda_platform.py lambda_function"),
    "lambda-trace-ids": Recipe("lambda_platform.py lambda_trace_ids"),
    "structlog": Recipe("structlog_events.py"),
    "python-json-logger": Recipe("json_logger.py"),
    "loguru": Recipe("loguru_sink.py"),
    "queue-handler": Recipe("queue_handler.py"),
    "multiprocessing": Recipe("multiprocessing_pool.py"),
    "asyncio": Recipe("asyncio_tasks.py"),
    "sampling": Recipe("sampling.py"),
    "repeated": Recipe("repeated.py"),
    "debug-on-error": Recipe("debug_on_error.py"),
    "redaction": Recipe("redaction.py"),
    "embedded-metrics": Recipe("embedded_metrics.py"),
    "opentelemetry-traces": Recipe("opentelemetry_traces.py"),
    "opentelemetry-metrics": Recipe("opentelemetry_metrics.py"),
    "prometheus-metrics": Recipe("prometheus_metrics.py"),
    "stats": Recipe("stats_line.py"),
    "stats-emf": Recipe("stats_emf.py"),
    "lost-events": Recipe("lost_events.py"),
}


def main() -> int:
    """Run the recipe named on the command line; return its exit status, or 1 if no event arrived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=RECIPES, metavar="NAME", help="one of the recipes")
    parser.add_argument("--aws", action="store_true", help="use the real service instead of the stand-in")
    arguments = parser.parse_args()
    if arguments.name is None:
        print("\n".join(RECIPES))
        return 0
    with endpoint(arguments.aws) as fake, tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("CELERY_BROKER_URL", f"sqla+sqlite:///{scratch}/broker.sqlite")
        started = int(time.time() * 1000)
        status = run(RECIPES[arguments.name], started)
        events = read_back(started, patient=fake is None)
        show(events, fake)
    return status if events else status or 1


@contextmanager
def endpoint(aws: bool) -> Iterator[FakeCloudWatchLogs | None]:
    """Serve a stand-in, and set the environment so that all programs started here use it.

    Yield None, without a stand-in, with ``--aws`` or if the environment names an endpoint.
    """
    if aws or "AWS_ENDPOINT_URL" in os.environ or "AWS_ENDPOINT_URL_LOGS" in os.environ:
        yield None
        return
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    fake = FakeCloudWatchLogs()
    fake.create_role(ROLE, external_id="4711")
    with fake.serve() as url:
        os.environ.update(
            AWS_ENDPOINT_URL=url,
            AWS_ACCESS_KEY_ID="testing",
            AWS_SECRET_ACCESS_KEY="testing",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
            NO_PROXY="127.0.0.1",
            no_proxy="127.0.0.1",
        )
        yield fake


def run(recipe: Recipe, started: int) -> int:
    """Run a recipe's program until it ends. A server is used, and then ended by SIGTERM, as a container is stopped."""
    if recipe.first:
        subprocess.run(command(recipe.first), cwd=HERE, check=True, timeout=HANG_LIMIT)
    port = free_port()
    argv = command(recipe.python.replace("{port}", str(port)))
    print(f"$ python {' '.join(argv[1:])}", flush=True)
    # The program writes to the same terminal. Without buffering, its lines appear at the right time.
    program = subprocess.Popen(argv, cwd=HERE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        if recipe.gets:
            wait_until(lambda: listens(port), program)
            for path in recipe.gets:
                print(f"GET /{path}: {get(f'http://127.0.0.1:{port}/{path}')}", flush=True)
        if recipe.until is not None:
            count, text = recipe.until
            wait_until(lambda: sum(text in event["message"] for event in read_once(started)) >= count, program)
        if recipe.gets or recipe.until is not None:
            program.send_signal(signal.SIGTERM)
        status = program.wait(recipe.limit)
        return 0 if status == -signal.SIGTERM else status
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()


def command(python: str) -> list[str]:
    """Return the command that runs ``python`` arguments with this interpreter."""
    return [sys.executable, *python.split()]


def wait_until(is_so: Callable[[], bool], program: subprocess.Popen[bytes]) -> None:
    """Wait until ``is_so()`` is true; exit with a message if the program ends before, or if it takes too long."""
    give_up = time.monotonic() + HANG_LIMIT
    while not is_so():
        if program.poll() is not None:
            sys.exit("The program has ended. What the recipes are made with comes by pip install -e '.[test]'")
        if time.monotonic() > give_up:
            sys.exit("It takes too long.")
        time.sleep(0.1)


def free_port() -> int:
    """Return a free port of 127.0.0.1, which the system gives to no other program for a minute."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = int(listener.getsockname()[1])
        # The port stays with the side that closes a connection first. A server can listen on it all the same.
        with socket.create_connection(("127.0.0.1", port)) as client:
            listener.accept()[0].close()
            client.recv(1)
        return port


def listens(port: int) -> bool:
    """Whether a program accepts connections on this port of 127.0.0.1."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def get(url: str) -> str:
    """Request a page and return the HTTP status of the answer, and the request's id if the answer has it."""
    try:
        answer = urllib.request.urlopen(url, timeout=HANG_LIMIT)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        identifier = answer.headers["X-Request-ID"]
        return f"{answer.status}, X-Request-ID {identifier}" if identifier else str(answer.status)


def read_back(started: int, patient: bool) -> list[dict[str, Any]]:
    """Return all events of the log group since ``started`` (ms). If ``patient``, read until no more events appear."""
    events = read_once(started)
    give_up = time.monotonic() + HANG_LIMIT
    while patient and time.monotonic() < give_up:
        time.sleep(READABLE_AFTER)
        before, events = events, read_once(started)
        if events and len(events) == len(before):
            break
    return events


def read_once(started: int) -> list[dict[str, Any]]:
    """Return the events of all streams that can be read now, by time; none if the log group does not exist yet."""
    client = logs_client()
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=LOG_GROUP, startTime=started)
    try:
        return [event for page in pages for event in page["events"]]
    except client.exceptions.ResourceNotFoundException:
        return []


@cache
def logs_client() -> Any:
    """Return a boto3 client with the same region and credentials as the handler's."""
    return boto3.client("logs")


def show(events: list[dict[str, Any]], fake: FakeCloudWatchLogs | None) -> None:
    """Print the events of each stream."""
    streams: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        streams.setdefault(event["logStreamName"], []).append(event)
    print(f"\n{len(events)} events read back from log group {LOG_GROUP!r}:")
    for stream in sorted(streams):
        print(f"  stream {stream}")
        for event in streams[stream]:
            at = datetime.fromtimestamp(event["timestamp"] / 1000, timezone.utc).isoformat(timespec="milliseconds")
            print(f"    {at[11:23]}  " + event["message"].replace("\n", "\n                  "))
    for session in sorted({request.assumed_role for request in fake.requests if request.assumed_role} if fake else ()):
        print(f"  PutLogEvents was signed by {session}")
    for log_format in sorted({request.log_format for request in fake.requests if request.log_format} if fake else ()):
        print(f"  PutLogEvents had the header x-amzn-logs-format: {log_format}")


if __name__ == "__main__":
    sys.exit(main())
