"""A filter that sends the same message once in a minute, however often it is logged, and says how often that was.

The first is sent at once. Further ones with the same logger, level, text and exception are only counted. When the
minute is over, one line with the time of the last one says how often the message was repeated; its field ``repeated``
has the number. No thread is needed: the line comes with the next record of any kind, or at the end of the process.
"""

import copy
import hashlib
import logging
import logging.config
import multiprocessing.util
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping


class Kind:
    """A message that was sent, and how often it was repeated since."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.count = 0
        self.line: logging.LogRecord | None = None

    def add(self, record: logging.LogRecord) -> None:
        self.count += 1
        if self.line is None:
            # A copy without what would keep much memory in use: arguments, and the frames of a traceback.
            self.line = copy.copy(record)
            self.line.exc_info = self.line.exc_text = self.line.stack_info = None
            if isinstance(record.msg, Mapping):
                self.line.msg = dict(record.msg)
            else:
                self.line.msg, self.line.args = record.getMessage()[:1000], ()
        self.line.created, self.line.msecs = record.created, record.msecs


class Repeated(logging.Filter):
    """Send a message once in ``window`` seconds. With more than ``kinds`` of them, the oldest window ends early.

    Several handlers may share one filter. ``report`` sends the lines that are due later: call it where a process ends
    by ``os._exit``, and where Lambda freezes it.
    """

    def __init__(self, window: float = 60.0, kinds: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._window, self._most, self._clock = window, kinds, clock
        self._judged = threading.local()
        self.start_over()
        _filters.add(self)

    def start_over(self) -> None:
        """Forget what was counted: it is the parent's, which reports it. Called at first and in forked children."""
        # Re-entrant, because a signal handler may log while its thread is in here.
        self._lock = threading.RLock()
        self._kinds: OrderedDict[bytes, Kind] = OrderedDict()
        self._registered = self._is_over = False

    def filter(self, record: logging.LogRecord) -> bool:
        judged, verdict = getattr(self._judged, "last", (None, True))
        if judged is None or judged() is not record:
            verdict = self._is_over or self._is_first(record)
            self._judged.last = weakref.ref(record), verdict
        # Otherwise it was counted for another handler that shares this filter.
        return bool(verdict)

    def _is_first(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        try:
            same = f"{record.name}\0{record.levelno}\0{record.getMessage()}\0{error!r}"
        except Exception:
            return True  # the arguments do not fit the message: the handler says so
        key = hashlib.blake2b(same.encode(errors="replace"), digest_size=16).digest()
        with self._lock:
            now = self._clock()
            due = self._take_ended(now)
            kind = self._kinds.get(key)
            if kind is not None:
                kind.add(record)
            else:
                if len(self._kinds) >= self._most:
                    due.append(self._kinds.popitem(last=False)[1])
                self._kinds[key] = Kind(now + self._window)
        if kind is not None and not self._registered:
            # Here, because multiprocessing forgets in a child what was registered before: and it runs this in its
            # children too, where atexit is not run.
            self._registered = True
            multiprocessing.util.Finalize(None, self._end, exitpriority=10)
        self._send(due)
        return kind is None

    def _take_ended(self, now: float) -> list[Kind]:
        ended = []
        while self._kinds and next(iter(self._kinds.values())).ends_at <= now:
            ended.append(self._kinds.popitem(last=False)[1])
        return ended

    def report(self) -> None:
        """Send now what would be sent when the minutes are over."""
        with self._lock:
            due = list(self._kinds.values())
            self._kinds.clear()
        self._send(due)

    def _end(self) -> None:
        self._is_over = True  # nobody would report what is counted from now on
        self.report()

    def _send(self, due: list[Kind]) -> None:
        for kind in due:
            if (line := kind.line) is not None:
                if not isinstance(line.msg, dict):
                    line.msg = f"repeated {kind.count} times: {line.msg}"
                line.repeated = kind.count
                self._judged.last = weakref.ref(line), True
                logger = logging.getLogger(line.name)
                handlers = [handler for handler in handlers_of(logger) if self in handler.filters]
                for handler in handlers or handlers_of(logger):
                    if line.levelno >= handler.level:
                        handler.handle(line)


def handlers_of(logger: logging.Logger | None) -> list[logging.Handler]:
    """Return the handlers that get the logger's records."""
    handlers = []
    while logger is not None:
        handlers += logger.handlers
        logger = logger.parent if logger.propagate else None
    return handlers


def start_over_in_child() -> None:
    for one in list(_filters):
        one.start_over()


_filters: "weakref.WeakSet[Repeated]" = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=start_over_in_child)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"repeated": {"()": Repeated, "window": 60}},
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "filters": ["repeated"],
        },
    },
    "root": {"level": "INFO", "handlers": ["cloudwatch"]},
}

log = logging.getLogger("shop")


def main() -> None:
    logging.config.dictConfig(LOGGING)
    for _ in range(42):
        log.warning("no connection to %s", "stock")
        log.info({"event": "try again", "after": 0.5})
    log.info("order %d", 17)


if __name__ == "__main__":
    main()
