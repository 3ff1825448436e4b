"""Trouble with the endpoint, with what AWS needs to know, and with single messages."""

from typing import Final

from cwlog_handler.testing import (
    FakeCloudWatchLogs,
    Fault,
    expired_token,
    reset_before_commit,
    server_error,
    stall,
    throttle,
)

from .scenario import GROUP, Run, Scenario

# 12,000 records in some six seconds: longer than any of the faults.
STEADY = """
import time
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(12_000):
    log(n)
    if n % 200 == 199:
        time.sleep(0.1)
"""

HUNDRED = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(100):
    log(n)
"""

# Ends while the service is ill: what waits has ten seconds by default.
ENDS = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(12_000):
    log(n)
"""

# What boto3 needs to know, and is not told at first or at all.
UNTOLD = """
import os, time
known = {name: os.environ.pop(name) for name in UNKNOWN}
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(100):
    log(n)
if COMES:
    time.sleep(3)
    os.environ.update(known)
    for n in range(100, 200):
        log(n)
"""

OLD = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(4_000):
    log(n, age=25 * 3600.0 if n == 2_000 else 0.0)
"""

# The empty ones cannot be delivered by anybody, so the program does not count them as sent.
EMPTY = """
import logging
from tests.benchmarks.scenarios.program import Stripped, configure, log
configure(formatter=FORMATTER)
for n in range(1_000):
    log(n)
    if n == 500:
        logging.getLogger("program").info(NOTHING)
"""

LARGE = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(100):
    log(n, size=2 * 2**20 if n == 50 else 0)
"""

KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def fault_in_mid_run(name: str, fault: Fault) -> Scenario:
    def during(run: Run) -> None:
        run.wait_until_delivering()
        run.fake.fail(fault, seconds=5.0)

    return Scenario(name, STEADY, during=during)


def fault_at_the_end(name: str, fault: Fault, times: int | None = None) -> Scenario:
    """So many requests meet the fault; or all do, from the first one on for five seconds."""

    def before(fake: FakeCloudWatchLogs) -> None:
        fake.fail(fault, times=times)

    def during(run: Run) -> None:
        if times is None and run.fake.wait_for(lambda: run.fake.requests):
            run.fake.clear_faults()
            run.fake.fail(fault, seconds=5.0)

    return Scenario(name, ENDS, before=before, during=during)


def endpoint_comes_up_in_the_last_seconds(run: Run) -> None:
    run.endpoint_comes_up(after=6.0)


def endpoint_goes_down(run: Run) -> None:
    run.wait_until_delivering()
    run.fake.stop()
    run.endpoint_comes_up(after=3.0)


def endpoint_comes_up(run: Run) -> None:
    run.endpoint_comes_up(after=3.0)


def silence(fake: FakeCloudWatchLogs) -> None:
    fake.fail(stall())


def group_is_deleted(run: Run) -> None:
    run.wait_until_delivering()
    run.fake.delete_log_group(GROUP)


def untold(name: str, *unknown: str, comes: bool = False) -> Scenario:
    return Scenario(name, UNTOLD.replace("UNKNOWN", repr(unknown)).replace("COMES", repr(comes)))


def empty(name: str, formatter: str, nothing: str) -> Scenario:
    return Scenario(name, EMPTY.replace("FORMATTER", formatter).replace("NOTHING", repr(nothing)))


SCENARIOS: Final = (
    fault_in_mid_run("503 for 5 s", server_error()),
    fault_in_mid_run("throttled for 5 s", throttle()),
    Scenario("refused for 3 s in mid-run", STEADY, during=endpoint_goes_down),
    Scenario("refused for 3 s at start", STEADY, during=endpoint_comes_up, is_up=False),
    fault_at_the_end("ends in 503 for 5 s", server_error()),
    fault_at_the_end("ends in silence for 5 s", stall()),
    fault_at_the_end("ends, six expired tokens", expired_token(), times=6),
    fault_at_the_end("ends, throttled six times", throttle(), times=6),
    fault_at_the_end("ends, six resets", reset_before_commit(), times=6),
    fault_at_the_end("ends, one request swallowed", stall(), times=1),
    Scenario("ends, refused until second 6", ENDS, during=endpoint_comes_up_in_the_last_seconds, is_up=False),
    Scenario("silent for ever, at exit", HUNDRED, before=silence),
    untold("no credentials, no region", *KEYS, "AWS_DEFAULT_REGION"),
    untold("credentials come after 3 s", *KEYS, comes=True),
    Scenario("group deleted in mid-run", STEADY, during=group_is_deleted),
    Scenario("one of 4,000 is 25 h old", OLD),
    empty("an empty message", "logging.Formatter", ""),
    empty("a message formatted to nothing", "Stripped", " "),
    Scenario("a message of 2 MiB", LARGE),
)
