"""Times on the wall clocks of the world, on the nights when these change too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from formatters import times
from formatters.languages import LANGUAGES

EN, JA = LANGUAGES["en"], LANGUAGES["ja"]


@pytest.mark.parametrize(
    ("zone", "utc", "shown"),
    [
        ("UTC", "2026-11-23T05:12:00", "Mon 23 Nov 2026, 05:12:00 UTC"),
        ("Etc/UTC", "2026-11-23T05:12:00", "Mon 23 Nov 2026, 05:12:00 UTC"),
        ("Europe/London", "2026-03-29T00:59:59", "Sun 29 Mar 2026, 00:59:59 GMT · 00:59:59 UTC"),
        ("Europe/London", "2026-03-29T01:00:00", "Sun 29 Mar 2026, 02:00:00 BST · 01:00:00 UTC"),
        ("Europe/London", "2026-10-25T00:59:59", "Sun 25 Oct 2026, 01:59:59 BST · 00:59:59 UTC"),
        ("Europe/London", "2026-10-25T01:00:00", "Sun 25 Oct 2026, 01:00:00 GMT · 01:00:00 UTC"),
        ("America/New_York", "2026-03-08T06:59:59", "Sun 8 Mar 2026, 01:59:59 EST · 06:59:59 UTC"),
        ("America/New_York", "2026-03-08T07:00:00", "Sun 8 Mar 2026, 03:00:00 EDT · 07:00:00 UTC"),
        ("America/New_York", "2026-11-01T05:30:00", "Sun 1 Nov 2026, 01:30:00 EDT · 05:30:00 UTC"),
        ("America/New_York", "2026-11-01T06:30:00", "Sun 1 Nov 2026, 01:30:00 EST · 06:30:00 UTC"),
        ("America/New_York", "2026-11-23T01:00:00", "Sun 22 Nov 2026, 20:00:00 EST · 23 Nov 01:00:00 UTC"),
        ("Asia/Tokyo", "2026-12-31T15:00:00", "Fri 1 Jan 2027, 00:00:00 JST · 31 Dec 15:00:00 UTC"),
        ("Asia/Kolkata", "2026-11-23T05:12:00", "Mon 23 Nov 2026, 10:42:00 IST · 05:12:00 UTC"),
        ("Asia/Kathmandu", "2026-11-23T05:12:00", "Mon 23 Nov 2026, 10:57:00 UTC+05:45 · 05:12:00 UTC"),
        ("Pacific/Chatham", "2026-04-04T13:59:59", "Sun 5 Apr 2026, 03:44:59 UTC+13:45 · 4 Apr 13:59:59 UTC"),
        ("Pacific/Chatham", "2026-04-04T14:00:00", "Sun 5 Apr 2026, 02:45:00 UTC+12:45 · 4 Apr 14:00:00 UTC"),
        ("Pacific/Chatham", "2026-09-26T13:59:59", "Sun 27 Sep 2026, 02:44:59 UTC+12:45 · 26 Sep 13:59:59 UTC"),
        ("Pacific/Chatham", "2026-09-26T14:00:00", "Sun 27 Sep 2026, 03:45:00 UTC+13:45 · 26 Sep 14:00:00 UTC"),
        ("America/Sao_Paulo", "2026-11-23T05:12:00", "Mon 23 Nov 2026, 02:12:00 UTC-03:00 · 05:12:00 UTC"),
        ("Atlantic/Azores", "2026-07-01T05:12:00", "Wed 1 Jul 2026, 05:12:00 UTC"),
        ("Australia/Lord_Howe", "2026-11-23T05:12:00", "Mon 23 Nov 2026, 16:12:00 UTC+11:00 · 05:12:00 UTC"),
    ],
)
def test_a_time_is_told_by_the_wall_clock_and_in_utc(zone: str, utc: str, shown: str) -> None:
    assert times.written(datetime.fromisoformat(utc).replace(tzinfo=UTC), ZoneInfo(zone), EN) == shown


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2026年11月23日(月) 05:12:00 UTC"),
        ("Asia/Tokyo", "2026年11月23日(月) 14:12:00 JST · 05:12:00 UTC"),
        ("America/Los_Angeles", "2026年11月22日(日) 21:12:00 PST · 11月23日 05:12:00 UTC"),
    ],
)
def test_a_time_in_japanese(zone: str, shown: str) -> None:
    assert times.written(datetime(2026, 11, 23, 5, 12, tzinfo=UTC), ZoneInfo(zone), JA) == shown


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_the_ends_of_the_calendar_are_told_in_utc_where_the_zone_has_no_such_day(instant: str, zone: str) -> None:
    shown = times.written(datetime.fromisoformat(instant).replace(tzinfo=UTC), ZoneInfo(zone), EN)
    assert shown.startswith(("Mon 1 Jan 1,", "Fri 31 Dec 9999,"))


def spanned(first: str, last: str, zone: str) -> str:
    ends = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (first, last)]
    return times.span(ends[0], ends[1], ZoneInfo(zone), EN)


def test_a_span_says_the_day_and_the_zone_once_where_it_can() -> None:
    assert spanned("2026-11-23T05:12:00", "2026-11-23T05:13:11", "Asia/Tokyo") == (
        "Mon 23 Nov 2026, 14:12:00 – 14:13:11 JST"
    )
    assert spanned("2026-11-23T05:12:00.100", "2026-11-23T05:12:00.900", "UTC") == "Mon 23 Nov 2026, 05:12:00 UTC"


def test_a_span_over_a_change_of_clocks_or_midnight_is_told_in_full() -> None:
    assert spanned("2026-10-25T00:30:00", "2026-10-25T01:30:00", "Europe/London") == (
        "Sun 25 Oct 2026, 01:30:00 BST · 00:30:00 UTC – Sun 25 Oct 2026, 01:30:00 GMT · 01:30:00 UTC"
    )
    assert spanned("2026-11-23T14:59:59", "2026-11-23T15:00:00", "Asia/Tokyo") == (
        "Mon 23 Nov 2026, 23:59:59 JST · 14:59:59 UTC – Tue 24 Nov 2026, 00:00:00 JST · 23 Nov 15:00:00 UTC"
    )


def short(*utc: str, zone: str) -> list[str]:
    return times.short([datetime.fromisoformat(each).replace(tzinfo=UTC) for each in utc], ZoneInfo(zone), EN)


def test_rows_have_the_day_or_the_zone_only_where_they_differ() -> None:
    assert short("2026-11-23T05:12:00", "2026-11-23T05:13:00", zone="Asia/Tokyo") == ["14:12:00", "14:13:00"]
    assert short("2026-11-23T14:59:59", "2026-11-23T15:00:00", zone="Asia/Tokyo") == [
        "23 Nov 23:59:59",
        "24 Nov 00:00:00",
    ]
    assert short("2026-10-25T00:30:00", "2026-10-25T01:30:00", zone="Europe/London") == ["01:30:00 BST", "01:30:00 GMT"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86_399, "23 h"), (86_400, "1 d"), (9_999_999, "115 d")],
)
def test_a_delay_is_told_in_its_largest_whole_unit(seconds: int, shown: str) -> None:
    assert times.delay(timedelta(seconds=seconds), EN) == shown
