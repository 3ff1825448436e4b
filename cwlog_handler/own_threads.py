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
from typing import Final

# The loggers of the client that we call, by first name.
AWS_CLIENT_LOGGERS: Final = frozenset({"botocore", "boto3", "urllib3", "s3transfer"})

_idents: set[int] = set()


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


def is_our_own(record: logging.LogRecord) -> bool:
    """True for what the AWS client logs while we call it."""
    # The record's thread, not the current one: a QueueListener may bring our own records back on another.
    ident = record.thread if record.thread is not None else _thread.get_ident()
    if ident not in _idents or record.process not in (None, os.getpid()):
        return False
    return record.name.partition(".")[0] in AWS_CLIENT_LOGGERS


def forget_all() -> None:
    """Start over in a forked child: its parent's threads are not there."""
    _idents.clear()
