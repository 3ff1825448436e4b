"""A ``QueueHandler`` in front, as a program may have it already for its other handlers.

This handler needs none: it has a queue and a thread of its own. But it works behind one, each record with the time at
which it was logged. A QueueHandler makes text of a record before it queues it; so the formatter belongs to it, not to
the handlers behind, or a dict would arrive as Python prints it.
"""

import logging
import logging.handlers
import queue

from pythonjsonlogger.json import JsonFormatter

from cwlog_handler import CloudWatchLogsHandler


def main() -> None:
    records: queue.Queue[logging.LogRecord] = queue.Queue()
    front = logging.handlers.QueueHandler(records)
    front.setFormatter(JsonFormatter("%(levelname)s %(name)s %(message)s"))
    listener = logging.handlers.QueueListener(records, logging.StreamHandler(), CloudWatchLogsHandler("my-app"))
    logging.basicConfig(level=logging.INFO, handlers=[front])

    listener.start()
    try:
        log = logging.getLogger("shop")
        log.info("order", extra={"number": 17})
        log.info({"message": "paid", "number": 17})
    finally:
        # All that is queued reaches the handlers; ours delivers it when the program ends.
        listener.stop()


if __name__ == "__main__":
    main()
