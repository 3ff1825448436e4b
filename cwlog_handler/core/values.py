"""What small values are made of: their fields decide whether two are equal.

Owns: equality and what a value looks like in a message. Must not know: any value. Imports nothing of ours.

Why these are no dataclasses and no named tuples: to make the class would take 0.1 to 0.7 ms, for each of them, whenever
a program starts. A class that is written out takes 0.01 ms. A named tuple is right where a value is a key of a
dictionary, or where changed copies of it are made.
"""


class Value:
    """A value with the fields that ``__slots__`` of its class names. They are Final: nobody changes them."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    # One of them may hold what has no hash, and none is a key.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"
