"""Posts logins to a pager: a sender of somebody's own, named by its dotted path in the routing file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bot.secrets import SecretRef
from bot.senders import answers, wire
from bot.senders.base import Tools, Verdict


class PagerSender:
    @dataclass(frozen=True, kw_only=True)
    class Settings:
        url: SecretRef
        urgency: str = "low"

        def __post_init__(self) -> None:
            if self.urgency not in ("low", "high"):
                raise ValueError(f"urgency is low or high, not {self.urgency!r}")

    takes: ClassVar[frozenset[str]] = frozenset({"mail"})
    formatter: ClassVar[str] = "email"
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({"url": "ssm:/pager/url"},)

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        deadline = wire.Deadline.after(timeout)
        page = {"title": payload["subject"], "text": payload["text"], "urgency": self._settings.urgency}
        try:
            url = wire.read_url(self._tools, self._settings.url, deadline, own=())
            answer = wire.post(url, json.dumps(page).encode(), {}, service="the pager", deadline=deadline)
        except wire.NoAnswerError as none:
            return none.verdict
        if answer.status == 200 and answer.body != "paged":
            return Verdict.unsure(answers.reason("the pager", answer, hide=[url]))
        return answers.verdict("the pager", answer, hide=[url])

    def refresh(self) -> None:
        self._tools.secrets.forget(self._settings.url)
