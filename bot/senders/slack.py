"""Posts cards to Slack, through an incoming webhook or as a bot with a token. The only file that knows slack-sdk."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.request import Request

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from bot.secrets import SecretRef
from bot.senders import answers, wire
from bot.senders.base import Tools, Verdict
from bot.senders.hosts import Address, refusal
from bot.senders.wire import Answer, Deadline, NoAnswerError

OWN_HOSTS = ("slack.com", "hooks.slack.com", "slack-gov.com", "hooks.slack-gov.com")
API = "https://slack.com/api/"
CHANNEL = r"^[CGD][A-Z0-9]{5,}$"

# Slack's error words, from https://docs.slack.dev/reference/methods/chat.postMessage and its page on webhooks.
# A word that stands nowhere here is tried again: nothing is lost by waiting, and its login is given up in the end.
_BLAMES_PAYLOAD = frozenset(
    """invalid_payload invalid_blocks invalid_blocks_format invalid_attachments too_many_attachments no_text
    msg_too_long msg_blocks_too_long markdown_text_conflict metadata_too_large invalid_metadata_format
    invalid_metadata_schema invalid_arguments invalid_arg_name invalid_array_arg invalid_charset invalid_form_data
    invalid_post_type missing_post_type invalid_json json_not_object""".split()  # noqa: SIM905 - words read best as words
)
_BLAMES_DESTINATION = frozenset(
    """invalid_auth not_authed token_revoked token_expired account_inactive invalid_token no_permission missing_scope
    not_allowed_token_type access_denied ekm_access_denied org_login_required two_factor_setup_required
    team_access_not_granted enterprise_is_restricted channel_not_found channel_type_not_supported not_in_channel
    is_archived channel_is_archived is_inactive user_not_found no_service no_service_id no_team team_disabled
    no_active_hooks action_prohibited restricted_action restricted_action_read_only_channel
    restricted_action_thread_only_channel restricted_action_non_threadable_channel restricted_action_thread_locked
    posting_to_general_channel_denied messages_tab_disabled as_user_not_supported deprecated_endpoint
    method_deprecated""".split()  # noqa: SIM905 - as above
)
_THROTTLED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_MAY_HAVE_SUCCEEDED = frozenset({"internal_error", "fatal_error"})
"""Slack on both: "it's possible some aspect of the operation succeeded before the error was raised"."""


_STATUS_OF_A_WORD = frozenset({400, 403, 404, 410})
"""The statuses that a webhook's words come with; `user_not_found` comes with 400, though no card would do."""


class SlackSender:
    """By webhook the channel is the webhook's own; by token it is named by its id, which outlives renaming."""

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        """Either `webhook_url`, or `token` and `channel`."""

        __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

        webhook_url: SecretRef | None = None
        token: SecretRef | None = None
        channel: str | None = None
        base_url: str = API

        def __post_init__(self) -> None:
            if (self.webhook_url is None) == (self.token is None):
                raise ValueError("takes either webhook_url, or token and channel")
            if self.webhook_url is not None and (self.channel is not None or self.base_url != API):
                raise ValueError("channel and base_url go with token: a webhook has its own channel and host")
            if self.token is not None and self.channel is None:
                raise ValueError("token needs a channel: its id, such as C0123456789")
            if self.channel is not None and not re.fullmatch(CHANNEL, self.channel):
                raise ValueError(
                    f"channel: {_shown(self.channel)} is no channel id such as C0123456789 (at the end of the "
                    "channel's About in Slack); names change"
                )
            _checked(self.base_url)

        def off_limits(self, trusted_hosts: Iterable[str]) -> Mapping[str, str]:
            """The keys that name a host to which nothing may be posted, and why."""
            why = refusal(Address.parse(self.base_url), own=OWN_HOSTS, trusted=trusted_hosts)
            return {"base_url": why} if why else {}

    takes: ClassVar[frozenset[str]] = frozenset({"slack"})
    formatter: ClassVar[str] = "slack"
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"webhook_url": "ssm:/login-bot/slack/eng"},
        {"token": "secretsmanager:login-bot/slack#token", "channel": "C0123456789", "base_url": API},
    )

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        deadline = Deadline.after(timeout)
        try:
            if self._settings.token is not None:
                return self._as_bot(payload, self._settings.token, deadline)
            return self._by_webhook(payload, deadline)
        except NoAnswerError as none:
            return none.verdict

    def refresh(self) -> None:
        for ref in (self._settings.webhook_url, self._settings.token):
            if ref is not None:
                self._tools.secrets.forget(ref)

    def _by_webhook(self, payload: Mapping[str, Any], deadline: Deadline) -> Verdict:
        ref = self._settings.webhook_url
        assert ref is not None
        url = wire.read_url(self._tools, ref, deadline, own=OWN_HOSTS)
        client = _Webhook(url, deadline)
        client.send_dict(dict(payload))
        answer = client.wire.answer
        said = answer.body.strip()
        if answer.status == 200 and said == "ok":
            return Verdict.sent()
        return _judged(answer, said, refused=False, hide=(url,))

    def _as_bot(self, payload: Mapping[str, Any], ref: SecretRef, deadline: Deadline) -> Verdict:
        wire.check(self._settings.base_url, what="base_url", own=OWN_HOSTS, trusted=self._tools.trusted_hosts)
        token = wire.read_secret(self._tools, ref, deadline)
        client = _Bot(token, self._settings.base_url, deadline)
        with suppress(SlackApiError):  # its way of saying no, with the token in reach; the answer says more
            client.api_call("chat.postMessage", json={**payload, "channel": self._settings.channel})
        answer = client.wire.answer
        said = _object(answer.body)
        if answer.status == 200 and said.get("ok") is True:
            return Verdict.sent()
        return _judged(answer, str(said.get("error") or ""), refused=said.get("ok") is False, hide=(token,))


def _shown(channel: str) -> str:
    """What stands for a channel, unless it looks like a webhook or a token."""
    return repr(channel) if re.fullmatch(r"[#@]?[\w .-]{1,40}", channel) else "this"


def _checked(base_url: str) -> None:
    try:
        Address.parse(base_url)
    except ValueError as error:
        raise ValueError(f"base_url {error}") from None


class _Wire:
    """What both clients post through, in place of urllib: it follows redirects and knows no deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self.answer: Answer

    def post(self, request: Request) -> Answer:
        body = request.data if isinstance(request.data, bytes) else b""
        headers = dict(request.header_items())
        self.answer = wire.post(request.full_url, body, headers, service="Slack", deadline=self._deadline)
        return self.answer


def _silent() -> logging.Logger:
    """A logger that stands in no tree and says nothing: slack-sdk logs webhook URLs."""
    return logging.Logger("slack_sdk.unheard", level=logging.CRITICAL + 1)  # noqa: LOG001 - in no tree on purpose


class _Webhook(WebhookClient):
    def __init__(self, url: str, deadline: Deadline) -> None:
        super().__init__(url, logger=_silent(), retry_handlers=[])
        self.wire = _Wire(deadline)

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        answer = self.wire.post(req)
        return WebhookResponse(url=url, status_code=answer.status, body=answer.body, headers=dict(answer.headers))


class _Bot(WebClient):
    def __init__(self, token: str, base_url: str, deadline: Deadline) -> None:
        super().__init__(token, base_url=base_url, logger=_silent(), retry_handlers=[])
        self.wire = _Wire(deadline)

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:  # noqa: ARG002 - theirs
        answer = self.wire.post(req)
        body = json.dumps(_object(answer.body))  # slack-sdk falls over JSON that is no object
        return {"status": answer.status, "headers": dict(answer.headers), "body": body}


def _object(body: str) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _judged(answer: Answer, word: str, *, refused: bool, hide: Iterable[str]) -> Verdict:
    """By Slack's own word where it knows more than the status. `refused`: Slack said in so many words that it did not.

    A 200 that says neither `ok` nor why not may stand for anything, also for a card that was taken.
    """
    said = answers.reason("Slack", answer, hide=hide, text=word or None)
    if answer.status == 200 or answer.status in _STATUS_OF_A_WORD:
        if word in _BLAMES_PAYLOAD:
            return Verdict.dead(said, blames="payload")
        if word in _BLAMES_DESTINATION:
            return Verdict.dead(said, blames="destination")
    if not 200 <= answer.status < 300:
        return answers.verdict("Slack", answer, hide=hide, text=word or None)
    if refused and word not in _MAY_HAVE_SUCCEEDED:
        return Verdict.again(said, answers.asked_wait(answer.headers), throttled=word in _THROTTLED)
    return Verdict.unsure(said)
