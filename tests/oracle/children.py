"""What the children of the random program do, however they were made, and the wait for their end."""

from __future__ import annotations

import gc
import logging
import os
import random
import time
from typing import Any

from . import diary, witness
from .hangs import HANG_LIMIT
from .voices import Voice, burst
from .witness import Witness
from .world import GROUP

# How long a child logs at most.
CHILDHOOD = 3.0


def childhood(name: str, directory: str, seed: int) -> None:
    """Log some records, in a forked or spawned child; leave no garbage for the time after the report."""
    gc.disable()
    diary.begin(directory, name)
    rng = random.Random(seed)
    voice = Voice("child", rng)
    until = time.monotonic() + CHILDHOOD
    for _ in range(rng.randint(1, 4)):
        burst(voice, rng, until)
        time.sleep(rng.choice([0.0, 0.0, 0.05, 0.3]))
    gc.collect()


def multiprocessing_child(name: str, directory: str, seed: int, handler: dict[str, Any] | None) -> None:
    """What a child of multiprocessing does; ``handler`` are the options where nothing is inherited."""
    from multiprocessing.util import Finalize

    # Children end without atexit; what has a lower priority runs later than the handler's own.
    Finalize(None, witness.report, args=("multiprocessing",), exitpriority=-1000)
    if handler is not None:
        logger = logging.getLogger("oracle")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(Witness(GROUP, **handler))
    childhood(name, directory, seed)


def wait_for(pid: int) -> int | None:
    """Wait for the end of a child; None if it hangs."""
    give_up_at = time.monotonic() + HANG_LIMIT
    while time.monotonic() < give_up_at:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    return None
