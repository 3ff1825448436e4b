"""Lines from bytes, in blocks, with bounded memory whatever comes in.

Owns: line ends, UTF-8, the longest line. Must not know: where bytes come from, timestamps, what becomes of a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

# At once: small enough that a block's worth of the shortest lines takes a fraction of the handler's buffer, large
# enough that looking for room after each block costs nothing.
BLOCK_BYTES: Final = 64 * 1024
# Four of the service's largest events. A line beyond it is most likely none, and would take all the memory there is.
LONGEST_BYTES: Final = 4 * 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"


class Lines:
    """Reads lines until ``read(size)`` returns nothing; None is nothing yet, which becomes a block without lines.

    Iterated once, by one thread; others may read the counts.
    """

    def __init__(self, read: Callable[[int], bytes | None]) -> None:
        self._read = read
        self.read_bytes = 0
        self.broken = 0
        """Lines that are not UTF-8: what cannot be decoded has become U+FFFD."""
        self.cut = 0
        """Lines that were longer than anything sensible, and have been given out in pieces."""

    def blocks(self) -> Iterator[list[str]]:
        """Yield the lines, without their ends, as they come: many at a time from a file, few from a pipe."""
        rest: list[bytes] = []
        rest_bytes = 0
        while (block := self._read(BLOCK_BYTES)) != b"":
            if block is None:
                yield []
                continue
            if not self.read_bytes:
                block = block.removeprefix(_BOM)
            self.read_bytes += len(block)
            head, *whole = block.split(b"\n")
            rest.append(head)
            rest_bytes += len(head)
            if whole:
                first, rest, rest_bytes = b"".join(rest), [whole[-1]], len(whole[-1])
                yield self._decoded([first, *whole[:-1]])
            elif rest_bytes >= LONGEST_BYTES:
                piece, left = _cut(b"".join(rest))
                rest, rest_bytes = [left], len(left)
                self.cut += 1
                yield self._decoded([piece])
        if rest_bytes:
            yield self._decoded([b"".join(rest)])

    def _decoded(self, lines: list[bytes]) -> list[str]:
        return [self._text(line.removesuffix(b"\r")) for line in lines]

    def _text(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.broken += 1
            return line.decode(errors="replace")


def _cut(line: bytes) -> tuple[bytes, bytes]:
    """Cut off what may be the beginning of a character at the end."""
    for length in range(1, 4):
        if line[-length] >= 0b1100_0000:
            return line[:-length], line[-length:]
    return line, b""
