"""The time at the beginning of a line."""

from datetime import datetime, timezone

import pytest
import time_machine

from cwlog_handler.cli.send.timestamps import Timestamps


def utc(*moment):
    return datetime(*moment, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("strptime_format", "line", "created"),
    [
        ("%Y-%m-%d %H:%M:%S", "2026-03-01 10:11:12 INFO it", utc(2026, 3, 1, 10, 11, 12)),
        ("%Y-%m-%d %H:%M:%S", "2026-03-01 10:11:12", utc(2026, 3, 1, 10, 11, 12)),
        ("%Y-%m-%d %H:%M:%S,%f", "2026-03-01 10:11:12,345 INFO", utc(2026, 3, 1, 10, 11, 12, 345_000)),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2026-03-01T10:11:12.5+02:00 it", utc(2026, 3, 1, 8, 11, 12, 500_000)),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-03-01T10:11:12Z 2 it", utc(2026, 3, 1, 10, 11, 12)),
        ("[%d/%b/%Y:%H:%M:%S %z]", "[01/Mar/2026:10:11:12 -0100] GET /", utc(2026, 3, 1, 11, 11, 12)),
        ("%d.%m.%y", "1.3.26 it", utc(2026, 3, 1)),
        ("%Y-%m-%d", "  2026-03-01 indented", None),
        ("%Y-%m-%d", "Traceback (most recent call last):", None),
        ("%Y-%m-%d", "2026-02-30 there is no such day", None),
        ("%Y-%m-%d", "", None),
    ],
)
def test_a_line_begins_with_its_time_or_has_none(strptime_format, line, created):
    assert Timestamps(strptime_format).created(line) == created


def test_times_are_in_the_zone_that_was_given_unless_they_tell_theirs():
    berlin = Timestamps("%Y-%m-%d %H:%M", "Europe/Berlin")
    telling = Timestamps("%Y-%m-%d %H:%M%z", "Europe/Berlin")

    assert berlin.created("2026-01-15 12:00 winter") == utc(2026, 1, 15, 11)
    assert berlin.created("2026-07-15 12:00 summer") == utc(2026, 7, 15, 10)
    assert telling.created("2026-07-15 12:00+0500") == utc(2026, 7, 15, 7)


def test_local_is_the_zone_of_this_machine():
    naive = datetime(2026, 7, 15, 12)

    assert Timestamps("%Y-%m-%d %H:%M", "local").created("2026-07-15 12:00") == naive.timestamp()


@pytest.mark.parametrize(
    ("now", "line", "created"),
    [
        ((2026, 3, 5), "Mar  1 10:00:00 host", utc(2026, 3, 1, 10)),
        ((2026, 1, 2), "Dec 31 23:59:59 host", utc(2025, 12, 31, 23, 59, 59)),
        ((2026, 3, 5), "Mar  5 10:00:00 of a zone ahead", utc(2026, 3, 5, 10)),
        ((2026, 12, 31, 20), "Jan  1 02:00:00 host", utc(2026, 1, 1, 2)),
        ((2024, 3, 1), "Feb 29 10:00:00 host", utc(2024, 2, 29, 10)),
    ],
)
def test_a_time_without_a_year_is_of_the_last_twelve_months(now, line, created):
    """As syslog writes it."""
    with time_machine.travel(datetime(*now, tzinfo=timezone.utc), tick=False):
        assert Timestamps("%b %d %H:%M:%S").created(line) == created
