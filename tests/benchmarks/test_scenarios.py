"""The scenarios that are compared with watchtower: some short ones, by ours alone, and the counting itself."""

import pytest

from cwlog_handler.testing import reset_after_commit

from .scenarios import __main__ as command
from .scenarios import runner
from .scenarios.scenario import Scenario

SHORT = [
    "burst of 20,000",
    "atexit callback",
    "signal handler logs in a burst",
    "os.fork",
    "one of 4,000 is 25 h old",
]

FRAGILE = """
from tests.benchmarks.scenarios.program import configure, log
configure()
for n in range(10):
    log(n)
import os
os._exit(0)
"""


@pytest.mark.parametrize("name", SHORT)
def test_nothing_is_lost_or_doubled_at_the_worst_moments(name):
    """F49, F44, F26, F29, F27: what the table claims."""
    scenario = next(scenario for scenario in command.SCENARIOS if scenario.name == name)
    row = runner.run(scenario, "cwlog_handler")
    assert row.sent > 1_000, row.output
    assert (row.delivered, row.lost, row.doubled, row.killed_after) == (row.sent, 0, 0, None), row.output


def test_the_table_counts_what_is_lost_and_what_comes_twice():
    """An end without exit hooks loses what waits; an answer that is lost makes a copy, the rest of the table zeros."""
    lost = runner.run(Scenario("os._exit", FRAGILE, {"send_interval": 3600}), "cwlog_handler")
    assert (lost.sent, lost.delivered, lost.lost, lost.doubled) == (10, 0, 10, 0)

    def answer_is_lost(fake):
        fake.create("g", "s")
        fake.fail(reset_after_commit(), times=1)

    source = FRAGILE.replace("os._exit(0)", "")
    doubled = runner.run(
        Scenario("answer lost", source, {"log_stream_name": "s"}, before=answer_is_lost), "cwlog_handler"
    )
    assert (doubled.sent, doubled.delivered, doubled.lost, doubled.doubled) == (10, 10, 0, 10)
    assert "| 10 | 10 | 0 | 10 |" in command.table([doubled])


def test_a_program_that_does_not_end_is_killed_at_its_limit():
    source = FRAGILE.replace("os._exit(0)", "import time; time.sleep(3600)")
    row = runner.run(Scenario("hangs", source, limit=2.0), "cwlog_handler")
    assert (row.killed_after, row.exit_seconds) == (2.0, None)
    assert "| >2 |" in command.table([row])
