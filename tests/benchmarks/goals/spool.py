"""The spool: what it costs while all is well, in an outage, for each record, and when what was left is taken over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic, process_time, sleep, thread_time
from types import SimpleNamespace
from typing import Any, Final

from tests.faults.memory import MIB, resident_bytes

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import ALWAYS, FILE, NULL, OURS, OUTAGE, spooling
from ..program import LOGGER, DoesNotCount, Setup, attach
from ..workload import KINDS, log, serials
from . import cpu

KIND: Final = KINDS["120 B"]
# The thread that stores has seen all records by then.
SETTLED: Final = 2.0
SAMPLED_EVERY: Final = 0.02
LEAVE: Final = """
import sys
sys.path[:0] = {path!r}
from tests.benchmarks.goals.spool import leave
leave({mode!r}, {directory!r}, {url!r}, {run!r}, {records})
"""


def _unreachable(url: str) -> Any:
    """A client whose requests all fail at once, so that nothing is measured but our own work."""

    def put_log_events(**_request: Any) -> None:
        raise OSError("the endpoint is down")

    meta = SimpleNamespace(region_name="us-east-1", endpoint_url=url)
    return SimpleNamespace(put_log_events=put_log_events, meta=meta)


def outage(setup: Setup) -> Figures:
    """Log a burst while every request fails: CPU on all threads but the caller's, and how far memory grows."""
    records, size = setup.params["records"], setup.params["buffer_mib"] * MIB
    with TemporaryDirectory() as parent:
        options = (
            {}
            if setup.peer == OURS
            else {"spool_dir": parent + "/spool", "spool_mode": setup.params["mode"], "max_spool_size": 2**30}
        )
        handler = spooling(max_buffer_size=size, boto3_client=_unreachable(""), close_timeout=0.0, **options)
        attach(handler)
        log(LOGGER, KIND.template, setup.run, serials(0, 1))
        sleep(SETTLED)
        before, largest, is_over = resident_bytes(), [0], []

        def watch() -> None:
            while not is_over:
                largest[0] = max(largest[0], resident_bytes())
                sleep(SAMPLED_EVERY)

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        cpu_began, own_began = process_time(), thread_time()
        log(LOGGER, KIND.template, setup.run, serials(1, records))
        own = thread_time() - own_began
        sleep(SETTLED)
        elsewhere = process_time() - cpu_began - own
        is_over.append(True)
        watcher.join()
        stats = handler.stats
        if stats.pending != records + 1 or (options and stats.spooled != stats.pending):
            raise DoesNotCount(f"{stats}")
    return {"us_elsewhere": elsewhere / records * 1e6, "growth": (largest[0] - before) / size}


def taking_over(setup: Setup) -> Figures:
    """Take over what a process has left that was killed in an outage: from its first record to the last accepted."""
    records, mode = setup.params["records"], setup.params["mode"]
    setup.begin()
    with TemporaryDirectory() as parent:
        directory = parent + "/spool"
        code = LEAVE.format(
            path=sys.path, mode=mode, directory=directory, url=setup.url, run=setup.run, records=records
        )
        subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False)
        size = 64 * MIB
        handler = spooling(max_buffer_size=size, spool_dir=directory, spool_mode=mode, max_spool_size=2**30)
        attach(handler)
        log(LOGGER, KIND.template, setup.run, serials(records, 1))
        handler.flush()
        before, began = resident_bytes(), monotonic()
        largest = before
        while setup.ask("GET", "/report")["records"] <= records:
            largest = max(largest, resident_bytes())
            if monotonic() - began > 120:
                raise DoesNotCount(f"{handler.stats}")
            sleep(SAMPLED_EVERY)
        took = monotonic() - began
        setup.report(records + 1, KIND)
        if list(Path(directory).glob("*.cwl")) and mode == "outage":
            raise DoesNotCount("something is left")
    return {"records_per_s": records / took, "growth": (largest - before) / size}


def leave(mode: str, directory: str, url: str, run: str, records: int) -> None:
    """The program before that of `taking_over`."""
    handler = spooling(
        boto3_client=_unreachable(url), spool_dir=directory, spool_mode=mode, max_spool_size=2**30, close_timeout=0.2
    )
    attach(handler)
    log(LOGGER, KIND.template, run, serials(0, records))


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    few = sizes.few_rounds
    well, eight = "spool, CPU, 1 thread", "spool, CPU, 8 threads"
    cases = [
        cpu.case(well, sizes.records, peers=(NULL, FILE, OURS, OUTAGE, ALWAYS)),
        cpu.case(eight, sizes.records, threads=8, peers=(FILE, OURS, ALWAYS)),
    ]
    goals = [
        Goal(f"{well}: outage, service well", well, "cpu_s_per_million", "s per 1 M", 1.02, "times", OURS, of=OUTAGE),
        Goal(f"{well}: always, against {FILE}", well, "cpu_s_per_million", "s per 1 M", 1.1, "times", FILE, of=ALWAYS),
        Goal(
            f"{eight}: always, against {FILE}", eight, "cpu_s_per_million", "s per 1 M", 1.1, "times", FILE, of=ALWAYS,
            in_short=False,
        ),
    ]  # fmt: skip
    for threads, limit in ((1, 1.45), (8, 2.0)):
        name = f"spool, caller, {threads} thread{'s'[: threads > 1]}"
        cases.append(Case(name, "caller.measure", (NULL, OURS, ALWAYS), {"records": sizes.records, "threads": threads}))
        goals.append(
            Goal(
                f"{name}: always, median call", name, "median_ns", "ns", limit, "times", NULL, of=ALWAYS,
                in_short=threads == 1,
            )
        )  # fmt: skip
    down = "spool, outage"
    params = {"records": 2 * sizes.records, "buffer_mib": 128, "mode": "outage"}
    cases.append(Case(down, "spool.outage", (OURS, OUTAGE), params, few))
    goals.append(
        Goal(f"{down}: CPU beside the caller's", down, "us_elsewhere", "µs", 0.3, "beyond", OURS, of=OUTAGE, margin=2.0)
    )
    for mode, peer in (("outage", OUTAGE), ("always", ALWAYS)):
        long = f"spool, long outage, {mode}"
        params = {"records": 10 * sizes.records, "buffer_mib": sizes.buffer_mib, "mode": mode}
        cases.append(Case(long, "spool.outage", (peer,), params, few))
        goals.append(Goal(f"{long}: RSS growth, of max_buffer_size", long, "growth", "×", 1.0, of=peer, in_short=False))
        back = f"spool, taking over, {mode}"
        cases.append(Case(back, "spool.taking_over", (peer,), {"records": 2 * sizes.records, "mode": mode}, few))
        title = f"{back}: records"
        goals.append(Goal(title, back, "records_per_s", "1/s", 100_000, at_least=True, of=peer, margin=2.0))
        goals.append(Goal(f"{back}: RSS growth, of max_buffer_size", back, "growth", "×", 1.0, of=peer, in_short=False))
    return Group("spool", "Spool", cases, goals)
