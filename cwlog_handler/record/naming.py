"""Where a record goes: looks up the values of both templates' fields in the record, the process and its environment.

Owns: where the values come from, and the cache of rendered names. Must not know: what makes a name legal (`names`).
"""

from __future__ import annotations

import copy
import logging
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from operator import attrgetter
from typing import Any, Final

from ..core.limits import MAX_NAME_LENGTH
from ..core.targets import Target
from ..system.nesting import let_recursion_go_up
from ..system.stdlib import getpid
from .fields import ENV, OF_THE_PROCESS, RECORD
from .names import GroupName, StreamName

# The fields of a template whose values are attributes of the record.
_ATTRIBUTES: Final = {"thread_name": "threadName", "logger_name": "name", "level_name": "levelname"}
# Rendering a name costs more than everything else that is done for a record on its caller's thread, so names are kept.
# Most programs have fewer loggers than this; more names come from short-lived threads, whose names do not occur again.
_MOST_KNOWN: Final = 1000
# If names do occur again after they were forgotten, so many are kept: tenants, devices. Each has a stream in the
# driver's memory, which takes more than its name.
_MOST_KNOWN_IF_USED: Final = 16_384
# This is noticed by the first thousand names that were forgotten, and by others after so many thousands more.
_NOTICED_FOR: Final = 16
# No more of a value gets into a name. A longer one, such as a request's text, would stay in memory with the key.
_MOST_CHARACTERS: Final = 2 * MAX_NAME_LENGTH


class Naming:
    """Gives each record its group and stream, by two templates; any thread may use it."""

    def __init__(self, log_group_name: str, log_stream_name: str) -> None:
        group = GroupName(log_group_name)
        stream = StreamName(log_stream_name)
        values: dict[str, str | None] = {}
        if keys := group.of_environment | stream.of_environment:
            # Imported here because few templates have such a field.
            from .environment import values_of

            values = values_of(keys)
        variables = {key: value for key, value in values.items() if key.startswith(f"{ENV}:")}
        self.groups: Final = group.known(variables)
        """The group's template, in which environment variables are its own words: all groups of this process."""
        # Not from `group` itself: values too long for a name would be shortened in another way.
        self._group = self.groups.known(values)
        self._values_of_environment: Final = values
        self._take(stream.known(values))

    def with_stream(self, log_stream_name: str) -> Naming:
        """Return a naming with another template for the stream. Raises as the constructor does."""
        stream = StreamName(log_stream_name)
        values = self._values_of_environment
        if missing := stream.of_environment - values.keys():
            from .environment import values_of

            values = {**values, **values_of(missing)}
        renamed = copy.copy(self)
        renamed._take(stream.known(values))
        return renamed

    def _take(self, stream: StreamName) -> None:
        self.template = stream.template
        """The stream's template, as the user wrote it."""
        self._stream = stream
        self.per_process = self._group.per_process and stream.per_process
        """Whether all records of a process have the same target."""
        fields = self._group.fields | stream.fields
        self._lookups = _lookups(sorted(fields))
        self._values = _values_by(self._lookups)
        self._has_time = "strftime" in fields
        self._has_process = not OF_THE_PROCESS.isdisjoint(fields)
        # If a name has a time, the cache is keyed by the second. Only microseconds (%f) make it differ within one.
        self._may_be_known = "%f" not in self._group.template + stream.template
        self._known: dict[object, Target] = {}
        self._most_known = _MOST_KNOWN
        # Names that were forgotten, and how often names were forgotten since.
        self._forgotten: dict[object, Target] = {}
        self._times_forgotten = 0

    def of_process(self) -> Target | None:
        """Return this process's only target; None if it depends on the record."""
        return self._render(_of_process()) if self.per_process else None

    def of(self, record: logging.LogRecord) -> Target:
        """Return a record's target; does not fail, whatever the record's attributes are."""
        if not self._may_be_known:
            return self._rendered(record)
        try:
            # The second and the process belong to the key only if a name has them. Otherwise the key is mostly a single
            # text, which is looked up in a third of the time.
            key = self._values(record)
            if self._has_time or self._has_process:
                key = (getpid(), int(record.created) if self._has_time else 0, key)
            target = self._known.get(key)
        except Exception as error:
            let_recursion_go_up(error)
            # The record was made by hand: its time is no number, or an attribute cannot be hashed.
            return self._rendered(record)
        if target is None:
            target = self._forgotten.get(key)
            if target is None:
                target = self._rendered(record)
            else:
                self._most_known = _MOST_KNOWN_IF_USED
            if len(self._known) >= self._most_known:
                self._forget()
            self._known[key] = target
        return target

    def _forget(self) -> None:
        """Forget the names that are known. Some are kept aside, so that it is noticed if they occur again."""
        # Nothing walks through the names: another thread may be adding one.
        known, self._known = self._known, {}
        if self._most_known > _MOST_KNOWN:
            self._most_known = _MOST_KNOWN
            self._forgotten, self._times_forgotten = {}, 0
            return
        if self._times_forgotten % _NOTICED_FOR == 0:
            self._forgotten = known
        self._times_forgotten += 1

    def _rendered(self, record: logging.LogRecord) -> Target:
        values: dict[str, object] = {field: look_up(record) for field, look_up in self._lookups.items()}
        if self._has_process:
            values.update(_of_process())
        if self._has_time:
            values["strftime"] = _utc(record.created)
        return self._render(values)

    def _render(self, values: dict[str, object]) -> Target:
        return Target(self._group.render(values), self._stream.render(values))


_LookUp = Callable[[logging.LogRecord], Any]


def _lookups(keys: list[str]) -> dict[str, _LookUp]:
    """Return how the values of fields are looked up in a record, for those which are."""
    found: dict[str, _LookUp] = {}
    for key in keys:
        if key in _ATTRIBUTES:
            found[key] = _or_none(_ATTRIBUTES[key])
        elif key.startswith(f"{RECORD}:"):
            found[key] = _text_of(key.partition(":")[2])
    return found


def _values_by(lookups: dict[str, _LookUp]) -> _LookUp:
    """Return the quickest way to all values of a record, as one that can be hashed."""
    attributes = [_ATTRIBUTES[key] for key in lookups if key in _ATTRIBUTES]
    others = [look_up for key, look_up in lookups.items() if key not in _ATTRIBUTES]
    usual: _LookUp = attrgetter(*attributes) if attributes else lambda _: None
    if not others:
        return usual
    if len(others) == 1 and not attributes:
        return others[0]
    return lambda record: (usual(record), *[look_up(record) for look_up in others])


def _or_none(attribute: str) -> _LookUp:
    return lambda record: getattr(record, attribute, None)


def _text_of(attribute: str) -> _LookUp:
    """Return what looks an attribute up as text.

    Text, because 1 and True are equal, and an object may change: names that are known by such a key could be wrong.
    """

    def look_up(record: logging.LogRecord) -> str | None:
        try:
            value = getattr(record, attribute, None)
            if type(value) is not str:
                value = None if value is None else str.__str__(str(value))
        except Exception as error:
            let_recursion_go_up(error)
            return None
        return value if value is None or len(value) <= _MOST_CHARACTERS else value[:_MOST_CHARACTERS]

    return look_up


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
