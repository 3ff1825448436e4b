"""DEBUG and INFO records of a request are sent only if it fails: an ERROR is logged in it, or an exception leaves it.

Until then they are kept in memory; then all of them are sent, in order and with their own times. ``until_error`` is the
request: a web request, a task of Celery or RQ (see debug_on_error_tasks.py), a coroutine, any block of code.

``logging.handlers.MemoryHandler`` alone does not do that: it has one buffer for all requests, so that an error of one
sends the records of all others, and it sends what it has when it is full and at the end.
"""

import asyncio
import contextvars
import copy
import logging
import logging.config
import logging.handlers
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_FORMATTER = logging.Formatter()


class Kept:
    """The records of one request. Threads and tasks that were started with its context share it."""

    def __init__(self, capacity: int) -> None:
        self._records: deque[tuple[logging.Handler, logging.LogRecord]] = deque(maxlen=capacity)
        self._left_out = 0
        self._lock = threading.RLock()
        self._has_failed = self._is_over = False
        self._pid = os.getpid()

    @property
    def is_open(self) -> bool:
        """False once the request is over, and in a process that was forked in it."""
        return not self._is_over and self._pid == os.getpid()

    def add(self, target: logging.Handler, record: logging.LogRecord) -> None:
        """Keep a record; after an error, send it."""
        with self._lock:
            if self._has_failed:
                target.handle(record)
                return
            self._left_out += len(self._records) == self._records.maxlen
            self._records.append((target, snapshot(record)))

    def fail(self) -> None:
        """Send all that was kept."""
        with self._lock:
            self._has_failed = True
            if self._left_out:
                target, oldest = self._records[0]
                note = copy.copy(oldest)
                note.msg, note.args = f"{self._left_out} older records of this request were not kept", ()
                target.handle(note)
                self._left_out = 0
            while self._records:
                target, record = self._records.popleft()
                target.handle(record)

    def end(self) -> None:
        self._is_over = True
        self._records.clear()


_kept: contextvars.ContextVar[Kept | None] = contextvars.ContextVar("kept", default=None)


@contextmanager
def until_error(capacity: int = 1000) -> Iterator[None]:
    """Keep back the records of this block, the latest ``capacity`` of them. A block inside of another belongs to it."""
    outer = _kept.get()
    if outer is not None and outer.is_open:
        yield
        return
    kept = Kept(capacity)
    _kept.set(kept)
    try:
        yield
    except Exception:
        kept.fail()
        raise
    finally:
        kept.end()


def snapshot(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy that says what the record says now: whatever it refers to may change before it is sent."""
    kept = copy.copy(record)
    try:
        if isinstance(record.msg, (dict, list)):
            kept.msg = copy.deepcopy(record.msg)
        else:
            kept.msg, kept.args = record.getMessage(), ()
    except Exception:
        return record  # the arguments do not fit, or it cannot be copied: the target shows what can be shown
    if record.exc_info:
        # As text: a traceback would keep all local variables of its frames in memory.
        kept.exc_text, kept.exc_info = _FORMATTER.formatException(record.exc_info), None
    return kept


class DebugOnError(logging.handlers.MemoryHandler):
    """Goes in front of ``target``. It is a MemoryHandler so that dictConfig finds the target by its name.

    Name filters here and not at the target: here they run when a record is logged. A record outside of any request is
    sent if its level is at least ``outside``.
    """

    def __init__(self, target: logging.Handler, outside: str = "INFO") -> None:
        super().__init__(capacity=0, target=target, flushOnClose=False)
        self.target: logging.Handler = target
        self.outside = outside

    def emit(self, record: logging.LogRecord) -> None:
        kept = _kept.get()
        if kept is None or not kept.is_open:
            if record.levelno >= logging.getLevelName(self.outside):
                self.target.handle(record)
            return
        if record.levelno >= logging.ERROR:
            kept.fail()
        if record.levelno >= logging.WARNING:
            self.target.handle(record)
        else:
            kept.add(self.target, record)

    def flush(self) -> None:
        """Send nothing: what is kept belongs to requests that have not failed."""

    def close(self) -> None:
        logging.Handler.close(self)  # MemoryHandler's would forget the target, and lose what is logged later


def wsgi_until_error(application: Callable[..., Any]) -> Callable[..., Any]:
    """Return a WSGI application in which each request is an ``until_error``: ``app.wsgi_app = …(app.wsgi_app)``."""

    def keeping(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        with until_error():
            body = application(environ, start_response)
            try:
                yield from body
            finally:
                getattr(body, "close", lambda: None)()

    return keeping


def asgi_until_error(application: Callable[..., Any]) -> Callable[..., Any]:
    """Return an ASGI application in which each request is an ``until_error``: ``app = asgi_until_error(api)``."""

    async def keeping(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        with until_error():
            await application(scope, receive, send)

    return keeping


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(message)s"}},
    "handlers": {
        "cloudwatch": {
            "class": "cwlog_handler.CloudWatchLogsHandler",
            "log_group_name": "my-app",
            "formatter": "line",
        },
        "debug_on_error": {"class": "debug_on_error.DebugOnError", "target": "cloudwatch"},
    },
    "loggers": {"shop": {"level": "DEBUG", "handlers": ["debug_on_error"]}},
}

log = logging.getLogger("shop")


async def serve(number: int) -> None:
    with until_error():
        log.debug("order %d: the basket is read", number)
        # A thread by asyncio.to_thread, and a task, have the context of the request, and so its records.
        await asyncio.to_thread(log.info, "order %d: the card is charged", number)
        if number == 13:
            log.error("order %d: out of stock", number)


async def main() -> None:
    logging.config.dictConfig(LOGGING)
    log.info("the shop is open")
    await asyncio.gather(*(serve(number) for number in (12, 13, 14)))


if __name__ == "__main__":
    # The configuration names the module, so the program must use the module's context variable, not its own copy of it.
    import debug_on_error

    asyncio.run(debug_on_error.main())
