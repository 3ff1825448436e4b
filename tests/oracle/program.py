"""A random program that logs: ``python -m tests.oracle.program --seed 7 --diaries DIR --seconds 3``.

It emits from several threads, in signal handlers and finalizers, flushes, closes, reconfigures, forks and drops
handlers, as the seed says; once the file ``calm`` is in DIR it logs a fresh record, sees that all is settled, and ends.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import os
import random
import signal
import threading
import time
from pathlib import Path

from . import diary, witness
from .hangs import HANG_LIMIT, give_up
from .plan import EXIT_STATUS
from .script import Script
from .voices import Voice


def watch(calm: Path) -> None:
    """Look at the books every now and then, and note when the machine has not let this thread run."""
    books = witness.Watch()
    while not calm.exists():
        books.look()
        due = time.monotonic() + 0.03
        time.sleep(0.03)
        if (late := time.monotonic() - due) > 0.1:
            diary.late(late)


def die(after: float) -> None:
    """End the process, wherever its other threads are."""
    time.sleep(after)
    diary.dies()
    os._exit(EXIT_STATUS)


def main() -> None:
    """Run the program of a seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--diaries", required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--name", default="p")
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--dies-after", type=float)
    arguments = parser.parse_args()
    calm = Path(arguments.diaries, "calm")
    faulthandler.enable()
    # Asked for from outside, where the main thread cannot say any more that it hangs. (Not ``dump_traceback_later``: a
    # forked child waits at its end for that thread, which it does not have.)
    faulthandler.register(signal.SIGUSR2)
    # Between dictConfig's two halves a logger has no handler: that is logging's own gap, and not worth a line.
    logging.lastResort = logging.NullHandler()  # type: ignore[assignment]
    diary.begin(arguments.diaries, arguments.name)
    diary.last_words.append(lambda: witness.report("exit"))
    threading.Thread(target=watch, args=(calm,), name="watch", daemon=True).start()
    # The programs that come after the first one do something else.
    seed = f"{arguments.seed}" if arguments.name == "p" else f"{arguments.seed} {arguments.name}"
    script = Script(seed, arguments.seconds, arguments.options)
    print("ready", flush=True)
    if arguments.dies_after is not None:
        threading.Thread(target=die, args=(arguments.dies_after,), name="death", daemon=True).start()
    script.run()
    give_up_at = time.monotonic() + arguments.seconds + HANG_LIMIT
    while not calm.exists():
        if time.monotonic() > give_up_at:
            give_up("it never becomes calm")
        time.sleep(0.02)
    gc.disable()
    gc.collect()
    last = Voice("last", random.Random(arguments.seed))
    last.say(logging.getLogger("oracle.a"))
    witness.settle(60.0)
    if "spool_dir" in arguments.options:
        # Nobody waits for what others have left, and yet it is delivered.
        give_up_at = time.monotonic() + HANG_LIMIT
        while witness.pending() and time.monotonic() < give_up_at:
            time.sleep(0.02)
    witness.report("calm")
    left = {handler.serial: handler.stats.pending for handler in witness.known if handler.stats.pending}
    if left:
        diary.wrong(f"the service is well, and yet there is something pending in handlers {left}")
    script.reap()
    # Whatever is logged last arrives at exit.
    last.say(logging.getLogger("oracle.a"))


if __name__ == "__main__":
    main()
