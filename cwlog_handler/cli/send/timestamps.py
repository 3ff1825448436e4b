"""Reads the time at the beginning of a line, by a format of ``strptime``.

Owns: formats, time zones, formats without a year. Must not know: what happens to a line without a time, events.
"""

from __future__ import annotations

import importlib
import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

_DIRECTIVE: Final = re.compile(r"%(.)")
_DAYS: Final = frozenset("djxcuVaAw")
_YEARS: Final = frozenset("yYGxc")
# A time without a year is taken to be of the last twelve months. It may be ahead of our clock by this much, because
# clocks and time zones differ.
_AHEAD: Final = timedelta(days=1)


class Timestamps:
    """Reads the time that a line begins with.

    ``zone`` is the time zone of times without one: a name such as "Europe/Berlin", "UTC", or "local". If the format has
    no year, a time is in this year, or in the last year if it would be in the future otherwise. Raises ValueError for a
    format without a day, and for an unknown zone.
    """

    def __init__(self, strptime_format: str, zone: str = "UTC") -> None:
        self.strptime_format = strptime_format
        directives = set(_DIRECTIVE.findall(strptime_format))
        if not directives & _DAYS:
            raise ValueError(f"{strptime_format!r} has no day: give one such as '%Y-%m-%d %H:%M:%S'")
        self._has_year = bool(directives & _YEARS)
        # A year is put in front of a format without one: otherwise strptime would refuse 29 February.
        self._format = strptime_format if self._has_year else f"%Y|{strptime_format}"
        self._zone = _zone(zone)
        # datetime.strptime reads only whole strings: it cannot find where the time ends in a line. So the regular
        # expression that it uses itself is made here. It is private, but every version from 3.10 on has it.
        time_re: Any = importlib.import_module("_strptime").TimeRE()
        try:
            self._pattern: re.Pattern[str] = time_re.compile(self._format)
        except (KeyError, ValueError, IndexError, re.error) as error:
            raise ValueError(f"{strptime_format!r} is no format of strptime: {error}") from None

    def created(self, line: str) -> float | None:
        """Return the time in seconds since the epoch; None if the line does not begin with one."""
        if self._has_year:
            moment = self._moment(line)
        else:
            now = datetime.now(self._zone)
            moment = self._moment(f"{now.year}|{line}")
            if moment is not None and moment.replace(tzinfo=None) > now.replace(tzinfo=None) + _AHEAD:
                moment = self._moment(f"{now.year - 1}|{line}")
        if moment is None:
            return None
        try:
            # With `_zone` None the time stays naive, and timestamp() takes it as local time.
            return moment.replace(tzinfo=self._zone).timestamp() if moment.tzinfo is None else moment.timestamp()
        except (ValueError, OverflowError, OSError):
            # For example the year 1 in the local zone.
            return None

    def _moment(self, line: str) -> datetime | None:
        found = self._pattern.match(line)
        try:
            return None if found is None else datetime.strptime(found[0], self._format)
        except ValueError:
            # For example 30 February.
            return None


def _zone(name: str) -> tzinfo | None:
    if name == "local":
        return None
    if name.upper() == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone {name!r}: give UTC, local, or a name such as Europe/Berlin") from None
