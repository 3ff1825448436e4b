"""Start and end: imports, constructor, exit, draining; and what a handler does while nothing is logged.

Most of it is measured in interpreters that are started for it, several in a round, of which the quickest counts: what
other programs do on the machine only ever adds.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic, process_time, sleep
from typing import Final

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import BOTO3, OURS, PEERS, WATCHTOWER
from ..program import LOGGER, Setup, attach
from ..workload import KINDS, log, serials

TIMED: Final = """
import logging
from time import {clock} as clock
began = clock()
{work}
print((clock() - began) * 1000)
"""
CONSTRUCTOR: Final = {
    OURS: "from cwlog_handler import CloudWatchLogsHandler; CloudWatchLogsHandler('benchmark')",
    BOTO3: "import boto3",
    WATCHTOWER: "import watchtower; watchtower.CloudWatchLogHandler('benchmark')",
}
# A program that ends when all it logged is delivered. The third shows what boto3 alone costs at an
# exit, with a client that is there still, made on a thread by a program that does not wait for it.
LOGGED: Final = "; logging.getLogger().addHandler(h); logging.warning('%s', 'SERIAL'); h.flush()"
EXIT: Final = {
    OURS: "from cwlog_handler import CloudWatchLogsHandler; h = CloudWatchLogsHandler('benchmark')" + LOGGED,
    WATCHTOWER: "import watchtower; h = watchtower.CloudWatchLogHandler('benchmark')" + LOGGED,
    BOTO3: "import boto3, threading; clients = []; t = threading.Thread(target=lambda: clients.append("
    "boto3.client('logs'))); t.start(); t.join(); clients[0].put_log_events(logGroupName='benchmark',"
    " logStreamName='stream', logEvents=[{'timestamp': 1, 'message': 'x'}])",
}
# What releases the interpreter's lock waits for it 5 ms then: `sys.getswitchinterval`.
COMPUTES: Final = """
import threading
def compute():
    while True: pass
threading.Thread(target=compute, daemon=True).start()
"""
# The clock is one for all processes.
ENDS: Final = "\nimport sys, time\nsys.stdout.write(str(time.monotonic())); sys.stdout.flush()"


def interpreter(source: str, **environment: str) -> tuple[float, float]:
    """Run a program in a fresh interpreter; return the number it prints, and when it had ended."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", source],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return float(done.stdout), monotonic()


def imports(setup: Setup) -> Figures:
    """Import a module where logging is imported already: CPU, for there is nothing else that it waits for."""
    source = TIMED.format(clock="process_time", work=f"import {setup.peer}")
    return {"ms": min(interpreter(source)[0] for _ in range(setup.params["repeats"]))}


def constructor(setup: Setup) -> Figures:
    """Import and construct; where the endpoint is ``deaf``, its connections are opened and nothing is ever said."""
    setup.begin()
    source = TIMED.format(clock="perf_counter", work=CONSTRUCTOR[setup.peer])
    with socket.create_server(("127.0.0.1", 0), backlog=128) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}" if setup.params["deaf"] else setup.url
        return {"ms": min(interpreter(source, AWS_ENDPOINT_URL=url)[0] for _ in range(setup.params["repeats"]))}


def first_beside_a_busy_thread(setup: Setup) -> Figures:
    """Import, construct, log one record and wait for its delivery, while another thread computes."""
    setup.begin()
    source = COMPUTES + TIMED.format(clock="perf_counter", work=EXIT[setup.peer])
    return {"s": interpreter(source)[0] / 1000}


def exits(setup: Setup) -> Figures:
    """End a program that has nothing left to deliver: from its last statement to the end of its process."""
    setup.begin()
    source = "import logging; " + EXIT[setup.peer] + ENDS
    runs = [interpreter(source) for _ in range(setup.params["repeats"])]
    return {"ms": min((ended - last) * 1000 for last, ended in runs)}


def draining(setup: Setup) -> Figures:
    """End a program that has just logged a lot, with an endpoint that takes its time, and each handler's defaults."""
    records = setup.params["records"]
    setup.begin(latency=setup.params["latency"])
    source = f"""
import sys
sys.path[:0] = {sys.path!r}
from tests.benchmarks.goals.ends import log_and_end
log_and_end({setup.peer!r}, {setup.run!r}, {records})
"""
    last, ended = interpreter(source)
    setup.report(records, KINDS["120 B"])
    return {"s": ended - last}


def log_and_end(peer: str, run: str, records: int) -> None:
    """The program of `draining`."""
    attach(_with_defaults(peer))
    log(LOGGER, KINDS["120 B"].template, run, serials(0, records))
    print(monotonic(), flush=True)


def idle(setup: Setup) -> Figures:
    """Do nothing, for some seconds, after a record: how often does any other thread wake up, and what does it cost?"""
    setup.begin()
    handler = _with_defaults(setup.peer)
    attach(handler)
    log(LOGGER, KINDS["120 B"].template, setup.run, serials(0, 1))
    handler.flush()
    # What follows a delivery is over by then.
    sleep(2.0)
    before, cpu = _wake_ups(), process_time()
    sleep(setup.params["seconds"])
    cpu = process_time() - cpu
    # A thread that has ended meanwhile is not among those that are there now.
    wake_ups = sum(count - before.get(task, 0) for task, count in _wake_ups().items())
    return {"wake_ups_per_s": wake_ups / setup.params["seconds"], "cpu_percent": 100 * cpu / setup.params["seconds"]}


def _with_defaults(peer: str):
    if peer == OURS:
        from cwlog_handler import CloudWatchLogsHandler

        return CloudWatchLogsHandler("benchmark", "stream")
    return PEERS[peer]().handler


def _wake_ups() -> dict[str, int]:
    """How often the kernel has put each thread of this process to sleep, all but this thread."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) != threading.get_native_id():
            line = next(line for line in (task / "status").read_text().splitlines() if line.startswith("voluntary"))
            found[task.name] = int(line.split()[1])
    return found


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    start, works, deaf = "import", "constructor with import", "constructor with import, endpoint never answers"
    busy = "the first record, beside a thread that computes"
    exit_, drain, nothing = "exit, nothing left", "exit, 100,000 records left, 200 ms a request", "idle"
    repeats, few = {"repeats": sizes.repeats}, sizes.few_rounds
    cases = [
        Case(start, "ends.imports", (BOTO3, OURS), repeats, few),
        Case(works, "ends.constructor", (BOTO3, WATCHTOWER, OURS), {**repeats, "deaf": False}, few),
        Case(deaf, "ends.constructor", (BOTO3, OURS), {**repeats, "deaf": True}, few),
        Case(busy, "ends.first_beside_a_busy_thread", (BOTO3, OURS), {}, few),
        Case(exit_, "ends.exits", (BOTO3, WATCHTOWER, OURS), repeats, few),
        Case(drain, "ends.draining", (WATCHTOWER, OURS), {"records": 100_000, "latency": 0.2}, few),
        Case(nothing, "ends.idle", (WATCHTOWER, OURS), {"seconds": max(2.0, sizes.seconds)}, few),
    ]
    goals = [
        Goal("import, beyond logging", start, "ms", "ms", 10.0),
        # These depend on the clock on the wall, and so on all that the machine does.
        Goal(f"{works}, beyond import boto3", works, "ms", "ms", 8.0, "beyond", BOTO3, in_short=False),
        Goal(f"{deaf}, beyond import boto3", deaf, "ms", "ms", 10.0, "beyond", BOTO3, in_short=False),
        # Python imports what both need, at half of its speed. What is left is to make a client.
        Goal(f"{busy}, against boto3", busy, "s", "s", 0.5, "times", BOTO3, in_short=False),
        Goal(exit_, exit_, "ms", "ms", 50.0, in_short=False),
        Goal(f"{drain}, against {WATCHTOWER}", drain, "s", "s", 1.0, "times", WATCHTOWER, in_short=False),
        # An interpreter that has only used boto3 takes its time to end, too.
        Goal(f"{exit_}, against boto3 alone", exit_, "ms", "ms", 1.2, "times", BOTO3),
        # The default send_interval is a second.
        Goal("idle: wake-ups in a second", nothing, "wake_ups_per_s", "1/s", 1.0),
        # Half of the clock's own tick of 10 ms would be more.
        Goal("idle: CPU", nothing, "cpu_percent", "%", 0.05),
    ]
    return Group("ends", "Start and end", cases, goals)
