"""Others in the process: what a busy flusher does to threads that do not log."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter, sleep, thread_time, time
from typing import Any, Final

from cwlog_handler import CloudWatchLogsHandler
from cwlog_handler.core.limits import EVENT_OVERHEAD_BYTES, MAX_BATCH_BYTES, REQUESTS_PER_SECOND

from ..case import Case, Figures, Goal, Group, Sizes
from ..peers import BOTO3, BOTO3_ONE_EVENT, GROUP, OURS
from ..program import LOGGER, DoesNotCount, Setup
from ..workload import KINDS, log, serials

KIND: Final = KINDS["120 B"]
BATCH: Final = MAX_BATCH_BYTES // (KIND.size_bytes + EVENT_OVERHEAD_BYTES)
# A paced thread's pause.
PAUSE: Final = 0.001
# So much of the rate must be reached, or it was not the work that was watched but a machine with no time for it.
LEAST_SHARE: Final = 0.6
# A while between two looks at the clock that is worth looking into.
LONG_GAP: Final = 0.0005


def paced(seconds: float) -> Figures:
    """Sleep a millisecond, again and again: how much later than that does the thread go on?"""
    late = array("d")
    end = perf_counter() + seconds
    now = perf_counter()
    while now < end:
        began = now
        sleep(PAUSE)
        now = perf_counter()
        late.append(now - began - PAUSE)
    ordered = sorted(late)
    return {"p999_ms": ordered[int(len(ordered) * 0.999)] * 1000, "median_ms": median(ordered) * 1000}


def tight(seconds: float) -> Figures:
    """Look at the clock, again and again: how much of the time, and what is the longest while between two looks?

    Of the time in which the kernel had a processor for the thread: what it gave to other programs is nobody's fault
    here. ``running`` is the share in which the thread ran, the rest it waited for the GIL; ``gap_ms`` is the longest
    such wait in a second, in the median over the seconds.
    """
    gaps, looks = [], 0
    began, cpu_began, waited_before = perf_counter(), thread_time(), waited_for_a_processor()
    waited = waited_before
    for _ in range(max(1, round(seconds))):
        longest = 0.0
        last = perf_counter()
        end = last + 1.0
        while last < end:
            now = perf_counter()
            looks += 1
            if now - last > LONG_GAP:
                known, waited = waited, waited_for_a_processor()
                longest = max(longest, now - last - (waited - known))
                now = perf_counter()
            last = now
        gaps.append(longest * 1000)
    had = perf_counter() - began - (waited - waited_before)
    return {"running": (thread_time() - cpu_began) / had, "gap_ms": median(gaps), "looks_per_s": looks / had}


def waited_for_a_processor() -> float:
    """The seconds for which this thread was ready to run and another was run instead, as Linux counts them."""
    try:
        text = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    except OSError:
        return 0.0
    return int(text.split()[1]) / 1e9


@contextmanager
def handler_at_work(setup: Setup, seconds: float) -> Iterator[Callable[[], None]]:
    """Ours, with a backlog for so long from when the yielded has returned, sent at the service's rate."""
    target = setup.open(KIND, requests_per_second=REQUESTS_PER_SECOND)
    assert isinstance(target.handler, CloudWatchLogsHandler)
    handler, sent = target.handler, 0
    backlog = round(BATCH * REQUESTS_PER_SECOND * (seconds + 0.5))

    def begin() -> None:
        nonlocal sent
        # Some of it is sent meanwhile.
        while handler.stats.pending < backlog:
            log(LOGGER, KIND.template, setup.run, serials(1 + sent, BATCH))
            sent += BATCH

    yield begin
    setup.settle(target, sent)
    setup.report(sent + 1, KIND)


@contextmanager
def boto3_at_work(setup: Setup, seconds: float) -> Iterator[Callable[[], None]]:
    """boto3 as everybody calls it, at the same rate, with the same batch or one event of it."""
    import boto3

    client = boto3.client("logs")
    count = 1 if setup.peer == BOTO3_ONE_EVENT else BATCH
    texts = [KIND.template % (setup.run, number) for number in serials(0, count)]
    events = [{"timestamp": int(time() * 1000), "message": text} for text in texts]
    put: Callable[[list[dict[str, Any]]], object] = lambda events: client.put_log_events(  # noqa: E731
        logGroupName=GROUP, logStreamName="stream", logEvents=events
    )
    put(events)
    is_over = threading.Event()

    def work() -> None:
        due = perf_counter()
        while not is_over.wait(max(0.0, due - perf_counter())):
            put(events)
            due += 1.0 / REQUESTS_PER_SECOND

    thread = threading.Thread(target=work)
    yield thread.start
    is_over.set()
    thread.join()


def measure(setup: Setup) -> Figures:
    """Watch a thread while nothing happens, then while full batches go out; ``times`` is the latter by the former."""
    watch = {"paced": paced, "tight": tight}[setup.params["thread"]]
    seconds = setup.params["seconds"]
    at_work = handler_at_work if setup.peer == OURS else boto3_at_work
    setup.begin()
    with at_work(setup, seconds) as begin:
        idle = watch(seconds)
        begin()
        began = monotonic()
        busy = watch(seconds)
        ended = monotonic()
    # The sink's clock is the same on Linux; elsewhere a request may be told before or after its time.
    requests = sum(began <= at <= ended for at, _, _ in setup.ask("GET", "/report")["requests"])
    if requests < LEAST_SHARE * seconds * REQUESTS_PER_SECOND:
        raise DoesNotCount(f"{requests} requests in {seconds} s are far from {REQUESTS_PER_SECOND} a second")
    return {
        **{f"idle_{name}": figure for name, figure in idle.items()},
        **{f"busy_{name}": figure for name, figure in busy.items()},
        **{f"{name}_times": busy[name] / figure for name, figure in idle.items() if figure},
        **{f"{name}_beyond": busy[name] - figure for name, figure in idle.items()},
    }


def group(sizes: Sizes) -> Group:
    """The cases and goals."""
    late, loop = "others, paced thread", "others, thread in a tight loop"
    cases = [
        Case(
            name,
            "others.measure",
            (BOTO3, BOTO3_ONE_EVENT, OURS),
            {"thread": thread, "seconds": sizes.seconds},
            sizes.few_rounds,
        )
        for name, thread in ((late, "paced"), (loop, "tight"))
    ]
    goals = [
        Goal(f"{late}: lateness p99.9, by idle's", late, "p999_ms_times", "×", 1.3, in_short=False),
        Goal(f"{loop}: throughput, of idle's", loop, "running_times", "×", 0.97, at_least=True, margin=1.25),
        # Whoever holds the GIL may be put off by the kernel, too, for longer than all else.
        Goal(f"{loop}: longest GIL hold in a second, beyond idle's", loop, "gap_ms_beyond", "ms", 5.0, in_short=False),
    ]
    return Group("others", "Others in the process", cases, goals)
