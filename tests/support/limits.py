"""What each channel takes, as its own documents and other people's tools have it: the oracles that cards are held to.

Nothing here is imported from the formatters: a limit that is wrong there must not be wrong here too.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema_rs import Draft6Validator
from slack_sdk.models.blocks import Block
from slackblocks import _limits as slack

from formatters.base import Payload

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Control characters, direction overrides and zero-width ones. (A joiner may stand between two emoji.)"""


def strings(value: object) -> Iterator[str]:
    """Every string in JSON, keys excepted."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Every object in JSON, outermost first."""
    if isinstance(value, Mapping):
        yield value
        for each in value.values():
            yield from objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


def check(kind: str, payload: Payload) -> None:
    """Fails where `payload` is nothing that the channel takes, whatever its size."""
    json.dumps(payload, allow_nan=False).encode()
    if (check_channel := CHECKS.get(kind)) is not None:
        check_channel(payload)


def check_slack(payload: Payload) -> None:
    assert set(payload) <= {"text", "mrkdwn", "blocks"}
    assert 0 < len(payload["text"]) < 40_000
    assert not UNSEEN.search(payload["text"])
    assert 1 <= len(payload["blocks"]) <= 50
    for raw in payload["blocks"]:
        block: Any = Block.parse(raw)
        assert block is not None, f"slack_sdk knows no block {raw['type']!r}"
        assert type(block) is not Block, raw["type"]
        block.validate_json()
        SLACK_BLOCKS[raw["type"]](raw)
    for each in objects(payload["blocks"]):
        if each.get("type") in ("plain_text", "mrkdwn", "text"):
            assert len(each["text"]) >= slack.TEXT_MIN_LENGTH, each
        if each.get("type") in ("plain_text", "mrkdwn"):
            assert len(each["text"]) <= slack.TEXT_MAX_LENGTH
        assert each.get("type") not in ("broadcast", "user", "usergroup", "channel", "link", "emoji"), each


def _slack_header(block: Mapping[str, Any]) -> None:
    assert block["text"]["type"] == "plain_text"
    assert len(block["text"]["text"]) <= slack.HEADER_TEXT_MAX_LENGTH


def _slack_context(block: Mapping[str, Any]) -> None:
    assert 1 <= len(block["elements"]) <= slack.CONTEXT_ELEMENTS_MAX_ITEMS


def _slack_rich_text(block: Mapping[str, Any]) -> None:
    assert block["elements"]
    for part in block["elements"]:
        assert part["type"] in ("rich_text_section", "rich_text_list")
        assert part["elements"]


SLACK_BLOCKS = {"header": _slack_header, "context": _slack_context, "rich_text": _slack_rich_text}


@cache
def adaptive_card_schema() -> Draft6Validator:
    """The official schema of version 1.4."""
    text = (files("adaptive_cards") / "schemas" / "schema-1.4.json").read_text()
    return Draft6Validator(json.loads(text))


def check_teams(payload: Payload) -> None:
    if "@type" in payload:
        check_message_card(payload)
        return
    assert payload["type"] == "message"
    [attachment] = payload["attachments"]
    assert set(attachment) == {"contentType", "contentUrl", "content"}
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["version"] == "1.4"
    assert card["msteams"] == {"width": "Full"}
    errors = adaptive_card_schema().iter_errors({key: card[key] for key in card if key != "msteams"})
    assert [f"{error.instance_path}: {error.message[:200]}" for error in errors] == []
    assert len(card.get("actions", [])) <= 6
    for each in objects(card):
        if each.get("type") == "TextBlock":
            assert each["wrap"] is True
            assert each["text"]
        if each.get("type") == "FactSet":
            assert each["facts"]
        if "facts" in each:
            assert all(isinstance(fact["value"], str) and fact["value"] for fact in each["facts"])
    assert all(not UNSEEN.search(text) for text in strings(payload))


def check_message_card(payload: Payload) -> None:
    assert payload["@type"] == "MessageCard"
    assert payload["@context"] == "https://schema.org/extensions"
    assert payload["summary"]
    assert payload["title"]
    for section in payload["sections"]:
        assert set(section) <= {"markdown", "activityTitle", "text", "facts"}
        assert all(set(fact) == {"name", "value"} for fact in section.get("facts", []))


def check_mail(payload: Payload) -> None:
    assert set(payload) == {"subject", "text", "data"}
    subject = payload["subject"]
    assert 0 < len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()
    assert not subject[0].isspace()
    assert not UNSEEN.search(payload["text"].replace("\n", ""))
    assert all(not UNSEEN.search(text) for text in strings(payload["data"]))
    for line in payload["text"].split("\n"):
        assert len(line) <= 998, "RFC 5322, 2.1.1"


CHECKS: dict[str, Callable[[Payload], None]] = {"slack": check_slack, "teams": check_teams, "mail": check_mail}


def size(kind: str, payload: Payload) -> tuple[int, int]:
    """(used, allowed) as the provider counts, where that is known."""
    if kind == "slack":
        return sum(map(len, strings(payload))), 13_200
    if kind == "teams":
        return len(json.dumps(payload).encode()), 20 * 1024
    return len(json.dumps(payload).encode()), 256 * 1024
