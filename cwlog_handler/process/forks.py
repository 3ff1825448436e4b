"""What happens when Python forks the process: all hooks, registered once, in this order.

Owns: the order, and `no_fork`. Must not know: how a module starts over. Each module offers a function for that.

Before the fork, on the thread that forks:
    1. `runtimes`: register our finalizer for the children of multiprocessing. This comes first, because it runs code of
       others, and that may log.
    2. `no_fork`: wait until no thread makes a client. This comes last, so that nothing else runs while it is held.
In the parent, after the fork:
    3. `no_fork`: let the waiting threads go on.
In the child, where only the thread that forked exists:
    4. `no_fork` and the registers of threads and calls: they forget the parent's other threads. This comes before the
       flushers, because these ask whether the current thread may wait.
    5. The token buckets, the pool of threads, the carriers and the turns of formatters: another thread of the parent
       may have held their locks, and nobody would release them here. This comes before the flushers, because these ask
       for a pool and a carrier, and their new streams for a bucket.
    6. The flushers: each begins with nothing, and its client has no connection.
    7. SIGTERM: from here on the signal kills the child at once. If it comes earlier, our handler of the signal finds
       nothing to deliver and lets the child die too.

`logging` has registered its own hooks earlier. So ours run before `logging` takes its locks for the fork, and in the
child after it has made its locks anew. A server written in C forks without these hooks. Then a flusher notices that the
process id has changed, and calls `start_over` itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..delivery import buckets, pool
from ..record import turns
from ..system import own_calls, own_threads
from ..system.primitives import LockType, acquire, allocate_lock, get_ident
from . import carriers, lifecycle, runtimes, signals

# A thread waits at most this many seconds for `no_fork`. Making a client takes about 60 ms, or longer if it has to wait
# for credentials.
_PATIENCE: Final = 2.0


class NoFork:
    """A lock that puts forks off while a thread makes a client.

    A fork copies locks in the state they are in. While a thread makes an SSL context, OpenSSL holds locks. The child
    would wait for them for ever as soon as it makes a context itself, because that thread does not exist there. Nobody
    waits for this lock longer than ``patience`` seconds. After that, the fork or the making of a client goes on.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self.start_over()

    def start_over(self) -> None:
        """Make the lock anew, free. Called at the beginning and in the child of a fork."""
        self._lock = allocate_lock()
        self._held_by_fork: tuple[int, LockType] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put off forks by other threads while the block runs."""
        lock = self._lock
        is_taken = False
        try:
            is_taken = acquire(lock, self._patience)
            if not is_taken:
                # Another thread has held the lock for very long, or it was left taken (see ARCHITECTURE, Ctrl-C, 4). A
                # new lock saves all others from waiting for the old one, too.
                self._lock = allocate_lock()
            yield
        finally:
            if is_taken:
                lock.release()

    def before_fork(self) -> None:
        """Wait until no thread makes a client, for ``patience`` seconds at most."""
        lock = self._lock
        # A thread of ours does not wait: it may itself be the one that makes a client.
        if not own_threads.is_own_thread() and acquire(lock, self._patience):
            # Other threads may fork at the same time, and wait here until their patience ends. They must not release
            # the lock. So the ident of the thread that holds it is kept with it.
            self._held_by_fork = get_ident(), lock

    def after_fork(self) -> None:
        """In the parent, release the lock if this thread's `before_fork` took it."""
        if self._held_by_fork is not None and self._held_by_fork[0] == get_ident():
            lock = self._held_by_fork[1]
            self._held_by_fork = None
            lock.release()


no_fork: Final = NoFork()


def start_over(keeps_records: bool = False) -> None:
    """Begin anew in a forked child. The parent sends its own records, so the child forgets them.

    ``keeps_records`` is for a parent that cannot send them: uWSGI's master process. Then the child sends them.
    """
    no_fork.start_over()
    own_threads.forget_all()
    own_calls.forget_all()
    buckets.forget_all()
    pool.start_over()
    carriers.start_over()
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
