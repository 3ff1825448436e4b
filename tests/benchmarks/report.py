"""The table, and whether all is well. Must not know: how anything was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from .case import Goal, Group, Results, figures
from .peers import OURS

HEAD = "| measurement | ours | others | held against the goal | goal | |\n|---|--:|---|--:|--:|---|"


def table(
    groups: Sequence[Group], results: Results, limit_of: Callable[[Goal], float], in_any_round: bool = False
) -> str:
    """A Markdown table of all goals: medians over the rounds, with the least and the most in brackets."""
    lines = [HEAD]
    for group in groups:
        lines.append(f"| **{group.title}** | | | | | |")
        lines += [line(group, goal, results, limit_of(goal), in_any_round) for goal in group.goals]
    return "\n".join(lines)


def line(group: Group, goal: Goal, results: Results, limit: float, in_any_round: bool) -> str:
    """One goal."""
    case = next(case for case in group.cases if case.name == goal.case)
    others = [
        f"{peer} {number(median(theirs))}"
        for peer in case.peers
        if peer != goal.of and (theirs := figures(results, goal.case, peer, goal.figure))
    ]
    if goal.against_case and (base := figures(results, goal.against_case, OURS, goal.figure)):
        others.insert(0, f"{goal.against_case} {number(median(base))}")
    held_unit = "×" if goal.how == "times" else goal.unit
    sign = "≥" if goal.at_least else "≤"
    return (
        f"| {goal.title} | {spread(goal.ours(results), goal.unit)} | {'; '.join(others)} "
        f"| {spread(goal.values(results), held_unit)} | {sign} {number(limit)} {held_unit} "
        f"| {'pass' if goal.passes(results, limit, in_any_round) else '**fail**'} |"
    )


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, the unit, and the least and the most."""
    if not values:
        return "nothing"
    text = f"{number(median(values))} {unit}".rstrip()
    return text if len(values) == 1 else f"{text} ({number(min(values))}–{number(max(values))})"


def number(value: float) -> str:
    """Three digits that matter, or all before the point."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
