"""Keeps secrets out of what a provider said: whatever part of one it echoes, in every usual spelling, is blanked.

A provider may echo a webhook's path without its host, half a token, a signature percent-encoded once more, a header
in base64 or in hex. So a secret is not looked for whole: any six characters in a row that also stand in one of its
spellings go. Where they show only once a page's or JSON's escapes are undone, nothing of the text is left.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from html import unescape
from itertools import groupby
from operator import itemgetter
from string import ascii_lowercase, ascii_uppercase
from urllib.parse import quote, unquote

RUN = 6
"""Characters in a row that give a secret away. Fewer stand in every other word, and help nobody to guess the rest."""

BLANK = "…"

_PUBLISHED = re.compile(
    r"(?:/|%2F)(?:services|automations|workflows|triggers|manual|paths)(?=/|%2F)|/invoke\b|api-version"
)
"""What stands in every webhook's URL of Slack and Teams, so that `no_service` and `trigger` can still be read."""

_BETWEEN = re.compile(rf"{BLANK}(?:\S{{0,{RUN - 1}}}{BLANK})+")
"""What is left between two parts of a secret: an escape that none of its spellings has, such as `&amp;`, and shreds."""

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
"""A character as JSON and most languages escape it."""

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def hidden(text: str, secrets: Iterable[str]) -> str:
    """`text` without any part of `secrets`; all of it is blanked where one of them is too short to be found in parts.

    Takes time in proportion to the lengths of both, some 50 ms for 64 KB.
    """
    held = [secret for secret in secrets if secret]
    if not held:
        return text
    if any(len(secret) < RUN for secret in held):
        return BLANK if text.strip() else ""
    runs = {run for secret in held for form in _forms(secret) for run in _runs(form)}
    marks = bytearray(len(text))
    for at, run in enumerate(_runs(text)):
        if run in runs:
            marks[at : at + RUN] = b"x" * RUN
    parts = groupby(zip(text, marks, strict=True), key=itemgetter(1))
    shown = "".join(BLANK if mark else "".join(char for char, _ in part) for mark, part in parts)
    shown = _BETWEEN.sub(BLANK, shown)
    return BLANK if any(run in runs for plainer in _plainer(shown) for run in _runs(plainer)) else shown


def _plainer(text: str) -> Iterator[str]:
    """What the text says once its escapes are undone, where it has any."""
    unslashed = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), text)
    for plainer in (unquote(text), unescape(text), unslashed):
        if plainer != text:
            yield plainer


def _runs(text: str) -> Iterator[str]:
    """Every RUN characters in a row. Capitals count as small letters, and each character as itself: places stay."""
    folded = text.translate(_LOWER)
    return (folded[at : at + RUN] for at in range(len(folded) - RUN + 1))


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may be spelt: as it is, percent-encoded once more or no more, in base64 behind anything."""
    for piece in _PUBLISHED.split(secret):
        plain = unquote(piece)
        yield from {
            piece,
            plain,
            *(quote(each, safe, errors="replace") for each in (piece, plain) for safe in ("", "/")),
        }
    yield secret.encode("utf-8", "replace").hex()
    for ahead in range(3):  # three bytes become four characters: where they begin decides how they look
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(bytes(ahead) + secret.encode("utf-8", "replace")).decode().rstrip("=")
