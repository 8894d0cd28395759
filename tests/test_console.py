"""Cards in a terminal: recognisable, aligned in every script, and harmless whatever stands in them."""

import io
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bot.aws import Aws
from bot.events import Person
from bot.secrets import Secrets
from bot.senders.base import Outcome, Tools
from bot.senders.console import ConsoleSender, draw, is_colourful, terminal_width
from bot.senders.terminal import cells, clip, fold, printable
from formatters import REGISTRY, formatter_class
from formatters.base import Audience
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.logins import make_login

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x9b31m",
    "back\x08\x08\x08\x08space",
    "over\rwritten",
    "abc\u202edef\u2066ghi",
    "zero\u200bwidth\ufeff\u00ad",
    "line\u2028para\u2029nel\x85",
    "\x00nul",
]

DATE = "<!date^1795410720^{date_short_pretty} at {time}|2026-11-23 05:12:00 UTC>"

PAYLOADS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "slack header, fields and context": (
        {
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "alice <logged> in"}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*From*\n203.0.113.7"}]},
                {"type": "divider"},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": f"{DATE} · <https://a.example|Open it>"}]},
            ]
        },
        [
            "alice <logged> in",
            "From  203.0.113.7",
            "──────────────────────────────────────────────",
            "2026-11-23 05:12:00 UTC",
            "→ Open it  https://a.example",
        ],
    ),
    "slack rich text with labels": (
        {
            "blocks": [
                {
                    "type": "rich_text",
                    "elements": [
                        {
                            "type": "rich_text_section",
                            "elements": [
                                {"type": "text", "text": "Who", "style": {"bold": True}},
                                {"type": "text", "text": "  alice\n"},
                                {"type": "text", "text": "When", "style": {"bold": True}},
                                {"type": "text", "text": "  "},
                                {"type": "date", "timestamp": 1, "format": "{time}", "fallback": "05:12 UTC"},
                            ],
                        },
                        {
                            "type": "rich_text_list",
                            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "bob"}]}],
                        },
                    ],
                }
            ]
        },
        ["Who   alice", "When  05:12 UTC", "• bob"],
    ),
    "slack attachment, button and escapes": (
        {
            "attachments": [
                {
                    "color": "#2eb67d",
                    "blocks": [
                        {
                            "type": "section",
                            "text": {"type": "mrkdwn", "text": "R&amp;D &lt;eu&gt; <https://b.example|docs> *now*"},
                        },
                        {
                            "type": "actions",
                            "elements": [
                                {
                                    "type": "button",
                                    "text": {"type": "plain_text", "text": "Go"},
                                    "url": "https://c.example",
                                }
                            ],
                        },
                    ],
                }
            ]
        },
        ["R&D <eu> docs (https://b.example) now", "→ Go  https://c.example"],
    ),
    "an adaptive card in its envelope": (
        {
            "type": "message",
            "attachments": [
                {
                    "content": {
                        "type": "AdaptiveCard",
                        "body": [
                            {"type": "TextBlock", "size": "Large", "text": "svc\\_x **in**"},
                            {
                                "type": "Container",
                                "items": [{"type": "FactSet", "facts": [{"title": "日時", "value": "5\\.0"}]}],
                            },
                            {"type": "ColumnSet", "columns": [{"items": [{"type": "TextBlock", "text": "left"}]}]},
                            {"type": "RichTextBlock", "inlines": ["plain ", {"type": "TextRun", "text": "run"}]},
                            {
                                "type": "TextBlock",
                                "text": "{{DATE(2026-11-23T05:12:00Z,SHORT)}} {{TIME(2026-11-23T05:12:00Z)}}",
                            },
                        ],
                        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://d.example"}],
                    }
                }
            ],
        },
        ["svc_x in", "日時  5.0", "left", "plain run", "2026-11-23 05:12 UTC", "→ Open  https://d.example"],
    ),
    "a bare adaptive card": (
        {"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": "\\{\\{DATE\\(2026-11-23T05:12:00Z\\)\\}\\}"}]},
        ["{{DATE(2026-11-23T05:12:00Z)}}"],
    ),
    "a message card": (
        {
            "@type": "MessageCard",
            "title": "alice",
            "sections": [
                {"title": "**Here**", "facts": [{"name": "From", "value": "203\\.0"}]},
                {"text": "[Open](https://e.example)"},
            ],
            "potentialAction": [{"name": "Go", "targets": [{"os": "default", "uri": "https://f.example"}]}],
        },
        ["alice", "Here", "From  203.0", "→ Open  https://e.example", "→ Go  https://f.example"],
    ),
    "a mail keeps its columns": (
        {"subject": "alice logged in", "text": "From:   203.0.113.7\nWith:   Windows\n"},
        ["alice logged in", "From:   203.0.113.7", "With:   Windows"],
    ),
    "a shape of somebody's own": ({"pager": {"title": "x"}}, ["{", '  "pager": {', '    "title": "x"', "  }", "}"]),
}


def inside(drawn: str) -> list[str]:
    return [line[2:-2].rstrip() for line in drawn.split("\n")[1:-1]]


@pytest.mark.parametrize(("payload", "lines"), PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_payload_is_drawn_as_its_reader_sees_it(payload: dict[str, Any], lines: list[str]) -> None:
    assert inside(draw(payload, width=50)) == lines


CHANNELS = {"slack": "Slack", "teams": "Teams", "messagecard": "Teams MessageCard", "email": "e-mail"}


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("width", [32, 80, 100])
@pytest.mark.parametrize("formatter", REGISTRY)
def test_every_formatters_card_is_a_straight_box_that_names_its_channel(
    formatter: str, width: int, language: str
) -> None:
    login = make_login(person=Person(name="taro", display_name="山田太郎 ｶﾅ 👩 é"), directory_name="開発部")
    payload = formatter_class(formatter)().draw([login], Audience(language, "Asia/Tokyo"))
    lines = draw(payload, title="it-teams", width=width).split("\n")
    assert {cell_len(line) for line in lines} == {width}
    assert lines[0].startswith(f"╭─ it-teams · {CHANNELS[formatter]}"[: width - 6])
    assert "203.0.113.7" in "".join(lines)
    assert "{" not in "".join(lines), "a block that the terminal does not know was drawn as raw JSON"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("formatter", REGISTRY)
def test_untrusted_text_never_steers_the_terminal(formatter: str, text: str) -> None:
    login = make_login(person=Person(name=text, display_name=text), platform=text, client=text, directory_name=text)
    assert_harmless(draw(formatter_class(formatter)().draw([login], Audience())))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("payload", [payload for payload, _ in PAYLOADS.values()], ids=PAYLOADS.keys())
def test_a_payload_that_nobody_cleaned_never_steers_the_terminal(payload: Any, text: str) -> None:
    assert_harmless(draw(poisoned(payload, text), title=text))


def poisoned(value: Any, text: str) -> Any:
    """The same payload with `text` at the end of every string that is shown."""
    if isinstance(value, dict):
        return {key: each if key in ("type", "@type", "size") else poisoned(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, text) for each in value]
    return f"{value}{text}"


def assert_harmless(drawn: str) -> None:
    steering = {char for char in drawn if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")} - {"\n"}
    assert not steering
    assert {cell_len(line) for line in drawn.split("\n")} == {80}


KEYS = ["@type", "actions", "attachments", "blocks", "body", "columns", "content", "elements", "facts", "fields"]
KEYS += ["inlines", "items", "sections", "style", "subject", "targets", "text", "title", "type", "url", "value"]
KINDS = ["AdaptiveCard", "section", "rich_text", "TextBlock", "FactSet", "mrkdwn", "header"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner | st.sampled_from(KINDS), max_size=5)
    ),
    max_leaves=25,
)


@examples(60)
@given(
    payload=st.dictionaries(st.sampled_from(["blocks", "attachments", "@type", "type", "subject"]), JSON),
    title=st.text(),
)
def test_any_payload_is_drawn_in_a_box_and_nothing_raises(payload: dict[str, Any], title: str) -> None:
    lines = draw(payload, title=title, width=60).split("\n")
    assert {cells(line) for line in lines} == {60}
    assert not any(unicodedata.category(char) in ("Cc", "Cf") for line in lines for char in line)


@examples(200)
@given(text=st.text(max_size=200), width=st.integers(min_value=4, max_value=40))
def test_folded_text_keeps_its_characters_and_fits(text: str, width: int) -> None:
    clean = printable(text)
    folded = fold(clean, width)
    assert all(cells(line) <= width for line in folded)
    assert "".join("".join(folded).split()) == "".join(clean.split())


FOLDS = {
    "words": ("the quick brown fox", 10, ["the quick", "brown fox"]),
    "a long word is chopped": ("ab abcdefghijkl", 5, ["ab", "abcde", "fghij", "kl"]),
    "Japanese breaks anywhere": ("値 吾輩は猫である", 10, ["値 吾輩は", "猫である"]),
    "two cells do not fit into one": ("吾輩は", 5, ["吾輩", "は"]),
    "nothing": ("", 5, [""]),
}


@pytest.mark.parametrize(("text", "width", "lines"), FOLDS.values(), ids=FOLDS.keys())
def test_text_is_folded_at_the_width(text: str, width: int, lines: list[str]) -> None:
    assert fold(text, width) == lines


def test_a_title_that_is_too_long_is_clipped_in_cells() -> None:
    assert clip("山田太郎山田", 7) == "山田太…"
    assert clip("short", 7) == "short"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tools() -> Tools:
    aws = Aws()
    return Tools(secrets=Secrets(aws, FakeClock()), aws=aws)


def post(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, **own: Any) -> Any:
    monkeypatch.setattr(sys, "stdout", stream)
    return ConsoleSender(ConsoleSender.Settings(**own), tools()).send(
        {"subject": "hello", "text": "there"}, timeout=8.0
    )


COLOURS: dict[str, Any] = {
    "a terminal": (Terminal, {"TERM": "xterm"}, True),
    "a pipe": (io.StringIO, {"TERM": "xterm"}, False),
    "NO_COLOR": (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, False),
    "a dumb terminal": (Terminal, {"TERM": "dumb"}, False),
}


@pytest.mark.parametrize(("stream", "environment", "colourful"), COLOURS.values(), ids=COLOURS.keys())
def test_colour_is_for_terminals_only(
    stream: type[io.StringIO], environment: dict[str, str], colourful: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    written = stream()
    assert post(written, monkeypatch).outcome is Outcome.SENT
    assert ("\x1b[1mhello\x1b[0m" in written.getvalue()) is colourful
    assert ("\x1b" in written.getvalue()) is colourful
    assert is_colourful(written) is colourful


def test_the_box_is_as_wide_as_the_terminal_up_to_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = {}
    for columns in ("20", "60", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        widths[columns] = terminal_width()
    monkeypatch.delenv("COLUMNS")
    assert widths == {"20": 32, "60": 60, "120": 100}


def test_a_width_of_its_own_beats_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    post(written, monkeypatch, width=40, title="ops")
    assert written.getvalue().startswith("╭─ ops · e-mail " + "─" * 23 + "╮\n")


def test_a_width_in_which_no_card_fits_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="width is 12, and a card needs 32 columns"):
        ConsoleSender.Settings(width=12)


def test_an_output_that_is_gone_took_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = io.StringIO()
    gone.close()
    verdict = post(gone, monkeypatch)
    assert (verdict.outcome, verdict.reason) == (Outcome.AGAIN, "standard output can't be written: ValueError")


def test_a_terminal_without_these_characters_shows_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", written)
    sender = ConsoleSender(ConsoleSender.Settings(), tools())
    assert sender.send({"subject": "山田 in", "text": ""}, timeout=8.0).outcome is Outcome.SENT
    written.seek(0)
    assert "? ?? in" in written.read()


class Slow(io.StringIO):
    """Takes every text in two halves, and lets others in between."""

    def write(self, text: str) -> int:
        half = len(text) // 2
        super().write(text[:half])
        time.sleep(0.001)
        return half + super().write(text[half:])


def test_boxes_of_destinations_told_side_by_side_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Slow()
    monkeypatch.setattr(sys, "stdout", written)
    sender = ConsoleSender(ConsoleSender.Settings(width=40), tools())
    payload = {"subject": "one", "text": "\n".join("abc")}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sender.send(payload, timeout=8.0), range(50)))
    box = draw(payload, width=40) + "\n"
    assert written.getvalue() == box * 50
