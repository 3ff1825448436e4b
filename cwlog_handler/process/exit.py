"""The end of a process, as one flusher sees it: until when something is still tried, and when nothing is.

Owns: the deadlines of flush, close and exit. Must not know: clocks, threads, what is delivered. Instants are seconds of
one monotonic clock, handed in.

`close_timeout` is what all of them take together at most: a flush in vain just before the exit counts as the exit's own
wait, and what comes during the exit shares the exit's deadline.
"""

from __future__ import annotations

from math import inf
from typing import Final

# How many seconds a finalizer that logs, or calls flush(), may wait while the interpreter tears modules down: a request
# or two. What does not work within a moment by then never will.
LAST_MOMENT: Final = 1.0
# A flush that was in vain so many seconds ago counts as the wait of the close or exit that follows it:
# logging.shutdown() calls flush() and then close(), and many a program flush() as its last statement.
FLUSHED_JUST_NOW: Final = 1.0


class Exit:
    """What is known of the end of the process.

    Any thread may call any method. There is no lock: each field is written by one assignment, and whoever reads between
    two of them sees what was true a moment ago.
    """

    __slots__ = ("_close_timeout", "_flushed_in_vain_at", "_gives_up_at", "_is_closed", "has_given_up")

    def __init__(self, close_timeout: float) -> None:
        self._close_timeout = close_timeout
        self._flushed_in_vain_at = -inf
        self._is_closed = False
        # The exit's deadline; None: the process is not ending.
        self._gives_up_at: float | None = None
        self.has_given_up = False
        """True once the exit, or what came during it, has waited in vain."""

    # -- what happens ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """The handler was closed. A record may come all the same."""
        self._is_closed = True

    def flushed(self, is_settled: bool, now: float) -> None:
        """A flush that had all of the time there is has ended."""
        self._flushed_in_vain_at = -inf if is_settled else now

    def begin(self, deadline: float) -> None:
        """The interpreter ends; what waits is delivered until the deadline."""
        self._gives_up_at = deadline
        # If logging.shutdown is still to come, it comes to closed handlers, too.
        self._is_closed = False

    def give_up(self) -> None:
        """What came during the exit could not be delivered in time: nothing is waited for after the exit's deadline."""
        self.has_given_up = True

    def cut_short(self, now: float) -> None:
        """The exit itself could not deliver what waited, or Ctrl-C ended it: its deadline is now at the latest."""
        self.has_given_up = True
        if self._gives_up_at is not None:
            self._gives_up_at = min(self._gives_up_at, now)

    # -- what follows from it ----------------------------------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """True once the interpreter ends."""
        return self._gives_up_at is not None

    def ends_at_if_begun(self, now: float) -> float:
        """Return when a close or an exit that begins now must be over."""
        return now if self.has_just_flushed_in_vain(now) else now + self._close_timeout

    def has_just_flushed_in_vain(self, now: float) -> bool:
        """True if a flush took all of its time, for nothing, and that was a moment ago."""
        return now - self._flushed_in_vain_at <= FLUSHED_JUST_NOW

    def is_over(self, now: float) -> bool:
        """True if the exit has waited in vain and has no time left: a further flush tries nothing."""
        return self.has_given_up and self.tried_until(now) <= now and self._close_timeout > 0

    def tried_until(self, now: float) -> float:
        """Return until when a flush or a record that comes now is tried.

        That is `close_timeout` from now; or during the exit the exit's deadline, but at least a moment from now, unless
        the exit has waited in vain.
        """
        if self._gives_up_at is None:
            return now + self._close_timeout
        if self.has_given_up:
            return self._gives_up_at
        return max(self._gives_up_at, now + min(self._close_timeout, LAST_MOMENT))

    def late_record_until(self, now: float, is_finalizing: bool) -> float:
        """Return until when a caller drives for its own record; ``is_finalizing``: modules are being torn down."""
        return now + LAST_MOMENT if is_finalizing else self.tried_until(now)

    @property
    def expects_a_flush(self) -> bool:
        """True unless logging.shutdown has come to this handler by now, or a flush would try nothing."""
        return not (self._is_closed or self.has_given_up)
