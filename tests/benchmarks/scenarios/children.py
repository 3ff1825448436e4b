"""Programs that fork, and the servers and runtimes that do it for them."""

import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGTERM
from typing import Final

from tests.programs import script, wait_until_it_listens

from .scenario import Run, Scenario

FORK = """
import os, sys
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(5_000):
    log(f"before.{n}")
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for n in range(500):
            log(f"{child}.{n}")
        sys.exit(0)
    children.append(pid)
for n in range(5_000):
    log(f"after.{n}")
for pid in children:
    os.waitpid(pid, 0)
"""

MULTIPROCESSING = """
import multiprocessing
from tests.benchmarks.scenarios.program import configure, log
configure()
def work(child):
    for n in range(500):
        log(f"{child}.{n}")
if __name__ == "__main__":
    log("parent")
    context = multiprocessing.get_context("START_METHOD")
    children = [context.Process(target=work, args=(child,)) for child in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
"""

POOL = """
from concurrent.futures import ProcessPoolExecutor
from tests.benchmarks.scenarios.program import configure, log
configure()
def work(task):
    for n in range(50):
        log(f"{task}.{n}")
if __name__ == "__main__":
    log("parent")
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
"""

GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent
from tests.benchmarks.scenarios.program import configure, log
configure()
def work(name):
    for n in range(100):
        log(f"{name}.{n}")
        gevent.sleep(0.01)
gevent.joinall([gevent.spawn(work, name) for name in range(20)])
"""

WEB = """
from tests.benchmarks.scenarios.program import configure, log
configure()
def app(environ, start_response):
    for n in range(5):
        log(f"{environ['QUERY_STRING']}.{n}")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"""

CELERY = """
from celery import Celery
from celery.signals import setup_logging, worker_ready
from tests.benchmarks.scenarios.program import configure, log
app = Celery("program", broker="memory://")
app.conf.broker_transport_options = {"polling_interval": 0.05}
@setup_logging.connect
def configure_logging(**_):
    configure()
@app.task(ignore_result=True)
def work(task):
    for n in range(50):
        log(f"{task}.{n}")
@worker_ready.connect
def send_tasks(**_):
    for task in range(40):
        work.delay(task)
"""


def visit_then_stop(run: Run) -> None:
    """200 visits, then the signal that every supervisor sends."""
    wait_until_it_listens(run.own_port)
    for visit in range(200):
        with urllib.request.urlopen(f"http://127.0.0.1:{run.own_port}/?{visit}", timeout=10.0) as answer:
            answer.read()
    # A worker of uWSGI that is stopped while it calls itself busy, as it still does when its answer has gone out, runs
    # no exit hooks of Python. This is shorter than any send interval.
    time.sleep(0.2)
    run.program.signal(SIGTERM)


def stop_after_all_tasks(run: Run) -> None:
    assert run.fake.wait_for(lambda: run.calls_returned() == 2_000), "the tasks were not done"
    run.program.signal(SIGTERM)


def celery(program: Path, _: int) -> Sequence[str]:
    # Children come and go during the run, not only at its end: the worker takes seconds for that.
    how = ["--pool", "prefork", "--concurrency", "2", "--max-tasks-per-child", "10"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [script("celery"), "--app", program.stem, "worker", *how, *quiet]


def gunicorn(*arguments: str) -> Callable[[Path, int], Sequence[str]]:
    def argv(program: Path, port: int) -> Sequence[str]:
        where = ["--bind", f"127.0.0.1:{port}", "--chdir", str(program.parent)]
        return [script("gunicorn"), "--workers", "2", *arguments, *where, f"{program.stem}:app"]

    return argv


def uwsgi(program: Path, port: int) -> Sequence[str]:
    # The application is loaded in the master, which then forks its workers.
    what = ["--wsgi-file", str(program), "--callable", "app", "--need-app", "--home", sys.prefix]
    how = ["--master", "--processes", "2", "--enable-threads", "--die-on-term"]
    return [script("uwsgi"), "--http-socket", f"127.0.0.1:{port}", *what, *how]


def web(name: str, argv: Callable[[Path, int], Sequence[str]], *needs: str) -> Scenario:
    return Scenario(name, WEB, during=visit_then_stop, argv=argv, needs=needs)


SCENARIOS: Final = (
    Scenario("os.fork", FORK),
    *(
        Scenario(f"multiprocessing, {method}", MULTIPROCESSING.replace("START_METHOD", method))
        for method in ("fork", "forkserver", "spawn")
    ),
    Scenario("ProcessPoolExecutor", POOL),
    Scenario("gevent, patched first", GEVENT, needs=("gevent",)),
    web("gunicorn, gevent workers", gunicorn("--worker-class", "gevent"), "gunicorn", "gevent"),
    web("gunicorn --preload", gunicorn("--preload"), "gunicorn"),
    Scenario("Celery, prefork, 10 tasks a child", CELERY, during=stop_after_all_tasks, argv=celery, needs=("celery",)),
    web("uWSGI, preforked", uwsgi, "uwsgidecorators"),
)
