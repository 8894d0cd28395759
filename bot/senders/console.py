"""The terminal as a destination: draws the card that Slack, Teams or a mailbox would get, on standard output."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar, TextIO

from bot.senders import seen
from bot.senders.base import Tools, Verdict
from bot.senders.seen import Piece, Seen
from bot.senders.terminal import box, cells, fold, pad, printable

WIDEST = 100
"""Columns of a card at the most: longer lines are hard to read, however wide the terminal."""
NARROWEST = 32
WIDEST_LABEL = 22

_one_at_a_time = Lock()
"""Destinations are told side by side; their boxes come one after the other."""


class ConsoleSender:
    """Takes every kind of payload and needs no account: for trying a routing file out, and for `make run`."""

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        """`title` stands on the frame; `width` is in columns, 0 for the terminal's own."""

        title: str = ""
        width: int = 0

        def __post_init__(self) -> None:
            if self.width and self.width < NARROWEST:
                raise ValueError(
                    f"width is {self.width}, and a card needs {NARROWEST} columns; leave it out or widen it"
                )

    takes: ClassVar[frozenset[str]] = frozenset({"slack", "teams", "mail"})
    formatter: ClassVar[str] = "email"

    def __init__(self, settings: Settings, tools: Tools) -> None:  # noqa: ARG002 - every sender is made alike
        self._settings = settings

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:  # noqa: ARG002 - writing takes no time
        stream = sys.stdout
        try:
            drawn = draw(
                payload,
                title=self._settings.title,
                width=self._settings.width or terminal_width(),
                colour=is_colourful(stream),
            )
            with _one_at_a_time:
                stream.write(_sayable(drawn + "\n", stream))
                stream.flush()
        except (OSError, ValueError) as error:  # the pipe is closed, or the stream is
            return Verdict.again(f"standard output can't be written: {type(error).__name__}")
        return Verdict.sent()

    def refresh(self) -> None:
        """There is no secret to forget."""


def draw(payload: Mapping[str, Any], *, title: str = "", width: int = 80, colour: bool = False) -> str:
    """`payload` as a box of text. Untrusted text in it is made harmless; `colour` adds ANSI styles."""
    card = seen.read(payload)
    inside = max(width, NARROWEST) - 4
    lines = [line for piece in card.pieces for line in _lines(piece, _label_width(card), inside)]
    frame = box(
        [_styled(text, style, colour) for text, style in lines],
        [cells(text) for text, _ in lines],
        title=_title(title, card),
        width=inside + 4,
    )
    return "\n".join(frame)


def terminal_width() -> int:
    """Columns to draw in: the terminal's (or COLUMNS), 80 where there is none."""
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))


def is_colourful(stream: TextIO) -> bool:
    """Colour is for terminals, and only where nobody asked for none (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _sayable(text: str, stream: TextIO) -> str:
    """`text` with a question mark for what the terminal's encoding lacks: a card with gaps beats no card."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _title(title: str, card: Seen) -> str:
    return " · ".join(filter(None, (printable(title), card.channel)))


def _label_width(card: Seen) -> int:
    labels = [cells(printable(piece.label)) for piece in card.pieces if piece.role == "fact"]
    return min(max(labels, default=0), WIDEST_LABEL)


def _lines(piece: Piece, label_width: int, width: int) -> list[tuple[str, str]]:
    """A piece as (text, style) lines, each at most `width` cells."""
    match piece.role:
        case "rule":
            return [("─" * width, "faint")]
        case "fact":
            return [(line, "") for line in _fact(piece, label_width, width)]
        case "link":
            return [(line, "link") for line in fold(f"→ {printable(piece.label)}  {printable(piece.text)}", width)]
        case "raw":
            indent = min(len(piece.text) - len(piece.text.lstrip(" ")), width // 2)
            folded = fold(printable(piece.text), width - indent)
            return [(" " * indent + line, "") for line in folded]
        case role:
            paragraphs = map(printable, piece.text.split("\n"))
            return [(line, role) for paragraph in paragraphs for line in fold(paragraph, width)]


def _fact(piece: Piece, label_width: int, width: int) -> list[str]:
    label = fold(printable(piece.label), label_width)
    values = [printable(line) for line in piece.text.split("\n")]
    value = [line for each in values for line in fold(each, width - label_width - 2)]
    rows = max(len(label), len(value))
    label += [""] * (rows - len(label))
    value += [""] * (rows - len(value))
    return [f"{pad(left, label_width)}  {right}" for left, right in zip(label, value, strict=True)]


_STYLES = {"head": "1", "faint": "2", "link": "36"}


def _styled(text: str, style: str, colour: bool) -> str:  # noqa: FBT001 - decided once per card
    code = _STYLES.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
