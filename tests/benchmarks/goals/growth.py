"""Growth: the cost of a record with many streams, with many threads, and after many records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from threading import get_ident
from time import process_time, thread_time
from typing import Any, Final

from botocore.client import BaseClient

from tests.faults.memory import MIB, resident_bytes

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import NULL, OURS, WATCHTOWER
from ..program import LOGGER, Setup, attach
from ..workload import KINDS, log, serials
from . import cpu

KIND: Final = KINDS["120 B"]
# "Flat" on a machine that does other things too.
FLAT: Final = 1.25
# Each stream has objects of its own, which no processor keeps in its cache if there are thousands.
OF_100_STREAMS: Final = 1.15
OF_MANY_STREAMS: Final = 2.0
# A process's size comes and goes by this much without any leak.
RSS_LEEWAY_MIB: Final = 5.0
CHUNK: Final = 100_000


def streams(setup: Setup) -> Figures:
    """Log to many streams in turn.

    There are as many requests as there are streams, and more. What the threads that make them take is taken off. (A
    request that is made alone, with a flush after it, takes longer than one of many: this share was too large.)
    """
    records, count = setup.params["records"], setup.params["streams"]
    setup.begin()
    target = setup.open(KIND, log_stream_name="{logger_name}")
    loggers = [logging.getLogger(f"stream{number}") for number in range(count)]
    for logger in loggers:
        attach(target.handler, logger)
    before = len(setup.report(1, KIND)["requests"])
    with watched_requests() as seconds_of_requests:
        began = process_time()
        log_in_turn(loggers, KIND.template, setup.run, serials(1, records))
        setup.settle(target, records)
        cpu = process_time() - began
    of_requests = seconds_of_requests()
    requests = len(setup.report(1 + records, KIND)["requests"]) - before
    return {
        "us_per_record": (cpu - of_requests) / records * 1e6,
        "us_with_requests": cpu / records * 1e6,
        "ms_per_request": of_requests / requests * 1000,
        "requests": requests,
    }


@contextmanager
def watched_requests() -> Iterator[Callable[[], float]]:
    """Yield what tells how much CPU time the threads that make requests have taken, from their first to their last.

    Requests made on this very thread count by themselves.
    """
    firsts: dict[int, float] = {}
    lasts: dict[int, float] = {}
    here, on_this_thread = get_ident(), [0.0]
    make = BaseClient._make_api_call

    def watched(*arguments: Any) -> Any:
        began = thread_time()
        firsts.setdefault(get_ident(), began)
        try:
            return make(*arguments)
        finally:
            ended = lasts[get_ident()] = thread_time()
            if get_ident() == here:
                on_this_thread[0] += ended - began

    BaseClient._make_api_call = watched
    try:
        yield lambda: on_this_thread[0] + sum(lasts[each] - firsts[each] for each in lasts if each != here)
    finally:
        BaseClient._make_api_call = make


def log_in_turn(loggers: Sequence[logging.Logger], template: str, run: str, numbers: range) -> None:
    """Log a record for each number, each to another logger."""
    for number, info in zip(numbers, cycle([logger.info for logger in loggers]), strict=False):
        info(template, run, number)


def long(setup: Setup) -> Figures:
    """Log a great many records, with nothing left after each chunk: how large is the process then?"""
    records = setup.params["records"]
    setup.begin()
    target = setup.open(KIND)
    sizes = []
    for start in range(0, records, CHUNK):
        # Each chunk is a run for the sink, which keeps what it gets.
        setup.begin()
        log(LOGGER, KIND.template, setup.run, serials(1 + start, CHUNK))
        target.settle()
        setup.wait_for(CHUNK)
        setup.report(CHUNK, KIND)
        sizes.append(resident_bytes() / MIB)
    # The first chunks find the size that the allocator settles on.
    return {"growth_mib": sizes[-1] - max(sizes[: max(1, len(sizes) // 5)]), "rss_mib": sizes[-1]}


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    cases, goals = [], []
    of_streams = {count: f"growth, {count:,} stream{'s'[: count > 1]}" for count in (1, 100, sizes.many_streams)}
    for count, name in of_streams.items():
        params = {"streams": count, "records": sizes.records}
        # watchtower has a thread for each stream.
        peers = (WATCHTOWER, OURS) if count <= 100 and not sizes.is_short else (OURS,)
        # In short the best round counts, so there must be several.
        rounds = None if sizes.is_short else sizes.few_rounds
        cases.append(Case(name, "growth.streams", peers, params, rounds))
        if count > 1:
            title = f"{name}: CPU beyond the requests', against one stream"
            limit = OF_100_STREAMS if count == 100 else OF_MANY_STREAMS
            goals.append(
                Goal(title, name, "us_per_record", "µs", limit, "times", OURS, of_streams[1], in_short=count == 100)
            )
    of_threads = {count: f"growth, {count} thread{'s'[: count > 1]}" for count in (1, 8, 64)}
    for count, name in of_threads.items():
        cases.append(cpu.case(name, sizes.records, threads=count, peers=(NULL, OURS), rounds=sizes.few_rounds))
        if count > 1:
            title = f"{name}: CPU, against one thread"
            unit = "s per 1 M"
            goals.append(
                Goal(title, name, "cpu_s_per_million", unit, FLAT, "times", OURS, of_threads[1], in_short=False)
            )
    name = f"growth, {sizes.long_records:,} records"
    cases.append(Case(name, "growth.long", (OURS,), {"records": sizes.long_records}, rounds=1))
    goals.append(Goal(f"{name}: RSS", name, "growth_mib", "MiB", RSS_LEEWAY_MIB, in_short=False))
    return Group("growth", "Growth", cases, goals)
