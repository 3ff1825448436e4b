"""The recipe for RQ, whose jobs end by os._exit, and say nothing before."""

import os
import re

from ..programs import python, started
from .conftest import EXAMPLES, PATH
from .test_recipes import run

PACKED, LOST, WAITED = "INFO shop: order 17 is packed", "INFO shop: order 18 was somewhere here", "INFO shop: waiting"


def jobs(streams):
    """The messages of each job's process, by its first message: those that the worker itself has are not there."""
    return {messages[0]: messages for messages in streams if messages[0].startswith("INFO shop: ")}


def test_every_job_of_rq_delivers_what_it_logged():
    """F56: also one that raises, and one that RQ stops because it takes too long."""
    ran = run("rq", patience=100)
    assert all(re.fullmatch(r"rq/[^/]+/\d+", name) for name in ran.streams)
    of_jobs = jobs(ran.streams.values())
    assert set(of_jobs) == {PACKED, LOST, WAITED, "INFO shop: order 19 is packed"}
    # The worker has a stream, too.
    assert len(ran.streams) == 5
    for first, error in ((LOST, "LookupError: there is no order 18"), (WAITED, "JobTimeoutException: Task exceeded ")):
        line, traceback, *_, last = of_jobs[first][1].rstrip().splitlines()
        assert re.fullmatch(r"ERROR rq\.worker: Worker \w+: job [\w-]+: exception raised while executing .*", line)
        assert traceback == "Traceback (most recent call last):"
        assert error in last
    assert re.fullmatch(r"INFO rq\.worker: Successfully completed rq_shop\.pack\(17\) job .*", of_jobs[PACKED][1])


def test_jobs_of_a_worker_that_does_not_fork_deliver_too(fake, tmp_path):
    """Their processes are started anew. They import the worker's class, and so configure logging."""
    (tmp_path / "spawning.py").write_text("import rq, rq_shop\nclass Worker(rq_shop.Worker, rq.SpawnWorker): pass\n")
    program = """
import sys, rq_orders
rq_orders.WORKER = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--worker-class", "spawning.Worker"]
sys.exit(rq_orders.main())
"""
    path = os.pathsep.join([str(tmp_path), PATH])
    with fake.serve() as url, started(python("-c", program), url=url, cwd=EXAMPLES, PYTHONPATH=path) as running:
        assert running.wait(100) == 0, running.output
    streams = [fake.messages("my-app", stream) for stream in fake.groups["my-app"].streams]
    assert set(jobs(streams)) == {PACKED, LOST, WAITED, "INFO shop: order 19 is packed"}
