"""Airflow 3's task logs in CloudWatch Logs: a stream for each try of a task, which Airflow's UI reads back.

Put this file where Airflow finds modules, such as ``$AIRFLOW_HOME/config``, and set
``AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS=airflow_cloudwatch.LOGGING``. Leave ``remote_logging`` off: that is for what
Airflow's providers bring. Airflow takes ``REMOTE_TASK_LOG`` from this module in all its processes: those that run tasks
write to it, the API server reads from it.
"""

import logging
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import boto3
from airflow.config_templates.airflow_local_settings import BASE_LOG_FOLDER, DEFAULT_LOGGING_CONFIG
from airflow.configuration import conf
from structlog.stdlib import NAME_TO_LEVEL

from cwlog_handler import CloudWatchLogsHandler

LOG_GROUP = "my-app"
# Airflow's own configuration of logging is left as it is.
LOGGING = DEFAULT_LOGGING_CONFIG


class CloudWatchTaskLog:
    """Sends the lines of tasks, and reads them: what Airflow calls a RemoteLogIO."""

    def __init__(self) -> None:
        # A record's logger has the name of the try's stream, so that one handler serves all tasks of a process.
        self.handler = CloudWatchLogsHandler(LOG_GROUP, "{logger_name}")
        self.processors = (self.send,)

    @cached_property
    def client(self) -> Any:
        return boto3.Session().client("logs")

    def send(self, logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        """Send a line as a JSON document. Airflow calls this for each line, and writes it to a local file, too."""
        file = getattr(getattr(logger, "_file", None), "name", None)
        if isinstance(file, str) and Path(file).is_relative_to(BASE_LOG_FOLDER):
            level = NAME_TO_LEVEL.get(event.get("level", method), logging.INFO)
            stream = stream_of(Path(file).relative_to(BASE_LOG_FOLDER).as_posix())
            record = logging.LogRecord(stream, level, "", 0, event, (), None)
            record.created = datetime.fromisoformat(str(event["timestamp"]).replace("Z", "+00:00")).timestamp()
            self.handler.handle(record)
        return event

    def upload(self, path: Any, ti: Any = None) -> None:
        """Deliver what is left. Airflow calls this at the end of each try, also if the task was killed."""
        if self.handler.flush() and conf.getboolean("logging", "delete_local_logs"):
            Path(BASE_LOG_FOLDER, path).unlink(missing_ok=True)

    def stream(self, relative_path: str, ti: Any) -> tuple[list[str], list[chain[str]]]:
        """Return where the lines of a try come from, and the lines. The API server calls this."""
        stream = stream_of(relative_path)
        source = f"CloudWatch Logs: group {LOG_GROUP}, stream {stream}"
        pages = self._pages(stream)
        try:
            # Without a stream Airflow shows the local file, if there is one.
            first = next(pages)
        except Exception as error:
            return [f"{source}: {error}"], []
        return [source], [chain(first, chain.from_iterable(pages))]

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        """Return the same as texts, for versions of Airflow that do not know ``stream``."""
        sources, streams = self.stream(relative_path, ti)
        return sources, ["\n".join(lines) for lines in streams]

    def _pages(self, stream: str) -> Iterator[list[str]]:
        place = {"logGroupName": LOG_GROUP, "logStreamName": stream, "startFromHead": True}
        page = self.client.get_log_events(**place)
        token = None
        # At the end the service answers with the token that it was given.
        while page["nextForwardToken"] != token:
            yield [event["message"] for event in page["events"]]
            token = page["nextForwardToken"]
            page = self.client.get_log_events(**place, nextToken=token)


def stream_of(path: str) -> str:
    """Return the name of the stream for a task's log file. A deferred task's trigger writes to that of its try."""
    return re.sub(r"\.trigger\.\d+\.log$", "", path).translate(str.maketrans(":*", "__"))[:512]


REMOTE_TASK_LOG = CloudWatchTaskLog()
