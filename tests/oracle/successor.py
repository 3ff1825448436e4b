"""The last program of a run: ``python -m tests.oracle.successor --diaries DIR --options OPTIONS``.

It comes when the service is well and all others have ended, logs one record, and takes over what they have left.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import random
import signal
import time
from pathlib import Path

from . import diary, witness
from .hangs import HANG_LIMIT
from .plan import LAST
from .voices import Voice
from .witness import Witness
from .world import GROUP


def main() -> None:
    """Log one record, and wait until nothing of others is left in the directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--diaries", required=True)
    parser.add_argument("--options", type=json.loads, required=True)
    arguments = parser.parse_args()
    faulthandler.register(signal.SIGUSR2)
    diary.begin(arguments.diaries, LAST)
    diary.last_words.append(lambda: witness.report("exit"))
    logger = logging.getLogger("oracle.a")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Witness(GROUP, "{process_id}", send_interval=0.2, **arguments.options))
    Voice("last", random.Random(0), diary.UNORDERED).say(logger)
    give_up_at = time.monotonic() + HANG_LIMIT
    directory = Path(arguments.options["spool_dir"])
    # Its own callers may go on writing into files of its own.
    own = f"-{os.getpid()}-"
    while time.monotonic() < give_up_at:
        if not witness.pending() and all(own in path.name for path in directory.glob("*.cwl")):
            break
        time.sleep(0.02)
    witness.settle(10.0)


if __name__ == "__main__":
    main()
