"""Posts cards to Microsoft Teams through a Workflows webhook. The only file that knows pymsteams."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import FunctionType, SimpleNamespace
from typing import Any, ClassVar, Literal

import pymsteams

from bot.secrets import SecretRef
from bot.senders import answers, wire
from bot.senders.base import Tools, Verdict
from bot.senders.wire import Answer, Deadline, NoAnswerError

OWN_HOSTS = ("*.logic.azure.com", "*.environment.api.powerplatform.com")

_CONNECTOR = re.compile(r"https?://([^/]*\.webhook\.office\.com|outlook\.office(365)?\.com/webhook)", re.IGNORECASE)
_TROUBLE = re.compile(
    r"HTTP error \d{3}|\berror:|^\s*<"
    r"|\bfailed\b(?!\"?\s*:\s*(0|false|null|\"\"|\[\s*\]))"
    r"|\"error\"\s*:\s*(\"[^\"]|\{\s*\"|\[\s*[^\]\s])",
    re.IGNORECASE,
)
"""A 2xx that says so, or that is a page, was said by a gateway or by an old connector, not by a flow that started."""

_ERROR_WITHIN = re.compile(r"HTTP error ([45]\d\d)")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NOT_YOURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "expect"})


class TeamsSender:
    """Through pymsteams' card, whose one POST goes over the bot's own wire."""

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        """`body` is `card` for a hand-built flow that wants the bare card; `headers` is for one that asks for a key."""

        __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

        webhook_url: SecretRef
        body: Literal["envelope", "card"] = "envelope"
        headers: Mapping[str, SecretRef] = field(default_factory=dict)

        def __post_init__(self) -> None:
            for name in self.headers:
                if not _HEADER.fullmatch(name) or name.lower() in _NOT_YOURS:
                    raise ValueError(f"headers: {_shown(name)} is no header that may be set; leave it out")

    takes: ClassVar[frozenset[str]] = frozenset({"teams"})
    formatter: ClassVar[str] = "teams"
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"webhook_url": "ssm:/login-bot/teams/it"},
        {
            "webhook_url": "ssm:/login-bot/teams/it",
            "body": "card",
            "headers": {"x-api-key": "ssm:/login-bot/teams/key"},
        },
    )

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        deadline = Deadline.after(timeout)
        try:
            url = self._url(deadline)
            headers = self._headers(deadline)
            answer = _posted(url, self._body(payload), headers, deadline)
        except NoAnswerError as none:
            return none.verdict
        return _judged(answer, hide=(url, *headers.values()))

    def refresh(self) -> None:
        for ref in (self._settings.webhook_url, *self._settings.headers.values()):
            self._tools.secrets.forget(ref)

    def _url(self, deadline: Deadline) -> str:
        """The webhook's URL, to be posted to exactly as given: it is signed."""
        ref = self._settings.webhook_url
        url = wire.read_secret(self._tools, ref, deadline)
        if problem := dead_url(url):
            raise NoAnswerError(Verdict.dead(f"{ref} {problem}", blames="destination"))
        wire.check(url, what=str(ref), own=OWN_HOSTS, trusted=self._tools.trusted_hosts)
        return url

    def _headers(self, deadline: Deadline) -> dict[str, str]:
        return {name: wire.read_secret(self._tools, ref, deadline) for name, ref in self._settings.headers.items()}

    def _body(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """A MessageCard has no envelope to take off."""
        if self._settings.body == "card" and payload.get("attachments"):
            bare: Mapping[str, Any] = payload["attachments"][0]["content"]
            return bare
        return payload


def _shown(name: str) -> str:
    """A header's name, unless it looks like something that was to be its value."""
    return repr(name) if re.fullmatch(r"[A-Za-z0-9-]{1,40}", name) else "one of the names"


def dead_url(url: str) -> str | None:
    """What is wrong with a webhook's URL that can never work, and the cure; None when nothing is."""
    if _CONNECTOR.match(url):
        return (
            "holds the URL of an Office 365 connector, which Microsoft switched off in May 2026: create a webhook in "
            "the Workflows app of the channel and store its URL"
        )
    if "&amp;" in url:
        return "holds a URL with &amp; in it, copied out of HTML: store it with a plain & instead"
    return None


def _posted(url: str, body: Mapping[str, Any], headers: Mapping[str, str], deadline: Deadline) -> Answer:
    """Run pymsteams' own `send`, with a `requests` in sight that posts over our wire.

    What it calls otherwise follows redirects, has no deadline and puts the signed URL into its exceptions.
    """
    got: list[Answer] = []

    def post(url: str, *, json: Any, headers: Mapping[str, str], **_: Any) -> SimpleNamespace:
        answer = wire.post(url, _encoded(json), {**headers, **extra}, service="Teams", deadline=deadline)
        got.append(answer)
        return SimpleNamespace(status_code=answer.status, text=answer.body, headers=answer.headers)

    extra = headers
    card = pymsteams.connectorcard(url)
    card.payload = dict(body)
    send = FunctionType(
        pymsteams.connectorcard.send.__code__, {**vars(pymsteams), "requests": SimpleNamespace(post=post)}
    )
    with suppress(pymsteams.TeamsWebhookException):  # its way of saying no; the answer says more
        send(card)
    return got[0]


def _encoded(payload: Any) -> bytes:
    """As few bytes as JSON allows: a flow takes 28 KB, and Japanese in escapes doubles."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _judged(answer: Answer, *, hide: tuple[str, ...]) -> Verdict:
    """A flow's own answer may be any 2xx with any body; but one that speaks of an error is no success.

    Of a status within the body (`… Microsoft Teams endpoint returned HTTP error 429 …`) we know what it means.
    """
    if not 200 <= answer.status < 300 or not _TROUBLE.search(answer.body):
        return answers.verdict("Teams", answer, hide=hide)
    said = answers.reason("Teams", answer, hide=hide)
    within = _ERROR_WITHIN.search(answer.body)
    inner = answers.verdict("Teams", replace(answer, status=int(within.group(1))), hide=hide) if within else None
    return replace(inner, reason=said) if inner and inner.reason else Verdict.unsure(said)
