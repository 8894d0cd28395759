"""What became of a run's logins: a line for each card as it is told, and the figures at the end."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TextIO

from rich.text import Text

from bot.cli import words
from bot.cli.reading import Found
from bot.cli.show import count, say, say_json
from bot.delivery import Told
from bot.events import Login
from bot.pipeline import Intake
from bot.senders.base import Outcome

ALREADY_SAID, ALREADY_KNOWN = "already said", "already known"
"""What is said of logins that came before: the second, where some of them may still wait or were given up."""

NAMED = 3
"""Logins of a digest that its line names."""

NAMES_KEPT = 10_000
"""Logins whose people a run remembers: more than wait at once, as a rule."""

_WORDS = {
    Outcome.SENT: ("sent", "green"),
    Outcome.AGAIN: ("again", "yellow"),
    Outcome.UNSURE: ("unsure", "yellow"),
    Outcome.DEAD: ("given up", "bold red"),
}


@dataclass(kw_only=True)
class Tally:
    """What became of a run's logins, said as it happens. Cards are told side by side, hence the lock."""

    as_json: bool = False
    to: TextIO = field(default_factory=lambda: sys.stdout)
    already: str = ALREADY_SAID
    logins: int = 0
    new: int = 0
    known: int = 0
    told: Counter[Outcome] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    who: dict[str, str] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    def take(self, batch: list[Found], intake: Intake) -> None:
        for found, taken in zip(batch, intake.taken, strict=True):
            if taken.login is None:
                self._refuse(found.place, found.broken or taken.refused)
            else:
                self.logins += 1
                self._remember(taken.login)
        self.new += intake.new
        self.known += intake.rows - intake.new

    def tell(self, told: Told) -> None:
        with self._lock:
            self.told[told.verdict.outcome] += len(told.event_ids)
            if self.as_json:
                say_json(_as_json(told), indent=None, to=self.to)
            else:
                say_told(told, self.who)

    @property
    def ended(self) -> int:
        """Logins that wait no more, each counted for every destination."""
        return self.told[Outcome.SENT] + self.told[Outcome.DEAD]

    def say_summary(self, waiting: int) -> None:
        if self.as_json:
            figures = {name.replace(" ", "_"): number for name, number in self._figures(waiting).items()}
            say_json({"summary": figures}, indent=None, to=self.to)
            return
        told = ", ".join(f"{number:,} {name}" for name, number in self._figures(waiting).items() if name != "logins")
        say(Text(count(self.logins, "login"), style="bold"), f": {told}")
        for reason, times in self.refused.most_common():
            say(Text(f"{times:,} refused: ", style="bold red"), reason)

    def _figures(self, waiting: int) -> dict[str, int]:
        return {
            "logins": self.logins,
            "sent": self.told[Outcome.SENT],
            self.already: self.known,
            "waiting": waiting,
            "given up": self.told[Outcome.DEAD],
            "refused": self.refused.total(),
        }

    def _remember(self, login: Login) -> None:
        """Who an event is about, for the lines to come; in a run without an end the oldest are named by their ids."""
        self.who[login.event_id] = f"{words.who(login)} · {words.directory(login)}"
        if len(self.who) > NAMES_KEPT:
            del self.who[next(iter(self.who))]

    def _refuse(self, place: str, reason: str) -> None:
        self.refused[reason] += 1
        if self.as_json:
            say_json({"refused": place, "reason": reason}, indent=None, to=self.to)
        else:
            say(Text("refused   ", style="bold red"), f"{place}  {reason}")


def say_told(told: Told, who: Mapping[str, str] | None = None) -> None:
    """One line for one card: what became of it, where, for whom, and why."""
    text, style = _WORDS[told.verdict.outcome]
    names = _names(told.event_ids, who or {})
    reason = f"  {told.verdict.reason}" if told.verdict.reason else ""
    unsettled = "" if told.settled else "  (the verdict could not be written: it will be said again)"
    line = f"{told.destination}  {names}{reason}{unsettled}  "
    say(Text(f"{text:<10}", style=style), line, Text(f"{told.milliseconds:,.0f} ms", style="dim"))


def _names(event_ids: Sequence[str], who: Mapping[str, str]) -> str:
    """Everybody on a card; of a digest the first few."""
    some = event_ids if len(event_ids) <= NAMED else event_ids[:NAMED]
    # what a fallback hears of is called `<event>@<destination>`
    names = ", ".join(who.get(each) or who.get(each.rpartition("@")[0], each) for each in some)
    more = len(event_ids) - len(some)
    return f"{count(len(event_ids), 'login')}: {names} and {more:,} more" if more else names


def _as_json(told: Told) -> dict[str, Any]:
    return {
        "destination": told.destination,
        "event_ids": told.event_ids,
        "outcome": told.verdict.outcome.value,
        "reason": told.verdict.reason,
        "milliseconds": told.milliseconds,
        "settled": told.settled,
    }
