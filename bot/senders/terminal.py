"""Text for a terminal: made harmless, measured in cells, folded to a width, put in a box.

A terminal obeys what is printed on it, so untrusted text passes `printable` first. East Asian characters take two
cells; the standard library knows which.
"""

import unicodedata
from collections.abc import Iterator, Sequence

_REFUSED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories that draw nothing: escape sequences, text direction, zero width, unassigned."""

_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
"""They ask for another width of the character before them, and terminals disagree about it."""


def printable(text: str) -> str:
    """`text` as one line that can only be read: controls, bidi overrides and invisible characters are gone."""
    spaced = "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFC", text))
    return "".join(char for char in spaced if _draws(char)).strip()


def cells(text: str) -> int:
    """The columns that printable `text` takes."""
    return sum(_cells(char) for char in text)


def pad(text: str, width: int) -> str:
    """`text` with spaces behind it, up to `width` cells."""
    return text + " " * (width - cells(text))


def fold(text: str, width: int) -> list[str]:
    """Printable `text` as lines of at most `width` cells (≥ 2), broken at spaces where there are any."""
    if cells(text) <= width:
        return [text]
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cells(joined) <= width:
            lines[-1] = joined
            continue
        if _breaks_anywhere(word):
            word = joined  # noqa: PLW2901 - Japanese goes on behind what stands there
            lines.pop()
        elif not lines[-1]:
            lines.pop()
        lines.extend(_chopped(word, width))
    return lines


def box(lines: Sequence[str], widths: Sequence[int], *, title: str, width: int) -> Iterator[str]:
    """`lines` (already folded; `widths` are their cells without colour) in a frame `width` cells wide."""
    inside = width - 4
    head = f" {clip(title, inside - 2)} " if title else ""
    yield f"╭─{head}{'─' * (width - 3 - cells(head))}╮"
    for line, used in zip(lines, widths, strict=True):
        yield f"│ {line}{' ' * (inside - used)} │"
    yield f"╰{'─' * (width - 2)}╯"


def clip(text: str, width: int) -> str:
    """Printable `text`, cut with an ellipsis where it takes more than `width` cells."""
    return text if cells(text) <= width else next(_chopped(text, width - 1)) + "…"


def _draws(char: str) -> bool:
    return unicodedata.category(char) not in _REFUSED and ord(char) not in _VARIATION_SELECTORS


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _breaks_anywhere(word: str) -> bool:
    return any(_cells(char) == 2 for char in word)


def _chopped(word: str, width: int) -> Iterator[str]:
    piece, used = "", 0
    for char in word:
        if used + _cells(char) > width:
            yield piece
            piece, used = "", 0
        piece, used = piece + char, used + _cells(char)
    yield piece
