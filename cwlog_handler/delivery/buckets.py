"""Token buckets, shared by all handlers of this process that write to the same stream.

Owns: which bucket belongs to which stream, and its lock. Must not know: when a token is free (`pacing`), what a token
is for.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from ..core.pacing import TokenBucket, Turn
from ..core.targets import Target
from ..system.primitives import allocate_lock


class SharedBucket:
    """A token bucket for any thread. Its methods are those of `core.pacing.TokenBucket`, each with the lock held.

    Each bucket has its own lock: code that interrupts a thread holding one may need the bucket of another stream.
    """

    __slots__ = ("__weakref__", "_bucket", "_lock")

    def __init__(self, rate: float | None) -> None:
        self._lock = allocate_lock()
        self._bucket = TokenBucket(rate)

    def tighten(self, rate: float | None) -> None:
        """See `TokenBucket.tighten`."""
        with self._lock:
            self._bucket.tighten(rate)

    def take(self, now: float, ahead: float = 0.0, spare: int = 0) -> Turn:
        """See `TokenBucket.take`."""
        with self._lock:
            return self._bucket.take(now, ahead, spare)

    def cancel(self) -> None:
        """See `TokenBucket.cancel`."""
        with self._lock:
            self._bucket.cancel()

    def is_full(self, now: float) -> bool:
        """See `TokenBucket.is_full`."""
        with self._lock:
            return self._bucket.is_full(now)

    def give_back(self, used_at: float) -> None:
        """See `TokenBucket.give_back`."""
        with self._lock:
            self._bucket.give_back(used_at)


class StreamBucket:
    """The token bucket that a stream has from its first record on.

    The service to which the stream belongs is known only when there is a client, and no request is made before. So the
    first `take` joins the bucket that the other handlers use for the same stream.
    """

    __slots__ = ("_join", "_joined", "_target")

    def __init__(self, join: Callable[[Target], SharedBucket], target: Target) -> None:
        self._join = join
        self._target = target
        self._joined: SharedBucket | None = None

    def take(self, now: float, ahead: float = 0.0, spare: int = 0) -> Turn:
        """See `TokenBucket.take`."""
        if self._joined is None:
            self._joined = self._join(self._target)
        return self._joined.take(now, ahead, spare)

    def cancel(self) -> None:
        """See `TokenBucket.cancel`."""
        if self._joined is not None:
            self._joined.cancel()

    def is_full(self, now: float) -> bool:
        """See `TokenBucket.is_full`."""
        return self._joined is None or self._joined.is_full(now)

    def give_back(self, used_at: float) -> None:
        """See `TokenBucket.give_back`."""
        if self._joined is not None:
            self._joined.give_back(used_at)


_shared: WeakValueDictionary[tuple[str, str, str], SharedBucket] = WeakValueDictionary()
_shared_lock = allocate_lock()


def shared_bucket(endpoint: str, group: str, stream: str, rate: float | None) -> SharedBucket:
    """Return the one bucket of a stream in this process. The lowest rate of its users applies. Thread-safe."""
    with _shared_lock:
        key = (endpoint, group, stream)
        bucket = _shared.get(key)
        if bucket is None:
            bucket = _shared[key] = SharedBucket(rate)
        else:
            bucket.tighten(rate)
        return bucket


def forget_all() -> None:
    """Start over in a forked child: a thread of the parent may have held a lock, which nobody releases here."""
    global _shared_lock
    _shared_lock = allocate_lock()
    _shared.clear()
