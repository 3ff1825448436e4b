"""A ``QueueHandler`` in front of our handler, for programs that already have one for their other handlers.

Our handler does not need it, because it has a queue and a thread of its own. It works behind a QueueHandler, and each
event keeps the time at which its record was logged. A QueueHandler turns a record into text before it queues it. So
the formatter belongs to the QueueHandler: without a formatter there, a dict arrives as Python prints it.
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
        # After stop, all queued records have reached the handlers. Ours delivers them when the program ends.
        listener.stop()


if __name__ == "__main__":
    main()
