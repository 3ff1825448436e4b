"""The ``logging.Handler``: its options, the way from a record to its text, what flush and close promise.

Owns: what users see. Must not know: batch rules, AWS calls, when anything is sent.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Final

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

if TYPE_CHECKING:
    from .core.lost import LostEvent

# 64 MiB hold about 200,000 short records: those of an outage of one minute at 3,000 records a second. It is small
# compared with the memory of a usual worker process.
DEFAULT_BUFFER_BYTES: Final = 64 * 1024 * 1024
# Four times the buffer: an outage of some minutes at 3,000 short records a second.
DEFAULT_SPOOL_BYTES: Final = 256 * 1024 * 1024


class CloudWatchLogsHandler(logging.Handler):
    """Send log records to CloudWatch Logs from a background thread: never blocks, never loses a record silently.

    Records are formatted on the calling thread, queued, and sent by a daemon thread that the first record starts. The
    constructor makes no client, no thread and no network call. A logger's call returns without waiting for the network
    (unless ``overflow="block"`` or ``use_queues=False`` ask for it), and is safe in signal handlers. `logging` promises
    that only one thread at a time calls a handler's formatter, ``emit`` and ``format``. So a logger's call waits while
    another thread is in a formatter other than ``logging.Formatter``, or in an ``emit`` or ``format`` of a derived
    class. It stops waiting if that lasts longer than 5 seconds. Errors of the network or the service never reach the
    application: they are retried, counted in `stats`, and reported on stderr once a minute. Wrong options raise
    ValueError or TypeError here. The message shows the value and says what to write instead.

    Options that watchtower has too have the same meaning here. Sizes are in bytes, times are in seconds.

    Args:
        log_group_name: The log group: 1 to 512 of ``a-z A-Z 0-9 _ - / . #``. Or a template of it, with the fields of
            ``log_stream_name``: then one handler serves many groups. What a group's name may not have becomes ``_`` in
            values, and so does ``/``, except in variables of the environment.
        log_stream_name: Template of the stream's name, with the fields ``{machine_name} {program_name} {process_id}
            {thread_name} {logger_name} {level_name} {strftime:%Y-%m-%d}`` (UTC, the record's time), ``{record:NAME}``
            (an attribute of the record), ``{env:NAME}`` (an environment variable, as it is now), ``{ecs_cluster}
            {ecs_task_id} {ecs_task_family} {ecs_container_name} {ec2_instance_id} {kubernetes_namespace}`` (from files
            and variables). What is not there is "unknown", or a default: ``{env:STAGE|dev}``. ``:`` and ``*`` in values
            become ``_``. The default is one stream for each process.
        level: As for every handler.
        region_name: AWS region. None: the region that boto3 finds (environment, configuration). A name that no AWS
            region can have is refused, unless another endpoint is given or configured.
        endpoint_url: Another endpoint than the region's, for tests, VPC endpoints and stand-ins. Write it with
            ``http://`` or ``https://``.
        boto3_profile_name: Profile of the AWS configuration files.
        boto3_client: A ``boto3.client("logs")`` of your own, instead of a profile; in tests a Mock or another
            stand-in. Asynchronous clients and those for other services are refused.
        boto3_config: Keywords of botocore's ``Config`` for the handler's own client: ``proxies``, ``client_cert``,
            ``use_fips_endpoint``, ``use_dualstack_endpoint``, ``tcp_keepalive``, ``user_agent_extra`` and so on.
            Time-outs in it are upper limits of the handler's own. ``retries`` is refused, because the handler itself
            decides when a request is made again.
        role_arn: ARN of a role that the credentials found by boto3 assume, for example one of another account. It is
            assumed before the first request, not on the caller's thread, and renewed in time. Not together with a
            profile or a client.
        external_id: The external id that the role's trust policy asks for.
        role_session_name: The session's name in CloudTrail. None: ``cwlog-handler-`` and the machine's name.
        create_log_group: Create the group when a request says that it is missing.
        create_log_stream: Create the stream when a request says that it is missing.
        log_group_retention_days: Retention in days of a group that the handler creates. The retention of an existing
            group is not changed. The service decides what that group keeps; events up to 14 days old are sent to it. A
            retention policy of the account overrides that of every group.
        log_group_tags: Tags of a group that the handler creates.
        log_group_kms_key_id: ARN of the KMS key of a group that the handler creates.
        log_group_class: STANDARD, INFREQUENT_ACCESS, DELIVERY or ESSENTIALS, for a group that the handler creates. The
            service never changes the class of a group.
        log_group_deletion_protection: True: a group that the handler creates cannot be deleted until somebody takes the
            protection away. With a boto3 that does not know it the group is created without it, and stderr says so.
        log_format: "json/emf" tells the service that the messages are documents in the embedded metric format (header
            ``x-amzn-logs-format``). Most regions detect this by themselves. A document too long for one event yields no
            metrics, whatever ``oversize`` does with it: stderr says so.
        entity: The service or resource that the events are about, in the form of boto3: a mapping with
            ``keyAttributes`` (2 to 4 of Type, ResourceType, Identifier, Name, Environment) and ``attributes`` (up to
            10). CloudWatch shows related metrics and traces with it. It is sent with each request. If the service does
            not take it, the events are delivered without it; stderr says so and `stats` counts it.
        compression: "gzip" compresses the requests; text becomes a third of its size or less. It takes about 1 µs of
            CPU for an event. All sizes are counted before it. An endpoint that refuses it gets plain requests.
        send_interval: How many seconds a record waits, at most, for others to be sent with it. The handler lengthens it
            while the service throttles.
        max_batch_size: The most bytes in one request, as the service counts: UTF-8 plus 26 for each event.
        max_batch_count: The most events in one request.
        max_message_size: The most bytes of one event, its 26 included.
        oversize: What happens to longer messages: "split" into several events, "truncate" (a marker gives the original
            size) or "drop".
        flush_level: A record at or above this level is sent at once; its caller does not wait.
        requests_per_second: The most requests in one second for one stream, over all handlers of the process. None: no
            limit.
        max_buffer_size: The most bytes of memory for waiting records.
        max_buffer_count: The most waiting records. None: only bytes count.
        overflow: What happens when the buffer is full: "drop_oldest" or "drop_newest" drops a record of the least
            severe level in it, "block" lets the caller wait. Later an event in the stream says how many were lost.
        block_timeout: With "block", how many seconds a caller waits for room at most. Then as "drop_newest".
        close_timeout: The most seconds that `flush`, `close` and the interpreter's end take together.
        flush_on_sigterm: If nothing in your program handles SIGTERM, the signal would end the process at once. True:
            the handler first delivers waiting records, for ``close_timeout`` at most; then the process dies of the
            signal. False leaves the signal alone. Forked children and workers of a multiprocessing.Pool are always left
            alone.
        use_queues: False sends each record on the calling thread before ``emit`` returns, for debugging and one-shot
            scripts. It tries for ``close_timeout`` seconds. A request that is being made at the end of this time may
            take one second more.
        json_serialize_default: ``default`` for the JSON of dict and list messages, a callable or its dotted path.
            None: dates as ISO 8601, the rest by ``repr``.
        spool_dir: A directory of the program's own, in which waiting records survive the process. The next process that
            logs to the same group (or template), region and endpoint delivers them. None: nothing is written to disk.
        spool_mode: "outage" writes what waits in trouble, and nothing while the service is well. "always" writes each
            record before its logging call returns.
        max_spool_size: The most bytes of all files in ``spool_dir`` together. If it is full, the least severe records
            go first.
        spool_sync: Have what is written reach the disk itself, so that it survives a power cut too. Slow.
        on_lost: A function, or its dotted path, that gets each event which was dropped or rejected, and at the end of
            the process what could be neither delivered nor kept on disk: a sequence of `LostEvent`. It is called on a
            thread of its own. What it raises is reported on stderr and harms nothing.
    """

    # True if a subclass, or an assignment to this object, has replaced `emit`, `format` or `filter`: see `handle`.
    _has_own_ways = False
    # True if one of `emit` and `format` has been replaced: then one thread at a time may call it.
    _emits_in_turn = False
    # The last formatter that several threads may call at the same time: the test need not be repeated for it.
    _free_formatter: logging.Formatter | None = None

    log_group_name: Final[str]
    """The log group, or its template, as given."""
    flush_level: Final[int]
    """A record at or above this level is sent at once. A number."""
    close_timeout: Final[float]
    """The most seconds that `flush`, `close` and the interpreter's end take together."""
    use_queues: Final[bool]
    """True if a background thread sends. False: each caller sends its own record."""
    shutting_down: ClassVar[bool] = False
    """Always False, because records that are logged after `close` are delivered too. Programs written for watchtower's
    handler read this attribute, such as Airflow."""

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
        boto3_config: Mapping[str, Any] | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        role_session_name: str | None = None,
        create_log_group: bool = True,
        create_log_stream: bool = True,
        log_group_retention_days: int | None = None,
        log_group_tags: Mapping[str, str] | None = None,
        log_group_kms_key_id: str | None = None,
        log_group_class: limits.LogGroupClass | None = None,
        log_group_deletion_protection: bool | None = None,
        log_format: limits.LogFormat | None = None,
        entity: Mapping[str, Mapping[str, str]] | None = None,
        compression: limits.Compression | None = None,
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
        spool_dir: str | PathLike[str] | None = None,
        spool_mode: composition.SpoolMode = "outage",
        max_spool_size: int = DEFAULT_SPOOL_BYTES,
        spool_sync: bool = False,
        on_lost: Callable[[Sequence[LostEvent]], object] | str | None = None,
    ) -> None:
        """Check the options, which the class describes. No client, no thread and no request is made here.

        Raises ValueError or TypeError for a wrong option. The message shows the value and says what to write instead.
        """
        self.log_group_name = options.log_group_name(log_group_name)
        self.flush_level = options.level(flush_level, "flush_level")
        self.close_timeout = options.seconds("close_timeout", close_timeout)
        self.use_queues = options.yes_or_no("use_queues", use_queues)
        self._suspects = suspects if self.use_queues else EVERY_THREAD
        self._naming = Naming(self.log_group_name, log_stream_name)
        self._has_own_stream = self._naming.per_process
        self._json_default = options.json_default(json_serialize_default)
        notices = Notices(SYSTEM_CLOCK.monotonic)
        access = composition.access(
            region_name,
            endpoint_url,
            boto3_profile_name,
            boto3_client,
            role_arn=role_arn,
            external_id=external_id,
            role_session_name=role_session_name,
            boto3_config=boto3_config,
        )
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
            likely_endpoint=composition.likely_endpoint(access),
        )
        self._documents = composition.documents(log_format, terms, notices)
        group = composition.group(
            self.log_group_name,
            create_log_group=create_log_group,
            create_log_stream=create_log_stream,
            log_group_retention_days=log_group_retention_days,
            log_group_tags=log_group_tags,
            log_group_kms_key_id=log_group_kms_key_id,
            log_group_class=log_group_class,
            log_group_deletion_protection=log_group_deletion_protection,
        )
        additions = composition.additions(self.log_group_name, entity, compression, notices.say)
        make_spool = composition.spool(
            access,
            self._naming,
            notices,
            spool_dir=spool_dir,
            spool_mode=spool_mode,
            max_spool_size=max_spool_size,
            spool_sync=spool_sync,
            terms=terms,
        )
        make_reporter, kept_for_reports = composition.reporter(on_lost, notices, terms, self.close_timeout)
        self._flusher = composition.flusher(
            composition.client(access, group, log_format, additions, notices, use_thread=self.use_queues),
            notices,
            terms,
            own_target=self._naming.of_process,
            close_timeout=self.close_timeout,
            flush_on_sigterm=options.yes_or_no("flush_on_sigterm", flush_on_sigterm),
            use_thread=self.use_queues,
            make_spool=make_spool,
            make_reporter=make_reporter,
            kept_for_reports=kept_for_reports,
            spool_dir=spool_dir,
        )
        # `handle` and `format` need it, so it exists before anybody can use this handler.
        self._turn = Turn()
        super().__init__(level)
        # If the handler is garbage-collected without close(), the thread ends once it has delivered what is left.
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

        That lock would let only one thread log at a time, and ``logging.shutdown`` holds it while it waits for us. The
        promises of `logging` are kept without it. Any number of threads may call filters at the same time. Only one
        thread at a time calls a formatter, or an ``emit`` or ``format`` of a derived class. ``logging.Formatter``
        itself does not need that.
        """
        if not self.filters and not self._has_own_ways:
            self.emit(record)
            return True
        # A record of our own requests must not reach a filter: the filter may count it, or log.
        if self._is_suspect(record) and is_our_own(record):
            return False
        try:
            verdict: bool | logging.LogRecord = self.filter(record)
        except Exception:
            # As for a formatter that raises: stderr says so, and the record is delivered nevertheless.
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
        """Queue a record; never raises, whatever the record contains. Any thread and any signal handler may call it.

        There is one exception, as with every handler: a RecursionError is raised if the program has used up its stack,
        or if logging a record logs again without end.
        """
        failure = None
        try:
            try:
                is_suspect = record.thread in self._suspects
            except (TypeError, AttributeError):
                is_suspect = False  # the code of `_is_suspect`, repeated here to save a call for each record
            if is_suspect and (is_our_own(record) or was_taken(record, self)):
                return
            try:
                text = self.format(record)
                if type(text) is not str:
                    # Only a plain str is passed on. A subclass of str may override its length or its encoding, and
                    # later sizes are computed from these.
                    text = str.__str__(str(text))
            except Exception as error:
                nesting.let_recursion_go_up(error)
                # The record is delivered nevertheless, with a text made of what can be read from it. The error is
                # reported below, on stderr, as every handler does.
                text = formatting.fallback_text(record, error)
                failure = error
            flusher = self._flusher
            if record.process != flusher.pid:
                # Either this process was forked, or the record was made in another process.
                flusher.notice_fork()
            level = record.levelno
            if type(level) is not int:
                # The level of a record made by hand may be anything.
                level = logging.NOTSET
            target = None if self._has_own_stream else self._naming.of(record)
            flusher.put(record.created, text, target, level)
            if failure is not None:
                # Only after the record was queued: the program's own `handleError` may raise.
                raise failure
        except Exception as error:
            if isinstance(error, RecursionError) and error is not failure:
                # The formatting of the record did not cause it: the program has used up its stack.
                raise
            failure = None  # breaks a reference cycle: the exception's traceback refers to this frame
            nesting.complain(self, record)

    def _is_suspect(self, record: logging.LogRecord) -> bool:
        try:
            return record.thread in self._suspects
        except (TypeError, AttributeError):
            # In a record made by hand `thread` may be missing, or be a value that cannot be hashed.
            return False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, logging's name
        """Print on stderr what went wrong with a record, as every handler does.

        If stderr is redirected into logging, this printing itself logs records. Errors of these are not printed,
        because that would never end.
        """
        if not nesting.is_told_of_another():
            super().handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record: from the formatter if one is set, else the message (dicts and lists as JSON)."""
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
            # Nearly all records are of this kind. For them the call of `default_text` is saved.
            text = record.getMessage()
        else:
            text = formatting.default_text(record, self._json_default)
        if self._documents is not None and type(text) is str:
            self._documents.look_at(text)
        return text

    @property
    def log_stream_name(self) -> str:
        """The template of the stream's name. Setting it changes the stream of records that are logged from then on.

        Any thread may set it. A wrong template raises ValueError or TypeError, as in the constructor, and changes
        nothing.
        """
        return self._naming.template

    @log_stream_name.setter
    def log_stream_name(self, template: str) -> None:
        # In this order: a record that is logged between these two lines still gets the old name.
        self._naming = self._naming.with_stream(template)
        self._has_own_stream = False

    # `logging.Handler.flush` returns None. The callers in `logging` ignore the result, so returning a bool is safe.
    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Wait until every record logged before this call is settled: delivered, rejected or dropped.

        Any thread may call it. ``timeout`` is in seconds; None uses ``close_timeout``. Returns False if time ran out
        first: nothing is discarded then. While it waits, failed requests are made again more often than back-off would
        allow. So a fault that is over one second before the deadline costs no record.

        It does not wait while this thread holds logging's module lock, as inside ``logging.config.dictConfig``: boto3
        needs that lock to log, so waiting would deliver nothing. It returns False then if something is left. That is
        delivered afterwards.
        """
        if _holds_logging_lock():
            timeout = 0.0
        return self._flusher.flush(timeout)

    def close(self) -> None:
        """Deliver waiting records, for ``close_timeout`` seconds at most, and leave logging's list of handlers.

        A record that comes later, because a logger still has this handler, is delivered too. Any thread may call this,
        also more than once. A `flush` just before it and `close` take one ``close_timeout`` together.
        """
        if lifecycle.is_logging_shut_down_for(self._flusher):
            lifecycle.flush_those_in_front(self)
        if not self._flusher.has_just_flushed_in_vain:
            self.flush()
        self._flusher.retire()
        super().close()

    @property
    def stats(self) -> Stats:
        """A snapshot of the counts since the process began (or was forked). Any thread may read it."""
        return self._flusher.stats()

    def __repr__(self) -> str:
        try:
            level = logging.getLevelName(self.level)
            # No patience: printing a handler must not wait. The counts may be those of a round that is half done.
            stats = self._flusher.stats(patience=0.0)
            counts = [(name, getattr(stats, name)) for name in ("delivered", "pending", "rejected", "dropped")]
            told = ", ".join(f"{count} {name}" for name, count in counts if count) or "nothing logged"
            return f"<{type(self).__name__} {self.log_group_name!r} {self.log_stream_name!r} ({level}): {told}>"
        except Exception:
            # If the constructor raised, attributes are missing. A debugger or a traceback may still show the object.
            return object.__repr__(self)


nesting.know(CloudWatchLogsHandler)


def _holds_logging_lock() -> bool:
    # This lock is private, but every Python from 3.10 on has it, and there is no public way to ask. If it were missing,
    # close() inside dictConfig would wait in vain for up to close_timeout, and lose nothing.
    lock = getattr(logging, "_lock", None)
    return bool(lock is not None and lock._is_owned())
