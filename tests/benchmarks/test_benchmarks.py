"""The benchmarks' own pieces: what does not arrive is noticed, what is missed is told, the chart is drawn.

Nothing here asserts how long anything takes.
"""

import json
import subprocess
from http.client import HTTPConnection
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from ..programs import environment, python
from . import guards, runner
from .arrivals import Arrivals
from .case import FULL, SHORT, Case, Goal, Group
from .choice import groups_of
from .peers import NULL, OURS, PEERS, WATCHTOWER
from .program import DoesNotCount, Setup
from .report import table
from .sink import served
from .workload import KINDS, serials

RUN = "abcdef01"


@pytest.fixture(scope="module")
def sink():
    with served() as url:
        yield url


def body(numbers, *, run=RUN, timestamps=None, kind="120 B"):
    """A request with a message for each number."""
    texts = [KINDS[kind].template % (run, number) for number in numbers]
    times = timestamps or [1] * len(texts)
    events = [{"timestamp": at, "message": text} for at, text in zip(times, texts, strict=True)]
    return json.dumps({"logGroupName": "g", "logStreamName": "s", "logEvents": events}).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_has_the_size_that_its_kind_says(kind):
    arrivals = Arrivals(RUN)
    arrivals.add(0.0, body(serials(0, 2), kind=kind))
    (_, events, size) = arrivals.report()["requests"][0]
    assert (events, size) == (2, 2 * (KINDS[kind].size_bytes + 26))


def test_every_record_that_came_once_is_ticked_off():
    arrivals = Arrivals(RUN)
    arrivals.add(1.0, body(serials(0, 3)))
    arrivals.add(1.5, body(serials(3, 2)))
    assert arrivals.events == 5
    report = arrivals.report()
    assert (report["records"], report["busiest_second"]) == (5, 2)
    assert not any(report[wrong] for wrong in ("doubled", "foreign", "disordered", "over_limits"))


@pytest.mark.parametrize(
    ("second", "wrong"),
    [
        (body(serials(1, 2)), "doubled"),
        (body(serials(2, 1), run="somebody"), "foreign"),
        (body(serials(2, 2), timestamps=[2, 1]), "disordered"),
        (body(serials(2, 10_001), kind="20 B"), "over_limits"),
    ],
)
def test_what_is_wrong_with_a_request_is_noticed(second, wrong):
    arrivals = Arrivals(RUN)
    arrivals.add(0.0, body(serials(0, 2)))
    arrivals.add(0.0, second)
    assert arrivals.report()[wrong] == 1


@pytest.mark.parametrize("sent", [2, 4])
def test_a_run_of_which_not_exactly_what_was_sent_arrived_does_not_count(sink, sent):
    setup = Setup(OURS, RUN, sink, {})
    setup.begin()
    put(setup, body(serials(0, 3)))
    setup.wait_for(3)
    assert setup.report(3, KINDS["120 B"])["records"] == 3
    with pytest.raises(DoesNotCount, match=f"3 of {sent}"):
        setup.report(sent)
    with pytest.raises(DoesNotCount, match="1024 bytes"):
        setup.report(3, KINDS["1 KB"])


def put(setup, content):
    """What a client sends, but for all that the sink does not look at."""
    connection = HTTPConnection(urlsplit(setup.url).netloc, timeout=60)
    connection.request("POST", "/", content, {"X-Amz-Target": "Logs_20140328.PutLogEvents"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("measure", ["caller.measure", "cpu.measure"])
def test_every_handler_is_measured_and_delivers_what_it_should(sink, peer, measure):
    """The measured process raises if what it logged did not arrive."""
    figures = runner.measure(Case("tiny", measure, (peer,), {"records": 64, "threads": 2, "kind": "1 KB"}), peer, sink)
    assert figures
    assert all(figure > 0 for figure in figures.values())


def test_what_goes_wrong_in_a_measurement_is_told_and_gives_no_figure(sink):
    """Two requests are too few to tell how full they are."""
    params = {"kind": "20 B", "mib": 0.001, "latency": 0.0, "steady": False}
    told = []
    results, problems = runner.run([Case("tiny", "ceiling.measure", (OURS,), params)], 1, sink, told.append)
    assert results == {"tiny": {OURS: []}}
    assert problems == told
    assert "DoesNotCount" in problems[0]


def goal(limit, **more):
    return Goal("cost", "case", "ns", "ns", limit, "times", NULL, **more)


RESULTS = {"case": {OURS: [{"ns": 30.0}, {"ns": 28.0}, {"ns": 60.0}], NULL: [{"ns": 20.0}, {"ns": 20.0}, {"ns": 20.0}]}}


def test_the_table_says_which_goals_are_missed():
    """The median is 1.5 times NullHandler's."""
    goals = [goal(1.5), goal(1.4), goal(1.5, at_least=True), goal(1.6, at_least=True)]
    group = Group("g", "Title", [Case("case", "", (NULL, OURS))], goals)
    lines = table([group], RESULTS, lambda goal: goal.limit).splitlines()
    assert [line.split("|")[-2].strip() for line in lines[3:]] == ["pass", "**fail**", "pass", "**fail**"]
    assert "30 ns (28–60)" in lines[3]
    assert "NullHandler 20" in lines[3]
    assert "1.5 × (1.4–3)" in lines[3]


def test_a_goal_without_figures_is_missed():
    assert not goal(1.5).passes({"case": {OURS: [], NULL: []}})


def test_a_short_run_is_red_only_if_every_round_is():
    """A busy processor slows some rounds down, a regression all of them: RESULTS has 1.4, 1.5 and 3."""
    assert goal(1.45).passes(RESULTS, 1.45, in_any_round=True)
    assert not goal(1.45).passes(RESULTS, 1.45)
    assert not goal(1.3).passes(RESULTS, 1.3, in_any_round=True)


def test_a_goal_may_be_kept_in_another_way():
    assert goal(1.0, alternative=goal(1.5)).passes(RESULTS)


def test_a_short_run_fails_only_where_it_is_worse_than_before_and_than_the_goal(tmp_path):
    path = tmp_path / "achieved.json"
    wanted = goal(1.0)
    guards.write([Group("g", "", [], [wanted])], RESULTS, path)
    assert json.loads(path.read_text()) == {"cost": 1.5}
    limit_of = guards.limit_of(path)
    assert limit_of(wanted) == 1.5 * 1.5
    assert limit_of(goal(3.0)) == 3.0
    assert limit_of(goal(1.0, at_least=True)) == 1.0
    assert limit_of(goal(1.6, at_least=True)) == 1.0


@pytest.mark.parametrize("sizes", [FULL, SHORT], ids=["full", "short"])
def test_every_goal_has_the_cases_and_peers_that_it_needs(sizes):
    for group in groups_of(sizes):
        peers = {case.name: case.peers for case in group.cases}
        for wanted in group.goals:
            assert wanted.of in peers[wanted.case]
            assert not wanted.against_case or OURS in peers[wanted.against_case]
            assert not wanted.against or wanted.against in peers[wanted.against_case or wanted.case]


@pytest.mark.slow
def test_the_command_measures_writes_and_draws(tmp_path):
    written, chart, again = (tmp_path / name for name in ("a.json", "a.svg", "b.svg"))
    what = ["--only", "cpu", "--case", f"1 thread, against {WATCHTOWER}", "--rounds", "1", "--records", "500"]
    done = command(*what, "--json", written, "--chart", chart)
    # Both a pass and a fail are fine here.
    assert done.returncode in (0, 1), done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| CPU, 1 thread, against"))
    assert WATCHTOWER in row
    assert not json.loads(written.read_text())["problems"]
    assert command("--draw", "--json", written, "--chart", again).returncode == 0
    assert again.read_bytes() == chart.read_bytes()
    texts = "".join(ElementTree.parse(chart).getroot().itertext())
    assert "cwlog-handler" in texts
    assert "CPU seconds per million records" in texts


def command(*arguments):
    return subprocess.run(
        python("-m", "tests.benchmarks", *map(str, arguments)),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
