"""Token buckets, shared by all handlers of this process that write to the same stream.

Owns: which bucket belongs to which stream, and its lock. Must not know: when a token is free (`pacing`), what a token
is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from weakref import ReferenceType, ref

from ..core.pacing import TokenBucket, Turn
from ..core.stream import Stream
from ..core.targets import Target
from ..system.primitives import allocate_lock


class SharedBucket(TokenBucket):
    """A token bucket for any thread: its methods are those of `core.pacing.TokenBucket`, each with the lock held.

    Each bucket has its own lock: code that interrupts a thread holding one may need the bucket of another stream.
    """

    __slots__ = ("_lock",)

    def __init__(self, rate: float | None) -> None:
        self._lock = allocate_lock()
        super().__init__(rate)

    def tighten(self, rate: float | None) -> None:
        """See `TokenBucket.tighten`."""
        with self._lock:
            super().tighten(rate)

    def take(self, now: float, ahead: float = 0.0, spare: int = 0) -> Turn:
        """See `TokenBucket.take`."""
        with self._lock:
            return super().take(now, ahead, spare)

    def cancel(self) -> None:
        """See `TokenBucket.cancel`."""
        with self._lock:
            super().cancel()

    def is_full(self, now: float) -> bool:
        """See `TokenBucket.is_full`."""
        with self._lock:
            return super().is_full(now)

    def give_back(self, used_at: float) -> None:
        """See `TokenBucket.give_back`."""
        with self._lock:
            super().give_back(used_at)


class Buckets:
    """The buckets of one handler's ``streams``, which have at most ``rate`` requests per second each.

    Streams that several handlers write to have one bucket in all of them, and the lowest rate of these handlers
    applies. A bucket is kept by its streams only, and looked for in those of the other handlers: there may be many
    thousands of streams, and seldom another handler.
    """

    __slots__ = ("__weakref__", "_endpoint", "_rate", "_streams")

    def __init__(self, rate: float | None, streams: Mapping[Target, Stream]) -> None:
        self._rate = rate
        self._streams = streams
        self._endpoint: str | None = None

    def join(self, endpoint: str, stream: Stream) -> None:
        """Give a stream of the service at this endpoint its bucket. Handlers on other threads may do so, too."""
        with _lock:
            if endpoint != self._endpoint or endpoint not in _known:
                self._move(endpoint)
            for known in _known[endpoint]:
                others = known()
                if others is None or others is self:
                    continue
                other = others._streams.get(stream.target)
                if other is not None and isinstance(other.bucket, SharedBucket):
                    other.bucket.tighten(self._rate)
                    stream.use(other.bucket)
                    return
            stream.use(SharedBucket(self._rate))

    def _move(self, endpoint: str) -> None:
        for place, those in list(_known.items()):
            _known[place] = [known for known in those if known() not in (None, self)]
            if not _known[place]:
                del _known[place]
        _known.setdefault(endpoint, []).append(ref(self))
        self._endpoint = endpoint


# By endpoint: those of all handlers of this process.
_known: dict[str, list[ReferenceType[Buckets]]] = {}
_lock = allocate_lock()


def forget_all() -> None:
    """Start over in a forked child: a thread of the parent may have held a lock, which nobody releases here."""
    global _lock
    _lock = allocate_lock()
    _known.clear()
