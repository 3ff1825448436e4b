"""The handlers that are compared: one small function each.

Must not know: what is logged, nor what is measured.
"""

from __future__ import annotations

import atexit
import logging
import logging.handlers
import os
import queue
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

OURS: Final = "cwlog_handler"
NULL: Final = "NullHandler"
FILE: Final = "FileHandler"
QUEUE: Final = "QueueHandler"
WATCHTOWER: Final = "watchtower"
# A line on stdout, which a platform or an agent reads: what the program itself spends on it.
STDOUT: Final = "stdout"
OPENTELEMETRY: Final = "OpenTelemetry"
# Ours with compressed requests.
GZIP: Final = "gzip"
# Ours with a spool on disk, in each of its modes.
OUTAGE: Final = "spool, outage"
ALWAYS: Final = "spool, always"
# boto3 by itself: not a handler, but what both of the last two are compared with here and there.
BOTO3: Final = "boto3"
# The same with one event in each request: nobody who calls boto3 as often costs others less.
BOTO3_ONE_EVENT: Final = "boto3, 1 event"

# Nothing is to be lost for want of room where the cost of a record is measured.
ROOM_BYTES: Final = 2**30
GROUP: Final = "benchmark"


@dataclass(frozen=True)
class Target:
    """A handler; ``settle`` returns when it has done all it has to, ``delivers`` says whether that is a delivery."""

    handler: logging.Handler
    settle: Callable[[], object]
    delivers: bool = False


def null(**_: Any) -> Target:
    """logging itself: the floor."""
    return Target(logging.NullHandler(), lambda: None)


def file(**_: Any) -> Target:
    """A file that costs nothing to write to."""
    handler = logging.FileHandler(os.devnull)
    return Target(handler, handler.flush)


def queue_handler(**_: Any) -> Target:
    """The cookbook's way to keep a slow handler off the caller; here the handler does nothing."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, logging.NullHandler())
    listener.start()
    return Target(logging.handlers.QueueHandler(records), listener.stop)  # type: ignore[arg-type]


def stdout(**_: Any) -> Target:
    """Lines into a pipe that another process empties, as a container's stdout is."""
    reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert reader.stdin is not None
    handler = logging.StreamHandler(reader.stdin)
    return Target(handler, handler.flush)


def open_telemetry(*, endpoint_url: str = "", **_: Any) -> Target:
    """OpenTelemetry's handler and batches, with its exporter for OTLP over HTTP; nothing is signed.

    By default it keeps 2,048 records and drops what comes faster. Here nothing is dropped, as with the others.
    """
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    exporter = OTLPLogExporter(f"{endpoint_url or os.environ['AWS_ENDPOINT_URL']}/v1/logs")
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=2**20))
    return Target(LoggingHandler(logger_provider=provider), lambda: provider.force_flush(300_000))


def watchtower(*, log_stream_name: str = "stream", **_: Any) -> Target:
    """watchtower with its own defaults."""
    import watchtower

    handler = watchtower.CloudWatchLogHandler(GROUP, log_stream_name)
    return Target(handler, handler.flush, delivers=True)


def ours(
    *,
    log_stream_name: str = "stream",
    requests_per_second: float | None = None,
    max_buffer_size: int = ROOM_BYTES,
    **options: Any,
) -> Target:
    """Ours, with the rate off unless it is the rate that is measured."""
    from cwlog_handler import CloudWatchLogsHandler

    handler = CloudWatchLogsHandler(
        GROUP,
        log_stream_name,
        requests_per_second=requests_per_second,
        max_buffer_size=max_buffer_size,
        close_timeout=300.0,
        **options,
    )
    return Target(handler, handler.flush, delivers=True)


def spooling(**options: Any) -> logging.Handler:
    """Ours with these options, where a spool is measured; the rate is off."""
    from cwlog_handler import CloudWatchLogsHandler

    stream = options.pop("log_stream_name", "stream")
    return CloudWatchLogsHandler(GROUP, stream, requests_per_second=None, **options)


def _with_spool(mode: str, **options: Any) -> Target:
    options.setdefault("max_buffer_size", ROOM_BYTES)
    directory = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    handler = spooling(
        spool_dir=f"{directory}/spool", spool_mode=mode, max_spool_size=ROOM_BYTES, close_timeout=300.0, **options
    )
    return Target(handler, handler.flush, delivers=True)


PEERS: Final[dict[str, Callable[..., Target]]] = {
    NULL: null,
    FILE: file,
    QUEUE: queue_handler,
    WATCHTOWER: watchtower,
    STDOUT: stdout,
    OPENTELEMETRY: open_telemetry,
    OURS: ours,
    GZIP: partial(ours, compression="gzip"),
    OUTAGE: partial(_with_spool, "outage"),
    ALWAYS: partial(_with_spool, "always"),
}
