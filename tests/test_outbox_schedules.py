"""Random schedules of several copies of the bot on one outbox: nothing is lost, nothing is said twice unnoticed.

Each copy goes wait → begin → send → settle, one step at a time, in any order with the others. It may die between any
two steps, be slower than its lease, and lose the answer of the store before or after the change took effect; a table
turns calls away. Meanwhile an operator holds destinations, releases them, and replays what was given up, there or
elsewhere. Two of the destinations share a pace.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import Phase
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bot.outbox.base import Card, Row, Turn
from bot.pace import Pace
from bot.senders.base import Outcome, Verdict
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.outbox_aws import Fault, FaultyAws, nearby, throttled
from tests.support.outbox_stores import STORES, make_row
from tests.support.outbox_table import SmallTable

Result = TypeVar("Result")
Key = tuple[str, str]  # destination, event id

GROUPS = {"slack": "slack", "teams-a": "teams-owner", "teams-b": "teams-owner"}
PACES = {
    "slack": Pace(messages=1, per=1.0, gap=0.0, group="slack"),
    "teams-owner": Pace(messages=2, per=10.0, gap=0.5, group="teams-owner"),
}
LEASE = 6.0
CALL_WAIT = 2.0

destinations = st.sampled_from(sorted(GROUPS))
delivery = st.tuples(destinations, st.integers(0, 3))
deliveries = st.lists(delivery, min_size=1, max_size=5)
storms = st.lists(delivery, min_size=6, max_size=10, unique=True)


@dataclass(frozen=True)
class Command:
    """What an operator asks for. What is replayed twice was asked for again, for want of an answer."""

    what: str
    dest: str
    to: str | None = None
    twice: bool = False


COMMANDS = [
    *(Command(what, name) for what in ("hold", "release", "release") for name in GROUPS),
    *(Command("replay", name, to, twice=name == to) for name in GROUPS for to in (None, *GROUPS)),
]


@dataclass(frozen=True)
class Step:
    """What an operator asks for, what one copy of the bot does then, and what the world does to it."""

    command: Command | None = None
    who: int = 0
    dies: bool = False  # and another copy takes its place
    choice: int = 0  # among the groups: first those that are due
    limit: int = 2
    answer: str = "given"  # or "lost before" or "lost after" the store made the change
    turned_away: int = 0  # which of the calls to the table is throttled
    send: tuple[bool, Verdict] = (True, Verdict.sent())  # whether the provider really took the card, and what it said
    hold: float = 0.0
    rest: float = 0.0  # how long the rows are on no card, when they were not taken
    in_place: bool = False  # whether the rows keep their place, when they were not taken
    takes: float = 0.0


answers = st.sampled_from(["given", "given", "given", "given", "given", "given", "lost before", "lost after"])
steps = st.builds(
    Step,
    command=st.sampled_from([*[None] * 60, *COMMANDS]),
    who=st.integers(0, 2),
    dies=st.sampled_from([False] * 9 + [True]),
    choice=st.integers(0, 1),
    limit=st.integers(1, 3),
    answer=answers,
    turned_away=st.sampled_from([0, 0, 1, 2, 3]),
    send=st.sampled_from(
        [
            (True, Verdict.sent()),
            (True, Verdict.unsure("read timeout")),
            (False, Verdict.unsure("reset by peer")),
            (False, Verdict.again("503")),
            (False, Verdict.again("429", throttled=True)),
            (False, Verdict.dead("400", "payload")),
            (False, Verdict.dead("404", "destination")),
            (False, Verdict.dead("410", "destination")),
        ]
    ),
    hold=st.sampled_from([0.0, 0.0, 1.0]),
    rest=st.sampled_from([0.0, 0.0, 2.0]),
    in_place=st.booleans(),
    takes=st.sampled_from([0.0, 0.0, 1.0, LEASE / 2, LEASE]),
)


@dataclass
class Copy:
    """One running copy of the bot: what it knows, so what it does next."""

    turn: Turn | None = None
    card: Card | None = None
    verdict: Verdict | None = None


@dataclass
class Truth:
    """What really happened, whatever anyone was told. A key is waiting, said, given up, or moved by a replay."""

    waiting: set[Key] = field(default_factory=set)
    said: set[Key] = field(default_factory=set)
    given_up: set[Key] = field(default_factory=set)
    moved: set[Key] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    received: Counter[Key] = field(default_factory=Counter)  # by the providers
    doubts: Counter[Key] = field(default_factory=Counter)  # that its row has now
    doubted: Counter[Key] = field(default_factory=Counter)  # that were ever recorded
    open_cards: dict[str, Card] = field(default_factory=dict)  # by group: begun, not settled
    posted: dict[str, list[float]] = field(default_factory=lambda: {group: [] for group in PACES})
    throttled: Counter[str] = field(default_factory=Counter)  # by group, since a card was taken
    holds: dict[str, float] = field(default_factory=dict)
    settles: dict[str, list[tuple[int, Verdict]]] = field(default_factory=dict)

    def doubt(self, rows: tuple[Row, ...]) -> None:
        self.doubts.update(keys(rows))
        self.doubted.update(keys(rows))

    def begun(self, card: Card) -> None:
        self.open_cards[card.group] = card
        self.posted[card.group].append(card.begun_at)

    def settled(self, card: Card, verdict: Verdict, now: float) -> None:
        """Its post was at any time from its beginning to its answer: the pace goes by the later one."""
        del self.open_cards[card.group]
        self.posted[card.group][-1] = now
        self.throttled[card.group] += verdict.throttled
        if verdict.outcome is Outcome.SENT:
            self.throttled[card.group] = 0
            self.said |= keys(card.rows)
        elif verdict.outcome is Outcome.DEAD:
            self.given_up |= keys(card.rows)
        elif verdict.outcome is Outcome.UNSURE:
            self.doubt(card.rows)
        self.waiting -= self.said | self.given_up

    def replayed(self, source: str, to: str) -> int:
        """Every letter of `source` goes `to` another destination, or waits for its own again. How many wait then."""
        before = len(self.waiting)
        for old in [old for old in self.given_up if old[0] == source]:
            new = (to, old[1])
            letters = {old, new} & self.given_up
            doubts = sum(self.doubts.pop(letter, 0) for letter in letters)
            self.given_up -= letters
            self.moved |= letters
            if new not in self.waiting | self.said:
                self.waiting.add(new)
                self.moved.discard(new)
                self.doubts[new] = doubts
        return len(self.waiting) - before


class Schedules(RuleBasedStateMachine):
    name: ClassVar[str]
    open_aws: ClassVar[Callable[[], FaultyAws]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = FakeClock()
        self.aws = type(self).open_aws()
        self.store = STORES[self.name](Path(self.folder.name), self.clock, self.aws)
        self.copies = [Copy(), Copy(), Copy()]
        self.truth = Truth()

    @initialize(delivered=storms)
    def a_storm_comes_in(self, delivered: list[tuple[str, int]]) -> None:
        self.events_come_in(delivered, "given")

    @rule(delivered=deliveries, answer=answers)
    def events_come_in(self, delivered: list[tuple[str, int]], answer: str) -> None:
        rows = [
            make_row(number, destination=name, group=GROUPS[name], kept_at=self.clock.now())
            for name, number in delivered
        ]
        new = perform(answer, lambda: self.store.keep(rows))
        if new is not None:
            coming = keys(rows) - self.truth.waiting - self.truth.said - self.truth.given_up
            if self.name != "sqlite":  # a table knows them, and a file keeps them as new: both are all right
                coming -= self.truth.moved
            assert new == len(coming)
            self.truth.waiting |= coming
            self.truth.moved -= coming

    @rule(steps=st.lists(steps, min_size=15, max_size=30))
    def the_copies_go_on(self, steps: list[Step]) -> None:
        for step in steps:
            if step.command is not None:
                self.obey(step.command)
            if step.dies:
                self.copies[step.who] = Copy()
            self.aws.fault = Fault(at=step.turned_away, how=throttled)
            self.go_on(self.copies[step.who], step)
            self.aws.fault = None
            self.clock.advance(step.takes)

    def obey(self, command: Command) -> None:
        if command.what == "hold":
            self.store.hold(command.dest, GROUPS[command.dest])
            self.truth.held.add(command.dest)
        elif command.what == "release":
            self.store.release(command.dest, GROUPS[command.dest])
            self.truth.held.discard(command.dest)
        elif self.truth.given_up:
            names = sorted({name for name, _ in self.truth.given_up})
            self.replay(command.dest if command.dest in names else names[0], command.to, twice=command.twice)

    def replay(self, dest: str, to: str | None, *, twice: bool) -> None:
        letters = [letter for letter in self.store.dead_letters() if letter.destination == dest]
        group = GROUPS[to or dest]
        assert self.store.replay(letters, to=to, group=group) == self.truth.replayed(dest, to or dest)
        if twice:
            self.store.replay(letters, to=to, group=group)

    def go_on(self, copy: Copy, step: Step) -> None:
        if copy.turn is None:
            self.wait(copy, step)
        elif copy.card is None:
            self.begin(copy, copy.turn, step)
        elif copy.verdict is None:
            self.send(copy, copy.card, step)
        else:
            self.settle(copy, copy.card, copy.verdict, step)

    def wait(self, copy: Copy, step: Step) -> None:
        now = self.clock.now()
        group = [*self.store.due(now), *sorted(PACES)][step.choice]
        turn = self.store.waiting(group, step.limit)
        assert turn.rows or group not in self.store.due(now), "seen to have nothing to begin, and yet due"
        assert turn.died or all(row.ready_at <= self.clock.now() for row in turn.rows), "on a card before it is ready"
        if turn.rows:
            (name,) = {row.destination for row in turn.rows}
            assert turn.died or name not in self.truth.held, "held, and yet its turn"
            assert all(row.doubts == self.truth.doubts[key(row)] for row in turn.rows)
            copy.turn = turn

    def begin(self, copy: Copy, turn: Turn, step: Step) -> None:
        if 0 < turn.not_before - self.clock.now() <= CALL_WAIT:
            self.clock.advance(turn.not_before - self.clock.now())
        rows = turn.rows if turn.died else turn.rows[: step.limit]
        card = perform(step.answer, lambda: self.store.begin(turn, rows, LEASE, PACES[turn.group]))
        copy.turn = None
        if card is None:
            return
        self.is_due(card)
        dead = self.truth.open_cards.get(card.group)
        if dead is not None:
            assert card.begun_at >= dead.lease_until, "two live cards in one group"
            assert keys(card.rows) == keys(dead.rows), "a dead card begun again with other rows"
            self.truth.doubt(card.rows)
        else:
            assert card.rows[0].destination not in self.truth.held, "begun while it is held"
        assert keys(card.rows) == keys(rows) <= self.truth.waiting
        assert all(row.doubts == self.truth.doubts[key(row)] for row in card.rows), "a doubt not on its row"
        assert card.throttled == self.truth.throttled[card.group]
        self.truth.begun(card)
        if step.answer == "given":
            copy.turn, copy.card = turn, card

    def is_due(self, card: Card) -> None:
        pace, posted = PACES[card.group], self.truth.posted[card.group]
        assert card.begun_at >= self.truth.holds.get(card.group, 0.0), "begun before its time"
        assert all(card.begun_at >= time + pace.gap for time in posted), "no gap between two posts"
        assert sum(card.begun_at < time + pace.per for time in posted) < pace.messages, "more posts than its pace"

    def send(self, copy: Copy, card: Card, step: Step) -> None:
        taken, copy.verdict = step.send
        if taken:
            self.truth.received.update(keys(card.rows))

    def settle(self, copy: Copy, card: Card, verdict: Verdict, step: Step) -> None:
        now = self.clock.now()
        not_before, ready_at = now + step.hold, now + step.rest
        settled = perform(
            step.answer,
            lambda: self.store.settle(card, verdict, not_before, ready_at=ready_at, in_place=step.in_place),
        )
        settles = self.truth.settles.setdefault(card.group, [])
        if settled is None:
            pass  # the store failed before it
        elif self.truth.open_cards.get(card.group) is card:
            assert settled
            self.truth.settled(card, verdict, now)
            self.truth.holds[card.group] = not_before
            settles.append((card.seq, verdict))
        elif settled:
            assert (card.seq, verdict) in settles, "yes, it says, and yet it wrote nothing"
        else:
            begun_since = card.group in self.truth.open_cards
            assert begun_since or (card.seq, verdict) != settles[-1], "no, it says, to what it did write"
        if step.answer == "given":
            copy.turn = copy.card = copy.verdict = None  # otherwise it asks again, or dies

    @invariant()
    def nothing_kept_is_lost(self) -> None:
        for place in self.store.status():
            name, truth = place.destination, self.truth
            assert (place.waiting, place.said, place.given_up, place.doubts, place.held) == (
                *(sum(each == name for each, _ in some) for some in (truth.waiting, truth.said, truth.given_up)),
                sum(doubts for (each, _), doubts in truth.doubts.items() if each == name),
                name in truth.held,
            )

    @invariant()
    def what_was_given_up_can_be_read_until_it_is_replayed(self) -> None:
        letters = [(letter.destination, letter.event_id) for letter in self.store.dead_letters()]
        assert sorted(letters) == sorted(self.truth.given_up)

    @invariant()
    def nothing_is_said_twice_without_a_recorded_doubt(self) -> None:
        for told, times in self.truth.received.items():
            assert times <= 1 + self.truth.doubted[told]

    def teardown(self) -> None:
        try:
            for name, group in GROUPS.items():
                self.store.release(name, group)
            self.truth.held.clear()
            self.tell_all_that_waits()
            self.nothing_kept_is_lost()
            self.what_was_given_up_can_be_read_until_it_is_replayed()
            self.nothing_is_said_twice_without_a_recorded_doubt()
            assert not self.truth.waiting
            assert self.truth.said <= self.truth.received.keys()
        finally:
            del self.store
            self.folder.cleanup()

    def tell_all_that_waits(self) -> None:
        """Every copy dies; one new copy with a healthy provider finishes, in no more rounds than there is to do."""
        for _ in range(2 * len(self.truth.waiting) + 2):
            soonest = self.store.next_due()
            if soonest is None:
                return
            self.clock.advance(max(0.0, soonest - self.clock.now()))
            for group in self.store.due(self.clock.now()):
                copy, turn, step = Copy(), self.store.waiting(group, 2), Step(hold=1.0)
                if not turn.rows:  # a store may name a group in vain, and then knows better
                    continue
                self.begin(copy, turn, step)
                assert copy.card is not None, "due, and yet it can't be begun"
                self.send(copy, copy.card, step)
                self.settle(copy, copy.card, Verdict.sent(), step)
        raise AssertionError(f"still waiting: {self.store.status()}")


def perform(answer: str, change: Callable[[], Result]) -> Result | None:
    """What the change came to, None where the store failed before it. "lost after": done, and nobody was told."""
    return None if answer == "lost before" else change()


def key(row: Row) -> Key:
    return row.destination, row.event_id


def keys(rows: tuple[Row, ...] | list[Row]) -> set[Key]:
    return {key(row) for row in rows}


EXAMPLES = {"sqlite": 20, "small table": 60, "dynamodb": 5}
"""moto costs a hundred times as much as the others."""


MARKS = {"sqlite": [pytest.mark.hypothesis], "small table": [pytest.mark.slow, pytest.mark.hypothesis]}
"""Those that a storm gives more examples."""


@pytest.mark.parametrize("store", [pytest.param(name, marks=MARKS.get(name, [pytest.mark.slow])) for name in STORES])
def test_no_schedule_loses_a_login_or_repeats_one_unnoticed(store: str) -> None:
    with nearby() as moto:
        open_aws = staticmethod(lambda: moto if store == "dynamodb" else FaultyAws(SmallTable()))
        run_state_machine_as_test(
            type(f"Schedules_{store}", (Schedules,), {"name": store, "open_aws": open_aws}),
            settings=examples(
                EXAMPLES[store],
                stateful_step_count=10,
                phases=[Phase.generate, Phase.shrink],  # explaining a failure would take minutes
                report_multiple_bugs=False,
            ),
        )
