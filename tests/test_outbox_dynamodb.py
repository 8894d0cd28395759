"""The DynamoDB table itself: its shape, what a call costs, how load is spread, and what it does when turned away."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from bot import names
from bot.aws import Aws, NoRegionError
from bot.outbox.base import SAID_KEPT_SECONDS, Card, OutboxError, Turn
from bot.outbox.dynamodb import EXPIRES, PATIENCE, DynamoOutbox, create_table
from bot.senders.base import Verdict
from tests.support.clock import START, FakeClock
from tests.support.outbox_aws import Died, Fault, FaultyAws, answer_lost, client_error, dies, nearby
from tests.support.outbox_calls import calls, login
from tests.support.outbox_stores import FREE, make_row
from tests.support.outbox_table import SmallTable

GROUP = "ops-group"
LEASE = 30.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table() -> SmallTable:
    return SmallTable()


@pytest.fixture
def aws(table: SmallTable) -> FaultyAws:
    return FaultyAws(table)


@pytest.fixture
def store(aws: FaultyAws, clock: FakeClock) -> DynamoOutbox:
    return DynamoOutbox("logins", aws, clock)


def begin(store: DynamoOutbox, group: str = GROUP, limit: int = 10) -> Card:
    turn = store.waiting(group, limit)
    card = store.begin(turn, turn.rows, LEASE, FREE)
    assert card is not None
    return card


def tell(store: DynamoOutbox, verdict: Verdict, limit: int = 10) -> None:
    assert store.settle(begin(store, limit=limit), verdict, 0.0)


def items(table: SmallTable, kind: str) -> list[dict[str, Any]]:
    return [item for key, lot in table.partitions.items() if key.split("|")[0] == kind for item in lot.values()]


def test_what_another_version_wrote_stops_nobody(
    store: DynamoOutbox, table: SmallTable, aws: FaultyAws, clock: FakeClock
) -> None:
    store.keep([make_row()])
    (group,) = [item for item in items(table, "groups") if item["SK"]["S"] == GROUP]
    group |= {"newer": {"N": "1"}, "newer|ops": {"S": "x"}, "newer|ops|0": {"N": "1"}}
    (pack,) = items(table, "waiting")
    pack["rows"] = {"S": pack["rows"]["S"].replace('"since"', '"newer":1,"since"')}
    other = DynamoOutbox("logins", aws, clock)
    assert other.due(clock.now()) == [GROUP]
    assert [row.event_id for row in other.waiting(GROUP, 10).rows] == ["event-1"]
    assert [row.waiting for row in other.status()] == [1]


# what the table forgets


def forget(table: SmallTable, now: float) -> None:
    """As its TTL does, sooner or later."""
    for lot in table.partitions.values():
        for sort_key in [name for name, item in lot.items() if EXPIRES in item and int(item[EXPIRES]["N"]) <= now]:
            del lot[sort_key]


def give_up(store: DynamoOutbox, group: str = GROUP) -> None:
    turn = store.waiting(group, 10)
    card = store.begin(turn, turn.rows, LEASE, FREE)
    assert card is not None
    assert store.settle(card, Verdict.dead("410", "destination"), 0.0)


@pytest.mark.parametrize("days", [1, 22, 50])
def test_a_login_comes_back_from_elsewhere_however_late(
    store: DynamoOutbox, table: SmallTable, clock: FakeClock, days: int
) -> None:
    store.keep([make_row(1)])
    give_up(store)
    assert store.replay(store.dead_letters(), to="audit", group="mail") == 1
    give_up(store, "mail")
    clock.advance(days * 24 * 3600.0)
    forget(table, clock.now())
    assert store.replay(store.dead_letters(), to="ops", group=GROUP) == 1
    assert [row.event_id for row in begin(store).rows] == ["event-1"]


def test_what_was_said_after_a_replay_is_not_replayed_there_from_elsewhere_as_long_as_the_login_is_known(
    store: DynamoOutbox, table: SmallTable, clock: FakeClock
) -> None:
    store.keep([make_row(1), make_row(1, destination="audit", group="mail")])
    give_up(store)
    give_up(store, "mail")
    audits, ops = store.dead_letters()
    assert (audits.destination, ops.destination) == ("audit", "ops")
    assert store.replay([ops], to=None, group=GROUP) == 1
    tell(store, Verdict.sent())
    clock.advance(SAID_KEPT_SECONDS + 1)
    forget(table, clock.now())
    assert store.replay([audits], to="ops", group=GROUP) == 0
    assert store.waiting(GROUP, 10).rows == ()


def test_a_turn_does_not_say_that_it_is_alone_where_rows_came_during_a_sweep(
    store: DynamoOutbox, aws: FaultyAws, table: SmallTable, clock: FakeClock
) -> None:
    other = DynamoOutbox("logins", FaultyAws(table), clock)
    kept: list[int] = []

    def keep_before_the_sweep_ends(operation: str, request: dict[str, Any]) -> None:
        if operation == "update_item" and "attribute_exists(unswept)" in str(request.get("ConditionExpression")):
            kept.append(other.keep([make_row(2), make_row(3)]))

    store.keep([make_row(1)])
    aws.before = keep_before_the_sweep_ends
    tell(store, Verdict.sent())
    assert kept == [2]
    other.keep([make_row(9, destination="audit")])
    for limit in (1, 10):
        assert not store.waiting(GROUP, limit).alone


# the table


@pytest.fixture
def cloud() -> Iterator[FaultyAws]:
    with nearby() as cloud:
        yield cloud


def test_the_table_is_on_demand_and_forgets_by_itself(cloud: FaultyAws) -> None:
    client = boto3.client("dynamodb")
    create_table(client, "logins")
    made = client.describe_table(TableName="logins")["Table"]
    assert [key["AttributeName"] for key in made["KeySchema"]] == ["PK", "SK"]
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ttl = client.describe_time_to_live(TableName="logins")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": EXPIRES}


def test_what_is_remembered_of_names_expires_by_the_same_attribute() -> None:
    assert names.EXPIRES == EXPIRES


def test_what_was_said_expires_after_21_days_and_what_was_given_up_never(
    store: DynamoOutbox, table: SmallTable, clock: FakeClock
) -> None:
    store.keep([make_row(1), make_row(2)])
    tell(store, Verdict.sent(), limit=1)
    tell(store, Verdict.dead("410", "destination"))
    expires = {item["as"]["S"]: item.get(EXPIRES) for item in items(table, "done")}
    assert expires == {"sent": {"N": str(int(clock.now() + SAID_KEPT_SECONDS))}, "dead": None}
    assert all(int(item[EXPIRES]["N"]) > clock.now() + SAID_KEPT_SECONDS for item in items(table, "known"))
    assert not any(EXPIRES in item for kind in ("waiting", "groups", "given up") for item in items(table, kind))


def test_a_late_ttl_does_no_harm_and_neither_does_an_early_one(store: DynamoOutbox, table: SmallTable) -> None:
    store.keep([make_row(1), make_row(2)])
    tell(store, Verdict.sent(), limit=1)
    for key in [key for key in table.partitions if key.startswith("known|")]:
        del table.partitions[key]
    assert store.keep([make_row(1)]) == 1  # it is not known any more, and yet it is marked
    assert [row.event_id for row in begin(store).rows] == ["event-2"]


def test_nothing_is_left_of_a_told_login_but_what_remembers_it(store: DynamoOutbox, table: SmallTable) -> None:
    store.keep([make_row(number) for number in range(60)])
    tell(store, Verdict.again("429"), limit=30)
    tell(store, Verdict.sent(), limit=70)
    assert [row.event_id for row in store.waiting(GROUP, 10).rows] == []
    assert (items(table, "waiting"), store.next_due()) == ([], None)
    assert all("login" not in item for kind in ("done", "known", "groups") for item in items(table, kind))


def test_no_two_names_share_an_item(store: DynamoOutbox) -> None:
    places = [("a|b", "c"), ("a", "b|c"), ("a%7Cb", "c%7C"), ("a|b|0", "c|"), ("%", "d")]
    rows = [make_row(1, group=group, destination=name, event_id="x|1") for group, name in places]
    assert store.keep(rows) == len(places)
    for row in rows:
        assert begin(store, row.group).rows == (row,)
    assert sorted((one.group, one.destination) for one in store.status()) == sorted(places)


# what it costs


MOST_CALLS = {
    "keep 2,000 rows": 60,
    "keep them again": 10,
    "due": 1,
    "waiting, 150 at the most": 8,
    "begin 150": 1,
    "settle 150: sent": 10,
    "settle 150: again": 11,
    "settle 150: dead": 17,
    "keep one login": 4,
    "due, for one": 1,
    "waiting, one does": 2,
    "begin one": 1,
    "settle one: sent": 3,
    "waiting, nothing does": 0,
}


def test_a_storm_costs_tens_of_calls_and_a_card_a_handful() -> None:
    spent = {what: number for what, number, _ in calls()}
    assert spent.keys() == MOST_CALLS.keys()
    assert {what: number for what, number in spent.items() if number > MOST_CALLS[what]} == {}


def test_what_another_copy_keeps_while_a_card_is_begun_is_seen_by_who_settles_it(aws: FaultyAws) -> None:
    mine, other = (DynamoOutbox("login-bot", aws, FakeClock()) for _ in range(2))
    mine.keep([make_row(1)])
    assert mine.due(START) == [GROUP]
    turn = mine.waiting(GROUP, 10)
    card = mine.begin(turn, turn.rows, 60.0, FREE)
    assert card is not None
    other.keep([make_row(2)])
    assert other.due(START) == []
    assert other.waiting(GROUP, 10).rows == ()
    mine.settle(card, Verdict.sent(), 0.0)
    aws.spent()
    assert [row.event_id for row in mine.waiting(GROUP, 10).rows] == ["event-2"]
    assert "get_item" not in aws.spent()


def test_who_was_told_what_is_due_begins_nothing_that_another_copy_told_meanwhile(aws: FaultyAws) -> None:
    mine, other = (DynamoOutbox("login-bot", aws, FakeClock()) for _ in range(2))
    mine.keep([make_row(1)])
    mine.due(START)
    tell(other, Verdict.sent())
    turn = mine.waiting(GROUP, 10)
    assert turn.rows == ()
    assert mine.begin(turn, [make_row(1)], 60.0, FREE) is None


def test_a_card_costs_the_same_however_many_logins_wait(store: DynamoOutbox, aws: FaultyAws) -> None:
    def cost_of_a_card() -> int:
        aws.spent()
        tell(store, Verdict.sent(), limit=100)
        store.due(START)
        return sum(aws.spent().values())

    store.keep([make_row(number) for number in range(400)])
    few = cost_of_a_card()
    store.keep([make_row(number) for number in range(400, 8000)])
    assert cost_of_a_card() <= few + 1


def test_a_card_of_a_batch_that_came_at_once_costs_no_more(store: DynamoOutbox, aws: FaultyAws) -> None:
    """All of it waits equally long: it is not looked through to its end for the first hundred."""
    store.keep([make_row(number, kept_at=START) for number in range(4000)])
    aws.spent()
    store.waiting(GROUP, 100)
    assert sum(aws.spent().values()) <= 10


def test_no_partition_takes_a_storm_alone(store: DynamoOutbox, table: SmallTable) -> None:
    store.keep([login(number, "slack") for number in range(2000)])
    sizes = sorted(sum(len(str(item)) for item in lot.values()) for lot in table.partitions.values())
    assert sizes[-1] < 0.3 * sum(sizes)


def test_due_is_one_call_for_fifty_groups(store: DynamoOutbox, aws: FaultyAws) -> None:
    store.keep([make_row(number, destination=f"d{number}", group=f"g{number}") for number in range(50)])
    aws.spent()
    assert len(store.due(START)) == 50
    assert aws.spent() == {"query": 1}


def test_a_card_is_never_longer_than_its_groups_item_may_be(store: DynamoOutbox) -> None:
    store.keep([make_row(number, event_id=f"{number:0128d}") for number in range(1200)])
    card = begin(store, limit=5000)
    assert 700 < len(card.rows) < 1200
    assert store.settle(card, Verdict.unsure("read timeout"), 0.0)
    assert len(begin(store, limit=5000).rows) > 300


def test_long_logins_wait_in_smaller_packs(store: DynamoOutbox) -> None:
    rows = [make_row(number, login="中" * 30_000) for number in range(12)]
    assert store.keep(rows) == 12
    assert begin(store, limit=20).rows == tuple(rows)


# the card


def test_a_card_whose_begin_was_never_answered_is_ours_all_the_same(store: DynamoOutbox, aws: FaultyAws) -> None:
    store.keep([make_row(1)])
    turn = store.waiting(GROUP, 1)
    aws.fault = Fault(at=1, how=answer_lost)
    card = store.begin(turn, turn.rows, LEASE, FREE)
    assert card is not None
    assert store.settle(card, Verdict.sent(), 0.0)


def test_nobody_begins_before_the_last_card_is_swept(store: DynamoOutbox, aws: FaultyAws, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin(store, limit=1)
    aws.fault = Fault(at=1, how=dies)
    with pytest.raises(Died):
        store.settle(card, Verdict.sent(), 0.0)
    aws.fault = None
    other = DynamoOutbox("logins", aws, clock)
    guessed = Turn(group=GROUP, seq=card.seq + 1, rows=card.rows)
    assert other.begin(guessed, guessed.rows, LEASE, FREE) is None
    assert other.due(clock.now()) == [GROUP]
    assert [row.event_id for row in begin(other).rows] == ["event-2"]


def test_a_sweep_that_fails_is_finished_by_the_next_look(store: DynamoOutbox, aws: FaultyAws, clock: FakeClock) -> None:
    store.keep([make_row(1), make_row(2)])
    card = begin(store, limit=1)

    def refuse_batches(operation: str, _: Any) -> None:
        if operation == "batch_write_item":
            raise client_error("ThrottlingException")

    aws.before = refuse_batches
    assert store.settle(card, Verdict.sent(), 0.0)  # that is written down for good
    with pytest.raises(OutboxError):
        store.waiting(GROUP, 10)
    aws.before = None
    assert [row.event_id for row in store.waiting(GROUP, 10).rows] == ["event-2"]
    assert store.status()[0].said == 1


def test_what_was_kept_half_and_comes_again_in_other_portions_leaves_nothing_behind(
    store: DynamoOutbox, aws: FaultyAws, table: SmallTable, clock: FakeClock
) -> None:
    rows = [make_row(number) for number in range(60)]
    aws.fault = Fault(at=3, how=dies)  # its packs are written, and no hint after them
    with pytest.raises(Died):
        store.keep(rows)
    aws.fault = None
    store = DynamoOutbox("logins", aws, clock)
    for row in rows:
        store.keep([row])
    told = []
    while store.next_due() is not None:
        turn = store.waiting(GROUP, 100)
        card = store.begin(turn, turn.rows, LEASE, FREE)
        if card is not None:
            told += [row.event_id for row in card.rows]
            store.settle(card, Verdict.sent(), 0.0)
    assert sorted(told) == sorted(row.event_id for row in rows)
    assert items(table, "waiting") == []


# turned away


class Narrow:
    """A table with no room: of each batch it takes `takes` things, and hands back the others."""

    def __init__(self, aws: FaultyAws, takes: int) -> None:
        self._takes = takes
        self._left: dict[str, Any] = {}
        aws.before, aws.answered = self.before, self.answered

    def before(self, operation: str, request: dict[str, Any]) -> None:
        if not operation.startswith("batch"):
            return
        ((name, asked),) = request["RequestItems"].items()
        things = asked["Keys"] if operation == "batch_get_item" else asked
        rest = things[self._takes :]
        if operation == "batch_get_item":
            self._left = {name: {**asked, "Keys": rest}} if rest else {}
            request["RequestItems"] = {name: {**asked, "Keys": things[: self._takes]}}
        else:
            self._left = {name: rest} if rest else {}
            request["RequestItems"] = {name: things[: self._takes]}

    def answered(self, operation: str, _: Any, answer: dict[str, Any]) -> Any:
        if operation.startswith("batch"):
            answer["UnprocessedKeys" if operation == "batch_get_item" else "UnprocessedItems"] = self._left
        return answer


def test_what_a_batch_leaves_over_is_asked_for_again_after_ever_longer_pauses(
    store: DynamoOutbox, aws: FaultyAws, clock: FakeClock
) -> None:
    rows = [make_row(number) for number in range(20)]
    Narrow(aws, takes=7)
    assert store.keep(rows) == 20
    first = len(clock.slept)
    assert first > 0
    assert clock.slept[1] > clock.slept[0] / 2
    card = begin(store, limit=50)
    assert card.rows == tuple(rows)
    assert store.settle(card, Verdict.sent(), 0.0)
    assert store.keep(rows) == 0
    assert store.waiting(GROUP, 50).rows == ()


def test_a_batch_that_is_never_taken_is_given_up_after_some_seconds(
    store: DynamoOutbox, aws: FaultyAws, clock: FakeClock
) -> None:
    store.keep([make_row(1)])
    aws.answered = all_left
    began = clock.now()
    with pytest.raises(OutboxError, match="'logins': throttled"):
        store.keep([make_row(2)])
    assert clock.now() - began <= PATIENCE
    aws.reset()
    assert store.keep([make_row(2)]) == 1


def all_left(operation: str, request: dict[str, Any], answer: Any) -> Any:
    return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]} if operation == "batch_get_item" else answer


MISTAKES: dict[str, tuple[Exception, str]] = {
    "no such table": (client_error("ResourceNotFoundException"), "mend TABLE_NAME"),
    "not allowed": (client_error("AccessDeniedException"), "allow the function's role"),
    "wrong credentials": (client_error("UnrecognizedClientException"), "mend the AWS credentials"),
    "throttled for long": (client_error("ThrottlingException"), "tried again"),
    "its fault": (client_error("InternalServerError", 500), "tried again"),
    "a code of next year, for a while": (client_error("SomethingElse", 503), "tried again"),
    "a code of next year": (client_error("SomethingElse"), "look at the table"),
    "silent": (ConnectTimeoutError(endpoint_url="https://dynamodb"), "tried again"),
    "away": (EndpointConnectionError(endpoint_url="https://dynamodb"), "tried again"),
    "nowhere": (NoRegionError("no AWS region for dynamodb"), "AWS_REGION"),
}
ASKS: dict[str, Callable[[DynamoOutbox], Any]] = {
    "keep": lambda store: store.keep([make_row(9)]),
    "waiting": lambda store: store.waiting(GROUP, 1),
    "due": lambda store: store.due(START),
    "status": lambda store: store.status(),
    "begin": lambda store: store.begin(Turn(group=GROUP, seq=0, rows=(make_row(1),)), [make_row(1)], LEASE, FREE),
    "hold": lambda store: store.hold("ops", GROUP),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_table_that_fails_is_named_with_the_cure(
    aws: FaultyAws, clock: FakeClock, ask: Callable[[DynamoOutbox], Any], mistake: tuple[Exception, str]
) -> None:
    error, cure = mistake
    store = DynamoOutbox("logins", aws, clock)
    store.keep([make_row(1)])

    def fail(*_: Any) -> None:
        raise error

    aws.before = fail
    began = clock.now()
    with pytest.raises(OutboxError, match="'logins'") as raised:
        ask(store)
    assert cure in str(raised.value)
    assert clock.now() - began <= PATIENCE
    assert (clock.slept != []) == (cure == "tried again")
    aws.before = None
    ask(store)


def test_a_real_table_that_is_not_there_is_named_with_the_cure(cloud: FaultyAws) -> None:
    with pytest.raises(OutboxError, match=r"'missing'.*TABLE_NAME"):
        DynamoOutbox("missing", cloud, FakeClock()).due(START)


def test_a_rowless_begin_asks_nothing(store: DynamoOutbox, aws: FaultyAws) -> None:
    assert store.begin(Turn(group=GROUP, seq=0, rows=()), (), LEASE, FREE) is None
    assert aws.spent() == {}


def test_the_client_is_made_when_first_used(clock: FakeClock) -> None:
    asked: list[str] = []

    class Watched(Aws):
        def client(self, service: str, *, region: str | None = None) -> Any:
            asked.append(service)
            return SmallTable()

    store = DynamoOutbox("logins", Watched(), clock)
    assert asked == []
    store.due(START)
    assert asked == ["dynamodb"]
