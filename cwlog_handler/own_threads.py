"""Which threads are ours, so that what the AWS client logs while we call it never comes back in.

Must not know: what the threads do. Guards by thread *and* logger: the application's own boto3 records are its own, and
so is what a ``__del__`` logs when a garbage collection happens to run on a thread of ours.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .threads import get_ident

# The loggers of the client that we call, by first name.
AWS_CLIENT_LOGGERS: Final = frozenset({"botocore", "boto3", "urllib3", "s3transfer"})
# Where its warnings go if ``logging.captureWarnings`` is on.
WARNINGS_LOGGER: Final = "py.warnings"

# Names without end may come with records made by hand.
_MOST_NAMES: Final = 10_000

names_of_others: Final[set[str]] = set()
"""Loggers of which no record `is_our_own`, as far as they were met. To look here first saves most of the answer."""

_idents: set[int] = set()


@contextmanager
def own_thread() -> Iterator[None]:
    """Count the current thread as ours for as long as the block runs; may be nested."""
    ident = get_ident()
    if ident in _idents:
        yield
        return
    _idents.add(ident)
    try:
        yield
    finally:
        _idents.discard(ident)


def is_own_thread() -> bool:
    """True on a thread that is ours at this moment."""
    return get_ident() in _idents


def is_our_own(record: logging.LogRecord) -> bool:
    """True for what the AWS client logs while we call it."""
    # A record made by hand may have any name, or none.
    name = record.name if isinstance(record.name, str) else ""
    if name.partition(".")[0] not in AWS_CLIENT_LOGGERS and name != WARNINGS_LOGGER:
        if len(names_of_others) >= _MOST_NAMES:
            names_of_others.clear()
        names_of_others.add(name)
        return False
    # The record's thread, not the current one: a QueueListener may bring our own records back on another.
    # And the current one: where gevent patched late, records carry its idents, not those of threads.
    is_on_our_thread = not _idents.isdisjoint((record.thread, get_ident()))
    return is_on_our_thread and record.process in (None, os.getpid())


def forget_all() -> None:
    """Start over in a forked child: its parent's threads are not there."""
    _idents.clear()
