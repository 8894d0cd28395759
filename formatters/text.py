"""Untrusted text, made fit to be shown: `clean` first, then `cut`, and last the escape of the channel's own formatter.

What is taken out can't be seen but changes what is seen: control characters, direction overrides, zero-width
characters. A zero-width joiner stays only between two emoji, where taking it out would break 👩‍💻 into two people;
anywhere else it serves to make one name look like another. Right-to-left scripts are left as they are.
"""

import unicodedata
from itertools import takewhile

ELLIPSIS = "…"

_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by their category, nothing by their looks: fillers, inherent vowels, the empty Braille cell."""

_READ = 8
"""Characters read for each one shown: what is unseen takes room as well, but nobody is owed 10,000 of it."""

_LONGEST_CLUSTER = 32
"""A character with more than this many marks and joiners is cut inside: it is no writing, it is an attack."""


def clean(text: str) -> str:
    """One line of visible characters; any white space, line breaks too, becomes one space."""
    if not (text.isprintable() and _BLANKS.isdisjoint(text)):
        text = text.encode("utf-8", "replace").decode()
        text = "".join(_visible(text, at) for at in range(len(text)))
    return " ".join(text.split())


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` units, an ellipsis where it was cut; what looks like one character stays whole.

    Cut before you escape: half an escape is worse than none.
    """
    if units(text) <= limit:
        return text
    end = _fitting(text, limit - 1)
    start = end
    while start and end - start < _LONGEST_CLUSTER and _goes_on(text, start):
        start -= 1
    end = end if end - start >= _LONGEST_CLUSTER else start
    return text[:end].rstrip() + ELLIPSIS


def units(text: str) -> int:
    """Length in UTF-16 units: as Slack's and Teams' own JavaScript counts, so an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def show(text: str, limit: int) -> str:
    """Cleaned and cut: what may stand on a card, once it is escaped. Only so much is read as could be shown."""
    return cut(clean(text[: limit * _READ]), limit)


def _visible(text: str, at: int) -> str:
    """The character at `at`, a space, or nothing."""
    character = text[at]
    if character.isspace():
        return " "
    if character == _JOINER:
        return character if _joins_emoji(text, at) else ""
    if unicodedata.category(character) in ("Cc", "Cf", "Cs") or character in _BLANKS or _is_noncharacter(character):
        return ""
    return character


def _joins_emoji(text: str, at: int) -> bool:
    before = text[at - 1 : at] if at else ""
    after = text[at + 1 : at + 2]
    return bool(before and after) and (_is_emoji(before) or before == _EMOJI_STYLE) and _is_emoji(after)


def _is_emoji(character: str) -> bool:
    return unicodedata.category(character) == "So" or _is_skin_tone(character)


def _is_skin_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_noncharacter(character: str) -> bool:
    return "\ufdd0" <= character <= "\ufdef" or ord(character) & 0xFFFE == 0xFFFE


def _fitting(text: str, limit: int) -> int:
    """How many characters from the left fit into `limit` units."""
    used = 0
    for count, character in enumerate(text):
        used += 2 if character > "\uffff" else 1
        if used > limit:
            return count
    return len(text)


def _goes_on(text: str, at: int) -> bool:
    """Whether the character before `at` and the one at `at` are drawn as one."""
    if at >= len(text):
        return False
    before, character = text[at - 1], text[at]
    if unicodedata.category(character).startswith("M") or character == _JOINER or _is_skin_tone(character):
        return True
    if _is_flag_half(character):
        return len(list(takewhile(_is_flag_half, reversed(text[:at])))) % 2 == 1
    return before == _JOINER
