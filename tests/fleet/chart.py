"""Draws a run beside an earlier one: what the account took and refused over time, and how late records came.

It draws what the tables say, so that an older version's table will do. Must not know: how a figure is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .tally import REFUSED, WHATS

WIDTH: Final = 920
HEIGHT: Final = 470
LEFT: Final = (64, 500)
ACROSS: Final = 380
# The upper and the lower edge of each panel, and the highest value that has a place in it, in quotas and in seconds.
ABOVE: Final = (66, 246, 3.0)
BELOW: Final = (286, 426, 60.0)
LINES: Final = (
    ("taken", "#2f81f7", "puts taken"),
    ("refused", "#db6d28", "requests refused"),
    ("median", "#2f81f7", "half of the records"),
    ("most", "#db6d28", "99 of 100"),
)
HEAD: Final = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" \
aria-labelledby="title desc">
  <title id="title">Ten thousand processes that share the quotas of one account</title>"""
DESCRIPTION: Final = "Requests a second, in shares of the quota of puts, and how late records were taken, over time."
STYLE: Final = f"""  <style>
    text {{ font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2933; }}
    .small {{ font-size: 12px; fill: #52606d; }}
    .grid {{ stroke: #cbd2d9; }}
    .line {{ fill: none; stroke-width: 2; }}
  </style>
  <rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>"""
ROW: Final = re.compile(r"^ +(\d+)– *(\d+) (.+)$", re.MULTILINE)


class Point(NamedTuple):
    """A row of a table: an instant, and what happened then, per second."""

    at: float
    taken: float
    refused: float
    median: float
    most: float


class Course(NamedTuple):
    """A run over time, as its table tells it."""

    name: str
    puts: float
    refused: str
    """The share of all requests that were refused, in percent."""
    points: list[Point]


def course(name: str, table: str) -> Course:
    """Read the course of a run from its table."""
    points = []
    for start, end, rest in ROW.findall(table):
        *rates, median, most, _ = map(float, rest.split())
        rate = dict(zip(WHATS, rates, strict=True))
        refused = sum(rate[what] for what in REFUSED)
        points.append(Point((int(start) + int(end)) / 2, rate["taken"], refused, median, most))
    puts, refused = (re.search(what, table) for what in (r"([\d.]+) puts/s", r"refused +([\d.]+)%"))
    if puts is None or refused is None:
        raise ValueError("this is not a table of a fleet")
    return Course(name, float(puts[1]), refused[1], points)


def draw(courses: Sequence[Course], path: Path) -> None:
    """Draw one or two runs into an SVG file, side by side."""
    told = "; ".join(f"{each.name}: {each.refused} % of all requests are refused" for each in courses)
    lines = [HEAD, f'  <desc id="desc">{DESCRIPTION} {told}.</desc>', STYLE]
    for left, each in zip(LEFT, courses, strict=False):
        lines += ["  " + line for line in _column(left, each)]
    path.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")


def _column(left: int, course: Course) -> Iterator[str]:
    yield f'<text x="{left}" y="30" style="font-weight: 600">{course.name}, {course.refused} % refused</text>'
    yield from _panel(left, course, ABOVE, course.puts, LINES[:2], ("0", "quota", "2 ×", "3 ×"))
    yield from _panel(left, course, BELOW, 1.0, LINES[2:], ("0", "20 s", "40 s", "a minute late"))
    end = course.points[-1].at + course.points[0].at
    for minute in range(0, int(end) + 1, 120):
        yield (
            f'<text class="small" text-anchor="middle" x="{left + ACROSS * minute / end:.0f}" y="{BELOW[1] + 18}">'
            f"{minute // 60} min</text>"
        )


def _panel(
    left: int,
    course: Course,
    panel: tuple[int, int, float],
    unit: float,
    lines: Sequence[tuple[str, str, str]],
    marks: Sequence[str],
) -> Iterator[str]:
    top, bottom, most = panel
    for number, mark in enumerate(marks):
        y = bottom - (bottom - top) * number / (len(marks) - 1)
        yield f'<path class="grid" d="M{left} {y:.0f}h{ACROSS}"/>'
        anchor = 'text-anchor="end" ' if len(mark) < 6 else ""
        x, y = (left - 6, y + 4) if anchor else (left + 4, y - 5)
        yield f'<text class="small" {anchor}x="{x}" y="{y:.0f}">{mark}</text>'
    end = course.points[-1].at + course.points[0].at
    for place, (what, colour, told) in enumerate(lines):
        dots = [
            (left + ACROSS * point.at / end, bottom - (bottom - top) * min(1.0, getattr(point, what) / unit / most))
            for point in course.points
            if getattr(point, what) == getattr(point, what)
        ]
        yield f'<path class="line" stroke="{colour}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in dots)}"/>'
        at = f'x="{left + ACROSS}" y="{top + 16 + 18 * place}"'
        yield f'<text text-anchor="end" style="fill: {colour}" {at}>{told}</text>'
