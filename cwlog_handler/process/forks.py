"""What happens when Python forks the process: all hooks, registered once, in this order.

Owns: the order, and `no_fork`. Must not know: what is inside the things that start over; each module offers a function.

Before, on the thread that forks:
    1. `runtimes`: have the children of multiprocessing finish. First, because that runs code of others, which may log.
    2. `no_fork`: wait until no thread makes a client. Last, so that nothing else runs while it is held.
In the parent:
    3. `no_fork`: let the waiting threads go on.
In the child, where no other thread is:
    4. `no_fork` and the registers of threads and calls: the threads of the parent are not here. Before the flushers,
       which ask whether the current thread may wait.
    5. The token buckets and the turns of formatters: a thread of the parent may hold their locks for ever. Before the
       flushers, whose new streams ask for a bucket.
    6. The flushers: each begins with nothing, and its client has no connection.
    7. SIGTERM: what comes before this finds flushers that have nothing to deliver, and kills the child all the same.

`logging` has registered its own hooks before: so ours run before it takes its locks, and after it has made them anew.
A server written in C forks without these hooks. Then a flusher notices it by the number of the process, and calls
`start_over` itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..delivery import buckets
from ..record import turns
from ..system import own_calls, own_threads, starting
from ..system.primitives import LockType, acquire, allocate_lock, get_ident
from . import lifecycle, runtimes, signals

# How many seconds `no_fork` is waited for. Making a client takes some 60 ms, unless credentials are slow to come.
_PATIENCE: Final = 2.0


class NoFork:
    """Held while something is done in which a fork would leave locks behind that nobody in the child could release.

    OpenSSL's are such, while a context is made: the child would wait for them for ever, as soon as it makes its own.
    Nobody waits for it for longer than ``patience`` seconds; then they go on all the same.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self.start_over()

    def start_over(self) -> None:
        """Be free: at first, and in the child of a fork."""
        self._lock = allocate_lock()
        self._held_by_fork: tuple[int, LockType] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put forks of other threads off, as long as the block runs."""
        lock = self._lock
        is_taken = False
        try:
            is_taken = acquire(lock, self._patience)
            if not is_taken:
                # Held for very long, or left taken (see ARCHITECTURE, Ctrl-C, 4): nobody need wait for it again.
                self._lock = allocate_lock()
            yield
        finally:
            if is_taken:
                lock.release()

    def before_fork(self) -> None:
        """Wait until nobody is at it, but not for ever."""
        lock = self._lock
        # On a thread of ours it may be this very thread.
        if not own_threads.is_own_thread() and acquire(lock, self._patience):
            # Others may fork at the same time, and wait here in vain: it is not theirs to release, nor to forget.
            self._held_by_fork = get_ident(), lock

    def after_fork(self) -> None:
        """Go on, in the parent."""
        if self._held_by_fork is not None and self._held_by_fork[0] == get_ident():
            lock = self._held_by_fork[1]
            self._held_by_fork = None
            lock.release()


no_fork: Final = NoFork()


def start_over(keeps_records: bool = False) -> None:
    """Begin anew in a forked child; the parent's records are the parent's, unless it could not send them."""
    no_fork.start_over()
    own_threads.forget_all()
    own_calls.forget_all()
    starting.forget_all()
    buckets.forget_all()
    turns.start_over()
    lifecycle.flushers.start_over(keeps_records)


def _before_fork() -> None:
    runtimes.join_before_fork()
    no_fork.before_fork()


def _in_child() -> None:
    start_over()
    signals.die_at_once_when_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=no_fork.after_fork, after_in_child=_in_child)
