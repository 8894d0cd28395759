"""How a mistake in a routing file is worded: one line with its place, the culprit and the cure, and never a secret."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

Path = tuple[str | int, ...]
"""Where in the file: `("destinations", "eng-slack", "pace")`."""

_SECRET_SHAPES = re.compile(
    r"://|xox[a-z]-|xapp-|sig=|\b(AKIA|ASIA)[0-9A-Z]{12}|^(?!arn:)(?=.*[0-9])(?=.*[a-z])\S{41,}$", re.IGNORECASE
)
"""A URL, a Slack token, a Workflows signature, an AWS key, a long word with digits: not to be shown, whatever it is."""

LISTED = 12
"""More names than this help nobody."""

_PLAIN_WORD = re.compile(r"[\w./-]+")


@dataclass(frozen=True, slots=True)
class Mistake:
    line: int
    place: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (f"line {self.line}", self.place, self.text) if part)


class Mistakes:
    """What is wrong with one file so far. `lines` holds the line of every key path that stands in it."""

    def __init__(self) -> None:
        self.lines: Mapping[Path, int] = {}
        self._noted: list[tuple[Path, Mistake]] = []

    def __bool__(self) -> bool:
        return bool(self._noted)

    def note(self, path: Path, text: str, *, line: int | None = None) -> None:
        """Note `text` at `path`; the place of a key that is not there is what it is missing from, line 1 at last."""
        there = path
        while there and there not in self.lines and line is None:
            there = there[:-1]
        self._noted.append((path, Mistake(line or self.lines.get(there, 1), shown(there), text)))

    def explain(self, error: ValidationError, path: Path, say: Callable[[Path, str, str], str]) -> None:
        """Note what pydantic found at `path`, in this house's words; `say(place, kind, words)` may know better ones."""
        for detail in error.errors(include_url=False):
            place = (*path, *detail["loc"])
            if place[-1:] == ("[key]",) and detail["type"] != "extra_forbidden":  # pydantic's way to blame a name
                place = place[:-1]
            if not self.touch(place):
                self.note(place, say(place, detail["type"], _sentence(detail)))

    def touch(self, path: Path) -> bool:
        """Whether something is already noted at `path` itself."""
        return any(noted == path for noted, _ in self._noted)

    def below(self, path: Path) -> bool:
        """Whether something is noted at `path` or anywhere in it."""
        return any(noted[: len(path)] == path for noted, _ in self._noted)

    def in_order(self) -> tuple[str, ...]:
        """Every mistake as its line of text, top of the file first, each said once."""
        ordered = sorted((mistake for _, mistake in self._noted), key=lambda mistake: mistake.line)
        return tuple(dict.fromkeys(map(str, ordered)))


def shown(path: Path) -> str:
    """`("routes", 2, "notify")` → `routes[2].notify`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{quoted(part, bare=True)}" for part in path)
    return "".join(parts).removeprefix(".")


def quoted(text: str, *, bare: bool = False) -> str:
    """`text` in quotes, or what it seems to be where it might be a secret. `bare` leaves plain words unquoted."""
    if _SECRET_SHAPES.search(text):
        return "(not shown, it may be a secret)"
    return text if bare and _PLAIN_WORD.fullmatch(text) else repr(text)


def looks_secret(value: object) -> bool:
    return isinstance(value, str) and _SECRET_SHAPES.search(value) is not None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"no {what} {quoted(name)}{did_you_mean(name, known)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something is close to `name`, else what there is, where that is short enough."""
    names = sorted(set(known))
    if close := closest(name, names):
        return f"; did you mean {quoted(close)}?"
    if not 0 < len(names) <= LISTED:
        return ""
    return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(quoted(name, bare=True) for name in names)}"


def closest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[found[0]] if found else None


_NO_TEXT = "must be text; put it in quotes"
_NO_KEYS = "must be keys with values, such as 'key: value'"
_NO_LIST = "must be a list, such as [one, two]"
_NO_WHOLE = "must be a whole number"
_NO_NUMBER = "must be a number"
_NO_TRUTH = "must be true or false"

_SENTENCES = {
    "string_type": _NO_TEXT,
    "bool_type": _NO_TRUTH,
    "bool_parsing": _NO_TRUTH,
    "int_type": _NO_WHOLE,
    "int_parsing": _NO_WHOLE,
    "int_from_float": _NO_WHOLE,
    "float_type": _NO_NUMBER,
    "float_parsing": _NO_NUMBER,
    "list_type": _NO_LIST,
    "tuple_type": _NO_LIST,
    "set_type": _NO_LIST,
    "frozen_set_type": _NO_LIST,
    "dict_type": _NO_KEYS,
    "mapping_type": _NO_KEYS,
    "model_type": _NO_KEYS,
    "dataclass_type": _NO_KEYS,
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "is empty; write it, or leave the key out",
    "string_too_long": "is longer than {max_length} characters",
    "too_short": "is an empty list; name at least one, or leave the key out",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
    "assertion_error": "{error}",
}


def _sentence(detail: Mapping[str, Any]) -> str:
    """One pydantic error as a sentence. What only a plugin's own annotations can raise keeps pydantic's words."""
    if detail["type"] == "missing":
        return f"{detail['loc'][-1]} is missing; write it"
    if (sentence := _SENTENCES.get(detail["type"])) is not None:
        return sentence.format(**detail.get("ctx", {}))
    return str(detail["msg"]).replace("Input should", "should")
