"""Which stream a record belongs to: the values of the template's fields, for a record and in this process.

Owns: where the values come from, and names rendered before. Must not know: what a legal name is (`names`), who asks.
"""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from operator import attrgetter
from typing import Any, Final

from ..system.nesting import let_recursion_go_up
from ..system.stdlib import getpid
from .names import StreamName

# The attributes of a record that are fields of a template.
_ATTRIBUTES: Final = {"thread_name": "threadName", "logger_name": "name", "level_name": "levelname"}
# To render a name costs more than all else that is done for a record on its caller's thread. More names than this are
# rather threads' that come and go than loggers'.
_MOST_KNOWN: Final = 1000


class Naming:
    """The names that a template gives to the streams of records; any thread may use it."""

    def __init__(self, template: str) -> None:
        self._name = StreamName(template)
        self.template: Final = template
        self.per_process: Final = self._name.per_process
        """Whether all records of a process have the same stream."""
        fields = self._name.fields
        attributes = [_ATTRIBUTES[field] for field in sorted(fields & _ATTRIBUTES.keys())]
        self._values: Callable[[logging.LogRecord], Any] = attrgetter(*attributes) if attributes else lambda _: None
        self._has_time = "strftime" in fields
        # Within a second, the same time is a different text only with microseconds.
        self._may_be_known = "%f" not in template
        self._known: dict[tuple[object, ...], str] = {}

    def of_process(self) -> str:
        """Return the name of the one stream of this process; nothing if records have streams of their own."""
        return self._name.render(_of_process()) if self.per_process else ""

    def of(self, record: logging.LogRecord) -> str:
        """Return the name of a record's stream; never fails, whatever is in it."""
        try:
            second = int(record.created) if self._has_time else 0
            key = (getpid(), second, self._values(record))
            name = self._known.get(key) if self._may_be_known else None
        except Exception as error:
            let_recursion_go_up(error)
            # A record made by hand, with a time that is none, or with anything for a name.
            return self._rendered(record)
        if name is None:
            name = self._rendered(record)
            if len(self._known) >= _MOST_KNOWN:
                self._known = {}
            self._known[key] = name
        return name

    def _rendered(self, record: logging.LogRecord) -> str:
        of_record = {field: getattr(record, attribute, None) for field, attribute in _ATTRIBUTES.items()}
        return self._name.render({**_of_process(), **of_record, "strftime": _utc(record.created)})


def _of_process() -> dict[str, object]:
    program = sys.argv[0] if getattr(sys, "argv", None) else ""
    machine = "unknown"
    # A test may have replaced it by what raises.
    with suppress(Exception):
        machine = platform.node()
    return {"machine_name": machine, "program_name": program, "process_id": getpid()}


def _utc(created: float) -> datetime:
    try:
        return datetime.fromtimestamp(created, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        # Not a time; the event is counted as such further on.
        return datetime.now(timezone.utc)
