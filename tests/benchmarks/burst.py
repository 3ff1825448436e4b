"""What a stream can take: 120,000 records in a burst, then 40 MiB in a burst at five requests a second.

    python -m tests.benchmarks.burst

The strict fake serves from a process of its own, over HTTP with keep-alive, and throttles what is over the rate. Prints
the requests it took, the most in any second, what was throttled, and the share of the five MiB/s that are possible.
"""

import logging
import multiprocessing
import os
import time
from multiprocessing.connection import Connection

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.testing import FakeCloudWatchLogs
from tests.programs import AWS


def serve(pipe: Connection) -> None:
    """Serve until told to stop; answer with what arrived."""
    fake = FakeCloudWatchLogs()
    with fake.serve() as url:
        pipe.send(url)
        for stream in iter(pipe.recv, None):
            puts = [r for r in fake.requests if r.operation == "PutLogEvents" and r.stream == stream]
            refused = [r.answer for r in puts if r.answer not in ("accepted", "ResourceNotFoundException")]
            sizes = [r.size_bytes for r in puts if r.answer == "accepted"]
            pipe.send((fake.messages("g", stream), sizes, refused, fake.busiest_second("g", stream)))


def run(name: str, pipe: Connection, url: str, messages: list[str]) -> None:
    """Log all messages in a burst, close, and compare with what arrived."""
    handler = CloudWatchLogsHandler("g", name, endpoint_url=url, close_timeout=120)
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    began = time.perf_counter()
    for message in messages:
        logger.info("%s", message)
    logged = time.perf_counter() - began
    handler.close()
    took = time.perf_counter() - began
    pipe.send(name)
    arrived, sizes, refused, busiest = pipe.recv()
    verdict = "all, in order" if arrived == messages else "NOT WHAT WAS SENT"
    print(f"{name}: {len(messages):,} records, {sum(sizes) / 2**20:.1f} MiB as the service counts")
    print(f"  logged in {logged:.2f} s, closed after {took:.2f} s; arrived: {len(arrived):,}, {verdict}")
    print(f"  {len(sizes)} requests, {len(refused)} refused {sorted(set(refused))}, {busiest} in the busiest second")
    # From the first request to the last: n requests span n - 1 intervals.
    print(f"  {sum(sizes) / 2**20 / took:.2f} MiB/s over all, of the 5 possible in a steady state")
    print(f"  ledger: {handler.stats}")


def main() -> None:
    """Run both bursts."""
    os.environ.update(AWS)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,))
    server.start()
    url = ours.recv()
    run("120,000 records", ours, url, [f"record {number} of a burst" for number in range(120_000)])
    run("40 MiB", ours, url, [f"{number:06d}".ljust(998, "x") for number in range(40 * 1024)])
    ours.send(None)
    server.join()


if __name__ == "__main__":
    main()
