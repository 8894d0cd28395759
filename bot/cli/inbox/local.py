"""The bot as it runs behind the inbox: the function's own pipeline, on channels that post nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Event, Lock, Thread
from typing import Any

from bot.cli.inbox.bell import Bell
from bot.cli.inbox.channel import ANSWERS, TYPE
from bot.cli.inbox.compose import Acquaintances, Composed
from bot.cli.inbox.record import Record
from bot.cli.inbox.shelf import Shelf
from bot.cli.inbox.watch import RoutingFile
from bot.cli.show import Mistake
from bot.cli.wiring import tools
from bot.clock import Clock
from bot.config import Config, Destination
from bot.delivery import Told
from bot.events import Person
from bot.outbox.base import OutboxError
from bot.outbox.sqlite import SqliteOutbox
from bot.people import People
from bot.pipeline import Intake, Pipeline, Taken

TAKE_SECONDS = 30.0
TELL_SECONDS = 4.0
"""One round of telling: short, so that a channel with much to tell keeps no other waiting."""

LOOK_SECONDS = 0.4
IDLE_SECONDS = 1.0
BUSY_SECONDS = 0.05


class LocalBot:
    """Takes logins in, tells what is due, and follows the routing file. Everything may be called from any thread."""

    def __init__(self, *, routes: str, state: str, people: People, clock: Clock) -> None:
        """Raises ConfigError where the routing file is not good to begin with."""
        self.clock = clock
        self.file = RoutingFile(routes, clock.now)
        self.people = Acquaintances(people)
        self.outbox = SqliteOutbox(state, clock)
        self.shelf = Shelf(shelf_beside(state))
        self.bell = Bell()
        self.answers: dict[str, str] = {}
        self._wake = Event()
        self._stop = Event()
        self._taking = Lock()
        self._follow(self.file.config)

    def _follow(self, config: Config) -> None:
        """From now on, run on `config`: its destinations in their own form, language and pace, but posting nothing."""
        self.config = replace(
            config, destinations={name: self._here(each) for name, each in config.destinations.items()}
        )
        self.record = Record(self.shelf, self.config, self.outbox, self.clock)
        self._pipeline = Pipeline(
            config=self.config,
            people=self.people,
            outbox=self.outbox,
            clock=self.clock,
            tools=tools(self.config),
            on_told=self._told,
        )

    def _here(self, destination: Destination) -> Destination:
        name = destination.name
        settings = {"answer": lambda: self.answers.get(name, "takes")}
        return replace(destination, type=TYPE, settings=settings)

    def _told(self, told: Told) -> None:
        self.record.tell(told)
        self.bell.ring()

    def take(self, composed: Composed) -> list[dict[str, Any]]:
        """What became of each event, in order. Raises Mistake where nothing could be kept."""
        with self._taking:
            intake = self._take(composed.events, composed.people)
            before = self.shelf.known([taken.login.event_id for taken in intake.taken if taken.login])
            self.record.take(intake)
        self._wake.set()
        self.bell.ring()
        return [_became(taken, before) for taken in intake.taken]

    def _take(self, raws: Sequence[Any], people: Mapping[str, Person]) -> Intake:
        with self.people.introduced(people):
            intake = self._pipeline.take_in(raws, until=self.clock.now() + TAKE_SECONDS)
        if intake.unkept:
            raise Mistake(f"nothing could be kept: {intake.unkept}")
        return intake

    def refuse(self, reason: str) -> None:
        """Remember that something came in which could not even be read."""
        self.shelf.refuse(reason, self.clock.now())
        self.bell.ring()

    def answer(self, destination: str, answer: str) -> None:
        """From now on, let the channel answer so. Raises Mistake for what there is not."""
        if destination not in self.config.destinations or answer not in ANSWERS:
            raise Mistake(f"no destination {destination[:60]!r} that could answer {answer[:60]!r}")
        self.answers[destination] = answer
        self._wake.set()
        self.bell.ring()

    def tell(self) -> None:
        """One round: every card that is due."""
        self._pipeline.tell(until=self.clock.now() + TELL_SECONDS)

    def look(self) -> None:
        """Follow the routing file, where it changed and is good."""
        if not self.file.changed():
            return
        if not self.file.faults:
            self._follow(self.file.config)
            self._wake.set()
        self.bell.ring()

    def start(self) -> None:
        """Tell and look in the background until `close`."""
        for work in (self._keep_telling, self._keep_looking):
            Thread(target=work, daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        self.bell.close()

    def _keep_telling(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            self.tell()
            self._wake.wait(self._rest())

    def _rest(self) -> float:
        """Seconds until the next round, unless something wakes it."""
        try:
            due = self.outbox.next_due()
        except OutboxError:  # the page says so, since it can't read the outbox either
            return IDLE_SECONDS
        return IDLE_SECONDS if due is None else min(max(due - self.clock.now(), BUSY_SECONDS), IDLE_SECONDS)

    def _keep_looking(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()


def shelf_beside(state: str) -> str:
    """The inbox's own file, which `rm STATE*` takes away with the outbox."""
    return f"{state}.inbox"


def _became(taken: Taken, before: set[str]) -> dict[str, Any]:
    if taken.login is None or taken.decision is None:
        return {"became": "refused", "reason": taken.refused}
    hears = dict(taken.decision.why)
    kept = "known already" if taken.login.event_id in before else "kept"
    return {"became": kept if hears else "heard by nobody", "event_id": taken.login.event_id, "hears": hears}
