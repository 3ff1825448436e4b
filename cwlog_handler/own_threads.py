"""Which threads are ours, so that what the AWS client logs while we call it never comes back in.

Must not know: what the threads do. Guards by thread *and* logger: the application's own boto3 records are its own, and
so is what a ``__del__`` logs when a garbage collection happens to run on a thread of ours.
"""

from __future__ import annotations

import _thread
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

# The loggers of the client that we call, by first name.
AWS_CLIENT_LOGGERS: Final = frozenset({"botocore", "boto3", "urllib3", "s3transfer"})

_idents: set[int] = set()

Origin = Literal["application", "aside", "own"]


@contextmanager
def own_thread() -> Iterator[None]:
    """Count the current thread as ours for as long as the block runs; may be nested."""
    ident = _thread.get_ident()
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
    return _thread.get_ident() in _idents


def origin(record: logging.LogRecord) -> Origin:
    """Say where a record comes from: the application; our call of the AWS client; or something else on our thread."""
    # The record's thread, not the current one: a QueueListener may bring our own records back on another.
    ident = record.thread if record.thread is not None else _thread.get_ident()
    if ident not in _idents or record.process not in (None, os.getpid()):
        return "application"
    return "own" if record.name.partition(".")[0] in AWS_CLIENT_LOGGERS else "aside"


def forget_all() -> None:
    """Start over in a forked child: its parent's threads are not there."""
    _idents.clear()
