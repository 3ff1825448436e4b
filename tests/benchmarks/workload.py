"""What is logged, and the loops that log it: the same for every handler.

A message is a run's name, filling, and a serial number: so whoever receives it can tell what is missing or came twice,
and every message of a kind has the same size. Must not know: which handler it is, nor what arrives.
"""

from __future__ import annotations

import logging
import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter_ns
from typing import Final

RUN_LENGTH: Final = 8
# Every number from here on has the same number of digits.
FIRST_SERIAL: Final = 10_000_000
SERIAL_LENGTH: Final = 8


@dataclass(frozen=True)
class Kind:
    """A kind of message: what ``logger.info`` is given, and the bytes that come of it."""

    template: str
    size_bytes: int


def _kind(size_bytes: int, text: str) -> Kind:
    room = size_bytes - RUN_LENGTH - SERIAL_LENGTH
    filling = (text * (1 + room // len(text.encode()))).encode()[:room].decode(errors="ignore")
    filling += "." * (room - len(filling.encode()))
    return Kind(f"%s{filling}%d", size_bytes)


_ASCII: Final = " the order was taken, paid, packed, and sent to its customer;"
KINDS: Final = {
    "20 B": _kind(20, _ASCII),
    "120 B": _kind(120, _ASCII),
    "1 KB": _kind(1024, _ASCII),
    "non-ASCII": _kind(120, " Bestellung nach Zürich verschickt 📦, 東京 wartet;"),
}


def serials(start: int, count: int) -> range:
    """The serial numbers of the records from ``start`` on."""
    return range(FIRST_SERIAL + start, FIRST_SERIAL + start + count)


def shares(numbers: range, parts: int) -> list[range]:
    """Cut numbers into parts of about the same size, one for each thread."""
    bounds = [len(numbers) * part // parts for part in range(parts + 1)]
    return [numbers[start:end] for start, end in pairwise(bounds)]


def log(logger: logging.Logger, template: str, run: str, numbers: range) -> None:
    """Log a record for each number, as fast as it goes."""
    info = logger.info
    for number in numbers:
        info(template, run, number)


def log_timed(logger: logging.Logger, template: str, run: str, numbers: range) -> array[int]:
    """Log a record for each number; return the nanoseconds that each call took."""
    info, clock = logger.info, perf_counter_ns
    took = array("q", bytes(8 * len(numbers)))
    for index, number in enumerate(numbers):
        began = clock()
        info(template, run, number)
        took[index] = clock() - began
    return took


def in_threads(work: Callable[[range], object], numbers: range, threads: int) -> None:
    """Share the numbers among so many threads, which all begin at once; one is this thread itself."""
    if threads == 1:
        work(numbers)
        return
    all_are_there = threading.Barrier(threads)

    def run(share: range) -> None:
        all_are_there.wait()
        work(share)

    workers = [threading.Thread(target=run, args=(share,)) for share in shares(numbers, threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
