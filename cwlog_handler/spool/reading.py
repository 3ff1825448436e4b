"""Records that callers wrote one by one, read back and turned into events.

Owns: which file's records are kept in memory, and how a record becomes events again. Must not know: which of them are
settled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..core.columns import Events
from ..core.conversion import Converted, Records, convert
from . import frames
from .directory import Settings


class Reading:
    """Reads records. Those of one file are kept at a time. Only `events_of` may be called by any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: tuple[object, Mapping[int, frames.Record]] | None = None

    def records_of(self, file: object, area: Callable[[], bytes], wanted: Sequence[int]) -> Mapping[int, frames.Record]:
        """Return the records of a file's area by their numbers. They are kept until those of another file are read.

        They are read again if one of those ``wanted`` is not among them: callers may have written it since.
        """
        if self._kept is None or self._kept[0] is not file or not self._kept[1].keys() >= set(wanted):
            # First of all, so that there are never two in memory.
            self._kept = None
            self._kept = file, {record.id: record for record in frames.read_area(area())}
        return self._kept[1]

    def events_of(self, records: Sequence[frames.Record], first_number: int) -> Events | None:
        """Return one event for each record; None if that is not what they become."""
        found, converted = self.converted(records, first_number)
        are_whole = converted.numbers is None or all(len(some) == 1 for some in converted.numbers)
        return found if are_whole else None

    def converted(self, records: Sequence[frames.Record], first_number: int) -> tuple[Events | None, Converted]:
        """Return the events of records, None if there are none; and all that is known of the conversion."""
        count = len(records)
        fields = Records(
            [record.created for record in records],
            [record.text for record in records],
            [None] * count,
            [0] * count,
            [False] * count,
        )
        converted = convert(fields, first_number, self._settings.max_event_bytes, self._settings.oversize)
        return next(iter(converted.events.values()), None), converted
