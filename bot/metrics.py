"""What the bot counts and times, for CloudWatch: JSON lines in the embedded metric format, read out of the log.

A line holds the numbers of one set of dimensions, and nothing is called to write it. docs/metrics.md says what each
number means. There are names of destinations in it and no people, WorkSpaces or secrets.

Limits (CloudWatch user guide, "Specification: Embedded metric format"): 100 metrics a directive, 30 dimensions a set,
100 values a metric; a line is a log event of at most 1 MB (CloudWatch Logs API, PutLogEvents; 256 KB until 2025). The
longest line here has two lists of 100 values, some 3 KB.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import logs
from bot.delivery import Told
from bot.drawing import TOO_DOUBTFUL, TOO_OLD
from bot.outbox.base import DestinationStatus
from bot.pipeline import Intake, Taken
from bot.senders.base import Outcome, Verdict

log = logging.getLogger("bot.metrics")

NAMESPACE = "LoginBot"
ELSEWHERE = "login-bot"
"""The service's name where Lambda gives it none."""

COUNT, SECONDS = "Count", "Seconds"
UNITS = {
    "Logins": COUNT,
    "Refused": COUNT,
    "NotKept": COUNT,
    "Unrouted": COUNT,
    "LookUps": COUNT,
    "RoutesRefused": COUNT,
    "Cards": COUNT,
    "Digests": COUNT,
    "Verdicts": COUNT,
    "Doubts": COUNT,
    "GivenUp": COUNT,
    "Waiting": COUNT,
    "OldestWaitingSeconds": SECONDS,
    "AwsDelay": SECONDS,
    "BotDelay": SECONDS,
}
"""Every metric and its unit."""

MOST_VALUES = 100

Dimensions = tuple[tuple[str, str], ...]
Value = float | list[float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, or up to 100 of them, under the service alone or also under the dimensions `of`."""

    name: str
    value: Value
    of: Dimensions = ()


def service() -> str:
    """Whose numbers these are; empty where nobody reads them: on a laptop, unless METRICS=1."""
    return os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or (ELSEWHERE if os.environ.get("METRICS") == "1" else "")


def tell(service: str, figures: Iterable[Figure], now: float) -> None:
    """Write `figures` as lines, unless `service` is empty; then they are not even counted.

    Never raises: a number is worth no login.
    """
    if not service:
        return
    try:
        for document in documents(service, figures, now):
            logs.to_standard_output(json.dumps(document, separators=(",", ":")))
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("metrics not written", extra={"fields": {"reason": type(error).__name__}})


def documents(service: str, figures: Iterable[Figure], now: float) -> list[dict[str, Any]]:
    """`figures` as documents, one for each set of dimensions; a name that comes again there begins another one."""
    lots: dict[Dimensions, list[dict[str, Value]]] = {}
    for figure in figures:
        opened = lots.setdefault(figure.of, [])
        if not (free := [lot for lot in opened if figure.name not in lot]):
            opened.append({})
            free = opened[-1:]
        free[0][figure.name] = figure.value
    return [_document({"Service": service, **dict(of)}, lot, now) for of, opened in lots.items() for lot in opened]


def _document(dimensions: Mapping[str, str], values: Mapping[str, Value], now: float) -> dict[str, Any]:
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
    }
    known_as = {name: value.encode("ascii", "backslashreplace").decode() for name, value in dimensions.items()}
    return {"_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]}, **known_as, **values}


# what a call saw


def count(**numbers: int) -> Iterator[Figure]:
    """Numbers by the names of their metrics; a zero is not worth a line."""
    return (Figure(name, number) for name, number in numbers.items() if number)


def of_intake(intake: Intake) -> Iterator[Figure]:
    """What came in. Logins that could not be kept come again, and are counted as logins when they were."""
    taken = [each for each in intake.taken if each.login is not None]
    yield from count(Refused=len(intake.taken) - len(taken))
    if intake.unkept:
        yield from count(NotKept=len(taken))
        return
    yield from count(Logins=len(taken), Unrouted=sum(map(_is_unrouted, taken)))
    logins = [each.login for each in taken if each.login is not None]
    yield from _times("AwsDelay", [(login.emitted_at - login.logged_in_at).total_seconds() for login in logins])


def of_told(told: Sequence[Told]) -> Iterator[Figure]:
    """What went out, or did not. A verdict that could not be written is no end yet: that card is told again."""
    sent = [each for each in told if each.verdict.outcome is Outcome.SENT]
    yield from count(Cards=len(sent), Digests=sum(len(each.event_ids) > 1 for each in sent))
    for (destination, outcome), cards in Counter((each.destination, each.verdict.outcome) for each in told).items():
        yield Figure("Verdicts", cards, (("Destination", destination), ("Verdict", outcome.value)))
    yield from count(Doubts=sum(len(each.event_ids) * _doubts(each) for each in told))
    given_up: Counter[str] = Counter()
    for each in told:
        if each.verdict.outcome is Outcome.DEAD and each.settled:
            given_up[reason(each.verdict)] += len(each.event_ids)
    yield from count(GivenUp=given_up.total())
    yield from (Figure("GivenUp", logins, (("Reason", why),)) for why, logins in given_up.items())
    yield from _times("BotDelay", [seconds for each in sent for seconds in each.waited])


def of_waiting(rows: Iterable[DestinationStatus], now: float) -> Iterator[Figure]:
    """What waits, at a tick of the clock: in all, even if it is nothing, and for each destination where it is not."""
    waiting = [row for row in rows if row.waiting]
    ages = [now - row.oldest if row.oldest is not None else 0.0 for row in waiting]
    yield Figure("Logins", 0)  # nobody logged in, as against: nobody counts
    yield Figure("Waiting", sum(row.waiting for row in waiting))
    yield Figure("OldestWaitingSeconds", _age(max(ages, default=0.0)))
    for row, age in zip(waiting, ages, strict=True):
        of = (("Destination", row.destination),)
        yield from (Figure("Waiting", row.waiting, of), Figure("OldestWaitingSeconds", _age(age), of))


def reason(verdict: Verdict) -> str:
    """Why logins were given up, as one of a few words that a dimension may have."""
    if verdict.reason.startswith(TOO_OLD):
        return "too old"
    if verdict.reason.startswith(TOO_DOUBTFUL):
        return "doubts"
    return verdict.blames or "destination"


def _is_unrouted(taken: Taken) -> bool:
    """Whether nothing but the default speaks of the login's directory."""
    decision = taken.decision
    if decision is None or set(decision.why.values()) != {"default"}:
        return False
    return not any(step.label.startswith("directories.") for step in decision.steps)


def _doubts(told: Told) -> int:
    """How often a card came into doubt: begun by a copy of the bot that died, sent without an answer, or both."""
    return told.died + (told.verdict.outcome is Outcome.UNSURE)


def _times(name: str, seconds: Sequence[float]) -> Iterator[Figure]:
    for start in range(0, len(seconds), MOST_VALUES):
        yield Figure(name, [round(each, 3) for each in seconds[start : start + MOST_VALUES]])


def _age(seconds: float) -> float:
    return round(max(seconds, 0.0), 1)
