"""The end of a process, as one flusher sees it: until when it still tries to deliver, and when it tries no more.

Owns: the deadlines of flush, close and exit. Must not know: clocks, threads, what is delivered. The caller hands in
instants: seconds of one monotonic clock.

Flush, close and exit together take `close_timeout` at most. So a flush that timed out just before the exit counts as
the exit's own wait. A flush or a record that comes during the exit has the exit's deadline.
"""

from __future__ import annotations

from math import inf
from typing import Final

# While the interpreter tears modules down, a finalizer that logs or calls flush() may wait this many seconds: time for
# one or two requests. A request that has failed for so long then cannot succeed any more.
LAST_MOMENT: Final = 1.0
# If a flush timed out at most this many seconds ago, a close or an exit does not wait again. logging.shutdown() calls
# flush() and then close(), and many programs call flush() in their last statement.
FLUSHED_JUST_NOW: Final = 1.0


class Exit:
    """What is known about the end of the process, and the deadlines that follow from it.

    Any thread may call any method. No lock is needed: each field is written by one assignment. A thread that reads
    between two assignments sees what was true a moment before.
    """

    __slots__ = ("_close_timeout", "_flushed_in_vain_at", "_gives_up_at", "_is_closed", "has_given_up", "kept")

    def __init__(self, close_timeout: float, kept: float = 0.0) -> None:
        self._close_timeout = close_timeout
        self.kept = kept
        """So many seconds of ``close_timeout`` are kept to report what could not be delivered."""
        self._flushed_in_vain_at = -inf
        self._is_closed = False
        # The exit's deadline: until then it delivers. None while the process is not ending.
        self._gives_up_at: float | None = None
        self.has_given_up = False
        """True once the exit, or a flush or a record during it, could not deliver everything in its time."""

    # -- what happens ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Note that the handler was closed. Records may still come afterwards."""
        self._is_closed = True

    def flushed(self, is_settled: bool, now: float) -> None:
        """Note the end of a flush that had no time-out of its own, and so could use all the time there was."""
        self._flushed_in_vain_at = -inf if is_settled else now

    def begin(self, deadline: float) -> None:
        """Note that the interpreter ends, and that what waits is to be delivered until the deadline."""
        self._gives_up_at = deadline
        # logging.shutdown may still run after this, and it flushes closed handlers too: see `expects_a_flush`.
        self._is_closed = False

    def give_up(self) -> None:
        """Note that a flush or a record during the exit timed out. Nobody waits beyond the exit's deadline any more."""
        self.has_given_up = True

    def cut_short(self, now: float) -> None:
        """Note that the exit itself timed out, or that Ctrl-C ended it. Its deadline is then ``now`` at the latest."""
        self.has_given_up = True
        if self._gives_up_at is not None:
            self._gives_up_at = min(self._gives_up_at, now)

    # -- what follows from it ----------------------------------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """True once the interpreter ends."""
        return self._gives_up_at is not None

    def ends_at_if_begun(self, now: float) -> float:
        """Return the instant at which a close or an exit that begins now must be over."""
        return now + (self.kept if self.has_just_flushed_in_vain(now) else self._close_timeout)

    def has_just_flushed_in_vain(self, now: float) -> bool:
        """True if a flush has timed out, at most `FLUSHED_JUST_NOW` seconds ago."""
        return now - self._flushed_in_vain_at <= FLUSHED_JUST_NOW

    def is_over(self, now: float) -> bool:
        """True if the exit has given up and its deadline has passed: a further flush then tries nothing.

        With ``close_timeout=0`` this is never True, because a flush then still does one round.
        """
        return self.has_given_up and self.tried_until(now) <= now and self._close_timeout > 0

    def tried_until(self, now: float) -> float:
        """Return the instant until which a flush or a record that comes now is tried.

        Before the exit that is `close_timeout` from now, less what is `kept`. During the exit it is the exit's
        deadline, or `LAST_MOMENT` from now if that is later (`close_timeout` from now if `close_timeout` is shorter).
        Once the exit has given up, it is the exit's deadline.
        """
        if self._gives_up_at is None:
            return now + self._close_timeout - self.kept
        if self.has_given_up:
            return self._gives_up_at
        return max(self._gives_up_at, now + min(self._close_timeout, LAST_MOMENT))

    def late_record_until(self, now: float, is_finalizing: bool) -> float:
        """Return the instant until which a caller drives for its own record.

        ``is_finalizing`` says that the interpreter is tearing modules down.
        """
        return now + LAST_MOMENT if is_finalizing else self.tried_until(now)

    @property
    def expects_a_flush(self) -> bool:
        """True unless this handler was closed, or the exit has given up.

        If logging.shutdown is running and this is True, it will still flush this handler: a record may wait for that.
        """
        return not (self._is_closed or self.has_given_up)
