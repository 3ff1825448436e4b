"""The time at the beginning of a line, by a format of ``strptime``. Must not know: lines without one, events."""

from __future__ import annotations

import importlib
import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

_DIRECTIVE: Final = re.compile(r"%(.)")
_DAYS: Final = frozenset("djxcuVaAw")
_YEARS: Final = frozenset("yYGxc")
# A line without a year is of the last twelve months; clocks and time zones may differ by this much.
_AHEAD: Final = timedelta(days=1)


class Timestamps:
    """Reads the time that a line begins with.

    ``zone`` is for times that do not tell theirs: a name such as "Europe/Berlin", "UTC", or "local". A format without
    a year is of this year, or of the last one where that would be in the future. Raises ValueError for a format that
    cannot tell a day, and for a zone that is not known.
    """

    def __init__(self, strptime_format: str, zone: str = "UTC") -> None:
        directives = set(_DIRECTIVE.findall(strptime_format))
        if not directives & _DAYS:
            raise ValueError(f"{strptime_format!r} has no day: give one such as '%Y-%m-%d %H:%M:%S'")
        self._has_year = bool(directives & _YEARS)
        self._format = strptime_format if self._has_year else f"%Y {strptime_format}"
        self._zone = _zone(zone)
        # datetime.strptime reads whole strings and tells nobody where a time ends; this is the expression it goes by,
        # private but there in every version from 3.10 on.
        time_re: Any = importlib.import_module("_strptime").TimeRE()
        try:
            self._pattern: re.Pattern[str] = time_re.compile(strptime_format)
        except (KeyError, ValueError, IndexError, re.error) as error:
            raise ValueError(f"{strptime_format!r} is no format of strptime: {error}") from None

    def created(self, line: str) -> float | None:
        """Return the time in seconds since the epoch; None if the line does not begin with one."""
        found = self._pattern.match(line)
        if found is None:
            return None
        try:
            moment = self._moment(found[0])
            # Naive, it is in the local zone.
            return moment.replace(tzinfo=self._zone).timestamp() if moment.tzinfo is None else moment.timestamp()
        except (ValueError, OverflowError, OSError):
            # Such as 30 February.
            return None

    def _moment(self, text: str) -> datetime:
        if self._has_year:
            return datetime.strptime(text, self._format)
        now = datetime.now(self._zone).replace(tzinfo=None)
        moment = datetime.strptime(f"{now.year} {text}", self._format)
        if moment.replace(tzinfo=None) <= now + _AHEAD:
            return moment
        return datetime.strptime(f"{now.year - 1} {text}", self._format)


def _zone(name: str) -> tzinfo | None:
    if name == "local":
        return None
    if name.upper() == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone {name!r}: give UTC, local, or a name such as Europe/Berlin") from None
