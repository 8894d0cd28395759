"""Logins made up by hand, and a look at what would become of one: who hears, why, and its cards in each language."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from uuid import uuid4

from bot.cli import words
from bot.config import Config
from bot.events import DETAIL_TYPE, SOURCE, Login, Person, RefusedError, parse
from bot.people import People
from formatters import formatter_class
from formatters.base import Audience, Formatter
from formatters.languages import LANGUAGES

MOST_AT_ONCE = 500
AWS_SECONDS = 6
"""How long AWS takes to emit a login: 5.6 to 21.4 s in its published samples."""

PLATFORMS = ("Windows", "OSX", "Linux", "Chrome", "iOS", "Android", "Web", "Teradici PCoIP Zero Client and Tera2")
PRODUCTS = (
    "WorkSpaces Desktop client",
    "Amazon WorkSpaces Mobile client",
    "WorkSpaces Mobile Client",
    "WorkSpaces Chrome Client",
    "WorkSpacesWebClient",
    "AmazonWorkSpacesThinClient",
    "Teradici PCoIP Zero Client",
)
"""What AWS has sent so far; anything else is taken, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A login as it is typed. Without a `user` nobody's name is known; without a `time` it is now.

    `event`, where there is one, is sent as it is, and all but `user` is left aside.
    """

    directory: str = ""
    user: str = ""
    platform: str = ""
    product: str = ""
    address: str = ""
    time: str = ""
    event: Any = None

    @classmethod
    def read(cls, data: object) -> "Form":
        """Raises RefusedError for what is no form."""
        if not isinstance(data, dict):
            raise RefusedError("login is not an object")
        texts = {name: data.get(name, "") for name in cls.__slots__ if name != "event"}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise RefusedError(f"login.{name} is not text")
        encodable = {name: value.strip().encode("utf-8", "replace").decode() for name, value in texts.items()}
        return cls(**encodable, event=data.get("event"))


@dataclass(frozen=True, slots=True)
class Composed:
    """Events as AWS would send them, and who is behind their WorkSpaces as far as the form says."""

    events: list[Any]
    people: Mapping[str, Person]


def compose(form: Form, count: int, now: float) -> Composed:
    """`count` logins, each with an id, a person and a WorkSpace of its own: alice, alice-2, alice-3.

    A pasted event that is sent once keeps its id: the second time, it is known.
    """
    events, people = [], {}
    for number in range(1, count + 1):
        name = f"{form.user}-{number}" if form.user and number > 1 else form.user
        event = _event(form, name, number, now) if form.event is None else _copy(form.event, number)
        events.append(event)
        if name and (workspace := _workspace(event)):
            people[workspace] = Person(name=name)
    return Composed(events, people)


def _event(form: Form, name: str, number: int, now: float) -> dict[str, Any]:
    at, emitted_at = _times(form.time, now)
    desk = hashlib.sha256(f"{name or number}".encode()).hexdigest()[:9]
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": SOURCE,
        "account": "123456789012",
        "time": _iso(emitted_at),
        "region": "eu-west-1",
        "resources": [],
        "detail": {
            "clientIpAddress": form.address,
            "actionType": "successfulLogin",
            "workspacesClientProductName": form.product,
            "loginTime": _iso(at),
            "clientPlatform": form.platform,
            "directoryId": f"domain/{form.directory}" if form.directory else "",
            "workspaceId": f"ws-{desk}",
        },
    }


def _copy(event: Any, number: int) -> Any:
    if number == 1 or not isinstance(event, dict):
        return event
    return event | {"id": str(uuid4()), "detail": _numbered(event.get("detail"), number)}


def _numbered(detail: Any, number: int) -> Any:
    if not isinstance(detail, dict) or not isinstance(detail.get("workspaceId"), str):
        return detail
    return detail | {"workspaceId": f"{detail['workspaceId'][:60]}-{number}"}


def _workspace(event: Any) -> str:
    detail = event.get("detail") if isinstance(event, dict) else None
    return str(detail.get("workspaceId") or "") if isinstance(detail, dict) else ""


def _times(text: str, now: float) -> tuple[datetime, datetime]:
    """When the login was, and when AWS emits it: now, without a text. Raises RefusedError for what is no time."""
    delay = timedelta(seconds=AWS_SECONDS)
    if not text:
        return (emitted_at := datetime.fromtimestamp(now, UTC)) - delay, emitted_at
    try:
        at = datetime.fromisoformat(text)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        return at, at + delay
    except (ValueError, OverflowError):
        raise RefusedError(f"time {text[:60]!r} is none; write it as 2026-11-23T05:12:00Z") from None


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Acquaintances:
    """People as the form says, else as the list does. AWS is not asked: a laptop needs no account."""

    def __init__(self, others: People) -> None:
        self._others = others
        self._lock = Lock()
        self._people: Mapping[str, Person] = {}

    @contextmanager
    def introduced(self, people: Mapping[str, Person]) -> Iterator[None]:
        """For as long as a batch is named, `people` are behind these WorkSpaces."""
        with self._lock:
            self._people = people
            try:
                yield
            finally:
                self._people = {}

    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:
        named = self._others.name(logins, until=until)
        people = self._people
        return [
            replace(login, person=people[login.workspace_id]) if login.workspace_id in people else login
            for login in named
        ]


class Nobody:
    """A list of people in which nobody stands."""

    def name(self, logins: Sequence[Login], *, until: float) -> list[Login]:  # noqa: ARG002 - it waits for nothing
        return list(logins)


def look(config: Config, people: Acquaintances, composed: Composed, now: float) -> dict[str, Any]:
    """What would become of the first login: who hears, what was looked at, and its cards. Raises RefusedError."""
    login = parse(composed.events[0], received_at=datetime.fromtimestamp(now, UTC))
    with people.introduced(composed.people):
        login = people.name([login], until=now)[0]
    if (home := config.routing.directories.get(login.directory_id)) is not None:
        login = replace(login, directory_name=home.name)
    decision = config.routing.decide(login)
    steps = [
        {"step": step.label, "matched": step.failed_on is None, "because": words.because(step, login, config)}
        for step in decision.steps
    ]
    return {
        "summary": words.summary(login),
        "hears": dict(decision.why),
        "steps": steps,
        "cards": [_cards(config, name, login) for name in decision.why],
    }


def _cards(config: Config, name: str, login: Login) -> dict[str, Any]:
    """The destination's card in each language, its own first."""
    formatter = formatter_class(config.destinations[name].formatter)()
    audience = config.audience(name, {login.directory_id})
    languages = sorted(LANGUAGES, key=lambda each: (each != audience.language, each))
    return {
        "destination": name,
        "kind": formatter.makes,
        "languages": [
            {"language": language, **_drawn(formatter, login, replace(audience, language=language))}
            for language in languages
        ],
    }


def _drawn(formatter: Formatter, login: Login, audience: Audience) -> dict[str, Any]:
    try:
        payload = formatter.draw([login], audience)
        weight = formatter.weigh(payload)
    except Exception as error:  # noqa: BLE001 - a formatter may be anybody's; its text may hold anything
        return {"payload": None, "failed": f"{type(formatter).__name__} failed with {type(error).__name__}"}
    return {"payload": payload, "used": weight.used, "room": weight.limit, "unit": weight.unit}
