"""When a login was, on a wall clock that its readers know, and in UTC, which settles every doubt about it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from formatters.phrases import Phrases

SEPARATOR = " · "

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def wall(instant: datetime, zone: tzinfo) -> datetime:
    """`instant` on the clock of `zone`. At the ends of the calendar (years 1 and 9999) it stays in UTC."""
    try:
        return instant.astimezone(zone)
    except OverflowError:
        return instant.astimezone(UTC)


def zone_name(local: datetime) -> str:
    """JST, BST, UTC; where the zone has only a number for a name (Nepal, Chatham): UTC+05:45."""
    name = local.tzname() or ""
    if name and name[0] not in "+-":
        return name
    return "UTC" + local.isoformat()[-6:] if local.utcoffset() else "UTC"


def written(instant: datetime, zone: tzinfo, phrases: Phrases) -> str:
    """`Mon 23 Nov 2026, 14:12:00 JST · 05:12:00 UTC`; the UTC part only beside another zone, dated if it must be."""
    local, utc = wall(instant, zone), instant.astimezone(UTC)
    moment = phrases.moment.format(date=date(local, phrases), clock=clock(local, phrases), zone=zone_name(local))
    if zone_name(local) == "UTC":
        return moment
    day = "" if local.date() == utc.date() else day_of(utc, phrases) + " "
    return f"{moment}{SEPARATOR}{day}{clock(utc, phrases)} UTC"


def span(first: datetime, last: datetime, zone: tzinfo, phrases: Phrases) -> str:
    """From `first` to `last`; in full, both, where it crosses midnight or the night in which the clocks change."""
    start, end = wall(first, zone), wall(last, zone)
    if (start.date(), zone_name(start)) != (end.date(), zone_name(end)):
        return phrases.span.format(first=written(first, zone, phrases), last=written(last, zone, phrases))
    if clock(start, phrases) == clock(end, phrases):
        return written(first, zone, phrases)
    clocks = phrases.span.format(first=clock(start, phrases), last=clock(end, phrases))
    return phrases.moment.format(date=date(start, phrases), clock=clocks, zone=zone_name(start))


def short(instants: Sequence[datetime], zone: tzinfo, phrases: Phrases) -> list[str]:
    """Each of `instants` as the clock shows it, with its day or its zone's name where they are not all the same."""
    locals_ = [wall(instant, zone) for instant in instants]
    days = len({local.date() for local in locals_}) > 1
    zones = len({zone_name(local) for local in locals_}) > 1
    return [
        " ".join(
            [
                *([day_of(local, phrases)] if days else []),
                clock(local, phrases),
                *([zone_name(local)] if zones else []),
            ]
        )
        for local in locals_
    ]


def delay(length: timedelta, phrases: Phrases) -> str:
    """A delay in its largest whole unit: 12 min, 3 h, 2 d."""
    for unit, phrase in ((_DAY, phrases.days), (_HOUR, phrases.hours)):
        if length >= unit:
            return phrase.format(count=length // unit)
    return phrases.minutes.format(count=length // _MINUTE)


def date(local: datetime, phrases: Phrases) -> str:
    return phrases.date.format(
        weekday=phrases.weekdays[local.weekday()],
        day=local.day,
        month=phrases.months[local.month - 1],
        year=local.year,
    )


def day_of(local: datetime, phrases: Phrases) -> str:
    return phrases.day.format(day=local.day, month=phrases.months[local.month - 1])


def clock(local: datetime, phrases: Phrases) -> str:
    return phrases.clock.format(hour=f"{local:%H}", minute=f"{local:%M}", second=f"{local:%S}")
