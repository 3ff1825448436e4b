"""What the random program does when it hangs: it says where, and ends."""

from __future__ import annotations

import faulthandler
import os

from . import diary

# Longer than anything takes on a busy machine, and shorter than whoever watches the program waits.
HANG_LIMIT = 40.0


def give_up(why: str) -> None:
    """A hang: say where every thread is."""
    diary.wrong(why)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(70)
