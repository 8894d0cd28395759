"""Teams by a Workflows webhook: what is posted where, and what a flow's and an old connector's answers mean."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pymsteams
import pytest
import requests
from pydantic import TypeAdapter, ValidationError

from bot.aws import Aws
from bot.secrets import SecretRef, Secrets
from bot.senders.base import Outcome, Tools, Verdict
from bot.senders.teams import TeamsSender
from tests.support.clock import FakeClock
from tests.support.providers import Answer, Provider

BARE = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "alice 日本 & <b>"}]}
ENVELOPE = {
    "type": "message",
    "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": BARE},
    ],
}
MESSAGE_CARD = {"@type": "MessageCard", "@context": "https://schema.org/extensions", "summary": "s", "text": "t"}
REF = SecretRef("env", "TEAMS")


def tools(*trusted: str) -> Tools:
    aws = Aws()
    return Tools(secrets=Secrets(aws, FakeClock()), aws=aws, trusted_hosts=trusted)


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with Provider.teams() as teams:
        monkeypatch.setenv("TEAMS", teams.url)
        yield teams


def send(teams: Provider, card: Mapping[str, Any] = ENVELOPE, **given: Any) -> Verdict:
    place = TeamsSender.Settings(webhook_url=REF, **given)
    return TeamsSender(place, tools(teams.host)).send(card, timeout=5)


FORMS: dict[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "an envelope": ("envelope", ENVELOPE, ENVELOPE),
    "the bare card": ("card", ENVELOPE, BARE),
    "a MessageCard": ("envelope", MESSAGE_CARD, MESSAGE_CARD),
    "a MessageCard, where bare cards go": ("card", MESSAGE_CARD, MESSAGE_CARD),
    "a card that was bare": ("card", BARE, BARE),
}


@pytest.mark.parametrize(("body", "card", "posted"), FORMS.values(), ids=FORMS.keys())
def test_a_flow_gets_the_form_that_it_wants(
    teams: Provider, body: str, card: Mapping[str, Any], posted: Mapping[str, Any]
) -> None:
    assert send(teams, card, body=body) == Verdict.sent()
    assert teams.posts[0].json == posted


def test_text_is_posted_in_utf8_and_not_in_escapes(teams: Provider) -> None:
    send(teams)
    assert "日本" in teams.posts[0].text
    assert ": " not in teams.posts[0].text, "28 KB are not much: no byte is spent on looks"


@pytest.mark.parametrize(
    "path",
    [
        "/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sig=a-b_c%2Bd%3d",
        "/a//b/../c?x=%2f%2F&&sig=1",
        "/a;b=c?sig=$'()*,~",
    ],
)
def test_a_signed_url_is_posted_to_exactly_as_given(
    teams: Provider, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMS", f"http://{teams.host}{path}")
    assert send(teams) == Verdict.sent()
    assert teams.posts[0].path == path


def test_extra_headers_carry_secrets(teams: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "made-up-key")
    assert send(teams, headers={"X-Api-Key": SecretRef("env", "KEY")}) == Verdict.sent()
    assert teams.posts[0].headers["x-api-key"] == "made-up-key"
    assert teams.posts[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("value", ["made-up\r\nHost: evil.example", "made-up 日本"])
def test_a_header_that_is_none_is_not_sent(teams: Provider, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", value)
    verdict = send(teams, headers={"X-Api-Key": SecretRef("env", "KEY")})
    assert (verdict.blames, teams.requests) == ("destination", ())
    assert verdict.reason == "Teams was not asked: the header X-Api-Key must be one line of ASCII; look at its secret"


DEAD_URLS = {
    "a connector": ("https://contoso.webhook.office.com/webhookb2/made-up@1/IncomingWebhook/2", "Office 365 connector"),
    "a shouted one": ("HTTPS://CONTOSO.WEBHOOK.OFFICE.COM/webhookb2/made-up", "Office 365 connector"),
    "an older one": ("https://outlook.office.com/webhook/made-up@1/IncomingWebhook/2", "Workflows"),
    "another older one": ("https://outlook.office365.com/webhook/made-up", "Workflows"),
    "&amp;": ("https://prod-1.westeurope.logic.azure.com/workflows/made-up?a=1&amp;sig=made-up", "plain &"),
    "not Microsoft's": ("https://logic.azure.com.evil.example/made-up", "trusted_hosts"),
    "nearly Microsoft's": ("https://evillogic.azure.com/made-up", "trusted_hosts"),
    "another port": ("https://prod-1.westeurope.logic.azure.com:8443/made-up", "trusted_hosts"),
    "plain http": ("http://prod-1.westeurope.logic.azure.com/made-up", "use https"),
}


@pytest.mark.parametrize(("url", "cure"), DEAD_URLS.values(), ids=DEAD_URLS.keys())
def test_a_url_that_can_never_work_says_the_cure(url: str, cure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAMS", url)
    verdict = TeamsSender(TeamsSender.Settings(webhook_url=REF), tools()).send(ENVELOPE, timeout=5)
    assert verdict.blames == "destination"
    assert verdict.reason.startswith("env:TEAMS")
    assert cure in verdict.reason
    assert "made-up" not in verdict.reason


OLD_ERROR = (
    "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {} with ContextId x"
)

ANSWERS: dict[str, tuple[Answer, Any]] = {
    "the flow started": (Answer(202), Verdict.sent()),
    "an old 1": (Answer(200, "1"), Verdict.sent()),
    "a flow's own answer": (Answer(201, '{"id": 7}'), Verdict.sent()),
    "429 within": (Answer(200, OLD_ERROR.format(429), {"Retry-After": "9"}), (Outcome.AGAIN, None, 9.0)),
    "429 within, no time": (Answer(200, OLD_ERROR.format(429)), (Outcome.AGAIN, None, None)),
    "400 within": (Answer(200, OLD_ERROR.format(400)), (Outcome.DEAD, "payload", None)),
    "404 within": (Answer(200, OLD_ERROR.format(404)), (Outcome.DEAD, "destination", None)),
    "500 within": (Answer(202, OLD_ERROR.format(500)), (Outcome.AGAIN, None, None)),
    "no number within": (Answer(200, OLD_ERROR.format("x")), (Outcome.UNSURE, None, None)),
    "a page": (Answer(200, "\n<html>Sign in</html>"), (Outcome.UNSURE, None, None)),
    "switched off": (
        Answer(401, '{"error":{"code":"DirectApiAuthorizationRequired"}}'),
        (Outcome.DEAD, "destination", None),
    ),
    "too large": (Answer(413, '{"error":{"code":"RequestEntityTooLarge"}}'), (Outcome.DEAD, "payload", None)),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_means(teams: Provider, answer: Answer, expected: Any) -> None:
    teams.script(answer)
    verdict = send(teams)
    assert expected in (verdict, (verdict.outcome, verdict.blames, verdict.after))
    assert verdict.throttled == ("429" in answer.body)
    assert len(teams.requests) == 1


def test_a_signature_is_cut_out_of_the_reason(teams: Provider) -> None:
    teams.script(Answer(401, f"wrong signature hook-secret-4f1d9a for {teams.url}"))
    said = "Teams answered 401: wrong signature … for …/workflows…/triggers/manual/paths/invoke?api-version…"
    assert send(teams).reason == said


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "webhook_url"),
    "a body of no kind": ({"webhook_url": "env:A", "body": "naked"}, "body"),
    "a header in plain": ({"webhook_url": "env:A", "headers": {"x-key": "made-up value"}}, "must be a reference"),
    "a header that is none": ({"webhook_url": "env:A", "headers": {"x key": "env:B"}}, "one of the names is no header"),
    "a header of ours": ({"webhook_url": "env:A", "headers": {"Host": "env:B"}}, "'Host' is no header"),
    "an unknown key": ({"webhook_url": "env:A", "channel": "x"}, "channel"),
}


@pytest.mark.parametrize(("given", "why"), MISTAKES.values(), ids=MISTAKES.keys())
def test_settings_that_make_no_sense(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)) as caught:
        TypeAdapter(TeamsSender.Settings).validate_python(given)
    assert caught.value.error_count() == 1


def test_refresh_forgets_the_url_and_the_headers(teams: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[SecretRef] = []
    known = tools(teams.host)
    monkeypatch.setattr(known.secrets, "forget", forgotten.append)
    key = SecretRef("ssm", "/key")
    TeamsSender(TeamsSender.Settings(webhook_url=REF, headers={"x-key": key}), known).refresh()
    assert forgotten == [REF, key]


def test_pymsteams_stays_as_it_is_for_everybody_else(teams: Provider) -> None:
    """Its card is sent by its own code, which looks `requests` up among its globals: ours is seen in that one call."""
    assert send(teams) == Verdict.sent()
    assert pymsteams.requests is requests
    assert "requests" in pymsteams.connectorcard.send.__code__.co_names
