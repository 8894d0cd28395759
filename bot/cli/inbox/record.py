"""Writes down on the shelf what the bot takes in and tells, as it happens."""

from collections.abc import Callable, Iterator

from bot.cli import words
from bot.cli.inbox.shelf import Heard, Shelf, Shelved
from bot.clock import Clock
from bot.config import Config
from bot.delivery import Told
from bot.outbox.base import Outbox
from bot.pipeline import Intake, Taken
from bot.senders.base import Outcome
from formatters import formatter_class

FOLLOWED = {Outcome.AGAIN, Outcome.UNSURE}
"""After these a login is on a card again."""


class Record:
    """`config` is the one that the bot runs on; whoever changes that changes this."""

    def __init__(self, shelf: Shelf, config: Config, outbox: Outbox, clock: Clock) -> None:
        self.shelf = shelf
        self.config = config
        self._outbox = outbox
        self._clock = clock

    def take(self, intake: Intake) -> None:
        """Who hears of each login and why; each refusal."""
        self.shelf.hear(heard for taken in intake.taken for heard in self._heard(taken))
        for taken in intake.taken:
            if taken.refused:
                self.shelf.refuse(taken.refused, self._clock.now())

    def tell(self, told: Told) -> None:
        """A card and what became of it. One for a destination that the file does not name was never drawn."""
        destination = self.config.destinations.get(told.destination)
        if destination is None:
            return
        formatter = formatter_class(destination.formatter)
        weight = formatter().weigh(told.payload) if told.payload is not None else None
        self.shelf.hear(self._fallbacks(told))
        self.shelf.add(
            Shelved(
                destination=told.destination,
                kind=formatter.makes,
                told_at=self._clock.now(),
                outcome=told.verdict.outcome.value,
                reason=told.verdict.reason,
                until=self.next_turn(destination.pace.group) if told.verdict.outcome in FOLLOWED else None,
                event_ids=told.event_ids,
                payload=told.payload,
                used=weight.used if weight else None,
                room=weight.limit if weight else None,
                unit=weight.unit if weight else "",
            )
        )

    def next_turn(self, group: str) -> float:
        """When the group's next card may begin, in seconds since the epoch; infinity when nothing waits."""
        return self._outbox.waiting(group, limit=1).not_before

    def _heard(self, taken: Taken) -> Iterator[Heard]:
        if taken.login is None or taken.decision is None:
            return
        steps = {step.label: step for step in taken.decision.steps}
        for name, why in taken.decision.why.items():
            because = words.because(steps[why], taken.login, self.config) if why in steps else why
            yield Heard(
                destination=name, event_id=taken.login.event_id, who=words.brief(taken.login), why=why, because=because
            )

    def _fallbacks(self, told: Told) -> Iterator[Heard]:
        """What a fallback hears of is called `<event>@<destination>`, and was decided by no route."""
        for event_id in told.event_ids:
            event, _, other = event_id.rpartition("@")
            if other in self.config.destinations:
                why, because = f"fallback of {other}", f"{other} gave it up"
                yield Heard(
                    destination=told.destination, event_id=event_id, who=self.shelf.who(event), why=why, because=because
                )


def both(*listeners: Callable[[Told], None]) -> Callable[[Told], None]:
    """Several that hear of each card, in order."""

    def on_told(told: Told) -> None:
        for listener in listeners:
            listener(told)

    return on_told
