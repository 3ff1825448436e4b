"""Mode "always" in real processes: eight threads log flat out, and the process is killed at any instant.

``python -m tests.spool.kills --times 20`` does it often and prints a table; `test_always` does it a few times.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cwlog_handler.testing import FakeCloudWatchLogs, server_error

from ..programs import HANG_LIMIT, environment, python, started

THREADS = 8
# So many calls return before a kill, however slow a busy machine is.
LEAST = 100
OPTIONS = "region_name='us-east-1', spool_dir={directory!r}, spool_mode={mode!r}, requests_per_second=None"
# Each thread says how many of its calls have returned: an entry of its own in shared memory, which a kill leaves.
LOGGING = """
import logging, mmap, os, sys, threading
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler('g', 's', {options})
log = logging.getLogger('program'); log.setLevel(10); log.addHandler(handler)
returned = memoryview(mmap.mmap(int(sys.argv[1]), 4096)).cast('Q')
def run(thread):
    number = 0
    while True:
        log.log((10, 20, 40)[number % 3], '%s %d %d', {tag!r}, thread, number)
        number += 1
        returned[thread] = number
for thread in range({threads}):
    threading.Thread(target=run, args=(thread,), daemon=True).start()
print('logging', flush=True)
sys.stdin.read()
"""
NEXT = """
import logging
from cwlog_handler import CloudWatchLogsHandler
handler = CloudWatchLogsHandler('g', 's', close_timeout=60, {options})
log = logging.getLogger('program'); log.setLevel(10); log.addHandler(handler)
log.info('next')
logging.shutdown()
"""


class Kill(NamedTuple):
    """What came of one kill."""

    service: str
    returned: int
    """How many calls had returned."""
    missing: int
    doubled: int
    left: list[str]
    """The files that are left after the next process has ended."""


def kill(fake: FakeCloudWatchLogs, url: str, directory: str, tag: str, *, is_up: bool, after: float) -> Kill:
    """Have a process log for ``after`` seconds and a bit, kill it, start the next one, and compare."""
    options = OPTIONS.format(directory=directory, mode="always")
    if not is_up:
        fake.fail(server_error(), times=10**9)
    with tempfile.TemporaryFile() as shared:
        shared.truncate(4096)
        source = LOGGING.format(options=options, tag=tag, threads=THREADS)
        process = subprocess.Popen(
            [*python("-c", source), str(shared.fileno())],
            env=environment(url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            pass_fds=[shared.fileno()],
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"logging\n"
            give_up_at = time.monotonic() + HANG_LIMIT
            # It counts in memory that it shares with this process, and tells nobody.
            while sum(counts_in(shared.fileno())) <= LEAST:
                assert time.monotonic() < give_up_at, "it does not log"
                time.sleep(0.001)
            with_deadline(process, after)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=HANG_LIMIT)
        counts = counts_in(shared.fileno())
    fake.clear_faults()
    with started(python("-c", NEXT.format(options=options)), url=url) as program:
        assert program.wait(2 * HANG_LIMIT) == 0, program.output
    arrived = Counter(message for message in fake.messages("g", "s") if message.startswith(tag + " "))
    logged = (f"{tag} {thread} {number}" for thread, count in enumerate(counts) for number in range(count))
    return Kill(
        "up" if is_up else "down",
        sum(counts),
        sum(text not in arrived for text in logged),
        sum(arrived.values()) - len(arrived),
        sorted(path.name for path in Path(directory).iterdir()),
    )


def counts_in(shared: int) -> list[int]:
    """How many calls of each thread have returned."""
    return memoryview(os.pread(shared, 8 * THREADS, 0)).cast("Q").tolist()


def with_deadline(process: subprocess.Popen[Any], seconds: float) -> None:
    """Let the process run for this long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError("it ended by itself")


def kills(times: int, seed: int, directory: str) -> Iterator[Kill]:
    """Kill a process so many times, with the service up and down in turn."""
    instants = random.Random(seed)
    for number in range(times):
        fake = FakeCloudWatchLogs()
        with fake.serve() as url:
            yield kill(fake, url, directory, f"k{number}", is_up=number % 2 == 0, after=instants.uniform(0.05, 2.0))


def main() -> None:
    """Print what came of many kills; exit with 1 if a record is missing or more is doubled than was under way."""
    parser = argparse.ArgumentParser(prog="python -m tests.spool.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    options = parser.parse_args()
    print(
        f"seed {options.seed}\n\n| service | calls that returned | missing | doubled | files |\n|---|--:|--:|--:|--:|"
    )
    is_well = True
    with tempfile.TemporaryDirectory() as parent:
        for one in kills(options.times, options.seed, parent + "/spool"):
            print(
                f"| {one.service} | {one.returned:,} | {one.missing} | {one.doubled:,} | {len(one.left)} |", flush=True
            )
            is_well = is_well and not one.missing and not one.left and one.doubled <= MOST_DOUBLED
    sys.exit(not is_well)


# Requests of one stream that are under way at the same time, with 10,000 events each.
MOST_DOUBLED = 4 * 10_000

if __name__ == "__main__":
    main()
