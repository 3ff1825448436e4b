"""Which goals are looked at, and which measurements that takes. Must not know: how anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .case import Group, Sizes
from .goals import caller, ceiling, cpu, ends, growth, many, memory, others, spool, ways, wire

MODULES = (caller, cpu, others, memory, many, ceiling, ends, growth, spool, ways, wire)


def groups_of(sizes: Sizes) -> list[Group]:
    """All there is; in short what can be told in short, and what that takes."""
    groups = [module.group(sizes) for module in MODULES]
    if not sizes.is_short:
        return groups
    return [
        _with_needed_peers(replace(group, goals=[goal for goal in group.goals if goal.in_short])) for group in groups
    ]


def chosen(groups: Sequence[Group], names: Sequence[str], text: str) -> list[Group]:
    """The groups of these names, with the goals that have this text in their title and the cases that those need."""
    of_name = [group for group in groups if group.name in names]
    of_text = [replace(group, goals=[goal for goal in group.goals if text in goal.title]) for group in of_name]
    return [_with_needed_cases(group) for group in of_text if group.goals]


def _with_needed_cases(group: Group) -> Group:
    needed = {name for goal in group.goals for name in goal.cases()}
    return replace(group, cases=[case for case in group.cases if case.name in needed])


def _with_needed_peers(group: Group) -> Group:
    """Without the peers that are only shown."""
    needed = {(name, peer) for goal in group.goals for name in goal.cases() for peer in (goal.against, goal.of)}
    return replace(
        group,
        cases=[
            replace(case, peers=[peer for peer in case.peers if (case.name, peer) in needed]) for case in group.cases
        ],
    )
