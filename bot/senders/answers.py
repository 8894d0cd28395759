"""What an answer means: its status, its Retry-After, and its text made fit to be shown."""

import math
import time
import unicodedata
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime

from bot.senders.base import Verdict
from bot.senders.hiding import hidden
from bot.senders.wire import Answer

LONGEST_WAIT = 3600.0
"""A Retry-After is believed up to an hour: no provider asks for more, a broken one may."""

MOST_SHOWN = 100

TOO_MANY = 429

_PAYLOAD = frozenset({400, 413, 422})
_PASSING = frozenset({408, 421, 423, 425, TOO_MANY})


def verdict(service: str, answer: Answer, *, hide: Iterable[str] = (), text: str | None = None) -> Verdict:
    """The verdict on `answer` by its status alone; `hide` and `text` are `reason`'s."""
    said = reason(service, answer, hide=hide, text=text)
    status = answer.status
    if 200 <= status < 300:
        return Verdict.sent()
    if 300 <= status < 400:
        return Verdict.dead(f"{said} (a redirect, which is never followed)", blames="destination")
    if status in _PASSING or status >= 500:
        return Verdict.again(said, asked_wait(answer.headers), throttled=status == TOO_MANY)
    if status < 200:
        return Verdict.unsure(said)
    return Verdict.dead(said, blames="payload" if status in _PAYLOAD else "destination")


def reason(service: str, answer: Answer, *, hide: Iterable[str] = (), text: str | None = None) -> str:
    """One line for operators: the status, and what the provider said (or `text`, the part of it that matters).

    `hide` are the secrets that it may have echoed.
    """
    said = shown(answer.body if text is None else text, hide=hide)
    return f"{service} answered {answer.status}" + (f": {said}" if said else "")


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that Retry-After asks for, 0 to an hour; None where it asks for nothing that makes sense.

    Whole and fractional seconds, or an HTTP date, which is held against the answer's own Date where it has one.
    """
    text = (headers.get("retry-after") or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text, headers.get("date"))
    return None if math.isnan(seconds) or seconds < 0 else min(seconds, LONGEST_WAIT)


def shown(text: str, *, hide: Iterable[str] = ()) -> str:
    """Untrusted text on one short line: without control characters and without any part of a secret."""
    flat = "".join(" " if char.isspace() else char for char in text if char.isspace() or _visible(char))
    line = " ".join(hidden(flat, hide).split())
    return line if len(line) <= MOST_SHOWN else line[: MOST_SHOWN - 1] + "…"


def _visible(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def _until(text: str, date: str | None) -> float:
    """Seconds from now until an HTTP date; NaN when it is none. A date that is past asks for nothing."""
    then = _moment(text)
    now = _moment(date or "")
    return max(then - (time.time() if math.isnan(now) else now), 0.0) if not math.isnan(then) else math.nan


def _moment(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return math.nan
