"""Memory: what a waiting record really takes, and what `max_buffer_size` means to whoever looks at the process."""

from __future__ import annotations

from time import sleep
from typing import Final

from tests.faults.memory import MIB, in_a_process, resident_bytes
from tests.programs import free_port

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import OURS, WATCHTOWER
from ..program import LOGGER, Setup
from ..workload import KINDS, log, serials

# Whatever the flusher still does with what it was given is done by then.
SETTLED: Final = 2.0
# Enough of a kind to fill a buffer about twice, for each byte of the buffer.
RECORDS_PER_BYTE: Final = {"20 bytes": 1 / 40, "120 bytes": 1 / 90, "1 KB": 1 / 600}


def queued(setup: Setup) -> Figures:
    """Log records while the endpoint takes requests and does not answer."""
    kind, records = KINDS["120 B"], setup.params["records"]
    setup.begin(answers=1)
    setup.open(kind)
    before = resident_bytes()
    log(LOGGER, kind.template, setup.run, serials(1, records))
    sleep(SETTLED)
    return {"rss_bytes": (resident_bytes() - before) / records}


def buffer(setup: Setup) -> Figures:
    """Fill a buffer more than once while the endpoint is down; the growth is the largest there was."""
    kind, size = setup.params["kind"], setup.params["buffer_mib"] * MIB
    url, loops = f"http://127.0.0.1:{free_port()}", setup.params.get("loops", 0)
    run = in_a_process(kind, round(size * RECORDS_PER_BYTE[kind]), url, size, loops=loops)
    return {"growth": run["growth"] / size, "kept": run["pending"], "overflow": run["overflow"]}


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    waiting = "memory, queued records of 120 B"
    cases = [Case(waiting, "memory.queued", (WATCHTOWER, OURS), {"records": 2 * sizes.records}, sizes.few_rounds)]
    goals = [
        Goal(f"{waiting}: RSS of each", waiting, "rss_bytes", "bytes", 170.0, margin=1.2),
        Goal(
            f"{waiting}: against {WATCHTOWER}", waiting, "rss_bytes", "bytes", 0.4, "times", WATCHTOWER, in_short=False
        ),
    ]
    for kind in RECORDS_PER_BYTE:
        name = f"memory, buffer full of {kind}"
        params = {"kind": kind, "buffer_mib": sizes.buffer_mib}
        cases.append(Case(name, "memory.buffer", (OURS,), params, sizes.few_rounds))
        title = f"{name}: RSS growth, of max_buffer_size"
        goals.append(Goal(title, name, "growth", "×", 1.3, in_short=kind == "120 bytes", margin=1.2))
    for buffer_mib in (16, sizes.buffer_mib):
        name = f"memory, {buffer_mib} MiB full of 120 bytes, beside two threads that compute"
        params = {"kind": "120 bytes", "buffer_mib": buffer_mib, "loops": 2}
        cases.append(Case(name, "memory.buffer", (OURS,), params, sizes.few_rounds))
        goals.append(Goal(f"{name}: RSS growth, of max_buffer_size", name, "growth", "×", 1.3, in_short=False))
    return Group("memory", "Memory", cases, goals)
