"""``python -m tests.fleet deploy``: run a scenario, print its table, draw it; ``--help`` says what can be chosen."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .chart import course, draw
from .figures import Figures
from .plan import SCENARIOS, named
from .table import table
from .world import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=["deploy"], metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--processes", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--puts", type=float, help="the account's quota of puts per second; default: 0.08 a process")
    parser.add_argument("--creations", type=float, help="its quota of new streams per second; default: 0.005 a process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--svg", type=Path, help="draw it into this file; of several scenarios, the last one")
    parser.add_argument("--before", type=Path, help="a table that was printed before, to be drawn beside it")
    arguments = parser.parse_args()
    for name in arguments.scenarios:
        began = time.perf_counter()
        plan = named(name, arguments.processes, arguments.seconds, arguments.puts, arguments.creations)
        text = table(name, Figures(run(plan, arguments.seed)))
        print(text)
        print(f"simulated in {time.perf_counter() - began:.0f} s\n", flush=True)
    if arguments.svg is not None:
        before = [] if arguments.before is None else [course("before", arguments.before.read_text(encoding="utf-8"))]
        draw([*before, course("after" if before else name, text)], arguments.svg)


if __name__ == "__main__":
    main()
