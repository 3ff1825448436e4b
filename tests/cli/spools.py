"""Spools for tests of the command line: files as processes leave them, byte by byte."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from cwlog_handler.core.columns import Events
from cwlog_handler.core.events import Event
from cwlog_handler.spool import frames

NOW = datetime.now(timezone.utc).replace(microsecond=0)
REGION = "us-east-1"


def ms(**ago):
    """An instant before now, in milliseconds since the epoch."""
    return int((NOW - timedelta(**ago)).timestamp() * 1000)


def iso(milliseconds):
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def head(**words):
    return frames.Head(
        **{
            "group": "g",
            "region": REGION,
            "endpoint": "",
            "machine": "web-1",
            "pid": 4711,
            "package": "0.1.0",
            "level_class": 2,
            "area": 0,
            "stream": "own",
            **words,
        }
    )


def events(messages, at=None, stream="s", first_id=0):
    """A frame with these messages, a second apart; the first one at ``at``."""
    at = ms(hours=1) if at is None else at
    columns = Events.of([Event(at + 1000 * n, text.encode(), n) for n, text in enumerate(messages)])
    return frames.events(stream, columns, first_id)


def settled(first, last):
    return frames.marks(frames.Kind.SETTLED, [(first, last)])


class Spool:
    """A directory with what processes have left there."""

    def __init__(self, path):
        self.path = path
        path.mkdir(mode=0o700)
        self._number = 0

    def leave(self, *parts, name=None, data=None, **words):
        """A file that nobody holds: its head says ``words``; ``parts`` are the frames behind it."""
        self._number += 1
        path = self.path / (name or f"web-1-4711-0a1b2c3d.{self._number:08}.cwl")
        path.write_bytes(b"".join([frames.head(head(**words)), *parts]) if data is None else data)
        path.chmod(0o600)
        return path

    @property
    def names(self):
        return sorted(os.listdir(self.path))


@contextmanager
def held(path):
    """Hold a file as the living process does that writes it."""
    with path.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def is_free(path):
    """Whether a process could take the file now."""
    with path.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
