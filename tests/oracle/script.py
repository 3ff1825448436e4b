"""What the random program does: it emits, flushes, closes, reconfigures, forks and drops handlers, as the seed says."""

from __future__ import annotations

import gc
import itertools
import logging
import logging.config
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from . import diary, witness
from .children import childhood, multiprocessing_child, wait_for
from .hangs import HANG_LIMIT, give_up
from .voices import Garbage, Voice, burst
from .witness import Witness
from .world import GROUP


class Script:
    """What the program does, drawn from the seed alone; the clock only cuts it short."""

    def __init__(self, seed: str, seconds: float, more: dict[str, Any]) -> None:
        self._seed = seed
        self._more = more
        self._rng = random.Random(f"program {seed}")
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._children: list[Any] = []
        self._forks = itertools.count(1)
        self._voice = Voice("main", self._rng)
        self._signals = Voice("signal", self._stream_of("signal"), diary.UNORDERED)
        self._finalizers = Voice("garbage", self._stream_of("garbage"), diary.UNORDERED)
        self._at_root = self._rng.random() < 0.3
        # The names of streams stay: several handlers may write to one, which is when order and rate are hardest.
        self._stream_name = self._rng.choice(
            ["{process_id}", "{process_id}/{logger_name}", "{process_id}/{level_name}", "{process_id}/{thread_name}"]
        )
        self._usual = self._options(self._rng)

    def _stream_of(self, who: str) -> random.Random:
        return random.Random(f"program {self._seed} {who}")

    @staticmethod
    def _options(rng: random.Random) -> dict[str, Any]:
        options: dict[str, Any] = {
            "send_interval": rng.choice([0.05, 0.2, 1.0]),
            "max_batch_count": rng.choice([10_000, 500, 100]),
            "max_batch_size": rng.choice([1_048_576, 100_000]),
            "requests_per_second": rng.choice([5, 5, 3]),
            "close_timeout": rng.choice([0.5, 2.0, 10.0]),
            "use_queues": rng.random() > 0.08,
        }
        if rng.random() < 0.4:
            options["overflow"] = rng.choice(["drop_oldest", "drop_newest", "block"])
            options["block_timeout"] = rng.choice([0.0, 0.02, 0.1])
            options |= rng.choice([{"max_buffer_count": 20}, {"max_buffer_count": 100}, {"max_buffer_size": 40_000}])
        return options

    # -- what the main thread does ---------------------------------------------------------------------------------

    def configure(self) -> None:
        """Configure logging as programs do, from a dict; the handler before is closed by it."""
        options = self._usual if self._rng.random() < 0.5 else self._options(self._rng)
        handler = {"class": "tests.oracle.witness.Witness", "log_group_name": GROUP, **options, **self._more}
        handler["log_stream_name"] = self._stream_name
        top = {"handlers": ["cloudwatch"], "level": "DEBUG"}
        loggers = {"root": top} if self._at_root else {"loggers": {"oracle": {**top, "propagate": False}}}
        logging.config.dictConfig(
            {"version": 1, "disable_existing_loggers": False, "handlers": {"cloudwatch": handler}, **loggers}
        )

    def run(self) -> None:
        """Configure, let the threads begin, do this and that until the time is over, wait for the threads."""
        self.configure()
        signal.signal(signal.SIGUSR1, lambda *_: self._signals.say(logging.getLogger("oracle.signal")))
        threads = [
            threading.Thread(target=self._thread, args=(f"t{n}",), name=f"t{n}") for n in range(self._rng.randint(1, 4))
        ]
        for thread in threads:
            thread.start()
        # Either or: multiprocessing's exit hook wants to join its children in forked ones too, and writes a traceback.
        forks = self._rng.choice([[self._fork_and_exit, self._fork_and_os_exit], [self._multiprocess] * 2])
        actions: list[Callable[[], object]] = [
            *forks, self.configure, self.configure, self._stale, self._collected, self._garbage,
            self._close, self._flush, *[self._burst] * 3,
        ]  # fmt: skip
        while not self._over:
            self._rng.choice(actions)()
            self._pause(self._rng)
        for thread in threads:
            thread.join(HANG_LIMIT)
            if thread.is_alive():
                give_up(f"thread {thread.name} does not end")

    @property
    def _over(self) -> bool:
        return time.monotonic() > self._until

    def _pause(self, rng: random.Random) -> None:
        time.sleep(rng.expovariate(8 / self._seconds**0.5))

    def _burst(self) -> None:
        burst(self._voice, self._rng, self._until)

    def _flush(self) -> None:
        self._rng.choice(witness.known).flush(self._rng.choice([0.0, 0.1, 1.0]))

    def _close(self) -> None:
        self._rng.choice(witness.known).close()

    def _garbage(self) -> None:
        for _ in range(self._rng.randint(1, 5)):
            Garbage(self._finalizers)
        if self._rng.random() < 0.3:
            gc.collect()

    def _stale(self) -> None:
        """A logger still has a handler that was closed."""
        logger = logging.Logger("oracle.stale")
        logger.addHandler(self._rng.choice(witness.known))
        for _ in range(self._rng.randint(1, 20)):
            self._voice.say(logger)

    def _collected(self) -> None:
        """Nobody closes this handler. It must not need more than memory and time, as nobody can ask it afterwards."""
        logger = logging.Logger("oracle.collected")
        options = {"send_interval": 0.2, "close_timeout": 60.0, **self._more}
        logger.addHandler(Witness(GROUP, self._stream_name, remembered=False, **options))
        for _ in range(self._rng.randint(1, 50)):
            self._voice.say(logger)
        # Not with a finalizer's records on the way: they go elsewhere.
        del logger

    # -- threads ---------------------------------------------------------------------------------------------------

    def _thread(self, name: str) -> None:
        rng = self._stream_of(name)
        voice = Voice(name, rng)
        actions: list[Callable[[], object]] = [
            *[lambda: burst(voice, rng, self._until)] * 8,
            lambda: rng.choice(witness.known).flush(rng.choice([0.0, 0.05, 0.5])),
            lambda: rng.choice(witness.known).close(),
            lambda: self._pester(rng),
            lambda: self._pester(rng),
        ]
        while not self._over:
            rng.choice(actions)()
            self._pause(rng)

    def _pester(self, rng: random.Random) -> None:
        """Interrupt the main thread again and again, wherever it is."""
        for _ in range(rng.randint(1, 40)):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.001)

    # -- children --------------------------------------------------------------------------------------------------

    def _fork(self, end: Callable[[], object]) -> None:
        name, seed = self._next_child()
        # So that something is on its way, and something has not even been looked at.
        self._burst()
        pid = os.fork()
        if pid == 0:
            childhood(name, diary.directory(), seed)
            end()
        self._children.append(pid)

    def _next_child(self) -> tuple[str, int]:
        return f"{diary.label}.{next(self._forks)}", self._rng.getrandbits(32)

    def _fork_and_exit(self) -> None:
        self._fork(lambda: sys.exit(0))

    def _fork_and_os_exit(self) -> None:
        def end() -> None:
            witness.settle(10.0)
            witness.report("os._exit")
            os._exit(0)

        self._fork(end)

    def _multiprocess(self) -> None:
        method = self._rng.choice(["fork", "fork", "fork", "spawn", "forkserver"])
        name, seed = self._next_child()
        handler = {**self._usual, **self._more, "log_stream_name": self._stream_name}
        arguments = (name, diary.directory(), seed, None if method == "fork" else handler)
        child = multiprocessing.get_context(method).Process(target=multiprocessing_child, args=arguments)
        child.start()
        self._children.append(child)

    def reap(self) -> None:
        """Wait for all children."""
        for child in self._children:
            if isinstance(child, int):
                status = wait_for(child)
            else:
                child.join(HANG_LIMIT)
                status = child.exitcode
            if status is None:
                os.kill(child if isinstance(child, int) else child.pid, signal.SIGUSR2)
                time.sleep(1.0)
                give_up(f"child {child} does not end")
            if status:
                diary.wrong(f"child {child} ended with {status}")
