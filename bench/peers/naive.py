"""Peer (c), the same job written by hand on requests: a Slack message and an Adaptive Card, one session, no outbox."""

import os
from typing import Any

import requests

from bench.peers import people

session = requests.Session()
slack, teams = os.environ.get("SLACK_URL", "").split(), os.environ.get("TEAMS_URL", "").split()


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    return people.each(event, tell)


def tell(event: dict[str, Any]) -> None:
    title, facts = people.told(event)
    for url in slack:
        _post(url, _message(title, facts))
    for url in teams:
        _post(url, _card(title, facts))


def _post(url: str, payload: dict[str, Any]) -> None:
    session.post(url, json=payload, timeout=5).raise_for_status()


def _message(title: str, facts: list[tuple[str, str]]) -> dict[str, Any]:
    fields = [{"type": "mrkdwn", "text": f"*{label}*\n{text}"} for label, text in facts]
    head = {"type": "header", "text": {"type": "plain_text", "text": title}}
    return {"text": title, "blocks": [head, {"type": "section", "fields": fields}]}


def _card(title: str, facts: list[tuple[str, str]]) -> dict[str, Any]:
    headline = {"type": "TextBlock", "text": title, "weight": "Bolder", "wrap": True}
    body = [headline, {"type": "FactSet", "facts": [{"title": label, "value": text} for label, text in facts]}]
    content = {"type": "AdaptiveCard", "version": "1.4", "body": body}
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [card]}
