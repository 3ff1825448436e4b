"""Memory and speed while the endpoint is down for the whole run, and speed while it is up.

    python -m tests.faults.memory [RECORDS]

Logs RECORDS records (2,000,000 unless said) of each kind of message, each kind in a process of its own, to a port of
127.0.0.1 on which nobody listens, with a buffer of 16 MiB. Prints by how much the process grew (its resident set, as
the kernel counts it, from just before the first record), and the nanoseconds that a record cost its caller, as the
clock on the wall has it and of its thread's CPU; then the same nanoseconds with a tenth of the records and an endpoint
that works (the strict fake, in a process of its own). A busy machine shows in the wall's nanoseconds.
"""

import gc
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.testing import FakeCloudWatchLogs

from ..programs import HANG_LIMIT, environment, free_port, python

BUFFER_BYTES = 16 * 2**20
# What a record looks like; the number makes each text an object of its own, as a formatter's result is.
KINDS = {
    "20 bytes": "{:020d}",
    "120 bytes": "{:020d} " + "x" * 99,
    "1 KB": "{:020d} " + "x" * 1003,
    "emoji mixed": "{:020d} order shipped 📦 to Zürich ✅ " + "x" * 60,
}
# How often the process looks at its own size, in records.
LOOK_EVERY = 500
MIB = 2**20


def resident_bytes():
    """The resident set of this process. On Linux as it is now; elsewhere its peak, which is as good for a growth."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def compute():
    """Take a share of the processor from all who log."""
    while True:
        sum(range(1000))


def run(kind, records, url, buffer_bytes, overflow, loops=0):
    """Log records of one kind in this process, beside threads that compute; return what it cost."""
    text = KINDS[kind]
    handler = CloudWatchLogsHandler(
        "g", kind, endpoint_url=url, max_buffer_size=buffer_bytes, overflow=overflow, close_timeout=0.1
    )
    logger = logging.getLogger("memory")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    # The client is made and its first request has failed or not: boto3's own memory is no growth.
    logger.error("%s", text.format(0))
    while not handler.stats.requests:
        time.sleep(0.01)
    for _ in range(loops):
        threading.Thread(target=compute, daemon=True).start()
    gc.collect()
    before = most = resident_bytes()
    spent = cpu = 0
    for start in range(0, records, LOOK_EVERY):
        texts = [text.format(number) for number in range(start, min(start + LOOK_EVERY, records))]
        began, cpu_began = time.perf_counter_ns(), time.thread_time_ns()
        for message in texts:
            logger.info(message)
        spent += time.perf_counter_ns() - began
        cpu += time.thread_time_ns() - cpu_began
        most = max(most, resident_bytes())
    # The last records may be on their way to the flusher still, which keeps the bound.
    give_up = time.monotonic() + HANG_LIMIT
    while (stats := handler.stats).pending_bytes > buffer_bytes and time.monotonic() < give_up:
        time.sleep(0.01)
    return {
        "growth": most - before,
        "counted": stats.pending_bytes,
        "ns": spent / records,
        "cpu_ns": cpu / records,
        "pending": stats.pending,
        "emitted": stats.emitted,
        "overflow": stats.dropped_by_reason.get("overflow", 0),
    }


def in_a_process(kind, records, url, buffer_bytes=BUFFER_BYTES, overflow="drop_oldest", loops=0):
    """Do the same in a process of its own, whose memory nobody has used before."""
    command = python(
        "-m", "tests.faults.memory", "--one", kind, str(records), url, str(buffer_bytes), overflow, str(loops)
    )
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True, timeout=3600)
    return json.loads(done.stdout)


def serve(pipe):
    """Serve until told to stop."""
    fake = FakeCloudWatchLogs()
    with fake.serve() as url:
        pipe.send(url)
        pipe.recv()


def main(records):
    """Print the table."""
    nobody = f"http://127.0.0.1:{free_port()}"
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,))
    server.start()
    up = ours.recv()
    print(f"{records:,} records, max_buffer_size {BUFFER_BYTES / MIB:.0f} MiB, Python {sys.version.split()[0]}")
    columns = f"{'message':<12} {'grew MiB':>9} {'of the buffer':>14} {'kept':>9}"
    print(f"{columns} {'ns down':>8} {'CPU':>7} {'ns up':>8} {'CPU':>7}")
    for kind in KINDS:
        down = in_a_process(kind, records, nobody)
        well = in_a_process(kind, max(1, records // 10), up)
        growth = down["growth"]
        print(
            f"{kind:<12} {growth / MIB:>9.1f} {growth / BUFFER_BYTES:>14.2f} {down['pending']:>9,}"
            f" {down['ns']:>8.0f} {down['cpu_ns']:>7.0f} {well['ns']:>8.0f} {well['cpu_ns']:>7.0f}",
            flush=True,
        )
    ours.send(None)
    server.join()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        kind, records, url, buffer_bytes, overflow, loops = sys.argv[2:]
        print(json.dumps(run(kind, int(records), url, int(buffer_bytes), overflow, int(loops))), flush=True)
        # What waits is not worth waiting for.
        os._exit(0)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000)
