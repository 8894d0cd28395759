"""Random schedules of several copies of the bot on one outbox: nothing is lost, nothing is said twice unnoticed.

Each copy goes wait → begin → send → settle, one step at a time, in any order with the others. It may die between any
two steps, be slower than its lease, and lose the answer of the store before or after the change took effect.
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

from bot.aws import Aws
from bot.outbox.base import Card, Row, Turn
from bot.senders.base import Outcome, Verdict
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.outbox_aws import FaultyAws, nearby
from tests.support.outbox_stores import FREE, STORES, make_row
from tests.support.outbox_table import SmallTable

Result = TypeVar("Result")
Key = tuple[str, str]  # destination, event id

GROUPS = {"slack": "slack", "teams-a": "teams-owner", "teams-b": "teams-owner"}
LEASE = 30.0

delivery = st.tuples(st.sampled_from(sorted(GROUPS)), st.integers(0, 7))
deliveries = st.lists(delivery, min_size=1, max_size=5)
storms = st.lists(delivery, min_size=8, max_size=16, unique=True)


@dataclass(frozen=True)
class Step:
    """What one copy of the bot does next, and what the world does to it then."""

    who: int = 0
    choice: int = 0  # among the groups: first those that are due
    limit: int = 2
    answer: str = "given"  # or "lost before" or "lost after" the store made the change
    send: tuple[bool, Verdict] = (True, Verdict.sent())  # whether the provider really took the card, and what it said
    hold: float = 0.0
    rest: float = 0.0  # how long the rows are on no card, when they were not taken
    in_place: bool = False  # whether the rows keep their place, when they were not taken
    takes: float = 0.0


copies = st.integers(0, 2)
answers = st.sampled_from(["given", "given", "given", "lost before", "lost after"])
steps = st.builds(
    Step,
    who=copies,
    choice=st.integers(0, 1),
    limit=st.integers(1, 3),
    answer=answers,
    send=st.sampled_from(
        [
            (True, Verdict.sent()),
            (True, Verdict.unsure("read timeout")),
            (False, Verdict.unsure("reset by peer")),
            (False, Verdict.again("429", after=1)),
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
    """What really happened, whatever anyone was told."""

    kept: set[Key] = field(default_factory=set)
    said: set[Key] = field(default_factory=set)
    given_up: set[Key] = field(default_factory=set)
    received: Counter[Key] = field(default_factory=Counter)  # by the providers
    doubts: Counter[Key] = field(default_factory=Counter)
    open_cards: dict[str, Card] = field(default_factory=dict)  # by group: begun, not settled
    holds: dict[str, float] = field(default_factory=dict)
    settles: dict[str, list[tuple[int, Verdict]]] = field(default_factory=dict)


class Schedules(RuleBasedStateMachine):
    name: ClassVar[str]
    aws: ClassVar[Callable[[], Aws]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = FakeClock()
        self.store = STORES[self.name](Path(self.folder.name), self.clock, type(self).aws())
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
            before = len(self.truth.kept)
            self.truth.kept |= keys(rows)
            assert new == len(self.truth.kept) - before

    @rule(steps=st.lists(steps, min_size=10, max_size=20))
    def the_copies_go_on(self, steps: list[Step]) -> None:
        for step in steps:
            copy = self.copies[step.who]
            if copy.turn is None:
                self.wait(copy, step)
            elif copy.card is None:
                self.begin(copy, copy.turn, step)
            elif copy.verdict is None:
                self.send(copy, copy.card, step)
            else:
                self.settle(copy, copy.card, copy.verdict, step)
            self.clock.advance(step.takes)

    @rule(who=copies)
    def a_copy_dies(self, who: int) -> None:
        self.copies[who] = Copy()

    def wait(self, copy: Copy, step: Step) -> None:
        due = self.store.due(self.clock.now())
        group = [*due, *sorted(set(GROUPS.values()))][step.choice]
        turn = self.store.waiting(group, step.limit)
        assert turn.rows or group not in self.store.due(self.clock.now()), "seen to have nothing to begin, and yet due"
        assert turn.died or all(row.ready_at <= self.clock.now() for row in turn.rows), "on a card before it is ready"
        if turn.rows:
            assert len({row.destination for row in turn.rows}) == 1
            assert all(row.doubts == self.truth.doubts[key(row)] for row in turn.rows)
            copy.turn = turn

    def begin(self, copy: Copy, turn: Turn, step: Step) -> None:
        rows = turn.rows if turn.died else turn.rows[: step.limit]
        card = perform(step.answer, lambda: self.store.begin(turn, rows, LEASE, FREE))
        copy.turn = None
        if card is None:
            return
        assert self.clock.now() >= self.truth.holds.get(card.group, 0.0), "begun before its time"
        dead = self.truth.open_cards.get(card.group)
        if dead is not None:
            assert self.clock.now() >= dead.lease_until, "two live cards in one group"
            assert keys(card.rows) == keys(dead.rows), "a dead card begun again with other rows"
            self.truth.doubts.update(keys(card.rows))
        assert keys(card.rows) == keys(rows)
        assert all(row.doubts == self.truth.doubts[key(row)] for row in card.rows), "a doubt not on its row"
        self.truth.open_cards[card.group] = card
        if step.answer == "given":
            copy.turn, copy.card = turn, card

    def send(self, copy: Copy, card: Card, step: Step) -> None:
        taken, copy.verdict = step.send
        if taken:
            self.truth.received.update(keys(card.rows))

    def settle(self, copy: Copy, card: Card, verdict: Verdict, step: Step) -> None:
        not_before = self.clock.now() + step.hold
        ready_at = self.clock.now() + step.rest
        settled = perform(
            step.answer,
            lambda: self.store.settle(card, verdict, not_before, ready_at=ready_at, in_place=step.in_place),
        )
        settles = self.truth.settles.setdefault(card.group, [])
        if settled is None:
            pass  # the store failed before it
        elif self.truth.open_cards.get(card.group) is card:
            assert settled
            self.write_down(card, verdict)
            self.truth.holds[card.group] = not_before
            settles.append((card.seq, verdict))
        elif settled:
            assert (card.seq, verdict) in settles, "yes, it says, and yet it wrote nothing"
        else:
            begun_since = card.group in self.truth.open_cards
            assert begun_since or (card.seq, verdict) != settles[-1], "no, it says, to what it did write"
        if step.answer == "given":
            copy.turn = copy.card = copy.verdict = None  # otherwise it asks again, or dies

    def write_down(self, card: Card, verdict: Verdict) -> None:
        del self.truth.open_cards[card.group]
        if verdict.outcome is Outcome.SENT:
            self.truth.said |= keys(card.rows)
        elif verdict.outcome is Outcome.DEAD:
            self.truth.given_up |= keys(card.rows)
        elif verdict.outcome is Outcome.UNSURE:
            self.truth.doubts.update(keys(card.rows))

    @invariant()
    def nothing_kept_is_lost(self) -> None:
        status = {place.destination: place for place in self.store.status()}
        for name in {destination for destination, _ in self.truth.kept}:
            mine = {key for key in self.truth.kept if key[0] == name}
            counted = (status[name].said, status[name].given_up, status[name].waiting, status[name].doubts)
            assert counted == (
                len(mine & self.truth.said),
                len(mine & self.truth.given_up),
                len(mine - self.truth.said - self.truth.given_up),
                sum(self.truth.doubts[key] for key in mine),
            )

    @invariant()
    def nothing_is_said_twice_without_a_recorded_doubt(self) -> None:
        for told, times in self.truth.received.items():
            assert times <= 1 + self.truth.doubts[told]

    def teardown(self) -> None:
        try:
            self.tell_all_that_waits()
            self.nothing_kept_is_lost()
            self.nothing_is_said_twice_without_a_recorded_doubt()
            assert self.truth.said | self.truth.given_up == self.truth.kept
            assert self.truth.said <= self.truth.received.keys()
            assert {
                (letter.destination, letter.event_id) for letter in self.store.dead_letters()
            } == self.truth.given_up
        finally:
            del self.store
            self.folder.cleanup()

    def tell_all_that_waits(self) -> None:
        """Every copy dies; one new copy with a healthy provider finishes, in no more rounds than there is to do."""
        for _ in range(2 * len(self.truth.kept) + 1):
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
        aws = staticmethod(lambda: moto if store == "dynamodb" else FaultyAws(SmallTable()))
        run_state_machine_as_test(
            type(f"Schedules_{store}", (Schedules,), {"name": store, "aws": aws}),
            settings=examples(
                EXAMPLES[store],
                stateful_step_count=10,
                phases=[Phase.generate, Phase.shrink],  # explaining a failure would take minutes
                report_multiple_bugs=False,
            ),
        )
