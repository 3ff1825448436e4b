"""The handler as it is, with a witness: each record that it has taken is written down, and what it says of itself."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import time
from typing import Any

from cwlog_handler import CloudWatchLogsHandler, Stats

from . import diary
from .hangs import HANG_LIMIT

# Why a record may be lost for want of room.
ROOM = ("overflow", "spool_full")

_serials = itertools.count(1)
known: list[Witness] = []


class Witness(CloudWatchLogsHandler):
    """``remembered=False``: nobody but its loggers holds this one, so that it can be collected; it reports nothing."""

    def __init__(self, *args: Any, remembered: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.serial = next(_serials)
        self._reports = remembered
        diary.made(self.serial, options.get("send_interval", 1.0), "overflow" in options)
        if remembered:
            known.append(self)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        # Whatever is formatted is taken. (`handle` does not tell: that a record is our own is seen behind it, too.)
        # What has no id was not logged by the program, but by the handler's own tools: it must not get in.
        record_id, kind = getattr(record, "oracle", (f"{diary.label}/{record.name}/0", "foreign"))
        stream = self._stream_of(record)
        diary.took(record_id, self.serial, kind, self._reports, stream, record.created, record.levelno)
        return text

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        verdict = super().handle(record)
        if (named := getattr(record, "oracle", None)) is not None:
            diary.returned(named[0], self.serial)
        return verdict

    @property
    def stats(self) -> Stats:
        """With all the patience that a busy machine needs: after a second they may be those of a round half done."""
        return self._flusher.stats(patience=HANG_LIMIT)

    def _stream_of(self, record: logging.LogRecord) -> str:
        fields = {"process_id": os.getpid(), "logger_name": record.name, "level_name": record.levelname}
        return self.log_stream_name.format(**fields, thread_name=record.threadName)


def pending() -> int:
    """How many events wait in all handlers."""
    return sum(handler.stats.pending for handler in known)


def settle(timeout: float) -> None:
    """Flush all handlers, while nobody else logs, and check what `flush` says."""
    deadline = time.monotonic() + timeout
    for handler in known:
        patience = max(0.0, deadline - time.monotonic())
        settled = handler.flush(patience)
        stats = handler.stats
        # It does not wait for what other processes have left. Without patience it need not notice that all is settled.
        is_right = settled == (stats.pending == 0) or (settled and stats.pending <= stats.recovered)
        if not is_right and (settled or patience > 1.0):
            diary.wrong(f"handler {handler.serial}: flush returned {settled} with {stats.pending} pending")


def report(ending: str) -> None:
    """Write down the statistics of all handlers that are remembered."""
    diary.report({handler.serial: dataclasses.asdict(handler.stats) for handler in list(known)}, ending)


class Watch:
    """Looks at every handler's books again and again: they balance, and no count ever falls."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[int, ...]] = {}

    def look(self) -> None:
        """Take a snapshot of each handler, and write down what is wrong with it."""
        diary.looks()
        lost: dict[int, int] = {}
        for handler in known:
            stats = handler.stats
            came = stats.emitted + stats.recovered
            if came != stats.delivered + stats.rejected + stats.dropped + stats.pending or stats.pending < 0:
                diary.wrong(f"handler {handler.serial}: the books do not balance: {stats}")
            if not 0 <= stats.spooled <= stats.pending:
                diary.wrong(f"handler {handler.serial}: {stats.spooled} on disk of {stats.pending} pending")
            lost[handler.serial] = sum(stats.dropped_by_reason.get(reason, 0) for reason in ROOM)
            counts = (came, stats.delivered, stats.rejected, stats.dropped, stats.possibly_duplicated)
            before = self._before.get(handler.serial, (0,) * len(counts))
            if any(now < then for now, then in zip(counts, before, strict=True)):
                diary.wrong(f"handler {handler.serial}: a count fell: {before} became {counts}")
            self._before[handler.serial] = counts
        diary.books(lost)
