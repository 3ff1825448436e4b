"""The command line: what is measured, how much, and where the results go."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from . import __doc__ as about
from . import guards, runner
from .case import FULL, SHORT, Results, Sizes
from .choice import chosen, groups_of
from .report import table
from .sink import served


def arguments() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    names = ", ".join(group.name for group in groups_of(FULL))
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAMES", help=f"some of: {names}; separated by commas")
    parser.add_argument("--case", metavar="TEXT", help="only goals whose title has this text in it")
    parser.add_argument("--short", action="store_true", help="within a minute, against generous limits")
    parser.add_argument("--rounds", type=int, help="measurements of each kind (default 5, 3 in short)")
    parser.add_argument("--records", type=int, help="records in a burst (default 200,000)")
    parser.add_argument("--seconds", type=float, help="seconds watched (default 10)")
    parser.add_argument("--long", type=int, metavar="RECORDS", help="records over which memory is watched (10,000,000)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures there; read them if --draw is said"
    )
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the README's chart there, as SVG")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw the chart from the JSON")
    parser.add_argument("--set-guards", action="store_true", help="take what a short run achieves as what is guarded")
    return parser


def main() -> None:
    """Measure, show, and exit with 1 if a goal is missed or a run went wrong."""
    parser = arguments()
    options = parser.parse_args()
    if options.draw:
        if not (options.json and options.chart):
            parser.error("--draw needs --json and --chart")
        draw(json.loads(options.json.read_text()), options.chart)
        return
    sizes = sizes_of(options)
    everything = groups_of(sizes)
    only = options.only.split(",") if options.only else [group.name for group in everything]
    if unknown := set(only) - {group.name for group in everything}:
        parser.error(f"nothing is called {', '.join(sorted(unknown))}")
    groups = chosen(everything, only, options.case or "")
    if not groups:
        parser.error(f"no goal has {options.case!r} in its title")
    began = perf_counter()
    with served() as url:
        cases = [case for group in groups for case in group.cases]
        results, problems = runner.run(cases, sizes.rounds, url, lambda text: print(text, file=sys.stderr, flush=True))
    written = {"about": surroundings(sizes), "results": results, "problems": problems}
    if options.json:
        options.json.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    if options.set_guards:
        guards.write(groups, results)
    if options.chart:
        draw(written, options.chart)
    limit_of = guards.limit_of() if options.short else lambda goal: goal.limit
    print(f"{surroundings(sizes)['python']}, {sizes.rounds} rounds, {perf_counter() - began:.0f} s\n")
    print(table(groups, results, limit_of, in_any_round=options.short))
    print("".join(f"\n**went wrong**: {problem}" for problem in problems))
    goals = [goal for group in groups for goal in group.goals]
    missed = [goal for goal in goals if not goal.passes(results, limit_of(goal), in_any_round=options.short)]
    sys.exit(1 if missed or problems else 0)


def sizes_of(options: argparse.Namespace) -> Sizes:
    """The sizes that the command line asks for."""
    said = {
        "rounds": options.rounds,
        "records": options.records,
        "seconds": options.seconds,
        "long_records": options.long,
    }
    return replace(SHORT if options.short else FULL, **{name: value for name, value in said.items() if value})


def surroundings(sizes: Sizes) -> dict[str, Any]:
    """Where and how much was measured."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processors": os.cpu_count(),
        "sizes": asdict(sizes),
    }


def draw(written: dict[str, Any], path: Path) -> None:
    """Draw the chart. matplotlib is imported only then: `pip install 'cwlog-handler[bench]'`."""
    from .chart import draw

    results: Results = written["results"]
    draw(results, written["about"]["python"], path)


if __name__ == "__main__":
    main()
