"""What may happen between any two of the outbox's calls to DynamoDB: nothing is lost, and nothing repeated unnoticed.

Every story is told again and again; each time something befalls the next call: the process ends, the table fails, an
answer is lost, or another process does its own work just then. Afterwards a new process tells what is left.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.outbox.base import Card, OutboxError, Row
from bot.outbox.dynamodb import DynamoOutbox, looking, packs, table
from bot.senders.base import Outcome, Verdict
from tests.support.clock import FakeClock
from tests.support.outbox_aws import Died, Fault, FaultyAws, answer_lost, dies, out_of_order, throttled
from tests.support.outbox_stores import FREE, make_row
from tests.support.outbox_table import SmallTable

pytestmark = pytest.mark.slow

LEASE = 30.0
SENT, AGAIN, UNSURE = Verdict.sent(), Verdict.again("429"), Verdict.unsure("read timeout")
DEAD = Verdict.dead("410", "destination")
ROWS = [make_row(number) for number in range(5)]
MORE = [*ROWS, make_row(7), *(make_row(number, destination="audit", group="audit") for number in range(4))]

SMALL = {
    packs: {"PACK_ROWS": 2, "SHARDS": 2},
    table: {"AT_ONCE_WRITE": 3, "AT_ONCE_GET": 4},
    looking: {"FIRST_PAGE": 1},
}

Key = tuple[str, str]


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rows cost as many calls as a hundred: more places to die at."""
    for room, sizes in SMALL.items():
        for name, value in sizes.items():
            monkeypatch.setattr(room, name, value)


@dataclass
class World:
    """One table, and what the provider received: the truth, whatever the table says."""

    table: SmallTable = field(default_factory=SmallTable)
    rows: list[Row] = field(default_factory=lambda: ROWS)
    clock: FakeClock = field(default_factory=FakeClock)
    received: Counter[Key] = field(default_factory=Counter)
    doubts: dict[Key, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.aws = FaultyAws(self.table)
        self.store = self.process()

    def process(self) -> DynamoOutbox:
        return DynamoOutbox("t", self.aws, self.clock)

    def begin(self, limit: int = 4) -> Card | None:
        turn = self.store.waiting("ops-group", limit)
        card = self.store.begin(turn, turn.rows, LEASE, FREE)
        if card is not None:
            self.doubts |= {(row.destination, row.event_id): row.doubts for row in card.rows}
        return card

    def tell(self, verdict: Verdict, limit: int = 4, *, in_place: bool = False) -> None:
        card = self.begin(limit)
        if card is None:
            return
        if verdict.outcome in (Outcome.SENT, Outcome.UNSURE):
            self.received.update((row.destination, row.event_id) for row in card.rows)
        stubbornly(lambda: self.store.settle(card, verdict, 0.0, in_place=in_place))

    def tell_all(self) -> None:
        """One healthy process, until nothing waits."""
        self.aws.fault = None
        self.store = self.process()
        for _ in range(60):
            soonest = self.store.next_due()
            if soonest is None:
                return
            self.clock.advance(max(0.0, soonest - self.clock.now()))
            for group in self.store.due(self.clock.now()):
                turn = self.store.waiting(group, 3)
                if not turn.rows:
                    assert group not in self.store.due(self.clock.now()), "named in vain twice"
                    continue
                card = self.store.begin(turn, turn.rows, LEASE, FREE)
                assert card is not None
                keys = [(row.destination, row.event_id) for row in card.rows]
                self.received.update(keys)
                self.doubts |= dict(zip(keys, [row.doubts for row in card.rows], strict=True))
                assert self.store.settle(card, SENT, 0.0)
        raise AssertionError(f"still waiting: {self.store.status()}")

    def given_up(self) -> set[Key]:
        return {(letter.destination, letter.event_id) for letter in self.store.dead_letters()}


def stubbornly(ask: Callable[[], Any]) -> None:
    """As delivery does with a verdict."""
    for _ in range(3):
        try:
            ask()
        except OutboxError:
            continue
        return


def key(row: Row) -> Key:
    return row.destination, row.event_id


# stories: what was before, and what is done while something befalls it


def nothing(world: World) -> None:
    pass


def five_wait(world: World) -> None:
    assert world.store.keep(ROWS) == 5


def one_died(world: World) -> None:
    five_wait(world)
    assert world.begin() is not None
    world.clock.advance(LEASE)


def one_waits_apart(world: World) -> None:
    """The last row waits in another shard than the one that it moves to, of which is known that nothing waits there."""
    world.rows = ROWS[:3]
    world.store.keep(world.rows)
    world.tell(SENT, 2)


def after(verdict: Verdict, limit: int = 4) -> Callable[[World], None]:
    def told(world: World) -> None:
        five_wait(world)
        world.tell(verdict, limit)
        world.clock.advance(1)

    return told


def half_swept(verdict: Verdict, calls: int) -> Callable[[World], None]:
    """The process died with its verdict written, and so many calls of the sweep made."""

    def died(world: World) -> None:
        five_wait(world)
        card = world.begin()
        assert card is not None
        if verdict.outcome is Outcome.SENT:
            world.received.update(map(key, card.rows))
        world.aws.fault = Fault(at=1 + calls, how=dies)
        with pytest.raises(Died):
            world.store.settle(card, verdict, 0.0)
        world.aws.fault = None
        world.store = world.process()

    return died


def keep(world: World) -> None:
    world.store.keep(MORE)


def tell(verdict: Verdict, limit: int = 4) -> Callable[[World], None]:
    return lambda world: world.tell(verdict, limit)


def halve(world: World) -> None:
    world.tell(AGAIN, in_place=True)


def tell_twice(world: World) -> None:
    world.tell(AGAIN, 3)
    world.clock.advance(1)
    world.tell(SENT, 5)


def replay(world: World) -> None:
    world.store.replay(world.store.dead_letters(), to=None, group="ops-group")


def replay_elsewhere(world: World) -> None:
    world.store.replay(world.store.dead_letters(), to="audit", group="audit")


def one_given_up_elsewhere(world: World) -> None:
    """It will come back in one pack, which nothing announces before it is there."""
    world.rows = ROWS[:1]
    world.store.keep(world.rows)
    given_up_here_and_there(world)


def given_up_elsewhere(world: World) -> None:
    five_wait(world)
    given_up_here_and_there(world)


def given_up_here_and_there(world: World) -> None:
    world.tell(DEAD, 5)
    world.clock.advance(1)
    replay_elsewhere(world)
    turn = world.store.waiting("audit", 5)
    card = world.store.begin(turn, turn.rows, LEASE, FREE)
    assert card is not None
    assert world.store.settle(card, DEAD, 0.0)
    world.clock.advance(1)


def replay_back(world: World) -> None:
    world.store.replay(world.store.dead_letters(), to="ops", group="ops-group")


STORIES = {
    "keep": (nothing, keep),
    "keep what partly waits": (five_wait, keep),
    "keep what was said": (after(SENT, 5), keep),
    "tell: sent": (five_wait, tell(SENT)),
    "tell: sent, all of it": (five_wait, tell(SENT, 5)),
    "tell: again": (five_wait, tell(AGAIN)),
    "tell: halved": (five_wait, halve),
    "tell: again, into an empty shard": (one_waits_apart, tell(AGAIN)),
    "tell: unsure": (five_wait, tell(UNSURE)),
    "tell: dead": (five_wait, tell(DEAD)),
    "tell twice": (five_wait, tell_twice),
    "tell what was tried": (after(AGAIN, 3), tell(SENT, 5)),
    "tell what died": (one_died, tell(SENT)),
    "tell what died: again": (one_died, tell(AGAIN)),
    "tell what died: dead": (one_died, tell(DEAD)),
    "sweep for another: sent, nothing done": (half_swept(SENT, 0), tell(SENT)),
    "sweep for another: sent, half done": (half_swept(SENT, 1), tell(SENT)),
    "sweep for another: sent, almost done": (half_swept(SENT, 3), tell(SENT)),
    "sweep for another: again, nothing done": (half_swept(AGAIN, 0), tell(SENT)),
    "sweep for another: again, half done": (half_swept(AGAIN, 2), tell(SENT)),
    "sweep for another: again, almost done": (half_swept(AGAIN, 4), tell(SENT)),
    "sweep for another: dead, nothing done": (half_swept(DEAD, 0), tell(SENT)),
    "sweep for another: dead, half done": (half_swept(DEAD, 2), tell(SENT)),
    "sweep for another: dead, almost done": (half_swept(DEAD, 4), tell(SENT)),
    "replay": (after(DEAD, 5), replay),
    "replay elsewhere": (after(DEAD, 5), replay_elsewhere),
    "replay back": (given_up_elsewhere, replay_back),
    "replay one back": (one_given_up_elsewhere, replay_back),
}
REPEATED = {keep, replay, replay_elsewhere, replay_back}
"""What is asked for again after a failure: by the queue, or by an operator."""
LONGEST = 80


SHORT = ("keep", "tell: sent", "tell: again", "tell: dead", "tell what died", "replay")
"""One call that fails is asked again at once, and that is in one place for all stories."""

FAULTS = [
    *((name, how) for how in (dies, out_of_order) for name in STORIES),
    *((name, how) for how in (answer_lost, throttled) for name in SHORT),
]


@pytest.mark.parametrize(("story", "befalls"), FAULTS, ids=[f"{name}: {how.__name__}" for name, how in FAULTS])
def test_nothing_is_lost_or_repeated_unnoticed_wherever_it_happens(story: str, befalls: Callable[..., Any]) -> None:
    before, act = STORIES[story]
    for at in range(LONGEST):
        world = World()
        before(world)
        fault = Fault(at=at, how=befalls)
        failed = False
        world.aws.fault = fault
        try:
            act(world)
        except Died:
            failed = True
        except OutboxError:
            failed = True
            assert befalls is out_of_order, "one call that fails is asked again"
        world.aws.fault = None
        if failed and act in REPEATED:
            world.store = world.store if befalls is out_of_order else world.process()
            act(world)
        world.clock.advance(LEASE)
        world.tell_all()
        everything_was_told_once(world, act)
        if not fault.happened:
            assert at > 2
            return
    raise AssertionError(f"more than {LONGEST} calls")


def everything_was_told_once(world: World, act: Callable[[World], None]) -> None:
    kept = {key(row) for row in (MORE if act is keep else world.rows)}
    given_up = world.given_up()
    if act is replay_elsewhere:
        kept = {("audit", event_id) for _, event_id in kept}
    assert {each for each in kept if not world.received[each]} <= given_up, "lost"
    for each, times in world.received.items():
        assert times <= 1 + world.doubts[each], f"{each} told {times} times with {world.doubts[each]} doubts"
        assert each not in given_up or times == world.doubts[each], f"{each} told, and given up"
    status = {place.destination: place for place in world.store.status()}
    assert {name: place.waiting for name, place in status.items()} == dict.fromkeys(status, 0)
    assert left_over(world.table) == [], "packs that nobody will ever clear away"


def left_over(table: SmallTable) -> list[str]:
    return [key for key, items in table.partitions.items() if key.startswith("waiting|") and items]


def others_tell(verdict: Verdict, limit: int = 4) -> Callable[[World], None]:
    return lambda world: elsewhere(world, lambda: world.tell(verdict, limit))


def others_keep(world: World) -> None:
    elsewhere(world, lambda: world.store.keep(MORE))


def others_look(world: World) -> None:
    elsewhere(world, lambda: world.store.waiting("ops-group", 10))


def elsewhere(world: World, do: Callable[[], Any]) -> None:
    mine, world.store = world.store, world.process()
    do()
    world.store = mine


OVERTAKEN = {
    "keep": (nothing, keep),
    "tell: sent": (five_wait, tell(SENT)),
    "tell: again": (five_wait, tell(AGAIN)),
    "tell: dead": (five_wait, tell(DEAD)),
    "tell what died": (one_died, tell(SENT)),
    "sweep: again": (half_swept(AGAIN, 1), tell(SENT)),
    "replay": (after(DEAD, 5), replay),
}
OTHERS = {
    "keeps the same": others_keep,
    "looks": others_look,
    "tells": others_tell(SENT, 10),
    "tells in vain": others_tell(AGAIN, 3),
    "gives up": others_tell(DEAD, 3),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize(("before", "act"), OVERTAKEN.values(), ids=OVERTAKEN.keys())
def test_nothing_is_lost_or_repeated_wherever_another_process_overtakes(
    before: Callable[[World], None], act: Callable[[World], None], other: Callable[[World], None]
) -> None:
    for at in range(1, LONGEST):
        world = World()
        before(world)
        calls = 0

        def overtaken(_: str, __: dict[str, Any], world: World = world, at: int = at) -> None:
            nonlocal calls
            calls += 1
            if calls == at:
                world.aws.before = None
                other(world)

        world.aws.before = overtaken
        act(world)
        world.aws.before = None
        if calls < at:
            return
        world.clock.advance(LEASE)
        world.tell_all()
        everything_was_told_once(world, keep if other is others_keep else act)
    raise AssertionError(f"more than {LONGEST} calls")
