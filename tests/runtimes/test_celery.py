"""Celery's prefork pool, started as its users start it: tasks run in forked children that end in ``os._exit``."""

import signal
import textwrap
from contextlib import contextmanager

import pytest

from ..programs import HANG_LIMIT, script, started

pytest.importorskip("celery", reason="Celery is not installed")

TASKS = 6

APP = """
import logging.config, os
from celery import Celery, signals

app = Celery("app", broker="memory://")
app.conf.broker_transport_options = {{"polling_interval": 0.05}}
app.conf.broker_connection_retry_on_startup = True
log = logging.getLogger("tasks")

@signals.setup_logging.connect
def configure(**_):
    cloudwatch = {{"class": "cwlog_handler.CloudWatchLogsHandler", "log_group_name": "g"}}
    cloudwatch |= {{"log_stream_name": "{{process_id}}", "formatter": "named", "close_timeout": 40, **{options!r}}}
    logging.config.dictConfig({{
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {{"named": {{"format": "%(name)s: %(message)s"}}}},
        "handlers": {{"cloudwatch": cloudwatch, "terminal": {{"class": "logging.StreamHandler"}}}},
        "root": {{"handlers": ["cloudwatch", "terminal"], "level": "INFO"}},
    }})

@signals.worker_ready.connect
def enqueue(**_):
    for number in range({tasks}):
        work.delay(number)

@app.task
def work(number):
    log.info("task %d of %d in %d", number, {tasks}, os.getpid())
"""


@pytest.fixture
def worker(fake, tmp_path):
    """Start a worker with two children, which gives itself some tasks to do."""

    @contextmanager
    def worker(*arguments, **options):
        (tmp_path / "app.py").write_text(textwrap.dedent(APP).format(options=options, tasks=TASKS))
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        argv = [script("celery"), "-A", "app", "worker", "--pool=prefork", "--concurrency=2", *quiet, *arguments]
        with fake.serve() as url, started(argv, url=url, cwd=tmp_path) as program:
            yield program

    return worker


def tasks_logged(fake):
    """What tasks logged: (number of the task, process that ran it, stream)."""
    streams = {stream: fake.messages("g", stream) for stream in fake.streams("g")}
    words = [(m.split(), stream) for stream, messages in streams.items() for m in messages if m.startswith("tasks: ")]
    return sorted((int(number), pid, stream) for (_, _, number, _, _, _, pid), stream in words)


def assert_each_arrived_once(logged, program):
    assert [number for number, _, _ in logged] == list(range(TASKS)), program.output
    assert all(pid == stream != str(program.pid) for _, pid, stream in logged)


def test_records_of_tasks_arrive_once_each_from_its_own_process(fake, worker):
    """F27: the handler was made, and had records, before the children were forked."""
    with worker() as program:
        assert fake.wait_for(lambda: len(tasks_logged(fake)) >= TASKS, HANG_LIMIT), program.output
        assert_each_arrived_once(tasks_logged(fake), program)


def test_the_last_records_before_a_warm_shutdown_arrive(fake, worker):
    """F28: a pool's child ends in ``os._exit``; neither ``atexit`` nor a ``Finalize`` runs before.

    Nothing is sent by itself before the end.
    """
    with worker(send_interval=600) as program:
        for number in range(TASKS):
            program.wait_for(f"task {number} of {TASKS}")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert_each_arrived_once(tasks_logged(fake), program)
        assert any("celery@" in message for message in fake.messages("g", str(program.pid)))


def test_children_that_end_after_one_task_deliver_its_records(fake, worker):
    """F28: children end all the time; nothing is sent by itself before."""
    with worker("--max-tasks-per-child=1", send_interval=600) as program:
        assert fake.wait_for(lambda: len(tasks_logged(fake)) >= TASKS, HANG_LIMIT), program.output
        logged = tasks_logged(fake)
        assert_each_arrived_once(logged, program)
        assert len({pid for _, pid, _ in logged}) == TASKS
