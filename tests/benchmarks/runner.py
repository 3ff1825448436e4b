"""Runs cases round by round, each measurement in a fresh process, and collects the figures.

Must not know: goals, tables.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict

from tests.programs import environment, python

from .case import Case, Figures, Results
from .program import Setup
from .workload import RUN_LENGTH

# A measurement that takes longer than this has hung.
HANG_LIMIT = 1800.0


def run(cases: Sequence[Case], rounds: int, url: str, tell: Callable[[str], None]) -> tuple[Results, list[str]]:
    """Measure each case with each of its peers, A B A B; return the figures, and what went wrong.

    Every second round goes the other way round, so that no peer is always the first or the last.
    """
    results: dict[str, dict[str, list[Figures]]] = {case.name: {peer: [] for peer in case.peers} for case in cases}
    problems = []
    for number in range(rounds):
        for case in cases:
            if case.rounds is not None and number >= case.rounds:
                continue
            for peer in case.peers if number % 2 else reversed(case.peers):
                try:
                    figures = measure(case, peer, url)
                except (subprocess.SubprocessError, ValueError) as error:
                    problems.append(f"{case.name}, {peer}, round {number + 1}: {error}")
                    tell(problems[-1])
                    continue
                results[case.name][peer].append(figures)
                shown = ", ".join(f"{name} {figure:,.4g}" for name, figure in figures.items())
                tell(f"{number + 1}/{rounds} {case.name}, {peer}: {shown}")
    return results, problems


def measure(case: Case, peer: str, url: str) -> Figures:
    """Measure a case with a peer once. Raises SubprocessError with what the program said if it fails."""
    setup = Setup(peer, secrets.token_hex(RUN_LENGTH // 2), url, case.params)
    command = python("-m", "tests.benchmarks.program", case.measure, json.dumps(asdict(setup)))
    done = subprocess.run(command, env=environment(url), capture_output=True, text=True, timeout=HANG_LIMIT)
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures
