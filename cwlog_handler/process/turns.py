"""In which order the handlers are driven that share a thread, and who of them has left.

Owns: the dates of their rounds. Must not know: the thread (`carriers`), what happens in a round.
"""

from __future__ import annotations

from contextlib import suppress
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Final, Protocol

# So many dates that are no longer right may wait for their turn to be forgotten.
_MOST_OLD_DATES: Final = 100


class Carried(Protocol):
    """The part of a driver that is needed here. The carrier's thread calls it, and no other while that thread lives."""

    def turn(self) -> float | None:
        """Do a round; return the instant at which the next is due, or None if this driver is to be let go."""

    def let_go(self) -> None:
        """Note that this driver is not carried any more."""

    def has_been_let_go(self) -> None:
        """Do what comes after that, on a thread that does not count as ours any more: it may drive as a caller."""


class Turns:
    """Who is driven, when the next round of each is due, and who has left. For the carrier's thread."""

    def __init__(self) -> None:
        self._numbers = count()
        self._number: dict[Carried, int] = {}
        # By their numbers, so that a date of one that has left keeps nothing alive.
        self._carried: dict[int, Carried] = {}
        self._at: dict[int, float] = {}
        # Those that are no longer right are left here until they come first.
        self._dates: list[tuple[float, int]] = []
        self._now: dict[int, None] = {}
        self._left: list[Carried] = []

    def __len__(self) -> int:
        return len(self._number)

    @property
    def has_left(self) -> bool:
        """True if somebody has left who has not been told yet."""
        return bool(self._left)

    def add(self, carried: Carried) -> None:
        """Give a turn soon to one that is not driven yet."""
        if carried not in self._number:
            number = self._number[carried] = next(self._numbers)
            self._carried[number] = carried
            self._now[number] = None

    def hasten(self, carried: Carried) -> None:
        """Give a turn soon to one that has been rung for, if it is driven."""
        number = self._number.get(carried)
        if number is not None:
            self._now[number] = None

    def do_all_due(self, now: float) -> None:
        """Let each do a round that is due or that has been hastened."""
        while self._dates and self._dates[0][0] <= now:
            at, number = heappop(self._dates)
            if self._at.get(number) == at:
                self._now[number] = None
        due, self._now = self._now, {}
        for number in due:
            self._do(number)
        # Otherwise the thread would wake up for a date that has been replaced.
        while self._dates and not self._is_first_right:
            heappop(self._dates)

    def _do(self, number: int) -> None:
        carried, at = self._carried[number], None
        try:
            at = carried.turn()
        finally:
            # Also after an error that ends this thread: the next record then starts another one.
            if at is None:
                self._let_go(carried)
        if at is not None:
            self._plan(number, at)

    def _plan(self, number: int, at: float) -> None:
        self._at[number] = at
        if at < inf:
            heappush(self._dates, (at, number))
        if len(self._dates) > _MOST_OLD_DATES + 2 * len(self._at):
            self._dates = [(at, number) for number, at in self._at.items() if at < inf]
            heapify(self._dates)

    def _let_go(self, carried: Carried) -> None:
        number = self._number.pop(carried)
        del self._carried[number]
        self._at.pop(number, None)
        self._now.pop(number, None)
        self._left.append(carried)
        # An exception in one must not keep the others from being let go, or told.
        with suppress(BaseException):
            carried.let_go()

    def let_all_go(self) -> None:
        """Let go of all, because the thread ends."""
        for carried in list(self._number):
            self._let_go(carried)

    def tell_who_has_left(self) -> None:
        """Tell those who have left, on a thread that does not count as ours."""
        left, self._left = self._left, []
        for carried in left:
            with suppress(BaseException):
                carried.has_been_let_go()

    @property
    def next_at(self) -> float:
        """The next date, or ``inf``."""
        return self._dates[0][0] if self._dates else inf

    @property
    def _is_first_right(self) -> bool:
        at, number = self._dates[0]
        return self._at.get(number) == at
