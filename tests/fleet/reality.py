"""The same with real processes: ``python -m tests.fleet.reality``, beside what the simulation says about it.

Each process is a Python program with the handler. All log to the strict fake over HTTP, which has the quotas.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from cwlog_handler.testing import FakeCloudWatchLogs, Request

from ..programs import AWS, ROOT
from .figures import Figures
from .plan import Kind, Plan
from .table import table
from .tally import EPOCH, Tally
from .world import Run, run

PROGRAM = """
import logging, sys, time
from cwlog_handler import CloudWatchLogsHandler
url, stream, start, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
logger = logging.getLogger("fleet")
logger.setLevel(logging.INFO)
logger.addHandler(CloudWatchLogsHandler("g", stream, endpoint_url=url, close_timeout=0))
time.sleep(max(0.0, start - time.time()))
number = 0
while time.time() < start + seconds:
    logger.info("I %d %s", number, "." * 120)
    number += 1
    time.sleep(max(0.0, start + number - time.time()))
"""
# So many seconds after this program the processes begin to log: all of them have to be there.
LEAD = 1.0


def measure(plan: Plan) -> Figures:
    """Run a plan of one kind with real processes."""
    fake = FakeCloudWatchLogs(
        account_puts_per_second=int(plan.puts), account_streams_per_second=int(plan.creations), requests_per_second=5
    )
    fake.create("g")
    count = plan.processes
    with fake.serve() as url:
        began = time.time() + LEAD * count
        began_monotonic = time.monotonic() + LEAD * count
        env = {**os.environ, **AWS, "PYTHONPATH": str(ROOT)}
        starts = [str(began + plan.starts_within * number / count) for number in range(count)]
        programs = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, url, str(number), start, str(plan.seconds)],
                env=env,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for number, start in enumerate(starts)
        ]
        for program in programs:
            program.wait()
    tally = Tally(plan.seconds)
    for request in fake.requests:
        _count(tally, request, request.started - began_monotonic, began)
    return Figures(Run(plan, tally, list(plan.kinds) * count, []))


def _count(tally: Tally, request: Request, now: float, began: float) -> None:
    if now < 0:
        return
    if request.operation == "CreateLogStream":
        tally.count("created" if request.answer == "accepted" else "throttled creations", now)
    elif request.answer == "accepted":
        events = [{"timestamp": ms - (began - EPOCH) * 1000, "message": text} for ms, text in request.batch]
        tally.took(now, int(request.stream), events)
    else:
        tally.count("missing" if "NotFound" in request.answer else "throttled puts", now)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.reality", description=__doc__)
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--puts", type=int, default=3, help="the account's quota of puts per second")
    parser.add_argument("--creations", type=int, default=1, help="its quota of new streams per second")
    parser.add_argument("--seeds", type=int, default=3, help="so many simulations are shown beside")
    arguments = parser.parse_args()
    kind = Kind("usual", arguments.processes)
    plan = Plan((kind,), arguments.seconds, arguments.puts, arguments.creations, is_fake=True)
    for seed in range(1, arguments.seeds + 1):
        print(table(f"simulated, seed {seed}", Figures(run(plan, seed))), flush=True)
    print(table("real processes", measure(plan)))


if __name__ == "__main__":
    main()
