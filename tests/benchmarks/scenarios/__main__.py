"""The command line: which scenarios, which handlers, and the table."""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from . import __doc__ as about
from . import children, endings, trouble
from .runner import HANDLERS, Row, can_run, run
from .scenario import Scenario

SCENARIOS = (*endings.SCENARIOS, *children.SCENARIOS, *trouble.SCENARIOS)
HEAD = "| scenario | handler | sent | delivered | lost | doubled | exit, s | note |\n|---|---|--:|--:|--:|--:|--:|---|"


def main() -> None:
    known = {scenario.name: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.scenarios",
        description=about,
        epilog="Scenarios: " + "; ".join(known),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="scenario", help="names of scenarios; all by default")
    parser.add_argument("--handler", action="append", choices=HANDLERS, help="one handler only")
    parser.add_argument("--jobs", type=int, default=2, help="programs at the same time (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too, with what programs wrote")
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are: {'; '.join(known)}")
    wanted = [known[name] for name in options.names] or list(SCENARIOS)
    rows = run_all(wanted, options.handler or list(HANDLERS), options.jobs)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(table(rows))


def run_all(scenarios: Sequence[Scenario], handlers: Sequence[str], jobs: int) -> list[Row]:
    """Run each scenario with each handler, side by side, so that both have the same load beside them."""
    pairs = [(scenario, handler) for scenario in scenarios for handler in handlers]
    for scenario, handler in pairs:
        if not can_run(scenario, handler):
            print(f"left out, something is not installed: {scenario.name}, {handler}", file=sys.stderr)

    def run_one(pair: tuple[Scenario, str]) -> Row:
        row = run(*pair)
        print(line(row), file=sys.stderr, flush=True)
        return row

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(run_one, [pair for pair in pairs if can_run(*pair)]))


def table(rows: Sequence[Row]) -> str:
    """A Markdown table; a scenario's name stands once."""
    lines = [HEAD]
    for _, same in groupby(rows, lambda row: row.scenario):
        lines += [
            line(row, name=row.scenario if first else "") for first, row in zip((True, False), same, strict=False)
        ]
    return "\n".join(lines)


def line(row: Row, name: str | None = None) -> str:
    """One line of the table."""
    if row.killed_after is not None:
        took = f">{row.killed_after:.0f}"
    else:
        took = "-" if row.exit_seconds is None else f"{row.exit_seconds:.1f}"
    numbers = [f"{number:,}" for number in (row.sent, row.delivered, row.lost, row.doubled)]
    cells = [row.scenario if name is None else name, row.handler, *numbers, took, "; ".join(row.notes)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
