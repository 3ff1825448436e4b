"""The lock on the streams and the ledger of one handler: "the books".

Owns: who may wait for it, and for how long. Must not know: what is done while it is held. Whoever drives needs it again
and again in each round, and a caller for a moment. A signal handler may interrupt a caller that has it; the interrupted
frame cannot go on before the signal handler has returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf

from ..system.primitives import acquire, allocate_lock, frame_owner


class BooksInUse(Exception):
    """Somebody else has held the lock for longer than the driver may wait, or the driver is kept out."""


class Books:
    """Any thread may call any method."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        """Held while streams or ledger are changed. With ``with``, it is waited for without a limit."""
        # The callers that hold the lock or are about to take it, as `frame_owner` numbers them.
        self._callers: set[int] = set()
        self.is_thread_kept_out = False
        """True once `keep_thread_out` was called."""
        # True once a caller has waited in vain after that: the thread has stopped, or is too slow to be waited for.
        self._is_stuck = False

    def for_driver(self, patience: float) -> AbstractContextManager[object]:
        """Return what takes the lock, any number of times; it raises BooksInUse after ``patience`` seconds."""
        return self.lock if patience == inf else _Within(self, patience)

    def keep_thread_out(self) -> None:
        """Have no driver take the lock any more that waits for it with a limit, as the handler's thread does.

        Python stops that thread at the end, wherever it is. If it had the lock then, a finalizer that logs later could
        not have its record stored. It may have the lock at this moment. Who needs it next waits for that; if in vain,
        nobody waits again.
        """
        self.is_thread_kept_out = True

    @contextmanager
    def for_caller(self, patience: float) -> Iterator[bool]:
        """Take the lock on a caller's thread, if it is free within ``patience`` seconds; yield whether it is held.

        After `keep_thread_out`, once somebody has waited in vain, nobody waits.
        """
        me = frame_owner()
        if me in self._callers:
            yield False
            return
        is_taken = False
        try:
            # Before the lock is taken: from then on a signal handler must not wait for anything that needs the lock.
            self._callers.add(me)
            is_taken = acquire(self.lock, 0.0 if self._is_stuck else patience)
            self._is_stuck = self.is_thread_kept_out and not is_taken and (patience > 0 or self._is_stuck)
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

    def __init__(self, books: Books, patience: float) -> None:
        self._books = books
        self._patience = patience

    def __enter__(self) -> None:
        books = self._books
        if books.is_thread_kept_out or not books.lock.acquire(timeout=self._patience):
            raise BooksInUse
        # It may have been kept out while it waited.
        if books.is_thread_kept_out:
            books.lock.release()
            raise BooksInUse

    def __exit__(self, *_: object) -> None:
        self._books.lock.release()
