"""Which threads are ours at this moment: those that must not wait for what only they can do.

Must not know: what the threads do, nor which records are ours (`own_calls`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .primitives import get_ident

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


def forget_all() -> None:
    """Start over in a forked child: its parent's threads are not there."""
    _idents.clear()
