"""One handler, a stream for each thread and logger, by the template's fields."""

import logging
import threading

import watchtower

logger = logging.getLogger("shop.till")
logger.setLevel(logging.INFO)
logger.addHandler(
    watchtower.CloudWatchLogHandler(log_group_name="streams", log_stream_name="{logger_name}/{thread_name}")
)
threads = [threading.Thread(target=logger.info, args=("from %s", name), name=name) for name in ("one", "two")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
