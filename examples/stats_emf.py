"""``handler.stats`` as metrics of CloudWatch: once a minute a document in the embedded metric format.

``stats_alarm.json`` is an alarm on them: ``aws cloudwatch put-metric-alarm --cli-input-json file://stats_alarm.json``.
It goes off if events were lost, and also if no documents come any more: a program that may not write to the log group
cannot send a document that says so.
"""

import logging
import logging.config
import multiprocessing.util
import os
import threading
import time
from contextlib import suppress

from cwlog_handler import CloudWatchLogsHandler, Stats

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "cloudwatch": {"class": "cwlog_handler.CloudWatchLogsHandler", "log_group_name": "my-app"},
        # With a handler of their own the documents neither wait behind other records nor count as such.
        "stats": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "log_stream_name": "stats/{machine_name}/{process_id}",
            "log_format": "json/emf",
            "close_timeout": 2,
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch"]},
    "loggers": {"stats": {"level": "INFO", "handlers": ["stats"], "propagate": False}},
}

# A custom metric is paid for by name and dimensions. So the process is no dimension, only a field of the document.
DIRECTIVE = {
    "Namespace": "cwlog-handler",
    "Dimensions": [["log_group"]],
    "Metrics": [
        *({"Name": name, "Unit": "Count"} for name in ("emitted", "delivered", "lost", "throttled", "pending")),
        {"Name": "pending_bytes", "Unit": "Bytes"},
    ],
}

log = logging.getLogger("shop")


class StatsAsMetrics:
    """Logs a document with the stats of ``handler`` every ``seconds`` seconds, and one at the end of each process.

    The first record of a process starts its thread. So a forked process has one too, if it logs.
    """

    def __init__(self, handler: CloudWatchLogsHandler, seconds: float = 60.0) -> None:
        self.handler = handler
        self.seconds = seconds
        self._threads: dict[int, threading.Thread] = {}
        handler.addFilter(self._start)

    def _start(self, record: logging.LogRecord) -> bool:
        pid = os.getpid()
        if pid not in self._threads:
            thread = threading.Thread(target=self._run, name="stats-as-metrics", daemon=True)
            # Of several threads that log at the same time, one starts it.
            if self._threads.setdefault(pid, thread) is thread:
                self._before, self._lock = Stats(), threading.Lock()
                # It is also called at the end of multiprocessing's children, where atexit is not.
                multiprocessing.util.Finalize(None, self._end, exitpriority=10)
                with suppress(RuntimeError):  # at the end of the interpreter no thread can be started
                    thread.start()
        return True

    def _run(self) -> None:
        while True:
            time.sleep(self.seconds)
            self.log_document()

    def _end(self) -> None:
        self.handler.flush()
        self.log_document()

    def log_document(self) -> None:
        with self._lock:
            now, before = self.handler.stats, self._before
            self._before = now
        logging.getLogger("stats").info(
            {
                "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [DIRECTIVE]},
                "log_group": self.handler.log_group_name,
                "process_id": os.getpid(),
                # What happened since the last document: sums over time and processes are right.
                "emitted": now.emitted - before.emitted,
                "delivered": now.delivered - before.delivered,
                "lost": now.dropped + now.rejected - before.dropped - before.rejected,
                "throttled": now.throttled - before.throttled,
                # How it is now.
                "pending": now.pending,
                "pending_bytes": now.pending_bytes,
                "dropped_by_reason": dict(now.dropped_by_reason),
                "rejected_by_reason": dict(now.rejected_by_reason),
                "last_error": now.last_error,
            }
        )


def main() -> None:
    logging.config.dictConfig(LOGGING)
    (cloudwatch,) = logging.getLogger().handlers
    StatsAsMetrics(cloudwatch)

    for number in range(3):
        log.info("order %d", number)
    log.info("")  # dropped and counted: the service accepts no empty event


if __name__ == "__main__":
    main()
