"""The long run: ``python -m tests.oracle --minutes 10``; exits 1 at the first violation, with how to replay it."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from .check import run

# What is added up over all runs.
COUNTS = ("faults", "kills", "taken", "stored", "recovered", "doubled", "dropped")


def main() -> int:
    """Run seed after seed until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="the first seed; the following count up from it")
    parser.add_argument("--runs", type=int, help="this seed so many times, instead of one seed after the other")
    parser.add_argument("--seconds", type=float, help="how long the faults last; default: 1 to 8 by the seed")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a violation")
    arguments = parser.parse_args()
    first = random.randrange(10**6) if arguments.seed is None else arguments.seed
    ends, runs, total, violated = time.monotonic() + arguments.minutes * 60, 0, Counter(), []
    while time.monotonic() < ends and runs != arguments.runs:
        seed = first if arguments.runs else first + runs
        seconds = arguments.seconds or random.Random(seed).uniform(1.0, 8.0)
        verdict = run(seed, seconds)
        runs += 1
        total += Counter({name: getattr(verdict, name) for name in COUNTS})
        print(verdict if verdict.violations else verdict.numbers, flush=True)
        if verdict.violations:
            violated.append(seed)
            if not arguments.keep_going:
                break
    counts = ", ".join(f"{count} {name}" for name, count in total.items())
    print(f"{runs} runs from seed {first}: {counts}; seeds with violations: {violated or 'none'}")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
