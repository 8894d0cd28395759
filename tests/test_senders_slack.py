"""Slack by webhook and by token: what is posted, what Slack's words mean, and which settings make sense."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from bot.aws import Aws
from bot.secrets import SecretRef, Secrets
from bot.senders.base import Outcome, Tools, Verdict
from bot.senders.slack import CHANNEL, SlackSender
from tests.support.clock import FakeClock
from tests.support.providers import Answer, Provider

CARD = {
    "text": "alice logged in & on < 日本",
    "mrkdwn": False,
    "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "alice 🎉", "emoji": False}}],
}
TOKEN = "xoxb-1234-made-up-token"
REF = SecretRef("env", "SLACK")


def tools(*trusted: str) -> Tools:
    aws = Aws()
    return Tools(secrets=Secrets(aws, FakeClock()), aws=aws, trusted_hosts=trusted)


def settings(**given: Any) -> SlackSender.Settings:
    return SlackSender.Settings(**given)


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with Provider.slack() as slack:
        monkeypatch.setenv("SLACK", slack.url)
        yield slack


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("SLACK", TOKEN)
    with Provider.slack_api() as api:
        yield api


def by_webhook(slack: Provider, card: Mapping[str, Any] = CARD) -> Verdict:
    return SlackSender(settings(webhook_url=REF), tools(slack.host)).send(card, timeout=5)


def as_bot(api: Provider, card: Mapping[str, Any] = CARD) -> Verdict:
    place = settings(token=REF, channel="C0123456789", base_url=api.url)
    return SlackSender(place, tools(api.host)).send(card, timeout=5)


def test_a_webhook_gets_the_card_as_it_is(slack: Provider) -> None:
    assert by_webhook(slack) == Verdict.sent()
    (post,) = slack.posts
    assert (post.path, post.json) == (slack.path, CARD)
    assert post.headers["content-type"].startswith("application/json")


def test_a_bot_posts_to_its_channel_with_its_token(api: Provider) -> None:
    assert as_bot(api, {**CARD, "channel": "C9999999999"}) == Verdict.sent()
    (post,) = api.posts
    assert post.path == "/api/chat.postMessage"
    assert post.json == {**CARD, "channel": "C0123456789"}
    assert post.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in post.text


PAYLOAD, DESTINATION, AGAIN, UNSURE = "payload", "destination", Outcome.AGAIN, Outcome.UNSURE

WEBHOOK_SAYS = {
    "invalid_payload": (400, PAYLOAD),
    "no_text": (400, PAYLOAD),
    "user_not_found": (400, DESTINATION),
    "action_prohibited": (403, DESTINATION),
    "invalid_token": (403, DESTINATION),
    "channel_not_found": (404, DESTINATION),
    "no_service": (404, DESTINATION),
    "channel_is_archived": (410, DESTINATION),
    "rollup_error": (500, AGAIN),
    "no_such_word_yet": (200, UNSURE),
    "": (200, UNSURE),
    "ok ok": (200, UNSURE),
    "OK": (200, UNSURE),
    "invalid_blocks": (200, PAYLOAD),
    "ok": (201, UNSURE),
    "no_active_hooks": (429, AGAIN),
}


@pytest.mark.parametrize(("word", "said"), WEBHOOK_SAYS.items(), ids=WEBHOOK_SAYS.keys())
def test_a_webhooks_word(slack: Provider, word: str, said: tuple[int, str]) -> None:
    status, expected = said
    slack.script(Answer(status, word))
    verdict = by_webhook(slack)
    assert (verdict.blames or verdict.outcome) == expected
    assert word in verdict.reason


def test_the_body_ok_may_end_in_a_newline(slack: Provider) -> None:
    slack.script(Answer(200, "ok\n"))
    assert by_webhook(slack) == Verdict.sent()


API_SAYS = {
    "invalid_blocks": PAYLOAD,
    "msg_too_long": PAYLOAD,
    "msg_blocks_too_long": PAYLOAD,
    "no_text": PAYLOAD,
    "invalid_attachments": PAYLOAD,
    "invalid_auth": DESTINATION,
    "not_authed": DESTINATION,
    "token_revoked": DESTINATION,
    "token_expired": DESTINATION,
    "account_inactive": DESTINATION,
    "channel_not_found": DESTINATION,
    "not_in_channel": DESTINATION,
    "is_archived": DESTINATION,
    "missing_scope": DESTINATION,
    "restricted_action": DESTINATION,
    "ratelimited": AGAIN,
    "service_unavailable": AGAIN,
    "request_timeout": AGAIN,
    "team_added_to_org": AGAIN,
    "a_word_of_tomorrow": AGAIN,
    "internal_error": UNSURE,
    "fatal_error": UNSURE,
}


@pytest.mark.parametrize(("word", "expected"), API_SAYS.items(), ids=API_SAYS.keys())
def test_an_api_error(api: Provider, word: str, expected: str) -> None:
    api.script(Answer(200, json.dumps({"ok": False, "error": word}), {"Retry-After": "3"}))
    verdict = as_bot(api)
    assert (verdict.blames or verdict.outcome) == expected
    assert verdict.after == (3.0 if expected is AGAIN else None)
    assert verdict.throttled == (word == "ratelimited")
    assert verdict.reason == f"Slack answered 200: {word}"


ODD_ANSWERS = {
    "no JSON": "ok",
    "a list": "[1]",
    "null": "null",
    "no ok": "{}",
    "ok in text": '{"ok": "true"}',
    "ok as a number": '{"ok": 1}',
    "nested too deep": "[" * 20_000,
    "an error that is no text": '{"ok": null, "error": {"a": [1]}}',
}


@pytest.mark.parametrize("body", ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
def test_an_odd_answer_of_the_api_leaves_a_doubt(api: Provider, body: str) -> None:
    api.script(Answer(200, body))
    assert as_bot(api).outcome is UNSURE


def test_a_token_that_tells_is_cut_out_of_the_reason(api: Provider) -> None:
    api.script(Answer(403, f'{{"ok": false, "error": "no entry for Bearer {TOKEN.upper()}"}}'))
    verdict = as_bot(api)
    assert "made-up" not in verdict.reason.lower()
    assert verdict.reason == "Slack answered 403: no entry for Bearer …"


@pytest.mark.parametrize("token", ["xoxb-1\nHost: evil.example", "xoxb-日本", "xoxb-1\x7f"])
def test_a_token_that_is_no_header_is_not_sent(api: Provider, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK", token)
    verdict = as_bot(api)
    assert (verdict.blames, api.requests) == (DESTINATION, ())
    assert "xoxb" not in verdict.reason


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com.evil.example/services/T0/B0/made-up",
        "https://evil.example/hooks.slack.com/made-up",
        "http://hooks.slack.com/services/T0/B0/made-up",
        "https://user@hooks.slack.com/services/T0/B0/made-up",
        "not even a made-up URL",
    ],
)
def test_a_webhook_that_leads_elsewhere_is_not_posted_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SLACK", url)
    verdict = SlackSender(settings(webhook_url=REF), tools()).send(CARD, timeout=5)
    assert verdict.blames == DESTINATION
    assert verdict.reason.startswith("env:SLACK: ")
    assert "made-up" not in verdict.reason


def test_a_token_goes_to_slack_or_to_a_trusted_host_only(api: Provider) -> None:
    place = settings(token=REF, channel="C0123456789", base_url=api.url)
    verdict = SlackSender(place, tools("elsewhere.example")).send(CARD, timeout=5)
    assert (verdict.blames, api.requests) == (DESTINATION, ())
    assert "trusted_hosts" in verdict.reason


def test_refresh_reads_both_kinds_of_secret_afresh() -> None:
    class Forgetful(Secrets):
        def __init__(self) -> None:
            super().__init__(Aws(), FakeClock())
            self.forgotten: list[SecretRef] = []

        def forget(self, ref: SecretRef) -> None:
            self.forgotten.append(ref)

    secrets = Forgetful()
    known = Tools(secrets=secrets, aws=Aws())
    SlackSender(settings(webhook_url=SecretRef("ssm", "/a")), known).refresh()
    SlackSender(settings(token=SecretRef("ssm", "/b"), channel="C0123456789"), known).refresh()
    assert secrets.forgotten == [SecretRef("ssm", "/a"), SecretRef("ssm", "/b")]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "takes either webhook_url, or token and channel"),
    "both": (
        {"webhook_url": "env:A", "token": "env:B", "channel": "C0123456789"},
        "takes either webhook_url, or token and channel",
    ),
    "a token without a channel": ({"token": "env:B"}, "token needs a channel: its id, such as C0123456789"),
    "a channel beside a webhook": (
        {"webhook_url": "env:A", "channel": "C0123456789"},
        "channel and base_url go with token: a webhook has its own channel and host",
    ),
    "a channel by name": (
        {"token": "env:B", "channel": "#ops"},
        "channel: '#ops' is no channel id such as C0123456789",
    ),
    "a person": ({"token": "env:B", "channel": "U0123456789"}, "is no channel id"),
    "no base_url": ({"token": "env:B", "channel": "C0123456789", "base_url": "slack.com"}, "base_url is no URL"),
    "an unknown key": ({"webhook_url": "env:A", "webhok": "x"}, "webhok"),
    "a secret in plain": ({"webhook_url": "https://hooks.slack.com/services/x"}, "must be a reference"),
}


@pytest.mark.parametrize(("given", "why"), MISTAKES.values(), ids=MISTAKES.keys())
def test_settings_that_make_no_sense(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)) as caught:
        TypeAdapter(SlackSender.Settings).validate_python(given)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize("channel", ["C0123456789", "G01ABCDEF", "D0123AB"])
def test_a_channel_is_named_by_its_id(channel: str) -> None:
    assert re.fullmatch(CHANNEL, channel)
    assert settings(token=REF, channel=channel).channel == channel


def test_slack_sdk_still_has_the_seams_that_we_post_through() -> None:
    """urllib, which they call otherwise, follows a redirect and takes it for success."""
    assert callable(WebhookClient._perform_http_request_internal)
    assert callable(WebClient._perform_urllib_http_request_internal)
