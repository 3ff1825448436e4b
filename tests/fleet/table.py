"""The table that a run prints.

Must not know: how a figure is found.
"""

from __future__ import annotations

from collections.abc import Iterator

from .figures import Figures
from .tally import WHATS

# Records of the last seconds of a run may be under way at its end.
TAIL = 30.0
# So many seconds after an outage are looked at.
AFTERWARDS = 120.0
# How many rows show the course of a run.
ROWS = 24


def table(name: str, figures: Figures) -> str:
    """Return the figures of a run as text."""
    return "\n".join([*_head(name, figures), *_course(figures), *_sums(figures)])


def _head(name: str, figures: Figures) -> Iterator[str]:
    plan = figures.run.plan
    kinds = ", ".join(f"{k.processes:,} {k.name} with {k.per_second:.3g} records/s" for k in plan.kinds)
    yield f"{name}: {kinds}; {plan.puts:g} puts/s, {plan.creations:g} creations/s, {plan.seconds:g} s"


def _course(figures: Figures) -> Iterator[str]:
    plan = figures.run.plan
    counts = figures.run.tally.per_second
    step = max(1, int(plan.seconds) // ROWS)
    yield (
        "  seconds  " + "  ".join(f"{what:>19}" for what in WHATS) + "   per second; median, 99 % and most seconds late"
    )
    for start in range(0, int(plan.seconds), step):
        end = min(start + step, int(plan.seconds))
        rates = "  ".join(f"{sum(counts[what][start:end]) / (end - start):19.1f}" for what in WHATS)
        yield f"  {start:3}–{end:3}  {rates}   {figures.late(start, end)}"


def _sums(figures: Figures) -> Iterator[str]:
    plan = figures.run.plan
    end, steady = plan.seconds, figures.last_first
    requests = f"{figures.requests:,} requests, {figures.refused_puts:.1%} of the puts"
    yield _row("refused", f"{figures.refused:.1%} of {requests}")
    yield _row("last first record", f"{steady:.1f} s, {steady / figures.bound:.2f} × the bound")
    start = figures.demand_from
    if start < end:
        used = f"{figures.used(start, end):.1%} from {start:.0f} s on"
        yield _row("quota used", f"{used}, {figures.used(steady, end):.1%} after the last first record")
    yield _row("late after that, INFO", f"{figures.late(steady, end, False)}  median, 99 %, most")
    yield _row("late after that, ERROR", str(figures.late(steady, end, True)))
    for kind in plan.kinds:
        yield _row(f"late after that, {kind.name}", str(figures.late(steady, end, None, kind.name)))
    puts = f"{figures.fairness_of_puts(steady, end):.4f} of puts after the last first record"
    yield _row("fairness (Jain)", f"{figures.fairness(0.0, end - TAIL):.4f} of records, {puts}")
    for outage in plan.outages:
        allowed = figures.allowed_after(outage)
        settled = figures.settled_after(outage.end)
        used = f"{figures.used(outage.end, min(end, outage.end + AFTERWARDS)):.1%} of the quota in {AFTERWARDS:.0f} s"
        text = f"settled in {settled:.1f} s, {settled / allowed:.2f} × what the quota allows; {used}"
        yield _row(f"after {outage.how}", text)
    yield _row("lost", str(figures.lost))


def _row(name: str, text: str) -> str:
    return f"  {name:<26}{text}"
