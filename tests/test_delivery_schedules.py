"""Random schedules of whole copies of the bot: whatever providers, tables and operators do, each login ends told once.

The pipeline and the stores are real. `it` and `ops` share a pace; what `it` can't
be told, `ops` hears of. Every verdict comes: also a card that is refused because of one login on it, a 429 with a time
and without one, a copy that dies while it posts, and one so slow that another tells its card meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given

from bot.aws import Aws
from bot.config import Config, Destination, Digest
from bot.delivery import LEASE, Told
from bot.events import Login
from bot.outbox.base import Card, OutboxError, Row, Turn
from bot.pace import Pace
from bot.pipeline import Pipeline
from bot.routing import Routing
from bot.secrets import Secrets
from bot.senders.base import Tools, Verdict
from formatters.base import Audience, Payload, Weight
from tests.support.bots import KnownPeople, event_of
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.outbox_aws import Died, FaultyAws
from tests.support.outbox_stores import STORES, Store
from tests.support.outbox_table import SmallTable

OWNER = Pace(messages=3, per=20.0, gap=0.5, group="owner")
PACES = {"audit": Pace(messages=1, per=1.0, gap=0.0, group="audit"), "it": OWNER, "ops": OWNER}
FALLBACKS = {"it": "ops"}
CALL_SECONDS = 10.0
POISON = "400 invalid_payload"
ANSWERS: dict[str, tuple[bool, Verdict | None]] = {  # whether the card is really taken, and what is heard of it
    "sent": (True, Verdict.sent()),
    "refused": (False, Verdict.again("503")),
    "too many": (False, Verdict.again("429", throttled=True)),
    "too many for a while": (False, Verdict.again("429", after=5.0, throttled=True)),
    "no answer": (True, Verdict.unsure("read timeout")),
    "broke off": (False, Verdict.unsure("reset by peer")),
    "gone": (False, Verdict.dead("404 no_service", "destination")),
    "raises": (True, None),
    "dies before": (False, None),
    "dies after": (True, None),
    "slow": (True, Verdict.sent()),
}

Key = tuple[str, str]  # destination, event id; and by whom it was given up, after an @


@dataclass(frozen=True)
class Step:
    """What befalls the bot during one call of one of its copies."""

    who: int
    events: tuple[int, ...]
    command: tuple[str, str]  # of an operator, to a destination
    answers: tuple[str, ...]  # to the next posts; those after them are taken
    trouble: tuple[str, str, int]  # a method of the outbox that fails, before or after its change, and how often
    rest: float


names = st.sampled_from(sorted(PACES))
steps = st.builds(
    Step,
    who=st.integers(0, 1),
    events=st.lists(st.integers(0, 15), max_size=8).map(tuple),
    command=st.tuples(st.sampled_from(["", "", "", "hold", "release", "release", "replay"]), names),
    answers=st.lists(st.sampled_from(sorted(ANSWERS)), max_size=5).map(tuple),
    trouble=st.tuples(
        st.sampled_from(["", "", "", "keep", "waiting", "begin", "settle"]),
        st.sampled_from(["before", "after"]),
        st.sampled_from([1, 3]),
    ),
    rest=st.sampled_from([0.0, 1.0, 10.0, LEASE, 300.0]),
)


class World:
    """Two copies of the bot on one outbox, and the truth of what their providers took."""

    def __init__(self, folder: Path, store: str, poison: frozenset[str]) -> None:
        self.clock = FakeClock()
        self.store: Store = STORES[store](folder, self.clock, FaultyAws(SmallTable()))
        self.poison = poison
        self.copies = [self.copy(), self.copy()]
        self.posting = 0  # which of them
        self.answers: list[str] = []
        self.trouble = ("", "", 0)
        self.kept: set[Key] = set()
        self.unkept: set[int] = set()
        self.taken: Counter[Key] = Counter()
        self.held: set[str] = set()
        self.begun: dict[str, list[float]] = {"audit": [], "owner": []}
        self.quiet_until = {"audit": 0.0, "owner": 0.0}  # after a 429
        self.on_card: dict[Key, Row] = {}
        self.wrong: list[str] = []  # the bot survives whatever is raised while it tells

    def copy(self) -> Pipeline:
        tools = Tools(secrets=Secrets(Aws(), self.clock), aws=Aws())
        return Pipeline(
            config=self.config(),
            people=KnownPeople(self.clock),
            outbox=Watched(self),
            clock=self.clock,
            tools=tools,
            side_by_side=one_by_one,
        )

    def config(self) -> Config:
        destinations = {
            name: Destination(
                name=name,
                type="tests.test_delivery_schedules:WorldSender",
                settings={"world": self, "name": name},
                formatter="tests.test_delivery_schedules:KeysFormatter",
                pace=pace,
                digest=Digest(over=2),
                give_up_after=900.0,
                fallback=FALLBACKS.get(name),
            )
            for name, pace in PACES.items()
        }
        return Config(source="a test", routing=Routing(default=tuple(destinations)), destinations=destinations)

    def go(self, step: Step) -> None:
        self.obey(*step.command)
        self.answers, self.trouble, self.posting = list(step.answers), step.trouble, step.who
        self.take_in(step.who, step.events)
        self.tell(step.who)
        self.answers, self.trouble = [], ("", "", 0)
        self.clock.advance(step.rest)

    def obey(self, what: str, name: str) -> None:
        group = PACES[name].group
        if what == "hold":
            self.store.hold(name, group)
            self.held.add(name)
        elif what == "release":
            self.store.release(name, group)
            self.held.discard(name)
        elif what == "replay":
            letters = [letter for letter in self.store.dead_letters() if letter.destination == name]
            assert self.store.replay(letters, to=None, group=group) == len(letters)

    def take_in(self, who: int, numbers: Sequence[int]) -> None:
        intake = self.copies[who].take_in([event_of(number) for number in numbers], until=self.clock.now() + 20.0)
        if intake.unkept:
            self.unkept.update(numbers)
        else:
            self.unkept.difference_update(numbers)
            assert {(name, f"event-{number}") for name in PACES for number in numbers} <= self.kept

    def tell(self, who: int) -> None:
        try:
            self.copies[who].tell(until=self.clock.now() + CALL_SECONDS)
        except Died:
            self.copies[who] = self.copy()

    def post(self, name: str, keys: Sequence[Key]) -> Verdict:
        """What a provider does."""
        if not self.poison.isdisjoint(event_id.partition("@")[0] for _, event_id in keys):
            return Verdict.dead(POISON, "payload")
        answer = self.answers.pop(0) if self.answers else "sent"
        taken, verdict = ANSWERS[answer]
        if taken:
            self.take(keys)
        if answer == "slow":
            self.clock.advance(LEASE)
            self.posting = 1 - self.posting
            self.tell(self.posting)
            self.posting = 1 - self.posting
        if verdict is None:
            raise RuntimeError if answer == "raises" else Died
        if verdict.throttled:
            self.quiet_until[PACES[name].group] = self.clock.now() + (verdict.after or 1.0)
        return verdict

    def take(self, keys: Sequence[Key]) -> None:
        for key in keys:
            self.taken[key] += 1
            if self.taken[key] > 1 + self.on_card[key].doubts:
                self.wrong.append(f"{key} told {self.taken[key]} times with {self.on_card[key].doubts} doubts")

    def begins(self, turn: Turn, card: Card) -> None:
        pace, begun = card.pace, self.begun[card.group]
        self.on_card |= {(row.destination, row.event_id): row for row in card.rows}
        wrongs = {
            "begun while it is held": not turn.died and card.rows[0].destination in self.held,
            "no gap between two posts": bool(begun) and card.begun_at < begun[-1] + pace.gap,
            "more posts than its pace": sum(card.begun_at < time + pace.per for time in begun) >= pace.messages,
            "begun into a 429": card.begun_at < self.quiet_until[card.group],
        }
        self.wrong += [what for what, is_so in wrongs.items() if is_so]
        begun.append(card.begun_at)

    def everything_is_somewhere(self) -> None:
        assert self.wrong == []
        letters = list(self.store.dead_letters())
        assert all(letter.reason for letter in letters)
        for place in self.store.status():
            kept = sum(name == place.destination for name, _ in self.kept)
            assert place.waiting + place.said + place.given_up == kept
            assert place.given_up == sum(letter.destination == place.destination for letter in letters)
            assert place.held == (place.destination in self.held)
        assert sum(place.doubts for place in self.store.status()) >= sum(times - 1 for times in self.taken.values())
        given_up = {(letter.destination, letter.event_id) for letter in letters}
        assert {(FALLBACKS[name], f"{id_}@{name}") for name, id_ in given_up if name in FALLBACKS} <= self.kept
        refused = {letter.event_id.partition("@")[0] for letter in letters if letter.reason == POISON}
        assert refused <= self.poison, "given up for another login's sake"

    def finish(self) -> None:
        """The providers are well again, nothing is held, and what went back to the queue comes again."""
        for name in PACES:
            self.obey("release", name)
        self.take_in(0, sorted(self.unkept))
        for _ in range(100):
            soonest = self.store.next_due()
            if soonest is None:
                break
            self.clock.advance(max(0.0, soonest - self.clock.now()))
            self.tell(0)
        self.everything_is_somewhere()
        given_up = {(letter.destination, letter.event_id) for letter in self.store.dead_letters()}
        assert self.kept == self.taken.keys() | given_up
        assert all(place.waiting == 0 for place in self.store.status())


class Watched:
    """The outbox as the copies have it: it may fail, and each beginning is looked at."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*asked: Any, **how: Any) -> Any:
            failing, when, times = self._world.trouble
            fails = method == failing and times > 0
            if fails:
                self._world.trouble = (failing, when, times - 1)
            if fails and when == "before":
                raise OutboxError("the store did not answer")
            answer = getattr(self._world.store, method)(*asked, **how)
            self._note(method, asked, answer)
            if fails:
                raise OutboxError("the store's answer was lost")
            return answer

        return call

    def _note(self, method: str, asked: tuple[Any, ...], answer: Any) -> None:
        if method == "keep":
            self._world.kept |= {(row.destination, row.event_id) for row in asked[0]}
        elif method == "begin" and answer is not None:
            self._world.begins(asked[0], answer)


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    world: World
    name: str


class WorldSender:
    Settings: ClassVar[type[Any]] = WorldSettings
    takes: ClassVar[frozenset[str]] = frozenset({"keys"})
    formatter: ClassVar[str] = "tests.test_delivery_schedules:KeysFormatter"

    def __init__(self, settings: WorldSettings, tools: Tools) -> None:
        self._world, self._name = settings.world, settings.name

    def send(self, payload: Mapping[str, Any], *, timeout: float) -> Verdict:
        return self._world.post(self._name, [(self._name, event_id) for event_id in payload["event_ids"]])

    def refresh(self) -> None:
        """What is gone stays so, whatever the secret says."""
        self._world.answers.insert(0, "gone")


class KeysFormatter:
    makes: ClassVar[str] = "keys"

    def draw(self, logins: Sequence[Login], audience: Audience) -> Payload:
        return {"event_ids": [event_id_of(login) for login in logins]}

    def weigh(self, payload: Payload) -> Weight:
        return Weight(len(payload["event_ids"]), 6, "logins")


def event_id_of(login: Login) -> str:
    """As in the outbox, where a fallback's logins are apart from those that it hears of anyway."""
    return f"{login.event_id}@{login.given_up_by}" if login.given_up_by else login.event_id


def one_by_one(tell: Callable[[str], list[Told]], groups: Sequence[str]) -> list[list[Told]]:
    return [tell(group) for group in groups]


EXAMPLES = {"sqlite": 15, "small table": 40}
SLOW = {"small table": [pytest.mark.slow]}


@pytest.mark.hypothesis
@pytest.mark.parametrize("store", [pytest.param(name, marks=SLOW.get(name, [])) for name in EXAMPLES])
def test_every_login_ends_told_once_or_given_up_with_its_reason(store: str) -> None:
    @examples(EXAMPLES[store], phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False)
    @given(
        steps=st.lists(steps, min_size=8, max_size=20),
        poison=st.sampled_from([frozenset(), frozenset({"event-3"}), frozenset({"event-3", "event-9"})]),
    )
    def hold(steps: list[Step], poison: frozenset[str]) -> None:
        with TemporaryDirectory() as folder:
            world = World(Path(folder), store, poison)
            for step in steps:
                world.go(step)
                world.everything_is_somewhere()
            world.finish()

    hold()
