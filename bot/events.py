"""What AWS sends (an event) and what the rest of the bot sees (a Login).

Lenient on purpose: AWS's own samples break AWS's own patterns, fields came and went over the years, and unknown
platforms and products appear without notice. Only what is no WorkSpaces login at all is refused.
Plain dataclasses and no pydantic: this module is on the way of every cold start.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

DETAIL_TYPE = "WorkSpaces Access"
SOURCE = "aws.workspaces"
SAMPLE_SOURCE = "login-bot.sample"
"""PutEvents refuses every `aws.*` source, so a sample login comes from this one. Only test stages listen to it."""

MAX_EVENT_BYTES = 262_144
"""A larger event is refused. A login event is about 1 KB; 256 KB was EventBridge's own limit for years."""

MAX_TEXT = 512
"""A longer text field is cut here, long before any channel's limit; AWS's own are under 64 characters."""

MAX_ID = 128
"""A longer id is no id: WorkSpace and directory ids end at 67 characters (AWS's API patterns)."""


class RefusedError(Exception):
    """The thing that came in is no WorkSpaces login; the message says why, in one sentence."""


class NamedAfter(StrEnum):
    """What the name on the card is the name of."""

    USER = "user"
    WORKSPACE = "workspace"
    COMPUTER = "computer"
    ID = "id"


class NameGap(StrEnum):
    """Why a login has no user's name."""

    SHARED = "shared"  # the WorkSpace has no user of its own (AWS says `[UNDEFINED]`)
    UNKNOWN = "unknown"  # AWS, or the local list, knows no such WorkSpace
    THROTTLED = "throttled"  # AWS was too busy to say
    DENIED = "denied"  # the bot's role may not ask
    UNREACHABLE = "unreachable"  # AWS did not answer in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is behind a WorkSpace, as far as it is known.

    `name` is the user's name where `named_after` is USER, else the best other name there is.
    `display_name` and `email` are empty where nobody said them.
    """

    name: str
    named_after: NamedAfter = NamedAfter.USER
    gap: NameGap | None = None
    display_name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One login of one person. Text fields are untrusted and uncleaned, cut at 512 characters; times are UTC.

    `directory_id` is bare (`d-…`, `wsd-…`), never `domain/d-…`. `address` may be empty or no address at all.
    `directory_name` is the name from the routing file, empty where the directory is not listed. `given_up_by` and
    `given_up_why` are set on what a fallback is told: which destination was to hear of it, and why it could not.
    """

    event_id: str
    workspace_id: str
    directory_id: str
    logged_in_at: datetime
    emitted_at: datetime
    received_at: datetime
    account: str = ""
    region: str = ""
    address: str = ""
    client: str = ""
    client_version: str = ""
    platform: str = ""
    directory_name: str = ""
    person: Person | None = None
    sample: bool = False
    given_up_by: str = ""
    given_up_why: str = ""

    @property
    def user(self) -> str | None:
        """The user's name, or None: a computer's or a WorkSpace's name is nobody's user name."""
        if self.person is not None and self.person.named_after is NamedAfter.USER:
            return self.person.name
        return None

    def to_json(self) -> str:
        """One line of JSON that `from_json` reads back."""
        return json.dumps(self, default=_plain, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what this or an earlier version wrote: fields it does not know are left out."""
        data = json.loads(text)
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in data.items() if key in known}
        for key in ("logged_in_at", "emitted_at", "received_at"):
            values[key] = datetime.fromisoformat(values[key])
        if values.get("person") is not None:
            values["person"] = _person(values["person"])
        return cls(**values)


def parse(raw: object, *, received_at: datetime) -> Login:
    """One WorkSpaces Access event, as EventBridge hands it over or as a queue carries it (its JSON text), as a Login.

    Raises RefusedError, with the reason, for anything else.
    """
    event = _opened(raw)
    detail = _detail_of_a_login(event)
    emitted_at, logged_in_at = _time(event.get("time")), _time(detail.get("loginTime"))
    return Login(
        event_id=_event_id(event, detail),
        workspace_id=_id(detail, "workspaceId"),
        directory_id=_id(detail, "directoryId").removeprefix("domain/"),
        logged_in_at=logged_in_at or emitted_at or received_at,
        emitted_at=emitted_at or logged_in_at or received_at,
        received_at=received_at,
        account=_text(event.get("account")),
        region=_text(event.get("region")),
        address=_text(detail.get("clientIpAddress")),
        client=_text(detail.get("workspacesClientProductName")),
        client_version=_text(detail.get("clientVersion")),
        platform=_text(detail.get("clientPlatform")),
        sample=event["source"] == SAMPLE_SOURCE,
    )


def not_json(error: Exception) -> str:
    """Why a text is no JSON, and where in it: `error` is what `json.loads` raised."""
    if isinstance(error, json.JSONDecodeError):
        where = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        return f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} at {where}"
    return "not JSON that can be read: nested too deeply, or a number too long"


def _opened(raw: object) -> dict[str, Any]:
    """The event as an object, out of its text where it is one."""
    _refuse_oversize(raw)
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RefusedError(not_json(error)) from None
    if not isinstance(raw, dict):
        raise RefusedError(f"not a JSON object but {_kind(raw)}")
    return raw


def _detail_of_a_login(event: dict[str, Any]) -> dict[str, Any]:
    """What AWS says of the login itself. Raises RefusedError where the event is of something else."""
    if (kind := event.get("detail-type")) != DETAIL_TYPE:
        raise RefusedError(f"detail-type is {_shown(kind)}, not {DETAIL_TYPE!r}")
    if (source := event.get("source")) not in (SOURCE, SAMPLE_SOURCE):
        raise RefusedError(f"source is {_shown(source)}, not {SOURCE!r}")
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise RefusedError(f"detail is {_kind(detail)}, not an object")
    if (action := _text(detail.get("actionType")) or "successfulLogin").lower() != "successfullogin":
        raise RefusedError(f"actionType is {_shown(action)}, not 'successfulLogin'")
    return detail


def _refuse_oversize(raw: object) -> None:
    try:
        size = len(raw) if isinstance(raw, str) else len(json.dumps(raw, default=str))
    except (RecursionError, ValueError, TypeError) as error:
        raise RefusedError(f"no JSON: {type(error).__name__}") from None
    if size > MAX_EVENT_BYTES:
        raise RefusedError(f"{size:,} bytes, more than the {MAX_EVENT_BYTES:,} that a login event may have")


def _event_id(raw: dict[str, Any], detail: dict[str, Any]) -> str:
    """EventBridge's id; without one, a fingerprint of the login, so that a repeat is still seen as one."""
    given = _text(raw.get("id"))
    if given and len(given) <= MAX_ID:
        return given
    content = json.dumps([raw.get("id"), raw.get("time"), detail], sort_keys=True, default=str)
    return "sha256-" + hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _id(detail: dict[str, Any], key: str) -> str:
    value = _text(detail.get(key))
    if not value:
        raise RefusedError(f"detail.{key} is missing")
    if len(value) > MAX_ID:
        raise RefusedError(f"detail.{key} is longer than {MAX_ID} characters")
    return value


def _text(value: object) -> str:
    """Text of a field that should be text: lone surrogates, which no channel can encode, are replaced."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).strip()[:MAX_TEXT].encode("utf-8", "replace").decode()


def _time(value: object) -> datetime | None:
    """An ISO time as UTC, or None. A time without a zone is UTC, as all of AWS's are."""
    try:
        parsed = datetime.fromisoformat(str(value))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "missing"}
    return names.get(type(value), "a number")


def _shown(value: object) -> str:
    return "missing" if value is None else repr(str(value)[:60])


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (Login, Person)):  # many times cheaper than `asdict`, which copies all that it meets
        return {name: getattr(value, name) for name in value.__slots__}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _person(data: dict[str, Any]) -> Person:
    known = {field.name for field in fields(Person)}
    values = {key: value for key, value in data.items() if key in known}
    values["named_after"] = NamedAfter(values["named_after"])
    values["gap"] = NameGap(values["gap"]) if values.get("gap") else None
    return Person(**values)
