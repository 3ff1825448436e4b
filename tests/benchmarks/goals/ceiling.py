"""The stream's ceiling: five requests a second of 1 MiB each, and how near to it a backlog is sent."""

from __future__ import annotations

from time import perf_counter, sleep
from typing import Any, Final

from cwlog_handler.core.limits import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, REQUESTS_PER_SECOND

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import NULL, OURS, WATCHTOWER
from ..program import LOGGER, DoesNotCount, Setup
from ..workload import KINDS, log, serials
from . import cpu

MIB: Final = 2**20
# How fast records come where they do not come at once: twice what the stream takes.
INFLOW_BYTES: Final = 10 * MIB
# The first requests may go out together, or with what little there is.
RUN_UP: Final = 1.0
# How far apart bursts of a steady inflow are.
TICK: Final = 0.01


def log_steadily(setup: Setup, template: str, records: int, per_second: float) -> None:
    """Log records at so many a second."""
    began, done = perf_counter(), 0
    while done < records:
        due = min(records, 1 + int((perf_counter() - began) * per_second))
        log(LOGGER, template, setup.run, serials(1 + done, due - done))
        done = due
        sleep(TICK)


def measure(setup: Setup) -> Figures:
    """Log more than the stream takes, and look at the requests that had enough to choose from."""
    kind = KINDS[setup.params["kind"]]
    records = round(setup.params["mib"] * MIB / kind.size_bytes)
    setup.begin(latency=setup.params["latency"])
    target = setup.open(kind, requests_per_second=REQUESTS_PER_SECOND)
    if setup.params["steady"]:
        log_steadily(setup, kind.template, records, INFLOW_BYTES / kind.size_bytes)
    else:
        log(LOGGER, kind.template, setup.run, serials(1, records))
    setup.settle(target, records)
    return shares(setup.report(records + 1, kind))


def shares(report: Any) -> Figures:
    """How full the requests were, and how much of the ceiling they made up, between the run-up and the last."""
    # The first is the one that made the stream; the last has what was left.
    requests = report["requests"][1:-1]
    steady = [request for request in requests if request[0] >= requests[0][0] + RUN_UP]
    if len(steady) < 2:
        raise DoesNotCount(f"{len(requests)} requests are too few to tell")
    packed = [max(events / MAX_BATCH_EVENTS, size / MAX_BATCH_BYTES) for _, events, size in steady]
    took = steady[-1][0] - steady[0][0]
    # From the first request to the last: n requests span n - 1 intervals.
    sent = sum(size for _, _, size in steady[1:])
    return {
        "packing": sum(packed) / len(packed),
        "share": sent / took / (REQUESTS_PER_SECOND * MAX_BATCH_BYTES),
        "busiest_second": report["busiest_second"],
    }


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    cases, goals = [], []
    for latency, limit in ((0.0, 0.99), (0.4, 0.97)):
        for steady in (True, False):
            how = "logged at 10 MiB/s" if steady else "in one burst"
            name = f"ceiling, 1 KB {how}, {latency * 1000:.0f} ms a request"
            params = {"kind": "1 KB", "mib": sizes.backlog_mib, "latency": latency, "steady": steady}
            cases.append(Case(name, "ceiling.measure", (OURS,), params, sizes.few_rounds))
            goals += [
                Goal(f"{name}: packing", name, "packing", "×", 0.99, at_least=True, in_short=not steady, margin=1.02),
                Goal(
                    f"{name}: share of 5 MiB/s",
                    name,
                    "share",
                    "×",
                    limit,
                    at_least=True,
                    in_short=not steady,
                    margin=1.25,
                ),
                Goal(
                    f"{name}: requests in the busiest second",
                    name,
                    "busiest_second",
                    "",
                    REQUESTS_PER_SECOND,
                    in_short=False,
                ),
            ]
    small = "ceiling, 20 B in one burst"
    # Some requests' worth of events; of bytes there are few.
    params = {"kind": "20 B", "mib": sizes.backlog_mib / 16, "latency": 0.0, "steady": False}
    cases.append(Case(small, "ceiling.measure", (OURS,), params, rounds=1))
    goals.append(
        Goal(f"{small}: packing, of 10,000 events", small, "packing", "×", 0.99, at_least=True, in_short=False)
    )
    off = "ceiling, rate off"
    cases.append(cpu.case(off, sizes.records, peers=(NULL, WATCHTOWER, OURS)))
    # What the goal for CPU leaves, if there is nothing but one processor.
    floor = Goal("", off, "records_per_s", "1/s", 1 / 1.6, "times", NULL, at_least=True)
    title = f"{off}: delivered (or 1/1.6 of what {NULL} is given)"
    goals.append(Goal(title, off, "records_per_s", "1/s", 150_000, at_least=True, alternative=floor, in_short=False))
    return Group("ceiling", "The stream's ceiling", cases, goals)
