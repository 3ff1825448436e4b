"""The lock on the streams and the ledger of one handler: "the books".

Owns: who may wait for it, and for how long. Must not know: what is done while it is held. Whoever drives needs it again
and again in each round, and a caller for a moment. A signal handler may interrupt a caller that has it; the interrupted
frame cannot go on before the signal handler has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf

from ..system.primitives import LockType, acquire, allocate_lock, frame_owner


class BooksInUse(Exception):
    """Somebody else has held the lock for longer than the driver may wait, or the driver is kept out."""


class Books:
    """Any thread may call any method."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        """Held while streams or ledger are changed. With ``with``, it is waited for without a limit."""
        # The callers that hold the lock or are about to take it, as `frame_owner` numbers them.
        self._callers: set[int] = set()
        self._is_thread_kept_out = False

    def for_driver(self, patience: float) -> AbstractContextManager[object]:
        """Return what takes the lock, any number of times; it raises BooksInUse after ``patience`` seconds."""
        return self.lock if patience == inf else _Within(self.lock, patience, lambda: not self._is_thread_kept_out)

    def keep_thread_out(self, patience: float) -> None:
        """Have no driver take the lock any more that waits for it with a limit, as the handler's thread does.

        Wait ``patience`` seconds at most until it is out. Python stops that thread at the end, wherever it is. If it
        had the lock then, a finalizer that logs later could not have its record stored.
        """
        self._is_thread_kept_out = True
        with self.for_caller(patience):
            pass

    @contextmanager
    def for_caller(self, patience: float) -> Iterator[bool]:
        """Take the lock on a caller's thread, if it is free within ``patience`` seconds; yield whether it is held."""
        me = frame_owner()
        if me in self._callers:
            yield False
            return
        is_taken = False
        try:
            # Before the lock is taken: from then on a signal handler must not wait for anything that needs the lock.
            self._callers.add(me)
            is_taken = acquire(self.lock, patience)
            yield is_taken
        finally:
            if is_taken:
                self.lock.release()
            self._callers.discard(me)

    @property
    def are_interrupted(self) -> bool:
        """True in a signal handler or a finalizer that has interrupted a frame holding the lock: it must not wait."""
        return frame_owner() in self._callers


class _Within:
    """Takes the lock within so many seconds. Not for a thread that Ctrl-C reaches: it could leave the lock taken."""

    def __init__(self, lock: LockType, patience: float, is_let_in: Callable[[], bool]) -> None:
        self._lock = lock
        self._patience = patience
        self._is_let_in = is_let_in

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._patience):
            raise BooksInUse
        if not self._is_let_in():
            self._lock.release()
            raise BooksInUse

    def __exit__(self, *_: object) -> None:
        self._lock.release()
