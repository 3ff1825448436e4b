"""The ``logging.Handler``: options, record to text, the contract of flush and close.

Owns: what users see. Must not know: batch rules, AWS calls, when anything is sent.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from . import composition, keywords, options
from .core import limits
from .core.events import Oversize
from .core.ledger import Stats
from .core.shedding import Overflow
from .process import lifecycle
from .record import formatting
from .record.names import DEFAULT_LOG_STREAM_NAME
from .record.naming import Naming
from .record.turns import Turn, needs_no_turn
from .system import nesting
from .system.clock import SYSTEM_CLOCK
from .system.own_calls import EVERY_THREAD, is_our_own, suspects, was_taken
from .system.stderr import Notices

# 64 MiB is some 200,000 short records: a minute of outage at 3,000 a second, and small beside what a worker takes.
DEFAULT_BUFFER_BYTES: Final = 64 * 1024 * 1024


class CloudWatchLogsHandler(logging.Handler):
    """Send log records to CloudWatch Logs from a background thread: never blocks, never loses a record silently.

    Records are formatted on the calling thread, queued, and sent by a daemon thread that the first record starts. The
    constructor makes no client, no thread and no network call. A logger's call returns without waiting for the network
    (unless ``overflow="block"`` or ``use_queues=False`` ask for it), and is safe in signal handlers. It waits for
    another thread only where that is in a formatter other than ``logging.Formatter``, or in an ``emit`` or ``format``
    that is not ours: `logging` promises these one call at a time. A call longer than 5 seconds is waited for no more.
    Errors of the network or the service never reach the application: they are retried, counted in `stats`, and told on
    stderr once a minute. Wrong options raise ValueError or TypeError here, with the value and the way out.

    Keywords that watchtower has too keep their meaning. Sizes are bytes, times are seconds.

    Args:
        log_group_name: The log group: 1 to 512 of ``a-z A-Z 0-9 _ - / . #``.
        log_stream_name: Template of the stream's name, with the fields ``{machine_name} {program_name} {process_id}
            {thread_name} {logger_name} {level_name} {strftime:%Y-%m-%d}`` (UTC, the record's time). ``:`` and ``*`` in
            values become ``_``. The default is one stream for each process.
        level: As for every handler.
        region_name: AWS region; None leaves it to boto3 (environment, configuration). What no AWS region can be called
            is refused, unless another endpoint is given or configured.
        endpoint_url: Endpoint instead of the region's, for tests, VPC endpoints and stand-ins, with ``http://`` or
            ``https://``.
        boto3_profile_name: Profile of the AWS configuration files.
        boto3_client: A ready ``boto3.client("logs")`` of your own, instead of the profile, or what stands in for it in
            tests. Asynchronous clients and those for other services are refused.
        create_log_group: Make the group when a request says that it is missing.
        create_log_stream: Make the stream when a request says that it is missing.
        log_group_retention_days: Retention set on a group that the handler makes. What a group keeps that was there
            before is the service's to say: events of up to 14 days are sent to it.
        log_group_tags: Tags of a group that the handler makes.
        log_group_kms_key_id: ARN of the KMS key of a group that the handler makes.
        log_group_class: STANDARD, INFREQUENT_ACCESS, DELIVERY or ESSENTIALS, of a group that the handler makes.
        log_format: "json/emf" tells the service that the messages are documents in the embedded metric format (header
            ``x-amzn-logs-format``), which it sees by itself in most regions. No metrics come of a document that is too
            long for one event, whatever ``oversize`` does with it: stderr says so.
        send_interval: The longest a record waits for company, seconds. Stretched while the service throttles.
        max_batch_size: Bytes in one request at most, as the service counts: UTF-8 plus 26 an event.
        max_batch_count: Events in one request at most.
        max_message_size: Bytes of one event at most, its 26 included.
        oversize: What happens to longer messages: "split" into several events, "truncate" (a marker tells the size it
            had) or "drop".
        flush_level: A record at or above this level is sent at once; its caller does not wait.
        requests_per_second: Requests a second for one stream at most, over all handlers of the process; None: no limit.
        max_buffer_size: Bytes of memory for waiting records at most.
        max_buffer_count: Waiting records at most; None: only bytes count.
        overflow: What happens when the buffer is full: "drop_oldest" or "drop_newest" of the least severe level that
            there is, or "block" the caller. The stream tells later what it lost.
        block_timeout: With "block", seconds that a caller waits for room at most; then as "drop_newest".
        close_timeout: Seconds that `flush`, `close` and the interpreter's exit take together at most.
        flush_on_sigterm: Where nobody handles SIGTERM, so that the process would die at once, deliver what waits first,
            for ``close_timeout`` at most; then it dies of SIGTERM all the same. False leaves the signal alone, as it is
            in forked children and in workers of a multiprocessing.Pool anyway.
        use_queues: False sends each record on the calling thread before ``emit`` returns, for debugging and one-shot
            scripts. It tries for ``close_timeout`` seconds, and a call that is being made then has a second more.
        json_serialize_default: ``default`` for the JSON of dict and list messages, a callable or its dotted path.
            None: dates as ISO 8601, the rest by ``repr``.
    """

    # A subclass, or who patches this very handler, may have a `filter` of its own, without any in the list; and
    # more, see `handle`.
    _has_own_ways = False
    _emits_in_turn = False
    # The formatter that was last found to need no turn.
    _free_formatter: logging.Formatter | None = None

    log_group_name: Final[str]
    """The log group, as given."""
    flush_level: Final[int]
    """The level from which on a record is sent at once, as a number."""
    close_timeout: Final[float]
    """Seconds that `flush`, `close` and the interpreter's exit take together at most."""
    use_queues: Final[bool]
    """Whether a background thread sends; False: each caller sends its own record."""
    shutting_down: ClassVar[bool] = False
    """Always False: what is logged after `close` is delivered, too. For programs that ask watchtower's handler for it,
    as Airflow does."""

    @keywords.explained
    def __init__(
        self,
        log_group_name: str,
        log_stream_name: str = DEFAULT_LOG_STREAM_NAME,
        *,
        level: int | str = logging.NOTSET,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        boto3_profile_name: str | None = None,
        boto3_client: Any = None,
        create_log_group: bool = True,
        create_log_stream: bool = True,
        log_group_retention_days: int | None = None,
        log_group_tags: Mapping[str, str] | None = None,
        log_group_kms_key_id: str | None = None,
        log_group_class: limits.LogGroupClass | None = None,
        log_format: limits.LogFormat | None = None,
        send_interval: float | timedelta = 1.0,
        max_batch_size: int = limits.MAX_BATCH_BYTES,
        max_batch_count: int = limits.MAX_BATCH_EVENTS,
        max_message_size: int = limits.MAX_EVENT_BYTES,
        oversize: Oversize = "split",
        flush_level: int | str = logging.ERROR,
        requests_per_second: float | None = limits.REQUESTS_PER_SECOND,
        max_buffer_size: int = DEFAULT_BUFFER_BYTES,
        max_buffer_count: int | None = None,
        overflow: Overflow = "drop_oldest",
        block_timeout: float | timedelta = 1.0,
        close_timeout: float | timedelta = 10.0,
        flush_on_sigterm: bool = True,
        use_queues: bool = True,
        json_serialize_default: Callable[[Any], Any] | str | None = None,
    ) -> None:
        """Check the options, each of which is described above; no client, no thread and no request is made here.

        Raises ValueError or TypeError for a wrong one, with the value and the way out.
        """
        options.client_or_profile(boto3_client, boto3_profile_name)
        self.log_group_name = options.log_group_name(log_group_name)
        self.flush_level = options.level(flush_level, "flush_level")
        self.close_timeout = options.seconds("close_timeout", close_timeout)
        self.use_queues = options.yes_or_no("use_queues", use_queues)
        self._suspects = suspects if self.use_queues else EVERY_THREAD
        self._naming = Naming(log_stream_name)
        self._has_own_stream = self._naming.per_process
        self._json_default = options.json_default(json_serialize_default)
        notices = Notices(SYSTEM_CLOCK.monotonic)
        terms = composition.terms(
            log_group_name=self.log_group_name,
            max_batch_size=max_batch_size,
            max_batch_count=max_batch_count,
            max_message_size=max_message_size,
            oversize=oversize,
            max_buffer_size=max_buffer_size,
            max_buffer_count=max_buffer_count,
            overflow=overflow,
            block_timeout=block_timeout,
            send_interval=send_interval,
            requests_per_second=requests_per_second,
            flush_level=self.flush_level,
        )
        self._documents = composition.documents(log_format, terms, notices)
        access = composition.access(region_name, endpoint_url, boto3_profile_name, boto3_client)
        group = composition.group(
            self.log_group_name,
            create_log_group=create_log_group,
            create_log_stream=create_log_stream,
            log_group_retention_days=log_group_retention_days,
            log_group_tags=log_group_tags,
            log_group_kms_key_id=log_group_kms_key_id,
            log_group_class=log_group_class,
        )
        self._flusher = composition.flusher(
            composition.client(access, group, log_format, notices),
            notices,
            terms,
            own_stream_name=self._naming.of_process,
            close_timeout=self.close_timeout,
            flush_on_sigterm=options.yes_or_no("flush_on_sigterm", flush_on_sigterm),
            use_thread=self.use_queues,
        )
        # Before any formatter is set.
        self._turn = Turn()
        super().__init__(level)
        # Collected without close(): the thread ends when it has delivered what is left.
        weakref.finalize(self, self._flusher.retire).atexit = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        base = CloudWatchLogsHandler
        cls._emits_in_turn = cls.emit is not base.emit or cls.format is not base.format
        cls._has_own_ways = cls._emits_in_turn or cls.filter is not base.filter

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in ("emit", "format"):
            self._emits_in_turn = self._has_own_ways = True
        elif name == "filter":
            self._has_own_ways = True

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:  # type: ignore[override]
        """Filter and emit a record, without the lock that `logging.Handler.handle` takes.

        That lock serialises threads, and ``logging.shutdown`` holds it while it waits for us. What `logging` promises
        is kept all the same: filters are called by any number of threads at a time; formatters, and an ``emit`` or
        ``format`` that is not ours, by one at a time, but for ``logging.Formatter`` itself, which does not need it.
        """
        if not self.filters and not self._has_own_ways:
            self.emit(record)
            return True
        # Before any filter: it may count, or log.
        if self._is_suspect(record) and is_our_own(record):
            return False
        try:
            verdict: bool | logging.LogRecord = self.filter(record)
        except Exception:
            # Said as for a formatter that raises, and nothing lost for it.
            nesting.complain(self, record)
            verdict = True
        if verdict:
            # Since Python 3.12 a filter may return another record.
            accepted = verdict if isinstance(verdict, logging.LogRecord) else record
            if self._emits_in_turn:
                self._turn.take(self.emit, accepted)
            else:
                self.emit(accepted)
        return verdict

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; never raises, whatever is in it. Any thread, any signal handler.

        But for a RecursionError, as from every handler, where the program has used up its stack, or recurses by logging
        what logs.
        """
        failure = None
        try:
            try:
                is_suspect = record.thread in self._suspects
            except (TypeError, AttributeError):
                is_suspect = False  # as in `_is_suspect`, without its call
            if is_suspect and (is_our_own(record) or was_taken(record, self)):
                return
            try:
                text = self.format(record)
                if type(text) is not str:
                    # Exactly that: of a subclass of str the length, or the bytes, may be anything.
                    text = str.__str__(str(text))
            except Exception as error:
                nesting.let_recursion_go_up(error)
                # Said as every handler says it, and delivered all the same: with what there is.
                text = formatting.fallback_text(record, error)
                failure = error
            flusher = self._flusher
            if record.process != flusher.pid:
                # It may come from another process, too.
                flusher.notice_fork()
            level = record.levelno
            if type(level) is not int:
                # A record made by hand may have none.
                level = logging.NOTSET
            name = None if self._has_own_stream else self._naming.of(record)
            flusher.put(record.created, text, name, level)
            if failure is not None:
                # Not before: a `handleError` of the program's may raise.
                raise failure
        except Exception as error:
            if isinstance(error, RecursionError) and error is not failure:
                # Not of what is in the record: the program has used up its stack.
                raise
            failure = None  # or it would keep this frame, and this frame it
            nesting.complain(self, record)

    def _is_suspect(self, record: logging.LogRecord) -> bool:
        try:
            return record.thread in self._suspects
        except (TypeError, AttributeError):
            # A record made by hand may have anything there, or nothing.
            return False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, logging's name
        """Say on stderr what went wrong with a record, as every handler does.

        Not for what is logged by that very saying, where stderr is redirected into logging: it would have no end.
        """
        if not nesting.is_told_of_another():
            super().handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record: the formatter's if one is set; else the message, dicts and lists as JSON."""
        formatter = self.formatter
        if formatter is not None:
            if formatter is self._free_formatter:
                text = formatter.format(record)
            elif needs_no_turn(formatter):
                self._free_formatter = formatter
                text = formatter.format(record)
            else:
                text = self._turn.take(formatter.format, record)
        elif type(record.msg) is str and not (record.exc_info or record.exc_text or record.stack_info):
            # Nearly all are of this kind: no further call is made for them.
            text = record.getMessage()
        else:
            text = formatting.default_text(record, self._json_default)
        if self._documents is not None and type(text) is str:
            self._documents.look_at(text)
        return text

    @property
    def log_stream_name(self) -> str:
        """The template of the stream's name. When it is set, what is logged from then on goes by the new one.

        Any thread may set it. Raises ValueError or TypeError as the constructor does; the old one is kept then.
        """
        return self._naming.template

    @log_stream_name.setter
    def log_stream_name(self, template: str) -> None:
        # In this order: what is logged meanwhile goes by the old one.
        self._naming = Naming(template)
        self._has_own_stream = False

    # logging's flush returns nothing; nothing that calls it looks.
    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Wait until every record logged before this call is settled: delivered, rejected or dropped.

        Any thread may call it. ``timeout`` is in seconds; None uses ``close_timeout``. Returns False if time ran out
        first: nothing is discarded then. While it waits, what failed is tried again more often than back-off says, so
        that a fault which is over a second before the deadline costs nothing.

        It does not wait (and returns False if something is left) while this thread holds logging's module lock, as it
        does inside ``logging.config.dictConfig``: boto3 needs that lock to log, so nothing would come of it. What is
        left is delivered afterwards.
        """
        if _holds_logging_lock():
            timeout = 0.0
        return self._flusher.flush(timeout)

    def close(self) -> None:
        """Deliver what waits, for ``close_timeout`` seconds at most, and leave logging's list of handlers.

        A record that comes later, because a logger still has this handler, is delivered all the same. May be called
        again, from any thread. Together with a `flush` just before it takes one ``close_timeout``.
        """
        if lifecycle.is_logging_shut_down_for(self._flusher):
            lifecycle.flush_those_in_front(self)
        if not self._flusher.has_just_flushed_in_vain:
            self.flush()
        self._flusher.retire()
        super().close()

    @property
    def stats(self) -> Stats:
        """A snapshot of the counts since the process began (or was forked). Any thread."""
        return self._flusher.stats()

    def __repr__(self) -> str:
        try:
            level = logging.getLevelName(self.level)
            # Of about this moment: whoever prints it must not wait.
            stats = self._flusher.stats(patience=0.0)
            counts = [(name, getattr(stats, name)) for name in ("delivered", "pending", "rejected", "dropped")]
            told = ", ".join(f"{count} {name}" for name, count in counts if count) or "nothing logged"
            return f"<{type(self).__name__} {self.log_group_name!r} {self.log_stream_name!r} ({level}): {told}>"
        except Exception:
            # A constructor that raised leaves a handler with less than that, and a debugger or traceback shows it.
            return object.__repr__(self)


nesting.know(CloudWatchLogsHandler)


def _holds_logging_lock() -> bool:
    # Private, but there in every version from 3.10 on, and without another way to ask. Without it close() would wait
    # in vain inside dictConfig, up to close_timeout: slow, but nothing lost.
    lock = getattr(logging, "_lock", None)
    return bool(lock is not None and lock._is_owned())
