"""Splits bytes into lines, block by block, with bounded memory for any input.

Owns: line ends, UTF-8, the longest line. Must not know: where bytes come from, timestamps, what a line is used for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

# Bytes read at once. Small enough: even if all lines are as short as possible, the events of one block take only a
# fraction of the handler's buffer. Large enough: checking for room after each block costs next to nothing.
BLOCK_BYTES: Final = 64 * 1024
# A longer line is cut: it is most likely no text, and could use up the memory. The service's largest event has 1 MiB.
LONGEST_BYTES: Final = 4 * 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"


class Lines:
    """Reads lines until ``read(size)`` returns b"". None means that there is nothing yet, and gives an empty block.

    `blocks` is for one thread and may be used once; other threads may read the counts.
    """

    def __init__(self, read: Callable[[int], bytes | None]) -> None:
        self._read = read
        self.read_bytes = 0
        self.broken = 0
        """How many lines were not UTF-8: bytes that cannot be decoded have become U+FFFD."""
        self.cut = 0
        """How many pieces were cut from lines of more than LONGEST_BYTES."""

    def blocks(self) -> Iterator[list[str]]:
        """Yield lists of lines without their line ends, one list for each block: long for a file, short for a pipe."""
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
    """Split off an incomplete UTF-8 character at the end; return what is before it, and its bytes."""
    for length in range(1, 4):
        if line[-length] >= 0b1100_0000:
            return line[:-length], line[-length:]
    return line, b""
