"""What a short run must keep to: not the goals, but what was achieved before, with a margin.

So a regression shows on a busy machine too, and whatever keeps the goal itself is never one. What was achieved is in
``achieved.json``; ``--short --set-guards`` writes it. Must not know: how anything is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from .case import Goal, Group, Results

ACHIEVED: Final = Path(__file__).with_name("achieved.json")


def limit_of(path: Path = ACHIEVED) -> Callable[[Goal], float]:
    """What each goal's limit is in a short run."""
    achieved = json.loads(path.read_text()) if path.exists() else {}

    def limit(goal: Goal) -> float:
        before = achieved.get(goal.title, goal.limit)
        return min(goal.limit, before / goal.margin) if goal.at_least else max(goal.limit, before * goal.margin)

    return limit


def write(groups: Sequence[Group], results: Results, path: Path = ACHIEVED) -> None:
    """Take what these results achieved as what is guarded from now on."""
    achieved = json.loads(path.read_text()) if path.exists() else {}
    for group in groups:
        for goal in group.goals:
            if values := goal.values(results):
                achieved[goal.title] = float(f"{median(values):.3g}")
    path.write_text(json.dumps(achieved, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
