"""A register of what exists: it keeps nothing alive, and may change while somebody goes through it.

Owns: the weak references. Must not know: what they refer to. `weakref.WeakSet` cannot be used in its place: it fails if
another thread, a signal handler or a finalizer adds something while it is gone through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar
from weakref import ref

T = TypeVar("T")


class Register(Generic[T]):
    """Objects that are held by weak references. Any thread may call any method; no lock is taken."""

    def __init__(self) -> None:
        self._references: set[ref[T]] = set()

    def add(self, thing: T) -> None:
        """Add an object; it leaves the register when it ceases to exist."""
        self._references.add(ref(thing, self._references.discard))

    def __iter__(self) -> Iterator[T]:
        """Return those that exist at this moment."""
        # The copy is made by one call of C code: nothing is added meanwhile.
        return iter([thing for reference in self._references.copy() if (thing := reference()) is not None])
