"""Shows the progress on stderr: a bar, if rich is installed and stderr is a terminal; else a line every 10 seconds.

Owns: how progress looks, and the thread that shows it. Must not know: how lines are sent.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias

from ...core.ledger import Stats

# In seconds. A bar is drawn often so that it moves. Lines go to a file or a journal, where too many would be a burden.
_BAR_INTERVAL: Final = 0.25
_LINE_INTERVAL: Final = 10.0
# The rate is measured over this many seconds: requests go out only a few times a second.
_RATE_OVER: Final = 5.0


class Shown(Protocol):
    """What is under way, as far as it is shown. Its attributes are read on a thread."""

    @property
    def stats(self) -> Stats:
        """The handler's counts."""

    @property
    def progress(self) -> int:
        """How much of the total has been dealt with."""

    @property
    def told(self) -> str:
        """What a line begins with, such as how many lines were read."""


Say: TypeAlias = Callable[[str], None]


@contextmanager
def displayed(shown: Shown, total: int | None, say: Say) -> Iterator[None]:
    """Show the progress while the block runs. ``total`` is in the unit of `Shown.progress`; None if it is unknown."""
    draws = sys.stderr.isatty() and _has_rich()
    with _bar(shown, total) if draws else _ticking(_line(shown, say), _LINE_INTERVAL):
        yield


def say(text: str, command: str = "send") -> None:
    """Write a line to stderr. If that fails, stderr goes to the null device: delivery must not depend on it."""
    try:
        print(f"cwlog_handler {command}: {text}", file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        # The text stays in stderr's buffer. Without this, flushing it at exit would fail, and change the exit status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def size(count: float) -> str:
    """Return a number of bytes as text with a decimal unit, such as "1.5 MB"."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


class _Rate:
    """Events per second, over the last 5 seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def of(self, count: int) -> float:
        now = time.monotonic()
        self._seen.append((now, count))
        while len(self._seen) > 2 and self._seen[1][0] < now - _RATE_OVER:
            self._seen.popleft()
        then, before = self._seen[0]
        return (count - before) / max(now - then, 1e-3)


def _text(shown: Shown, rate: _Rate) -> str:
    stats = shown.stats
    return (
        f"{stats.delivered:,} delivered ({rate.of(stats.delivered):,.0f}/s), "
        f"{stats.pending:,} waiting ({size(stats.pending_bytes)}), "
        f"{stats.rejected:,} rejected, {stats.dropped:,} dropped"
    )


def _line(shown: Shown, say: Say) -> Callable[[], None]:
    rate = _Rate()

    def show() -> None:
        say(", ".join(filter(None, [shown.told, _text(shown, rate)])))

    return show


@contextmanager
def _ticking(show: Callable[[], None], interval: float) -> Iterator[None]:
    """Call ``show`` every ``interval`` seconds, on a thread, while the block runs."""
    end = threading.Event()

    def run() -> None:
        while not end.wait(interval):
            show()

    thread = threading.Thread(target=run, name="cwlog-handler-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(interval)


def _has_rich() -> bool:
    try:
        import rich.progress  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def _bar(shown: Shown, total: int | None) -> Iterator[None]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn
    from rich.text import Text

    rate = _Rate()
    bar = Progress(BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    task = bar.add_task("", total=total)

    def show() -> None:
        bar.update(task, completed=shown.progress)
        # The text has its own line: beside the bar, a narrow terminal would have no room for it.
        live.update(Group(bar, Text(_text(shown, rate))))

    # Live redirects stderr, so that the handler's own lines appear above the bar.
    with Live(bar, console=Console(stderr=True), transient=True) as live, _ticking(show, _BAR_INTERVAL):
        yield
