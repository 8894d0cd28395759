"""What a card says, decided once for every channel: formatters only draw it.

One login is a headline and its facts. Several are a headline and a row each, grouped by directory, oldest first. Rows
are left out, and counted, only for an audience that wants no more than `max_rows`; who hands over more logins than a
channel holds learns it from the formatter's `weigh`.

All text here is plain, cleaned and cut, and not escaped: that is the channel's business.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.events import Login, NamedAfter, NameGap
from formatters import times
from formatters.base import Audience
from formatters.languages import language
from formatters.phrases import Phrases
from formatters.text import cut, show
from formatters.times import SEPARATOR

MAX_HEADLINE = 150
"""Slack's header block takes no more (https://docs.slack.dev/reference/block-kit/blocks/header-block)."""
MAX_SUMMARY = 400
MAX_NAME = 80
MAX_VALUE = 120
MAX_HEADLINE_DIRECTORY = 40
MAX_ROW_NAME = 40
MAX_ROW_VALUE = 48  # an IPv6 address has 39 characters
SUMMARY_NAMES = 3
MAX_REASONS = 3  # of destinations that could not be told, most frequent first
MAX_PLATFORMS = 8

NOTHING = "?"
"""Shown for an id of which cleaning leaves nothing."""

LATE = timedelta(minutes=1)
"""A login heard of later than this says so: AWS's own samples came 6 to 22 seconds after the login."""

OWN_TIME_YEARS = range(2000, 2100)
"""Channels draw a reader's own time in these years only: what their macros make of others is not known."""

PLATFORMS = {"OSX": "macOS", "Web": "Web", "Teradici PCoIP Zero Client and Tera2": "PCoIP zero client"}
PRODUCTS = {
    "WorkSpacesWebClient": "WorkSpaces Web Access",
    "WorkSpaces Web client": "WorkSpaces Web Access",
    "AmazonWorkSpacesThinClient": "WorkSpaces Thin Client",
    "Teradici PCoIP Zero Client": "PCoIP zero client",
}
"""Names that read better than AWS's own; what is not listed is shown as AWS sends it."""


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One login among several: `who`, and in one line the rest."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """The logins of one directory. `title` is empty where the headline names the directory already."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """`url` is made of strictly checked parts only."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """`summary` is the notification line. `instant` is UTC in whole seconds, None where no own time is drawn."""

    headline: str
    summary: str
    facts: tuple[Fact, ...]
    groups: tuple[Group, ...]
    instant: datetime | None
    link: Link | None
    notes: tuple[str, ...]
    phrases: Phrases


def tell(logins: Sequence[Login], audience: Audience) -> Content:
    """What a card says of `logins`: one, or several in the order given."""
    if len(logins) == 1:
        return tell_one(logins[0], audience)
    return tell_many(logins, audience)


def tell_one(login: Login, audience: Audience) -> Content:
    phrases = language(audience.language)
    name, named_after = name_of(login)
    said = phrases.headline[named_after].format(who=_full_name(login) or name)
    headline = _headline(said, [login], phrases)
    return Content(
        headline=headline,
        summary=cut(_joined(headline, _address(login), _platform(login)), MAX_SUMMARY),
        facts=tuple(_facts(login, audience, phrases)),
        groups=(),
        instant=_own_time(login.logged_in_at),
        link=_workspace_link(login, phrases),
        notes=tuple(_notes(login, phrases)),
        phrases=phrases,
    )


def tell_many(logins: Sequence[Login], audience: Audience) -> Content:
    phrases = language(audience.language)
    headline = _headline(phrases.headline_of_many.format(count=len(logins)), logins, phrases)
    instants = [login.logged_in_at for login in logins]
    span = times.span(min(instants), max(instants), audience.zone, phrases)
    return Content(
        headline=headline,
        summary=cut(_joined(headline, _names(logins, phrases)), MAX_SUMMARY),
        facts=(Fact(phrases.time, span),),
        groups=tuple(_groups(logins, audience, phrases)),
        instant=None,
        link=_region_link(logins, phrases),
        notes=tuple(_notes_of_many(logins, audience.max_rows, phrases)),
        phrases=phrases,
    )


def name_of(login: Login) -> tuple[str, NamedAfter]:
    """The name to show, and what it is the name of. A name of which cleaning leaves nothing is none."""
    if login.person is not None and (name := show(login.person.name, MAX_NAME)):
        return name, login.person.named_after
    return show(login.workspace_id, MAX_NAME) or NOTHING, NamedAfter.ID


def directory_of(login: Login) -> str:
    """The directory's name, else its id."""
    return show(login.directory_name, MAX_NAME) or show(login.directory_id, MAX_NAME) or NOTHING


def console_url(login: Login) -> str:
    """The WorkSpace in the AWS console of its region, or all the region's WorkSpaces, or nothing.

    The form of the address is the console's own of late 2026; no live console was at hand to try it. Region and id are
    untrusted: they become part of an address only if they are made of letters, digits and hyphens as AWS's own are.
    """
    base = _console(login.region)
    if not base:
        return ""
    path = f"/{login.workspace_id}" if re.fullmatch(r"ws-[0-9A-Za-z]{1,64}", login.workspace_id) else ""
    return f"{base}{path}?region={login.region}"


def _console(region: str) -> str:
    if not re.fullmatch(r"[a-z]{2}(-gov)?-[a-z]{4,12}-[0-9]{1,2}", region):
        return ""
    domain = "console.aws.amazon.com"
    if region.startswith("cn-"):
        domain = "console.amazonaws.cn"
    if region.startswith("us-gov-"):
        domain = "console.amazonaws-us-gov.com"
    return f"https://{region}.{domain}/workspaces/v2/workspaces"


def _full_name(login: Login) -> str:
    """The display name of a user, empty where nobody said it or where it says no more than the user's name."""
    if login.person is None or login.user is None:
        return ""
    full = show(login.person.display_name, MAX_NAME)
    return full if full != show(login.person.name, MAX_NAME) else ""


def _headline(said: str, logins: Sequence[Login], phrases: Phrases) -> str:
    names = {show(login.directory_name, MAX_HEADLINE_DIRECTORY) for login in logins}
    if len(names) == 1 and (directory := names.pop()):
        said = phrases.in_directory.format(headline=said, directory=directory)
    if all(login.sample for login in logins):
        said = phrases.sample.format(text=said)
    return cut(said, MAX_HEADLINE)


def _facts(login: Login, audience: Audience, phrases: Phrases) -> Iterator[Fact]:
    if _full_name(login):
        yield Fact(phrases.user, name_of(login)[0])
    directory = _joined(show(login.directory_name, MAX_NAME), show(login.directory_id, MAX_NAME))
    yield Fact(phrases.directory, directory or NOTHING)
    yield Fact(phrases.address, _address(login) or phrases.not_given)
    yield Fact(phrases.client, _client(login) or phrases.not_given)
    yield Fact(phrases.time, times.written(login.logged_in_at, audience.zone, phrases))
    yield Fact(phrases.workspace, show(login.workspace_id, MAX_VALUE) or NOTHING)
    if account := _joined(show(login.account, MAX_NAME), show(login.region, MAX_NAME)):
        yield Fact(phrases.account, account)


def _address(login: Login) -> str:
    return show(login.address, MAX_VALUE)


def _client(login: Login) -> str:
    """Product, version and platform; the platform is not said twice."""
    product, platform = _product(login), _platform(login)
    named = " ".join(filter(None, [product, show(login.client_version, MAX_NAME)]))
    return named if product == platform else _joined(named, platform)


def _product(login: Login) -> str:
    return show(PRODUCTS.get(login.client, login.client), MAX_VALUE)


def _platform(login: Login) -> str:
    return show(PLATFORMS.get(login.platform, login.platform), MAX_NAME)


def _joined(*texts: str) -> str:
    return SEPARATOR.join(filter(None, texts))


def _own_time(instant: datetime) -> datetime | None:
    return instant.astimezone(UTC).replace(microsecond=0) if instant.year in OWN_TIME_YEARS else None


def _workspace_link(login: Login, phrases: Phrases) -> Link | None:
    url = console_url(login)
    label = phrases.open_workspace if f"/{login.workspace_id}?" in url else phrases.open_workspaces
    return Link(label, url) if url else None


def _region_link(logins: Sequence[Login], phrases: Phrases) -> Link | None:
    regions = {login.region for login in logins}
    region = regions.pop()
    base = _console(region) if not regions else ""
    return Link(phrases.open_workspaces, f"{base}?region={region}") if base else None


def _notes(login: Login, phrases: Phrases) -> Iterator[str]:
    if login.sample:
        yield phrases.sample_note
    _, named_after = name_of(login)
    if named_after is not NamedAfter.USER:
        reason = phrases.reasons[_gap(login)]
        yield phrases.no_name.format(reason=reason, shown=phrases.shown_instead[named_after])
    if login.given_up_by:
        yield phrases.given_up.format(**_given_up(login))
    if (delay := login.emitted_at - login.logged_in_at) >= LATE:
        yield phrases.late_at_aws.format(delay=times.delay(delay, phrases))
    if (delay := login.received_at - login.emitted_at) >= LATE:
        yield phrases.late_on_the_way.format(delay=times.delay(delay, phrases))


def _gap(login: Login) -> NameGap | None:
    return login.person.gap if login.person is not None else None


def _names(logins: Sequence[Login], phrases: Phrases) -> str:
    """The first few names, and how many more there are."""
    names = list(dict.fromkeys(cut(name_of(login)[0], MAX_ROW_NAME) for login in logins))
    shown = phrases.comma.join(names[:SUMMARY_NAMES])
    more = len(names) - SUMMARY_NAMES
    return phrases.names_and_more.format(names=shown, count=more) if more > 0 else shown


def _groups(logins: Sequence[Login], audience: Audience, phrases: Phrases) -> Iterator[Group]:
    """A group for each directory, in the order of its first login. Those of one directory have it in the headline."""
    shown = logins[: audience.max_rows]
    one_directory = len({login.directory_id for login in logins}) == 1
    clocks = times.short([login.logged_in_at for login in shown], audience.zone, phrases)
    grouped: dict[str, list[tuple[Login, str]]] = {}
    for login, clock in zip(shown, clocks, strict=True):
        grouped.setdefault(login.directory_id, []).append((login, clock))
    for members in grouped.values():
        first = members[0][0]
        named_above = one_directory and bool(show(first.directory_name, MAX_NAME))
        title = "" if named_above else directory_of(first)
        yield Group(title, tuple(_row(login, clock, phrases) for login, clock in members))


def _row(login: Login, clock: str, phrases: Phrases) -> Row:
    """Short on purpose: the user's name and not the display name, the platform and not the product."""
    who = cut(name_of(login)[0], MAX_ROW_NAME)
    device = cut(_platform(login) or _product(login), MAX_ROW_VALUE)
    text = _joined(cut(_address(login), MAX_ROW_VALUE) or phrases.not_given, device, clock)
    return Row(phrases.sample.format(text=who) if login.sample else who, text)


def _given_up(login: Login) -> dict[str, str]:
    return {
        "destination": show(login.given_up_by, MAX_NAME),
        "reason": show(login.given_up_why, MAX_VALUE) or NOTHING,
    }


def _notes_of_many(logins: Sequence[Login], max_rows: int | None, phrases: Phrases) -> Iterator[str]:
    if max_rows is not None and (rest := logins[max_rows:]):
        yield _and_more(rest, phrases)
    if all(login.sample for login in logins):
        yield phrases.sample_note
    nameless = Counter(_gap(login) for login in logins if name_of(login)[1] is not NamedAfter.USER)
    for gap, count in nameless.items():
        yield phrases.some_without_name.format(count=count, reason=phrases.reasons[gap])
    given_up = Counter(tuple(_given_up(login).items()) for login in logins if login.given_up_by)
    for words, count in given_up.most_common(MAX_REASONS):
        yield phrases.some_given_up.format(count=count, **dict(words))


def _and_more(rest: Sequence[Login], phrases: Phrases) -> str:
    """How many logins have no row, and with what they came."""
    platforms = Counter(cut(_platform(login) or _product(login), MAX_ROW_NAME) or phrases.not_given for login in rest)
    counts = [
        phrases.platform_count.format(platform=platform, count=count)
        for platform, count in platforms.most_common(MAX_PLATFORMS)
    ]
    more = phrases.comma + "…" if len(platforms) > MAX_PLATFORMS else ""
    return phrases.and_more.format(count=len(rest), platforms=phrases.comma.join(counts) + more)
