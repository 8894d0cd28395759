"""What every store of the outbox keeps to, whatever it stores in."""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from bot.outbox.base import SAID_KEPT_SECONDS, Card, DeadLetter, Row, Turn
from bot.pace import Pace
from bot.senders.base import Verdict
from tests.support.clock import START, FakeClock
from tests.support.outbox_aws import FaultyAws
from tests.support.outbox_stores import FREE, STORES, Store, make_row
from tests.support.outbox_table import SmallTable

GROUP = "ops-group"
LEASE = 30.0
VERDICTS = {
    "sent": Verdict.sent(),
    "again": Verdict.again("429 from the provider", after=7),
    "unsure": Verdict.unsure("read timeout"),
    "dead": Verdict.dead("410 channel_is_archived", "destination"),
}
THROTTLED = Verdict.again("429 from the provider", throttled=True)
Open = Callable[[], Store]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START + 1000)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name == "dynamodb" else ()) for name in STORES])
def open_at(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[FakeClock], Store]:
    """Opens the same outbox with a clock of one's own."""
    aws = request.getfixturevalue("aws").clients if request.param == "dynamodb" else FaultyAws(SmallTable())
    return lambda clock: STORES[request.param](tmp_path, clock, aws)


@pytest.fixture
def open_store(open_at: Callable[[FakeClock], Store], clock: FakeClock) -> Open:
    """Opens the same outbox again and again, as a second copy of the bot or a restarted one does."""
    return lambda: open_at(clock)


@pytest.fixture
def store(open_store: Open) -> Store:
    return open_store()


def begin(store: Store, group: str = GROUP, limit: int = 10) -> Card:
    turn = store.waiting(group, limit)
    card = store.begin(turn, turn.rows, LEASE, FREE)
    assert card is not None
    return card


def tell(store: Store, verdict: Verdict, group: str = GROUP) -> Card:
    card = begin(store, group)
    assert store.settle(card, verdict, 0.0)
    return card


def ids(rows: tuple[Row, ...]) -> list[str]:
    return [row.event_id for row in rows]


# keep


def test_a_kept_row_waits_exactly_as_it_was_given(store: Store) -> None:
    row = make_row(login='{"name":"Zoë \\u0000 中村 🙂 \'); DROP TABLE waiting;"}', tries=2, doubts=1, last_reason="x")
    assert store.keep([row]) == 1
    assert store.waiting(GROUP, 10) == Turn(group=GROUP, seq=0, rows=(row,), alone=True)


def test_keep_counts_only_what_is_new(store: Store) -> None:
    assert store.keep([make_row(1), make_row(2), make_row(1)]) == 2
    assert store.keep([make_row(2), make_row(3)]) == 1
    assert store.keep([]) == 0
    assert ids(store.waiting(GROUP, 10).rows) == ["event-1", "event-2", "event-3"]


def test_a_row_kept_twice_stays_as_it_was_first(store: Store) -> None:
    store.keep([make_row(1, login="first", tries=3)])
    store.keep([make_row(1, login="second", kept_at=START - 5)])
    assert store.waiting(GROUP, 10).rows == (make_row(1, login="first", tries=3),)


def test_the_same_event_for_another_destination_is_another_row(store: Store) -> None:
    assert store.keep([make_row(1), make_row(1, destination="audit", group="audit-group")]) == 2
    assert len(store.waiting("audit-group", 10).rows) == 1


@pytest.mark.parametrize("verdict", [VERDICTS["sent"], VERDICTS["dead"]], ids=["said", "given up"])
def test_what_was_said_or_given_up_is_not_kept_again(store: Store, verdict: Verdict) -> None:
    store.keep([make_row(1)])
    tell(store, verdict)
    assert store.keep([make_row(1), make_row(2)]) == 1
    assert ids(store.waiting(GROUP, 10).rows) == ["event-2"]


def test_what_is_on_a_card_is_not_kept_again(store: Store) -> None:
    store.keep([make_row(1)])
    begin(store)
    assert store.keep([make_row(1)]) == 0


def test_what_was_said_is_remembered_for_21_days(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    tell(store, VERDICTS["sent"])
    clock.advance(SAID_KEPT_SECONDS - 1)
    store.keep([make_row(2)])
    tell(store, VERDICTS["sent"])
    assert store.keep([make_row(1)]) == 0


def test_what_was_given_up_is_remembered_for_good(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    tell(store, VERDICTS["dead"])
    clock.advance(10 * SAID_KEPT_SECONDS)
    store.keep([make_row(2)])
    tell(store, VERDICTS["sent"])
    assert store.keep([make_row(1)]) == 0
    assert [letter.event_id for letter in store.dead_letters()] == ["event-1"]


def test_a_storm_is_kept_and_told_whole(store: Store) -> None:
    rows = [make_row(number) for number in range(1000)]
    assert store.keep(rows) == 1000
    card = begin(store, limit=700)
    assert card.rows == tuple(rows[:700])
    assert store.settle(card, VERDICTS["sent"], 0.0)
    assert store.waiting(GROUP, 2000).rows == tuple(rows[700:])


# waiting


def test_a_group_that_never_had_a_row_has_nothing_to_do(store: Store) -> None:
    turn = store.waiting("nobody", 10)
    assert turn.rows == ()
    assert store.begin(turn, turn.rows, LEASE, FREE) is None


def test_rows_wait_oldest_first_and_in_the_order_they_came(store: Store) -> None:
    rows = [make_row(3), make_row(1), make_row(7, kept_at=START + 1), make_row(2)]
    store.keep(rows)
    assert ids(store.waiting(GROUP, 10).rows) == ["event-1", "event-7", "event-2", "event-3"]
    assert ids(store.waiting(GROUP, 2).rows) == ["event-1", "event-7"]


def test_a_turn_is_of_one_destination_and_the_oldest_goes_first(store: Store) -> None:
    store.keep([make_row(2), make_row(1, destination="audit"), make_row(3, destination="audit"), make_row(4)])
    first = begin(store)
    assert [(row.destination, row.event_id) for row in first.rows] == [("audit", "event-1"), ("audit", "event-3")]
    store.settle(first, VERDICTS["sent"], 0.0)
    assert ids(begin(store).rows) == ["event-2", "event-4"]


def test_a_destination_that_takes_nothing_lets_its_group_go_on(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1, destination="broken"), make_row(2, destination="healthy")])
    told = []
    for _ in range(4):
        clock.advance(1)
        card = begin(store)
        told.append(card.rows[0].destination)
        healthy = card.rows[0].destination == "healthy"
        store.settle(card, VERDICTS["sent" if healthy else "again"], 0.0)
        store.keep([make_row(len(told) + 2, destination="healthy", kept_at=clock.now())])
    assert told == ["broken", "healthy", "broken", "healthy"]


def test_while_a_card_is_live_there_is_nothing_to_begin(store: Store, open_store: Open, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin(store, limit=1)
    turn = open_store().waiting(GROUP, 10)
    assert (turn.rows, turn.not_before, turn.died) == ((), clock.now() + LEASE, False)
    assert card.lease_until == turn.not_before


def test_rows_are_shown_while_the_pace_holds_them(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin(store, limit=1)
    store.settle(card, VERDICTS["sent"], clock.now() + 5)
    turn = store.waiting(GROUP, 10)
    assert (ids(turn.rows), turn.not_before) == (["event-2"], clock.now() + 5)


# begin


def test_of_two_callers_with_the_same_turn_one_wins(store: Store, open_store: Open) -> None:
    store.keep([make_row(1)])
    other = open_store()
    mine, theirs = store.waiting(GROUP, 10), other.waiting(GROUP, 10)
    assert other.begin(theirs, theirs.rows, LEASE, FREE) is not None
    assert store.begin(mine, mine.rows, LEASE, FREE) is None


def test_a_turn_is_stale_once_another_card_was_told(store: Store, open_store: Open) -> None:
    store.keep([make_row(1), make_row(2)])
    stale = store.waiting(GROUP, 1)
    tell(open_store(), VERDICTS["sent"])
    assert store.begin(stale, stale.rows, LEASE, FREE) is None


def test_a_turn_whose_dead_card_was_settled_late_is_stale(store: Store, open_store: Open, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    slow = begin(store)
    clock.advance(LEASE)
    turn = open_store().waiting(GROUP, 10)
    assert turn.died
    assert store.settle(slow, VERDICTS["sent"], 0.0)
    assert open_store().begin(turn, turn.rows, LEASE, FREE) is None


def test_a_live_card_is_not_taken_over_even_by_who_knows_its_seq(store: Store) -> None:
    store.keep([make_row(1)])
    card = begin(store)
    assert store.begin(Turn(group=GROUP, seq=card.seq, rows=card.rows, died=True), card.rows, LEASE, FREE) is None


def test_nothing_is_begun_before_its_time(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    store.settle(begin(store), VERDICTS["again"], clock.now() + 5)
    turn = store.waiting(GROUP, 10)
    clock.advance(4.999)
    assert store.begin(turn, turn.rows, LEASE, FREE) is None
    clock.advance(0.001)
    assert store.begin(turn, turn.rows, LEASE, FREE) is not None


def test_a_card_may_take_fewer_rows_than_its_turn(store: Store) -> None:
    store.keep([make_row(1), make_row(2), make_row(3)])
    turn = store.waiting(GROUP, 10)
    card = store.begin(turn, turn.rows[:1], LEASE, FREE)
    assert card is not None
    assert ids(card.rows) == ["event-1"]
    store.settle(card, VERDICTS["sent"], 0.0)
    assert ids(store.waiting(GROUP, 10).rows) == ["event-2", "event-3"]


def test_groups_do_not_wait_for_each_other(store: Store) -> None:
    store.keep([make_row(1), make_row(1, destination="audit", group="audit-group")])
    begin(store)
    assert ids(begin(store, "audit-group").rows) == ["event-1"]


# a card that died begun


def test_a_card_that_died_is_begun_again_with_the_same_rows_and_a_doubt_on_each(
    store: Store, open_store: Open, clock: FakeClock
) -> None:
    store.keep([make_row(2), make_row(3)])
    died = begin(store)
    clock.advance(LEASE - 0.001)
    assert not open_store().waiting(GROUP, 10).rows
    store.keep([make_row(1), make_row(4)])  # what came meanwhile waits for the next card
    clock.advance(0.001)

    turn = open_store().waiting(GROUP, 1)
    assert (turn.died, ids(turn.rows)) == (True, ["event-2", "event-3"])
    again = open_store().begin(turn, turn.rows, LEASE, FREE)
    assert again is not None
    assert [(row.event_id, row.doubts, row.tries) for row in again.rows] == [("event-2", 1, 0), ("event-3", 1, 0)]
    assert {(row.first_try, row.last_try) for row in again.rows} == {(died.begun_at, died.begun_at)}


def test_a_card_that_dies_again_is_doubted_again(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    first = begin(store)
    for doubts in (1, 2, 3):
        clock.advance(LEASE)
        card = begin(store)
        assert [row.doubts for row in card.rows] == [doubts]
        assert card.rows[0].first_try == first.begun_at


def test_whose_card_was_begun_again_settles_nothing(store: Store, open_store: Open, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    slow = begin(store)
    clock.advance(LEASE)
    quick = begin(open_store())
    assert not store.settle(slow, VERDICTS["dead"], clock.now() + 99)
    assert not list(store.dead_letters())
    assert open_store().settle(quick, VERDICTS["sent"], 0.0)
    assert not store.settle(slow, VERDICTS["sent"], 0.0)


def test_a_late_settle_counts_while_nobody_else_has_begun(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    card = begin(store)
    clock.advance(10 * LEASE)
    assert store.settle(card, VERDICTS["sent"], 0.0)
    assert store.waiting(GROUP, 10).rows == ()
    assert [status.doubts for status in store.status()] == [0]


# settle


@pytest.mark.parametrize(
    ("outcome", "tries", "doubts"), [("sent", 0, 0), ("again", 1, 0), ("unsure", 0, 1), ("dead", 1, 0)]
)
def test_a_verdict_decides_what_becomes_of_the_rows(
    store: Store, clock: FakeClock, outcome: str, tries: int, doubts: int
) -> None:
    store.keep([make_row(1), make_row(2)])
    clock.advance(1)
    card = begin(store)
    clock.advance(2)
    assert store.settle(card, VERDICTS[outcome], 0.0)
    reason = VERDICTS[outcome].reason
    tried = [
        replace(row, tries=tries, doubts=doubts, first_try=card.begun_at, last_try=card.begun_at, last_reason=reason)
        for row in card.rows
    ]
    assert store.waiting(GROUP, 10).rows == (tuple(tried) if outcome in {"again", "unsure"} else ())
    letters = list(store.dead_letters())
    assert [(letter.event_id, letter.reason, letter.tries) for letter in letters] == [
        (row.event_id, reason, tries) for row in card.rows if outcome == "dead"
    ]


def test_tries_and_doubts_add_up_and_the_first_try_stays(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    first = tell(store, VERDICTS["again"])
    clock.advance(10)
    tell(store, VERDICTS["unsure"])
    clock.advance(10)
    last = tell(store, VERDICTS["again"])
    (row,) = store.waiting(GROUP, 10).rows
    assert (row.tries, row.doubts, row.first_try, row.last_try) == (2, 1, first.begun_at, last.begun_at)


@pytest.mark.parametrize("outcome", VERDICTS)
def test_a_settle_whose_answer_was_lost_can_be_repeated(store: Store, clock: FakeClock, outcome: str) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin(store, limit=1)
    assert store.settle(card, VERDICTS[outcome], clock.now() + 5)
    before = (store.waiting(GROUP, 10), store.status(), list(store.dead_letters()))
    assert store.settle(card, VERDICTS[outcome], clock.now() + 5)
    assert (store.waiting(GROUP, 10), store.status(), list(store.dead_letters())) == before


@pytest.mark.parametrize("outcome", ["again", "unsure", "dead"])
def test_a_settled_card_takes_no_other_verdict(store: Store, outcome: str) -> None:
    store.keep([make_row(1)])
    card = tell(store, VERDICTS["sent"])
    assert not store.settle(card, VERDICTS[outcome], 0.0)
    assert store.waiting(GROUP, 10).rows == ()


def test_a_dead_letter_says_all_that_is_known(store: Store, clock: FakeClock) -> None:
    row = make_row(1)
    store.keep([row])
    first = tell(store, VERDICTS["unsure"])
    clock.advance(10)
    last = tell(store, VERDICTS["dead"])
    (letter,) = store.dead_letters()
    assert (letter.destination, letter.event_id, letter.login) == ("ops", "event-1", row.login)
    assert (letter.reason, letter.tries, letter.doubts) == ("410 channel_is_archived", 1, 1)
    assert (letter.kept_at, letter.first_try) == (row.kept_at, first.begun_at)
    assert (letter.last_try, letter.given_up_at) == (last.begun_at, clock.now())


# due and the operator's view


def test_due_names_the_groups_with_something_to_do_longest_waiting_first(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(number, destination=name, group=name) for number, name in enumerate("dcba")])
    store.settle(begin(store, "d"), VERDICTS["sent"], 0.0)  # nothing waits
    store.settle(begin(store, "c"), VERDICTS["again"], clock.now() + 5)  # held by the provider's wish
    begin(store, "b")  # a live card
    assert store.due(clock.now()) == ["a"]
    assert store.due(clock.now() + 5) == ["c", "a"]
    assert store.due(clock.now() + LEASE) == ["c", "b", "a"]


def test_next_due_is_the_earliest_of_holds_and_leases(store: Store, clock: FakeClock) -> None:
    assert store.next_due() is None
    store.keep([make_row(1), make_row(1, destination="audit", group="audit-group")])
    nothing_holds = store.next_due()
    assert nothing_holds is not None
    assert nothing_holds <= clock.now()
    begin(store)
    store.settle(begin(store, "audit-group"), VERDICTS["again"], clock.now() + LEASE + 1)
    assert store.next_due() == clock.now() + LEASE
    clock.advance(LEASE)
    tell(store, VERDICTS["sent"])
    assert store.next_due() == clock.now() + 1
    clock.advance(1)
    tell(store, VERDICTS["sent"], "audit-group")
    assert store.next_due() is None


def test_status_tells_each_destination_that_ever_had_a_row(store: Store, clock: FakeClock) -> None:
    assert store.status() == []
    store.keep([make_row(1, destination="audit", group="mail"), make_row(2), make_row(3), make_row(4), make_row(5)])
    store.settle(begin(store, limit=1), VERDICTS["sent"], 0.0)
    store.settle(begin(store, limit=1), VERDICTS["dead"], 0.0)
    store.settle(begin(store, limit=1), VERDICTS["unsure"], clock.now() + 5)
    audit, ops = store.status()
    assert (audit.destination, audit.group, audit.waiting, audit.oldest) == ("audit", "mail", 1, START + 1)
    assert (audit.not_before, audit.last_verdict, audit.said) == (None, "", 0)
    assert (ops.destination, ops.group, ops.waiting, ops.oldest) == ("ops", GROUP, 2, START + 4)
    assert (ops.said, ops.given_up, ops.doubts, ops.not_before) == (1, 1, 1, clock.now() + 5)
    assert (ops.last_verdict, ops.last_reason) == ("unsure", "read timeout")


def test_status_says_when_what_rests_is_due(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    for rest in (50, 70):
        assert store.settle(begin(store, limit=1), VERDICTS["unsure"], 0.0, ready_at=clock.now() + rest)
    assert store.waiting(GROUP, 10).rows == (), "as each tick of the clock looks"
    assert [row.not_before for row in store.status()] == [clock.now() + 50]
    store.keep([make_row(3)])
    (row,) = store.status()
    assert row.not_before == clock.now(), "another can be told at once"


def test_everything_outlives_the_object(store: Store, open_store: Open) -> None:
    store.keep([make_row(1), make_row(2)])
    tell(store, VERDICTS["again"])
    before = (store.waiting(GROUP, 10), store.status())
    del store
    assert (open_store().waiting(GROUP, 10), open_store().status()) == before


def test_a_clock_that_goes_back_loses_and_repeats_nothing(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin(store, limit=1)
    clock.advance(-500)
    turn = store.waiting(GROUP, 10)
    assert (turn.rows, turn.not_before) == ((), card.lease_until)
    assert store.settle(card, VERDICTS["sent"], 0.0)
    assert store.keep([make_row(1)]) == 0
    assert ids(begin(store).rows) == ["event-2"]


# pace


PACE = Pace(messages=2, per=10.0, gap=1.0, group=GROUP)


def begin_paced(store: Store) -> Card | None:
    turn = store.waiting(GROUP, 1)
    return store.begin(turn, turn.rows, LEASE, PACE)


def test_a_card_holds_the_pace_even_if_its_caller_dies(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin_paced(store)
    assert card is not None
    assert store.due(card.lease_until) == [GROUP]
    clock.advance(LEASE)
    assert store.waiting(GROUP, 1).not_before == card.begun_at + PACE.gap


def test_the_pace_holds_among_all_copies(store: Store, open_store: Open, clock: FakeClock) -> None:
    store.keep([make_row(number) for number in range(6)])
    began = []
    for _ in range(100):
        for copy in (store, open_store()):
            card = begin_paced(copy)
            if card is not None:
                began.append(clock.now())
                copy.settle(card, VERDICTS["sent"], 0.0)
        clock.advance(0.5)
    start = began[0]
    assert [time - start for time in began] == [0.0, 1.0, 10.0, 11.0, 20.0, 21.0]


def test_a_group_is_paced_from_the_answer(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin_paced(store)
    assert card is not None
    clock.advance(3)
    store.settle(card, VERDICTS["sent"], 0.0)
    turn = store.waiting(GROUP, 1)
    assert (turn.not_before, turn.posted) == (clock.now() + PACE.gap, (clock.now(),))
    assert store.next_due() == clock.now() + PACE.gap


def test_a_retry_after_beats_a_shorter_pace(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin_paced(store)
    assert card is not None
    store.settle(card, VERDICTS["again"], clock.now() + 30)
    assert store.waiting(GROUP, 1).not_before == clock.now() + 30


@pytest.mark.parametrize("outcome", ["again", "unsure", "dead"])
def test_how_often_a_group_was_throttled_is_counted_until_a_card_is_taken(
    store: Store, open_store: Open, clock: FakeClock, outcome: str
) -> None:
    store.keep([make_row(1), make_row(2), make_row(3, destination="audit"), make_row(4)])
    assert store.waiting(GROUP, 1).throttled == 0
    for times in (1, 2):
        tell(store, THROTTLED)
        assert store.waiting(GROUP, 1).throttled == times
    tell(store, VERDICTS[outcome])
    begin(open_store(), limit=1)
    clock.advance(LEASE)
    assert (store.waiting(GROUP, 10).died, store.waiting(GROUP, 10).throttled) == (True, 2)
    card = begin(store)
    assert card.throttled == 2
    assert store.settle(card, THROTTLED, 0.0)
    assert store.settle(card, THROTTLED, 0.0)
    assert open_store().waiting(GROUP, 1).throttled == 3, "counted once, however often it is settled"
    tell(store, VERDICTS["sent"])
    assert store.waiting(GROUP, 1).throttled == 0


def test_where_nothing_waits_there_is_nothing_to_wait_for(store: Store) -> None:
    assert store.waiting("never heard of", 10).not_before == inf
    store.keep([make_row(1)])
    tell(store, VERDICTS["sent"])
    assert store.waiting(GROUP, 10).not_before == inf


# rows that rest, and cards of which nothing was sent


def test_a_row_rests_until_it_is_ready_and_others_are_told_meanwhile(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    ready_at = clock.now() + 5
    assert store.settle(begin(store, limit=1), VERDICTS["again"], 0.0, ready_at=ready_at)
    assert ids(store.waiting(GROUP, 10).rows) == ["event-2"]
    tell(store, VERDICTS["sent"])
    turn = store.waiting(GROUP, 10)
    assert (turn.rows, turn.not_before) == ((), ready_at)
    assert (store.due(ready_at - 0.001), store.due(ready_at), store.next_due()) == ([], [GROUP], ready_at)
    clock.advance(5)
    assert [(row.event_id, row.ready_at) for row in store.waiting(GROUP, 10).rows] == [("event-1", ready_at)]


def test_what_is_kept_while_others_rest_is_told_at_once(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    store.settle(begin(store), VERDICTS["unsure"], 0.0, ready_at=clock.now() + 50)
    assert store.due(clock.now()) == []
    store.keep([make_row(2)])
    assert store.due(clock.now()) == [GROUP]
    assert ids(begin(store).rows) == ["event-2"]


def test_a_row_kept_for_later_rests(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1, ready_at=clock.now() + 9)])
    turn = store.waiting(GROUP, 10)
    assert (turn.rows, turn.not_before, store.due(clock.now())) == ((), clock.now() + 9, [])


def test_what_was_tried_queues_up_behind_what_was_not(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2), make_row(3)])
    store.settle(begin(store, limit=2), VERDICTS["again"], 0.0)
    assert ids(store.waiting(GROUP, 10).rows) == ["event-3", "event-1", "event-2"]


@pytest.mark.parametrize("outcome", ["again", "unsure"])
def test_what_goes_back_in_place_keeps_its_place_before_what_came_meanwhile(
    store: Store, clock: FakeClock, outcome: str
) -> None:
    store.keep([make_row(number, kept_at=clock.now()) for number in range(30)])
    card = begin(store, limit=27)
    clock.advance(1)
    store.keep([make_row(number, kept_at=clock.now()) for number in range(100, 130)])
    assert store.settle(card, VERDICTS[outcome], 0.0, in_place=True)
    half = begin(store, limit=13)
    assert set(ids(half.rows)) < set(ids(card.rows))
    assert {row.tries + row.doubts for row in half.rows} == {1}
    assert store.settle(half, VERDICTS["sent"], 0.0)
    rest = {f"event-{number}" for number in range(30)} - set(ids(half.rows))
    assert set(ids(store.waiting(GROUP, 17).rows)) == rest


def test_a_row_that_goes_back_in_place_rests_as_well(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    store.settle(begin(store, limit=1), VERDICTS["again"], 0.0, ready_at=clock.now() + 5, in_place=True)
    assert ids(store.waiting(GROUP, 10).rows) == ["event-2"]
    clock.advance(5)
    assert ids(store.waiting(GROUP, 10).rows) == ["event-1", "event-2"]


@pytest.mark.parametrize("outcome", ["again", "unsure", "dead"])
def test_a_card_of_which_nothing_was_sent_counts_no_try(store: Store, clock: FakeClock, outcome: str) -> None:
    store.keep([make_row(1)])
    clock.advance(1)
    assert store.settle(begin(store), VERDICTS[outcome], 0.0, tried=False)
    letters = store.dead_letters() if outcome == "dead" else store.waiting(GROUP, 10).rows
    assert [(one.tries, one.doubts, one.first_try, one.last_try) for one in letters] == [(0, 0, None, None)]
    assert [status.doubts for status in store.status()] == [0]


def test_a_turn_says_whether_nothing_else_waits_in_the_group(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2), make_row(3, destination="audit")])
    assert not store.waiting(GROUP, 1).alone
    assert not store.waiting(GROUP, 10).alone
    store.hold("audit", GROUP)
    assert store.waiting(GROUP, 10).alone
    store.settle(begin(store, limit=1), VERDICTS["again"], clock.now(), ready_at=clock.now() + 60)
    turn = store.waiting(GROUP, 10)
    assert (ids(turn.rows), turn.alone) == (["event-2"], False)
    tell(store, VERDICTS["sent"])
    clock.advance(60)
    turn = store.waiting(GROUP, 10)
    assert (ids(turn.rows), turn.alone) == (["event-1"], True)


# hold, release, replay


def give_up(store: Store, *rows: Row) -> list[DeadLetter]:
    store.keep(rows)
    tell(store, VERDICTS["dead"], rows[0].group)
    return list(store.dead_letters())


def counts(store: Store) -> dict[str, tuple[int, int, int, int]]:
    return {one.destination: (one.waiting, one.said, one.given_up, one.doubts) for one in store.status()}


def test_a_held_destination_is_told_nothing_and_keeps_everything(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    store.hold("ops", GROUP)
    store.keep([make_row(2)])
    assert store.waiting(GROUP, 10).rows == ()
    assert (store.due(clock.now()), store.next_due()) == ([], None)
    assert [(one.destination, one.held, one.waiting) for one in store.status()] == [("ops", True, 2)]
    store.release("ops", GROUP)
    assert ids(begin(store).rows) == ["event-1", "event-2"]


def test_who_took_its_turn_before_the_hold_begins_nothing_after_it(store: Store, open_store: Open) -> None:
    store.keep([make_row(1), make_row(2, destination="audit")])
    turn = store.waiting(GROUP, 1)
    open_store().hold("ops", GROUP)
    assert store.begin(turn, turn.rows, LEASE, FREE) is None
    assert [row.destination for row in begin(store).rows] == ["audit"]
    store.release("ops", GROUP)


def test_a_held_destination_holds_up_nobody_in_its_group(store: Store) -> None:
    store.keep([make_row(1), make_row(2, destination="audit")])
    store.hold("ops", GROUP)
    assert [row.destination for row in begin(store).rows] == ["audit"]


def test_what_never_had_a_row_can_be_held_and_released(store: Store) -> None:
    store.release("ops", GROUP)
    store.hold("audit", GROUP)
    store.hold("audit", GROUP)
    assert [(one.destination, one.group, one.held) for one in store.status()] == [
        ("audit", GROUP, True),
        ("ops", GROUP, False),
    ]
    store.keep([make_row(1, destination="audit")])
    assert store.waiting(GROUP, 10).rows == ()


@pytest.mark.parametrize("outcome", VERDICTS)
def test_a_card_begun_before_the_hold_is_settled(store: Store, outcome: str) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin(store, limit=1)
    store.hold("ops", GROUP)
    assert store.settle(card, VERDICTS[outcome], 0.0)
    assert store.waiting(GROUP, 10).rows == ()


def test_a_card_that_died_is_told_again_although_it_is_held(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    begin(store, limit=1)
    store.hold("ops", GROUP)
    clock.advance(LEASE)
    assert store.due(clock.now()) == [GROUP]
    assert ids(tell(store, VERDICTS["sent"]).rows) == ["event-1"]
    assert store.due(clock.now()) == []


def test_a_replayed_login_waits_again_as_if_new_with_its_doubts(store: Store, clock: FakeClock) -> None:
    store.keep([make_row(1)])
    tell(store, VERDICTS["unsure"])
    (letter,) = give_up(store, make_row(1))
    clock.advance(100)
    assert store.replay([letter], to=None, group=GROUP) == 1
    assert list(store.dead_letters()) == []
    assert store.waiting(GROUP, 10).rows == (
        make_row(1, kept_at=clock.now(), doubts=1, last_reason="replayed: 410 channel_is_archived"),
    )
    assert counts(store) == {"ops": (1, 0, 0, 1)}
    tell(store, VERDICTS["sent"])
    assert counts(store) == {"ops": (0, 1, 0, 1)}
    assert store.keep([make_row(1)]) == 0


def test_a_login_may_be_given_up_and_replayed_again_and_again(store: Store, clock: FakeClock) -> None:
    letters = give_up(store, make_row(1))
    for _ in range(3):
        assert store.replay(letters, to=None, group=GROUP) == 1
        tell(store, VERDICTS["dead"])
        assert counts(store) == {"ops": (0, 0, 1, 0)}
        letters = list(store.dead_letters())
    store.replay(letters, to=None, group=GROUP)
    tell(store, VERDICTS["sent"])
    assert (list(store.dead_letters()), counts(store)) == ([], {"ops": (0, 1, 0, 0)})


def test_what_is_replayed_twice_waits_once(store: Store, open_store: Open) -> None:
    letters = give_up(store, make_row(1), make_row(2))
    assert store.replay(letters[:1], to=None, group=GROUP) == 1
    assert open_store().replay(letters, to=None, group=GROUP) == 1
    assert sorted(ids(begin(store).rows)) == ["event-1", "event-2"]


def test_a_duplicate_of_what_was_replayed_is_not_kept(store: Store) -> None:
    store.replay(give_up(store, make_row(1)), to=None, group=GROUP)
    assert store.keep([make_row(1)]) == 0
    tell(store, VERDICTS["sent"])
    assert store.keep([make_row(1)]) == 0
    assert store.waiting(GROUP, 10).rows == ()


def test_a_replay_may_go_elsewhere_but_not_where_it_was_said(store: Store, clock: FakeClock) -> None:
    letters = give_up(store, make_row(1), make_row(2), make_row(3))
    store.keep([make_row(1, destination="audit", group="mail")])
    tell(store, VERDICTS["sent"], "mail")
    store.keep([make_row(2, destination="audit", group="mail")])
    assert store.replay(letters, to="audit", group="mail") == 1  # said there, waiting there, new there
    assert list(store.dead_letters()) == []
    assert ids(begin(store, "mail").rows) == ["event-2", "event-3"]
    assert counts(store) == {"audit": (2, 1, 0, 0), "ops": (0, 0, 0, 0)}


def test_what_was_given_up_where_it_is_replayed_to_is_told_there_in_the_same_go(store: Store) -> None:
    store.keep([make_row(1), make_row(1, destination="audit", group="mail")])
    for group in (GROUP, "mail"):
        tell(store, VERDICTS["unsure"], group)
        tell(store, VERDICTS["dead"], group)
    letters = [letter for letter in store.dead_letters() if letter.destination == "ops"]
    assert store.replay(letters, to="audit", group="mail") == 1
    assert (list(store.dead_letters()), counts(store)) == ([], {"audit": (1, 0, 0, 2), "ops": (0, 0, 0, 0)})


def test_a_replay_to_where_it_was_given_up_counts_no_doubt_twice(store: Store) -> None:
    store.keep([make_row(1)])
    tell(store, VERDICTS["unsure"])
    assert store.replay(give_up(store, make_row(1)), to="ops", group=GROUP) == 1
    assert (counts(store), begin(store).rows[0].doubts) == ({"ops": (1, 0, 0, 1)}, 1)


def test_a_login_that_was_replayed_elsewhere_may_come_back(store: Store) -> None:
    store.replay(give_up(store, make_row(1)), to="audit", group="mail")
    for place, group, back, back_group in (("audit", "mail", "ops", GROUP), ("ops", GROUP, "audit", "mail")) * 2:
        tell(store, VERDICTS["dead"], group)
        assert [letter.destination for letter in store.dead_letters()] == [place]
        assert store.replay(list(store.dead_letters()), to=back, group=back_group) == 1
    assert ids(tell(store, VERDICTS["sent"], "mail").rows) == ["event-1"]
    assert counts(store) == {"audit": (0, 1, 0, 0), "ops": (0, 0, 0, 0)}


def test_a_replay_may_pace_a_destination_in_another_group(store: Store) -> None:
    store.replay(give_up(store, make_row(1)), to=None, group="new-group")
    assert (store.waiting(GROUP, 10).rows, ids(begin(store, "new-group").rows)) == ((), ["event-1"])
    assert [(one.destination, one.group) for one in store.status()] == [("ops", "new-group")]


def test_a_hundred_letters_are_replayed_at_once(store: Store) -> None:
    rows = [make_row(number) for number in range(100)]
    store.keep(rows)
    store.settle(begin(store, limit=100), VERDICTS["dead"], 0.0)
    assert store.replay(list(store.dead_letters()), to=None, group=GROUP) == 100
    assert len(begin(store, limit=200).rows) == 100
    assert list(store.dead_letters()) == []


# clocks that differ


def test_a_copy_whose_clock_is_ahead_repeats_nothing_unnoticed(
    store: Store, open_at: Callable[[FakeClock], Store], clock: FakeClock
) -> None:
    """It takes the lease for over too early: then the doubt is counted, and the first verdict does not count."""
    store.keep([make_row(1)])
    card = begin(store)
    clock.advance(LEASE - 2)
    assert store.waiting(GROUP, 10).rows == ()
    ahead = open_at(FakeClock(clock.now() + 3))
    again = begin(ahead)
    assert [row.doubts for row in again.rows] == [1]
    assert not store.settle(card, VERDICTS["sent"], 0.0)
    assert ahead.settle(again, VERDICTS["sent"], 0.0)
    assert store.keep([make_row(1)]) == 0
