"""Slack's Web API, for destinations that have a token. The only file that knows slack-sdk."""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.request import Request

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.senders import wire
from bot.senders.answers import json_object
from bot.senders.wire import Answer, Deadline


class Bot(WebClient):
    """slack-sdk's client, except that it posts over our wire: urllib follows redirects and knows no deadline."""

    def __init__(self, token: str, base_url: str, deadline: Deadline) -> None:
        super().__init__(token, base_url=base_url, logger=_silent(), retry_handlers=[])
        self._deadline = deadline
        self._answer: Answer

    def post_message(self, message: Mapping[str, Any]) -> Answer:
        """What Slack answers, yes or no. Raises NoAnswerError."""
        with suppress(SlackApiError):  # its way of saying no, with the token in reach; the answer says more
            self.api_call("chat.postMessage", json=dict(message))
        return self._answer

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:  # noqa: ARG002 - theirs
        body = req.data if isinstance(req.data, bytes) else b""
        headers = dict(req.header_items())
        self._answer = wire.post(req.full_url, body, headers, service="Slack", deadline=self._deadline)
        said = json.dumps(json_object(self._answer.body))  # slack-sdk falls over JSON that is no object
        return {"status": self._answer.status, "headers": dict(self._answer.headers), "body": said}


def _silent() -> logging.Logger:
    """A logger that stands in no tree and says nothing: slack-sdk logs tokens' requests."""
    return logging.Logger("slack_sdk.unheard", level=logging.CRITICAL + 1)  # noqa: LOG001 - in no tree on purpose
