"""Writes each event that is lost to a file, with the reason: a document for each, in files of a bounded size.

The function runs on a thread of the handler's own, so it may wait for the disk. At the end of the program it also gets
what could not be delivered in time.
"""

import dataclasses
import functools
import json
import logging
import logging.handlers
import os
import tempfile
import time
from collections.abc import Sequence

from cwlog_handler import CloudWatchLogsHandler, LostEvent


@functools.cache
def file_of(process_id: int) -> logging.handlers.RotatingFileHandler:
    # Each process has a file of its own, a forked one too: two processes that rotate the same file lose lines.
    path = os.path.join(tempfile.gettempdir(), f"my-app-lost-{process_id}.jsonl")
    return logging.handlers.RotatingFileHandler(path, maxBytes=10_000_000, backupCount=3, encoding="utf-8", delay=True)


def write_lost(events: Sequence[LostEvent]) -> None:
    file = file_of(os.getpid())
    for event in events:
        line = json.dumps(dataclasses.asdict(event), ensure_ascii=False)
        # No logger in between: its handlers would include the one that loses events.
        file.handle(logging.makeLogRecord({"msg": line}))


def lines_of(path: str) -> list[str]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.readlines()


def main() -> None:
    cloudwatch = CloudWatchLogsHandler("my-app", on_lost=write_lost)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[cloudwatch])
    log = logging.getLogger("shop")

    log.info("order 17")
    log.info("")  # the service accepts no empty event
    # A record that was kept somewhere for too long, such as in a queue: the service accepts 14 days.
    old = {"name": "shop", "levelno": logging.ERROR, "msg": "order 3 failed", "created": time.time() - 15 * 86_400}
    log.handle(logging.makeLogRecord(old))
    cloudwatch.flush()

    # Only to show them here. The function has a thread of its own, and flush waits for it for a second at most.
    lost_file = file_of(os.getpid())
    while len(lines := lines_of(lost_file.baseFilename)) < 2:
        time.sleep(0.05)
    print("".join(lines), end="")
    lost_file.close()
    os.remove(lost_file.baseFilename)


if __name__ == "__main__":
    main()
