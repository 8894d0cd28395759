"""What a reader would see of a payload, piece by piece: Slack's blocks, Teams' cards and mail read back as plain text.

For a terminal, near enough to judge a card by; a shape that is not known shows its raw JSON. Whatever stands in a
payload, reading it never raises, and no text leaves here before the channel's own macros in it are drawn.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing on a card. `label` is a fact's label or a link's; `text` may hold line breaks."""

    role: Literal["head", "text", "fact", "faint", "link", "rule", "raw"]
    text: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A payload as its reader sees it. `notification` is the line on a locked phone, empty where none can be set."""

    channel: str
    pieces: tuple[Piece, ...]
    notification: str = ""


def read(payload: Mapping[str, Any]) -> Seen:
    """The pieces of a Block Kit message, an Adaptive Card (bare or enveloped), a MessageCard or a mail."""
    if "@type" in payload:
        return Seen("Teams MessageCard", tuple(_message_card(payload)))
    if (card := _adaptive_card(payload)) is not None:
        pieces = (*_elements(card.get("body")), *_teams_actions(card.get("actions")))
        return Seen("Teams", pieces)
    if "blocks" in payload or "attachments" in payload:
        return Seen("Slack", tuple(_slack(payload)), _mrkdwn(_str(payload.get("text"))))
    if "subject" in payload:
        return Seen("e-mail", tuple(_mail(payload)))
    return Seen("JSON", tuple(_raw(payload)))


def _raw(payload: object) -> Iterator[Piece]:
    text = json.dumps(payload, ensure_ascii=False, indent=2, default=str)
    yield from (Piece("raw", line) for line in text.split("\n"))


# Slack: https://docs.slack.dev/reference/block-kit/blocks


def _slack(message: Mapping[str, Any]) -> Iterator[Piece]:
    yield from _blocks(message.get("blocks"))
    for attachment in _objects(message.get("attachments")):
        yield from _blocks(attachment.get("blocks"))


def _blocks(blocks: object) -> Iterator[Piece]:
    for block in _objects(blocks):
        draw = _SLACK_BLOCKS.get(_str(block.get("type")), _raw)
        yield from draw(block)


def _slack_header(block: Mapping[str, Any]) -> Iterator[Piece]:
    yield Piece("head", _slack_text(block.get("text")))


def _slack_section(block: Mapping[str, Any]) -> Iterator[Piece]:
    if text := _slack_text(block.get("text")):
        yield Piece("text", text)
    for field in _objects(block.get("fields")):
        label, line_break, value = _slack_text(field).partition("\n")
        yield Piece("fact", value, label) if line_break else Piece("text", label)
    yield from _slack_buttons([block.get("accessory")])


def _slack_context(block: Mapping[str, Any]) -> Iterator[Piece]:
    """Small print; a link in it gets a line of its own, since its address is long."""
    for element in _objects(block.get("elements")):
        text = _str(element.get("text"))
        links = _SLACK_LINK.findall(text) if element.get("type") == "mrkdwn" else []
        rest = _SLACK_LINK.sub("", text).strip(" ·") if links else text
        if rest:
            yield Piece("faint", _slack_text({**element, "text": rest}))
        yield from (Piece("link", _mrkdwn(url), _mrkdwn(label)) for url, label in links)


def _slack_actions(block: Mapping[str, Any]) -> Iterator[Piece]:
    yield from _slack_buttons(block.get("elements"))


def _slack_buttons(elements: object) -> Iterator[Piece]:
    for element in _objects(elements):
        if url := _str(element.get("url")):
            yield Piece("link", url, _slack_text(element.get("text")))


def _slack_divider(_block: Mapping[str, Any]) -> Iterator[Piece]:
    yield Piece("rule")


def _slack_rich_text(block: Mapping[str, Any]) -> Iterator[Piece]:
    for section in _objects(block.get("elements")):
        nested = _objects(section.get("elements"))
        if section.get("type") == "rich_text_list":
            yield from (Piece("text", "• " + _rich_run(item)) for item in nested)
        else:
            yield from _rich_lines(nested)


def _rich_lines(runs: list[Mapping[str, Any]]) -> Iterator[Piece]:
    lines: list[list[tuple[str, bool]]] = [[]]
    for run in runs:
        first, *others = _rich_run(run).split("\n")
        lines[-1].append((first, bool(_mapping(run.get("style")).get("bold"))))
        lines.extend([(other, False)] for other in others)
    for line in lines:
        if shown := [(text, bold) for text, bold in line if text]:
            yield _rich_line(shown)


def _rich_line(runs: list[tuple[str, bool]]) -> Piece:
    """A line that opens in bold and goes on is a fact."""
    (first, bold), *others = runs
    rest = "".join(text for text, _ in others)
    return Piece("fact", rest.strip(), first.strip()) if bold and rest else Piece("text", first + rest)


def _rich_run(run: Mapping[str, Any]) -> str:
    match _str(run.get("type")):
        case "date":
            return _str(run.get("fallback"))
        case "link":
            return _labelled(_str(run.get("text")), _str(run.get("url")))
        case "emoji":
            return f":{_str(run.get('name'))}:"
        case "rich_text_section":
            return "".join(map(_rich_run, _objects(run.get("elements"))))
        case _:
            return _str(run.get("text"))


def _slack_text(text: object) -> str:
    if not isinstance(text, Mapping):
        return ""
    shown = _str(text.get("text"))
    return _mrkdwn(shown) if text.get("type") == "mrkdwn" else shown


_SLACK_LINK = re.compile(r"<(https?://[^|>]+)\|([^>]*)>")


def _mrkdwn(text: str) -> str:
    """Slack's markup as what it draws: dates as their fallback, links with their address, no stars."""
    text = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    text = _SLACK_LINK.sub(lambda found: _labelled(found[2], found[1]), text)
    text = re.sub(r"<(https?://[^|>]+)>", r"\1", text)
    text = re.sub(r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"\1", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


_SLACK_BLOCKS: dict[str, Callable[[Mapping[str, Any]], Iterator[Piece]]] = {
    "header": _slack_header,
    "section": _slack_section,
    "context": _slack_context,
    "actions": _slack_actions,
    "divider": _slack_divider,
    "rich_text": _slack_rich_text,
}


# Teams: https://adaptivecards.io/explorer, and the older MessageCard


def _adaptive_card(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if payload.get("type") == "AdaptiveCard":
        return payload
    for attachment in _objects(payload.get("attachments")):
        content = attachment.get("content")
        if isinstance(content, Mapping) and content.get("type") == "AdaptiveCard":
            return content
    return None


def _elements(elements: object) -> Iterator[Piece]:
    for element in _objects(elements):
        draw = _TEAMS_ELEMENTS.get(_str(element.get("type")), _raw)
        yield from draw(element)


def _text_block(element: Mapping[str, Any]) -> Iterator[Piece]:
    text = _markdown(_str(element.get("text")))
    yield Piece(_weight(element), text)


def _rich_text_block(element: Mapping[str, Any]) -> Iterator[Piece]:
    inlines = element.get("inlines")
    runs = inlines if isinstance(inlines, list) else []
    texts = [run if isinstance(run, str) else _str(_mapping(run).get("text")) for run in runs]
    first = _mapping(runs[0]) if runs else {}
    yield Piece(_weight(first), _teams_times("".join(texts)))


def _weight(element: Mapping[str, Any]) -> Literal["head", "faint", "text"]:
    if element.get("isSubtle"):
        return "faint"
    large = _str(element.get("size")).lower() in ("medium", "large", "extralarge")
    return "head" if large or _str(element.get("weight")).lower() == "bolder" else "text"


def _fact_set(element: Mapping[str, Any]) -> Iterator[Piece]:
    for fact in _objects(element.get("facts")):
        yield Piece("fact", _markdown(_str(fact.get("value"))), _markdown(_str(fact.get("title"))))


def _container(element: Mapping[str, Any]) -> Iterator[Piece]:
    yield from _elements(element.get("items"))


def _column_set(element: Mapping[str, Any]) -> Iterator[Piece]:
    for column in _objects(element.get("columns")):
        yield from _elements(column.get("items"))


def _action_set(element: Mapping[str, Any]) -> Iterator[Piece]:
    yield from _teams_actions(element.get("actions"))


def _teams_actions(actions: object) -> Iterator[Piece]:
    for action in _objects(actions):
        if url := _str(action.get("url")):
            yield Piece("link", url, _str(action.get("title")))


def _message_card(card: Mapping[str, Any]) -> Iterator[Piece]:
    yield Piece("head", _markdown(_str(card.get("title") or card.get("summary"))))
    for section in (card, *_objects(card.get("sections"))):
        own = ("title",) if section is not card else ()
        for key in (*own, "activityTitle", "activitySubtitle", "activityText", "text"):
            if text := _str(section.get(key)):
                yield _markdown_piece(text)
        for fact in _objects(section.get("facts")):
            yield Piece("fact", _markdown(_str(fact.get("value"))), _markdown(_str(fact.get("name"))))
    for action in _objects(card.get("potentialAction")):
        for target in _objects(action.get("targets"))[:1]:
            yield Piece("link", _str(target.get("uri")), _str(action.get("name")))


def _markdown_piece(text: str) -> Piece:
    link = _MARKDOWN_LINK.fullmatch(text)
    return Piece("link", _markdown(link[2]), _markdown(link[1])) if link else Piece("text", _markdown(text))


_MARKDOWN_LINK = re.compile(r"(?<!\\)\[([^\]\\]*)\]\((https?://[^)\s]+)\)")


def _markdown(text: str) -> str:
    """Teams' Markdown as what it draws: times in UTC, links with their address, escapes taken off."""
    text = _teams_times(text)
    text = _MARKDOWN_LINK.sub(lambda found: _labelled(found[1], found[2]), text)
    text = re.sub(r"(?<!\\)\*\*(.+?)(?<!\\)\*\*", r"\1", text)
    return re.sub(r"\\([\\`*_{}\[\]()<>#+\-.!|~&$])", r"\1", text)


def _teams_times(text: str) -> str:
    stamp = r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d)?Z"
    text = re.sub(r"\{\{DATE\(" + stamp + r"(?:, ?\w+)?\)\}\}", r"\1", text)
    return re.sub(r"\{\{TIME\(" + stamp + r"\)\}\}", r"\2 UTC", text)


_TEAMS_ELEMENTS: dict[str, Callable[[Mapping[str, Any]], Iterator[Piece]]] = {
    "TextBlock": _text_block,
    "RichTextBlock": _rich_text_block,
    "FactSet": _fact_set,
    "Container": _container,
    "ColumnSet": _column_set,
    "ActionSet": _action_set,
}


# Mail, as plain text


def _mail(mail: Mapping[str, Any]) -> Iterator[Piece]:
    yield Piece("head", _str(mail.get("subject")))
    text = next((_str(mail[key]) for key in ("text", "body", "message", "default") if mail.get(key)), "")
    yield from (Piece("raw", line) for line in text.strip("\n").split("\n"))


def _labelled(label: str, url: str) -> str:
    return f"{label} ({url})" if label and label != url else url


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _str(value: object) -> str:
    return "" if value is None else str(value)
