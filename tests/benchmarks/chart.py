"""The README's chart: what a record costs, ours beside the others, as SVG.

Colours and text are legible on white and on black, because GitHub shows the same file on both. Must not know: how
anything was measured, nor goals.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .case import Results, figures
from .peers import FILE, NULL, OURS, QUEUE, WATCHTOWER

# From above; what they do with a record, because only two deliver it.
ROWS: Final = {
    OURS: "cwlog-handler\nto CloudWatch Logs",
    WATCHTOWER: "watchtower\nto CloudWatch Logs",
    FILE: "FileHandler\nto /dev/null",
    QUEUE: "QueueHandler\nthrown away",
    NULL: "NullHandler\nlogging itself",
}
PANELS: Final = (
    ("CPU seconds per million records", "CPU, {}", "cpu_s_per_million", 1.0),
    ("Microseconds in logger.info", "caller, {}", "median_ns", 1e-3),
)
THREADS: Final = ("1 thread", "8 threads")
TEXT: Final = "#7d8590"
ACCENT: Final = "#2f81f7"
# The second bar of a pair is paler.
SHADES: Final = (1.0, 0.55)
BAR: Final = 0.36
STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cwlog_handler",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}


def draw(results: Results, python: str, path: Path) -> None:
    """Draw the medians of the caller's and the CPU's cases. Raises ValueError if neither was measured."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 3.6), layout="constrained")
        axes = figure.subplots(1, len(PANELS), sharey=True)
        drawn = [_panel(axis, results, panel) for axis, panel in zip(axes, PANELS, strict=True)]
        if not any(drawn):
            raise ValueError("no figures of the caller or the CPU: measure them with --only caller,cpu")
        axes[0].set_yticks(range(len(ROWS)), ROWS.values())
        axes[0].invert_yaxis()
        figure.supxlabel(f"120-byte messages, {python}, medians; shorter is better", fontsize=9, color=TEXT)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})


def _panel(axis: Axes, results: Results, panel: tuple[str, str, str, float]) -> int:
    """Draw one panel; return how many bars it has."""
    title, case, figure, unit = panel
    bars = 0
    for pair, threads in enumerate(THREADS):
        for row, peer in enumerate(ROWS):
            if values := figures(results, case.format(threads), peer, figure):
                colour = ACCENT if peer == OURS else TEXT
                width = median(values) * unit
                place = row + (pair - 0.5) * BAR
                axis.barh(place, width, BAR, color=colour, alpha=SHADES[pair])
                axis.annotate(
                    f"{width:.1f}" + (f", {threads}" if row == 0 else ""),
                    (width, place),
                    xytext=(3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                )
                bars += 1
    axis.set_title(title, fontsize=10)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set_xticks([])
    axis.margins(x=0.15)
    return bars
