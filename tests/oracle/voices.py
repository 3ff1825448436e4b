"""Who logs in the random program: threads, signal handlers, finalizers, children; each record has an id."""

from __future__ import annotations

import itertools
import logging
import random
import time

from . import diary

LEVELS = (logging.DEBUG, logging.INFO, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
HOUR = 3600.0
DAY = 24 * HOUR


class Voice:
    """One thread's records, each with a number of its own: ``process/thread/number``."""

    def __init__(self, name: str, rng: random.Random, kind: str = diary.TEXT) -> None:
        self._name, self._rng, self._kind = name, rng, kind
        self._numbers = itertools.count(1)

    def say(self, logger: logging.Logger, level: int | None = None) -> str:
        """Log one record; return its id."""
        rng = self._rng
        record_id = f"{diary.label}/{self._name}/{next(self._numbers)}"
        kind, created = self._kind, time.time()
        if kind == diary.TEXT and (unusual := rng.random()) < 0.02:
            kind, away = [(diary.OLD, -15 * DAY), (diary.AHEAD, 3 * HOUR), (diary.SKEWED, -HOUR), (diary.EMPTY, 0.0)][
                int(unusual * 200)
            ]
            created += away
        text = "" if kind == diary.EMPTY else f"{record_id} {self._padding()}"
        extra = {"oracle": (record_id, kind)}
        level = rng.choice(LEVELS) if level is None else level
        record = logger.makeRecord(logger.name, level, __file__, 1, text, (), None, extra=extra)
        if kind != diary.TEXT:
            record.created = created
        logger.handle(record)
        return record_id

    def _padding(self) -> str:
        size = self._rng.choice([0, 0, 10, 10, 100, 1000, self._rng.randint(0, 15_000)])
        return self._rng.choice("xxé😀") * size


class Garbage:
    """Logs when it is collected, wherever that happens."""

    def __init__(self, voice: Voice) -> None:
        self._voice, self.cycle = voice, self

    def __del__(self) -> None:
        self._voice.say(logging.getLogger("oracle.garbage"))


def burst(voice: Voice, rng: random.Random, until: float) -> None:
    """Say something some times, no longer than until the time is over."""
    logger = logging.getLogger(rng.choice(["oracle.a", "oracle.b", "oracle.c"]))
    for _ in range(rng.choice([1, 1, 5, 20, 100])):
        voice.say(logger)
        # With ``use_queues=False`` each record waits for its turn at the stream's rate.
        if time.monotonic() > until:
            break
