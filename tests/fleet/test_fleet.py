"""500 processes, as a guard: they share the quotas of one account as well as 10,000 do (`python -m tests.fleet`)."""

import random
import re
from xml.etree import ElementTree

import pytest

from ..conftest import balanced
from .account import Quota, Window
from .chart import course, draw
from .figures import Figures
from .plan import SCENARIOS, Kind, Outage, Plan, named
from .table import table
from .world import run

# The quota of puts allows each process one in so many seconds.
FAIR = 12.5


@pytest.fixture(scope="module")
def deployed():
    """A deploy: all start within a second, and none of their streams exists."""
    return Figures(run(named("deploy", 500, 480.0, None, None)))


def a_fleet(*kinds, seconds=240.0, outages=(), puts=None):
    processes = sum(kind.processes for kind in kinds)
    return Figures(run(Plan(kinds, seconds, puts or processes / FAIR, processes / 200, outages=outages)))


@pytest.mark.slow
def test_nothing_is_lost_and_all_get_the_same(deployed):
    """F67."""
    assert deployed.lost == 0
    assert all(balanced(stats) for stats in deployed.run.stats)
    assert deployed.fairness(0.0, 450.0) >= 0.99


@pytest.mark.slow
def test_few_requests_are_refused(deployed):
    """70 % were, when each refused creation cost a put as well, and each refused put doubled the interval."""
    assert deployed.refused <= 0.30
    assert deployed.counts["missing"] == 500


@pytest.mark.slow
def test_the_quota_is_used_as_long_as_there_is_demand_for_it(deployed):
    assert deployed.used(deployed.demand_from, 480.0) >= 0.85
    assert deployed.used(deployed.last_first, 480.0) >= 0.85


@pytest.mark.slow
def test_the_last_stream_is_made_when_the_quota_has_let_all_be_made(deployed):
    assert deployed.last_first <= 1.05 * deployed.bound


@pytest.mark.slow
def test_records_are_hardly_later_than_the_quota_has_them(deployed):
    """At 12.5 seconds from put to put, 6 in the median are the least."""
    late = deployed.late(deployed.last_first, 480.0)
    assert late.median <= 9.0
    assert late.most <= 20.0


@pytest.mark.parametrize(
    ("how", "asks", "late"),
    [
        ("throttled", 0.36, (10, 10, 10)),
        ("503", 0.24, (10, 10, 10)),
        # Each request takes 15 s, so that some processes know only then that the outage is over.
        ("silent", 0.075, (11, 10, 10)),
    ],
)
def test_after_an_outage_of_the_account_all_is_settled_soon_and_there_is_no_second_collapse(how, asks, late):
    """An outage makes no process slow, and no process ask again and again."""
    outage = Outage(120.0, 60.0, how)
    figures = a_fleet(Kind("usual", 200, has_stream=True), seconds=300.0, outages=(outage,))
    assert figures.lost == 0
    # By each process in a second, when the outage has lasted for 20 s.
    assert sum(figures.run.tally.per_second["outage"][140:180]) / 40 / 200 <= asks
    for start, median in zip((180, 220, 260), late, strict=True):
        assert figures.used(start, start + 40) >= 0.8
        assert figures.late(start, start + 40).median <= median
    # What was not throttled may have been stored: it goes again as it was, and what has come since in a put of its own.
    assert figures.allowed_after(outage) == pytest.approx((1 if how == "throttled" else 2) * FAIR)
    assert figures.settled_after(180.0) <= 1.2 * figures.allowed_after(outage)


def test_an_error_is_at_most_half_as_late_as_an_info():
    figures = a_fleet(Kind("usual", 200, error_share=0.01, has_stream=True))
    urgent, usual = (figures.late(120.0, 220.0, is_error) for is_error in (True, False))
    assert urgent.median <= usual.median / 2
    assert urgent.most <= usual.most / 2


def test_loud_processes_do_not_starve_a_quiet_one():
    """They fill the quota; it has a record now and then."""
    loud = Kind("loud", 10, per_second=12, size=200_000, has_stream=True)
    quiet = Kind("quiet", 20, per_second=1 / 10, has_stream=True)
    figures = a_fleet(loud, quiet, seconds=90.0, puts=15.0)
    assert figures.used(20.0, 90.0) >= 0.85
    late = figures.late(20.0, 80.0, None, "quiet")
    assert late.median <= 3.0
    assert late.last <= 30.0


@pytest.mark.parametrize(("quota", "least", "most"), [(Quota, 0.1, 0.2), (Window, 0.3, 0.4)])
def test_of_a_small_quota_the_fake_refuses_more_than_a_bucket_does(quota, least, most):
    """The comparison with real processes has to use the fake's arithmetic: requests come at random, 3 where 3 may."""
    dice, quota, now, refused = random.Random(1), quota(3), 0.0, 0
    for _ in range(10_000):
        now += dice.expovariate(3.0)
        refused += not quota.takes(now)
    assert least <= refused / 10_000 <= most


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_has_a_table_and_a_chart(name, tmp_path):
    text = table(name, Figures(run(named(name, 20, 100.0, None, None))))
    assert re.search(r"refused +\d+\.\d%", text)
    assert re.search(r"lost +0$", text)
    told = course(name, text)
    assert len(told.points) == 25
    draw([told, told], tmp_path / "fleet.svg")
    drawn = ElementTree.parse(tmp_path / "fleet.svg").getroot()
    lines = [node.get("d") for node in drawn.iter() if node.get("class") == "line"]
    assert len(lines) == 8
    assert all(line.count("L") >= 2 for line in lines)
