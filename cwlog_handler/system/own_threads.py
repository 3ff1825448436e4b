"""Which threads deliver events at this moment. They must never wait for delivery: they would wait for themselves.

Owns: the idents of these threads. Must not know: what the threads do, which records are ours (`own_calls`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .primitives import get_ident

_idents: set[int] = set()


@contextmanager
def own_thread() -> Iterator[None]:
    """Count the current thread as ours while the block runs. Blocks may be nested."""
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
    """Forget all threads, in a forked child: the parent's other threads do not exist there."""
    _idents.clear()
