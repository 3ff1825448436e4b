"""Which stream a record belongs to: looks up the values of the template's fields in the record and the process.

Owns: where the values come from, and the cache of rendered names. Must not know: what makes a name legal (`names`).
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

# The fields of a template whose values are attributes of the record.
_ATTRIBUTES: Final = {"thread_name": "threadName", "logger_name": "name", "level_name": "levelname"}
# Rendering a name costs more than everything else that is done for a record on its caller's thread, so names are kept.
# A program has fewer loggers than this; more names come from short-lived threads, whose names do not occur again.
_MOST_KNOWN: Final = 1000


class Naming:
    """Gives each record its stream name, by one template; any thread may use it."""

    def __init__(self, template: str) -> None:
        self._name = StreamName(template)
        self.template: Final = template
        self.per_process: Final = self._name.per_process
        """Whether all records of a process have the same stream."""
        fields = self._name.fields
        attributes = [_ATTRIBUTES[field] for field in sorted(fields & _ATTRIBUTES.keys())]
        self._values: Callable[[logging.LogRecord], Any] = attrgetter(*attributes) if attributes else lambda _: None
        self._has_time = "strftime" in fields
        # The cache is keyed by the second. Only microseconds (%f) make the name differ within one second.
        self._may_be_known = "%f" not in template
        self._known: dict[tuple[object, ...], str] = {}

    def of_process(self) -> str:
        """Return the name of this process's only stream; "" if the name depends on the record."""
        return self._name.render(_of_process()) if self.per_process else ""

    def of(self, record: logging.LogRecord) -> str:
        """Return the name of a record's stream; does not fail, whatever the record's attributes are."""
        try:
            second = int(record.created) if self._has_time else 0
            key = (getpid(), second, self._values(record))
            name = self._known.get(key) if self._may_be_known else None
        except Exception as error:
            let_recursion_go_up(error)
            # The record was made by hand: its time is no number, or an attribute cannot be hashed.
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
    # A test may have replaced platform.node by a function that raises.
    with suppress(Exception):
        machine = platform.node()
    return {"machine_name": machine, "program_name": program, "process_id": getpid()}


def _utc(created: float) -> datetime:
    try:
        return datetime.fromtimestamp(created, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        # The record's time is not a time. Delivery counts the event as "invalid_time"; it needs a stream until then.
        return datetime.now(timezone.utc)
