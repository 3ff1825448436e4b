"""What must hold for a program that was killed, and for what it left on disk.

Owns: which records a kill may cost, and what those who take over must say of what they have done. Must not know: how
programs are started and killed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from . import diary
from .diary import Life, Taken
from .history import LATE, History
from .plan import Plan

# Records of these kinds are dropped for what they are, by whoever sends them.
DROPPED_FOR_THEMSELVES = {diary.EMPTY, diary.OLD, diary.AHEAD}
# What is younger than so many seconds, and the send interval, need not be on disk; and longer, if the machine was busy.
YOUNG = 3.0 + 0.5


def missing(life: Life, plan: Plan, history: History, output: str) -> Iterator[str]:
    """Of a process that was killed, only what was too young to be on disk is missing, or what it had no room for."""
    if plan.mode is None or "is full (max_spool_size" in output:
        # How much it had not written for want of room is known to nobody.
        return
    assert life.ended_at is not None
    gone: dict[int, list[Taken]] = defaultdict(list)
    for taken in life.taken:
        if taken.id in history.copies or taken.kind in DROPPED_FOR_THEMSELVES or taken.id not in life.returned:
            continue
        send_interval, _ = life.handlers[taken.serial]
        young = YOUNG + send_interval + life.late if plan.mode == "outage" else 0.0
        if life.returned[taken.id] < life.ended_at - young:
            gone[taken.serial].append(taken)
    for serial, records in gone.items():
        _, is_bounded = life.handlers[serial]
        # Since its books were last read, each record that it took may have driven out another one.
        since = [taken for taken in life.taken[life.taken_before :] if taken.serial == serial]
        allowed = life.lost.get(str(serial), 0) + len(since) if is_bounded else 0
        if len(records) > allowed:
            ages = [f"{one.id} ({one.kind}, {life.ended_at - life.returned[one.id]:.3f} s)" for one in records]
            yield (
                f"handler {serial}: {len(records)} records do not survive its kill, {allowed} may be lost for want "
                f"of room; such as {ages[:5]}"
            )


def places_and_times(lives: Iterable[Life], history: History) -> Iterator[str]:
    """Each record is in the stream to which it was logged, with its time, whoever has sent it."""
    bad: list[str] = []
    for taken in (taken for life in lives for taken in life.taken if taken.stream):
        for copy in history.copies.get(taken.id, ()):
            timestamp = copy.request.batch[copy.position][0]
            if copy.request.stream != taken.stream or abs(timestamp - taken.created * 1000) > 1:
                at = f"{copy.request.stream} at {timestamp}"
                bad.append(f"{taken.id} in {at} instead of {taken.stream} at {taken.created * 1000:.0f}")
    if bad:
        yield f"{len(bad)} records are in the wrong place: {bad[:5]}"


def uncounted_doubles(lives: Iterable[Life], deaths: Iterable[float], history: History) -> Iterator[str]:
    """Whoever sends again what may have been stored for a process that has ended, counts it."""
    lives = list(lives)
    last = max(deaths, default=None)
    if last is None:
        return
    ended = [life for life in lives if life.ended_at is not None and life.ended_at <= last]
    doubled = 0
    for taken in (taken for life in ended for taken in life.taken):
        copies = history.copies.get(taken.id, ())
        doubled += len(copies) > 1 and copies[-2].request.started < last < copies[-1].request.started - LATE
    books = [stats for life in lives if life not in ended for stats in (life.stats or {}).values()]
    counted = sum(stats["possibly_duplicated"] + stats["pending"] for stats in books)
    if doubled > counted:
        yield f"{doubled} that were left on disk are stored twice, {counted} counted as possibly duplicated"
