"""Names in the table, one pace for all copies, and the fleet looked at by night; with the table well and in trouble."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import bot.names
from bot.aws import CALL_SECONDS, Aws
from bot.events import Login, NamedAfter, NameGap, Person
from bot.handler import answer
from bot.names import EXPIRES, DynamoNames, OwnNames, Swept
from bot.refusals import Refusals
from bot.users import WorkSpacesPeople
from bot.wiring import Bot
from tests.support import bots
from tests.support.aws import LoopbackAws
from tests.support.clock import START, FakeClock
from tests.support.fleet import Fleet, at_leisure, own_account, refusal
from tests.support.logins import make_login

HERE = ("123456789012", "eu-west-1")
TABLE = "login-bot"
DAY = 24 * 3600.0
EVER = 1e12
NIGHT = START + 19.5 * 3600  # half past midnight, UTC


class Table(Aws):
    """moto's table through a real client. `calls` holds each operation and how much it asked for.

    `trouble` are the errors of the next calls; with `stingy` a batch takes one thing and leaves the others over.
    """

    def __init__(self, aws: LoopbackAws) -> None:
        super().__init__()
        self._real = aws.client("dynamodb")
        self._others = aws.clients
        self.calls: list[tuple[str, int]] = []
        self.trouble: list[Exception] = []
        self.stingy = False

    def client(self, service: str, *, region: str | None = None) -> Any:
        return self if service == "dynamodb" else self._others.client(service, region=region)

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            asked = request.get("RequestItems", {}).get(TABLE, [])
            things = asked["Keys"] if isinstance(asked, dict) else asked
            self.calls.append((operation, len(things)))
            if self.trouble:
                raise self.trouble.pop(0)
            if not self.stingy or not things:
                return getattr(self._real, operation)(**request)
            first, others = things[:1], things[1:]
            if isinstance(asked, dict):
                said = self._real.batch_get_item(RequestItems={TABLE: {"Keys": first}})
                return said | {"UnprocessedKeys": {TABLE: {"Keys": others}} if others else {}}
            said = self._real.batch_write_item(RequestItems={TABLE: first})
            return said | {"UnprocessedItems": {TABLE: others} if others else {}}

        return call

    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        found = self._real.scan(TableName=TABLE)["Items"]
        return {(item["PK"]["S"], item["SK"]["S"]): item for item in found}

    def put(self, **attributes: Any) -> None:
        self._real.put_item(TableName=TABLE, Item=attributes)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table(aws: LoopbackAws) -> Table:
    keys = ("PK", "HASH"), ("SK", "RANGE")
    aws.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return Table(aws)


@pytest.fixture
def names(table: Table, clock: FakeClock) -> DynamoNames:
    return DynamoNames(TABLE, table, clock)


def another(table: Table, clock: FakeClock) -> DynamoNames:
    """What another copy of the bot sees."""
    return DynamoNames(TABLE, table, clock)


def desks(number: int) -> dict[str, Person]:
    return {f"ws-desk{each:05}": Person(name=f"user{each}") for each in range(number)}


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "User: arn:aws:sts::123456789012:role/x"}}, "Any")


# known beyond a container

PEOPLE = {
    "ws-alice0001": Person(name="alice"),
    "ws-kiosk0001": Person(name="kiosk-1", named_after=NamedAfter.WORKSPACE, gap=NameGap.SHARED),
    "ws-odd000001": Person(name="<!channel>\u202e 山田"),
}


def test_whom_one_copy_got_to_know_every_copy_knows(names: DynamoNames, table: Table, clock: FakeClock) -> None:
    names.remember(HERE, PEOPLE)
    assert another(table, clock).known(HERE, [*PEOPLE, "ws-nobody001", "ws-alice0001"], EVER) == PEOPLE


@pytest.mark.parametrize("place", [("210987654321", "eu-west-1"), ("123456789012", "us-east-1"), ("", "")])
def test_people_of_one_place_are_not_those_of_another(names: DynamoNames, place: tuple[str, str]) -> None:
    names.remember(HERE, PEOPLE)
    assert names.known(place, list(PEOPLE), EVER) == {}
    names.remember(place, {"ws-alice0001": Person(name="another alice")})
    assert names.known(HERE, ["ws-alice0001"], EVER) == {"ws-alice0001": Person(name="alice")}


def test_many_are_written_25_a_call_and_read_100_a_call(names: DynamoNames, table: Table) -> None:
    people = desks(250)
    names.remember(HERE, people)
    assert names.known(HERE, list(people), EVER) == people
    assert table.calls == [("batch_write_item", 25)] * 10 + [("batch_get_item", number) for number in (100, 100, 50)]


def test_nobody_costs_no_call(names: DynamoNames, table: Table) -> None:
    names.remember(HERE, {})
    assert (names.known(HERE, [], EVER), table.calls) == ({}, [])


def test_an_item_is_the_tables_own_shape_and_ends_after_30_days(names: DynamoNames, table: Table) -> None:
    names.remember(HERE, {"ws-alice0001": Person(name="alice")})
    (item,) = table.items().values()
    assert (item["PK"], item["SK"]) == ({"S": "name#123456789012#eu-west-1#ws-alice0001"}, {"S": "name"})
    assert item[EXPIRES] == {"N": str(int(START + 30 * DAY))}


@pytest.mark.parametrize(("days", "writes"), [(0.9, 1), (1.0, 2), (29.9, 2)])
def test_a_name_that_is_used_is_kept_for_another_30_days_written_once_a_day(
    names: DynamoNames, table: Table, clock: FakeClock, days: float, writes: int
) -> None:
    names.remember(HERE, desks(1))
    clock.advance(days * DAY)
    for _ in range(3):
        assert names.known(HERE, list(desks(1)), EVER) == desks(1)
    assert table.calls.count(("batch_write_item", 1)) == writes
    clock.advance(29.5 * DAY)
    assert bool(names.known(HERE, list(desks(1)), EVER)) == (writes == 2)


def test_a_name_that_nobody_used_for_30_days_is_forgotten_even_where_its_item_is_still_there(
    names: DynamoNames, table: Table, clock: FakeClock
) -> None:
    names.remember(HERE, desks(1))
    clock.advance(30 * DAY)
    assert names.known(HERE, list(desks(1)), EVER) == {}
    assert len(table.items()) == 1


def test_a_storm_writes_few_old_names_again_and_the_oldest_first(
    names: DynamoNames, table: Table, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.names, "AGED_AT_ONCE", 50)
    people = desks(150)
    old = list(people)[130:]
    names.remember(HERE, {id_: people[id_] for id_ in old})
    clock.advance(60)
    names.remember(HERE, {id_: people[id_] for id_ in people if id_ not in old})
    clock.advance(2 * DAY)
    table.calls.clear()
    assert names.known(HERE, list(people), EVER) == people
    assert sum(size for operation, size in table.calls if operation == "batch_write_item") == 50
    fresh = {key[0][-12:] for key, item in table.items().items() if float(item["written_at"]["N"]) >= clock.now()}
    assert set(old) <= fresh


ODD = ["ws-a#b", "ws-ünïcode1", "", "x" * 129, "a b", "ws-alice0001\n"]


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_id_and_no_place_of_awss_is_not_kept(names: DynamoNames, table: Table, odd: str) -> None:
    known = desks(1)
    names.remember(HERE, {odd: Person(name="x")} | known if odd else known)
    names.remember((odd or "#", "eu-west-1"), known)
    assert [key for key, _ in table.items()] == ["name#123456789012#eu-west-1#ws-desk00000"]
    assert names.known((odd or "#", "eu-west-1"), list(known), EVER) == {}
    assert names.known(HERE, [odd or "#", *known], EVER) == known
    assert names.slot((odd or "#", "eu-west-1"), EVER) == START


CORRUPT: dict[str, dict[str, Any]] = {
    "no name": {"written_at": {"N": "1795410000"}},
    "a gap that is none": {
        "name": {"S": "a"}, "named_after": {"S": "user"}, "gap": {"S": "x"}, "written_at": {"N": "1795410000"},
    },
    "another type": {"name": {"N": "1"}, "named_after": {"S": "user"}, "gap": {"S": ""}, "written_at": {"S": "x"}},
}  # fmt: skip


@pytest.mark.parametrize("facts", CORRUPT.values(), ids=CORRUPT.keys())
def test_an_item_that_says_nothing_is_nobody(names: DynamoNames, table: Table, facts: dict[str, Any]) -> None:
    names.remember(HERE, desks(1))
    table.put(PK={"S": "name#123456789012#eu-west-1#ws-alice0001"}, SK={"S": "name"}, **facts)
    assert names.known(HERE, ["ws-alice0001", *desks(1)], EVER) == desks(1)


# the table in trouble


def test_what_the_table_leaves_over_is_asked_for_again(names: DynamoNames, table: Table, clock: FakeClock) -> None:
    table.stingy = True
    names.remember(HERE, desks(4))
    assert names.known(HERE, list(desks(4)), EVER) == desks(4)
    assert table.calls == [(name, size) for name in ("batch_write_item", "batch_get_item") for size in (4, 3, 2, 1)]
    assert clock.slept == [0.05, 0.2, 0.8] * 2


def test_a_table_without_room_is_asked_again_for_a_second_and_no_longer(
    names: DynamoNames, table: Table, clock: FakeClock
) -> None:
    names.remember(HERE, desks(1))
    table.trouble = [error("ThrottlingException"), error("ProvisionedThroughputExceededException")]
    assert names.known(HERE, list(desks(1)), EVER) == desks(1)
    table.trouble = [error("ThrottlingException")] * 4
    assert names.known(HERE, list(desks(1)), EVER) == {}
    assert sum(clock.slept) < 2


def test_a_table_that_takes_one_thing_at_a_time_holds_nobody_up(
    names: DynamoNames, table: Table, clock: FakeClock
) -> None:
    people = desks(300)
    names.remember(HERE, people)
    table.stingy = True
    assert len(names.known(HERE, list(people), EVER)) == 4
    names.remember(HERE, people)
    assert sum(clock.slept) < 2


def test_nothing_more_is_read_when_the_time_is_over(names: DynamoNames, table: Table) -> None:
    people = desks(300)
    names.remember(HERE, people)
    table.calls.clear()
    assert len(names.known(HERE, list(people), START)) == 100
    assert table.calls == [("batch_get_item", 100)]


TROUBLES = {
    "throttled": [error("ThrottlingException")] * 4,
    "denied": [error("AccessDeniedException")],
    "no table": [error("ResourceNotFoundException")],
    "500": [error("InternalServerError")],
    "silent": [EndpointConnectionError(endpoint_url="https://dynamodb.example")],
    "anything": [ValueError("alice")],
}


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_a_table_in_trouble_knows_nobody_is_left_alone_for_a_while_and_comes_back(
    names: DynamoNames,
    table: Table,
    clock: FakeClock,
    trouble: Sequence[Exception],
    log: pytest.LogCaptureFixture,
) -> None:
    names.remember(HERE, desks(300))
    table.calls.clear()
    table.trouble = list(trouble)
    assert names.known(HERE, list(desks(300)), EVER) == {}
    names.remember(HERE, desks(300))
    assert names.swept(HERE) is None
    names.sweep(HERE, Swept())
    assert [names.slot(HERE, EVER), names.slot(HERE, EVER)] == [clock.now(), clock.now() + 0.5]
    assert len(table.calls) == len(trouble)
    (line,) = (record for record in log.records if record.name.startswith("bot"))
    assert line.getMessage() == "names table in trouble"
    assert "user" not in str(line.__dict__["fields"])
    assert "alice" not in line.getMessage() + str(line.__dict__)
    clock.advance(10)
    assert names.known(HERE, list(desks(300)), EVER) == desks(300)


# one pace


def test_all_copies_together_call_twice_a_second(table: Table, clock: FakeClock) -> None:
    copies = [another(table, clock) for _ in range(3)]
    slots = [copies[number % 3].slot(HERE, EVER) for number in range(7)]
    assert slots == [START + 0.5 * number for number in range(7)]
    clock.advance(60)
    assert [copies[1].slot(HERE, EVER), copies[2].slot(HERE, EVER)] == [START + 60, START + 60.5]


def test_every_account_and_region_has_a_pace_of_its_own(names: DynamoNames) -> None:
    places = [HERE, (HERE[0], "us-east-1"), ("210987654321", HERE[1])]
    assert [names.slot(place, EVER) for place in places] == [START] * 3


def test_a_slot_that_comes_too_late_is_not_reserved(table: Table, clock: FakeClock) -> None:
    one, other = another(table, clock), another(table, clock)
    for _ in range(4):
        one.slot(HERE, EVER)
    assert other.slot(HERE, START + 1.9) is None
    assert other.slot(HERE, START - 1) is None
    assert one.slot(HERE, EVER) == START + 2


def test_a_copy_whose_clock_was_wrong_holds_nobody_up(names: DynamoNames, table: Table, clock: FakeClock) -> None:
    another(table, FakeClock(START + 3600)).slot(HERE, EVER)
    assert names.slot(HERE, START + 20) == START


def test_a_pace_is_one_write_when_idle_and_two_in_a_storm(names: DynamoNames, table: Table) -> None:
    names.slot(HERE, EVER)
    assert len(table.calls) == 1
    names.slot(HERE, EVER)
    assert len(table.calls) == 3


def test_a_process_alone_paces_itself(clock: FakeClock) -> None:
    own = OwnNames(clock)
    assert [own.slot(HERE, EVER) for _ in range(2)] == [START, START + 0.5]
    assert own.slot(HERE, START + 0.4) is None


# a storm


@pytest.fixture(scope="module")
def one_fleet() -> Iterator[Fleet]:
    with Fleet() as fleet:
        yield fleet


@pytest.fixture
def fleet(one_fleet: Fleet, table: Table, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    one_fleet.begin_anew()
    monkeypatch.setenv("AWS_ENDPOINT_URL_WORKSPACES", one_fleet.url)
    table._others = Aws()
    return one_fleet


def container(table: Table, clock: FakeClock) -> WorkSpacesPeople:
    return WorkSpacesPeople(own_account(table, clock), clock, another(table, clock), within=at_leisure)


def hire(fleet: Fleet, number: int) -> list[Login]:
    fleet.desks = {f"ws-desk{each:05}": {"UserName": f"user{each}"} for each in range(number)}
    return [make_login(workspace_id=id_, person=None) for id_ in fleet.desks]


@pytest.mark.slow
def test_a_storm_of_known_people_asks_aws_nothing(table: Table, clock: FakeClock, fleet: Fleet) -> None:
    logins = hire(fleet, 500)
    DynamoNames(TABLE, table, clock).remember(HERE, desks(500))
    table.calls.clear()
    named = container(table, clock).name(logins, until=clock.now() + 20)
    assert [login.user for login in named] == [f"user{number}" for number in range(500)]
    assert (fleet.calls, clock.slept) == ([], [])
    assert table.calls == [("batch_get_item", 100)] * 5


def test_unknown_people_are_asked_for_25_a_call_by_one_copy_and_known_to_all(
    table: Table, clock: FakeClock, fleet: Fleet
) -> None:
    logins = hire(fleet, 60)
    first = container(table, clock).name(logins, until=clock.now() + 20)
    second = container(table, clock).name(logins, until=clock.now() + 20)
    assert first == second
    assert [login.user for login in first] == [f"user{number}" for number in range(60)]
    assert [len(call) for call in fleet.calls] == [25, 25, 10]


def test_a_container_that_knows_somebody_asks_not_even_the_table(table: Table, clock: FakeClock, fleet: Fleet) -> None:
    people, logins = container(table, clock), hire(fleet, 3)
    people.name(logins, until=clock.now() + 20)
    table.calls.clear()
    people.name(logins, until=clock.now() + 20)
    assert table.calls == []


@pytest.mark.slow
def test_copies_in_a_storm_of_strangers_stay_together_under_awss_limit_and_wait_no_longer_than_allowed(
    table: Table, clock: FakeClock, fleet: Fleet
) -> None:
    logins = hire(fleet, 300)
    ahead = another(table, clock)
    reserved = [ahead.slot(HERE, EVER) for _ in range(10)]
    until = clock.now() + 8
    named = container(table, clock).name(logins, until=until)
    assert reserved[-1] == START + 4.5
    assert clock.now() <= until
    assert len(fleet.calls) == 7, "from the eleventh slot, after 5 s, to the last one in time"
    gaps = [login.person and login.person.gap for login in named]
    assert gaps == [None] * 175 + [NameGap.THROTTLED] * 125


def test_who_was_asked_for_in_vain_is_not_remembered_as_a_name(table: Table, clock: FakeClock, fleet: Fleet) -> None:
    container(table, clock).name([make_login(workspace_id="ws-nobody001", person=None)], until=clock.now())
    assert fleet.calls == [["ws-nobody001"]]
    assert [key for key in table.items() if key[1] == "name"] == []


def test_a_table_in_trouble_costs_no_login(table: Table, clock: FakeClock, fleet: Fleet) -> None:
    table.trouble = [error("AccessDeniedException")] * 100
    logins = hire(fleet, 60)
    named = container(table, clock).name(logins, until=clock.now() + 20)
    assert [login.user for login in named] == [f"user{number}" for number in range(60)]
    assert clock.slept == [0.5, 0.5]


# the sweep by night


@pytest.fixture
def night() -> FakeClock:
    return FakeClock(NIGHT)


def tick(table: Table, clock: FakeClock) -> int:
    """One tick of the clock, a minute after the last, in a container of its own."""
    clock.advance(60)
    return container(table, clock).sweep(HERE, until=clock.now() + 50)


def test_the_fleet_is_looked_at_a_few_pages_a_tick_and_then_known(table: Table, night: FakeClock, fleet: Fleet) -> None:
    logins = hire(fleet, 260)
    assert [tick(table, night) for _ in range(4)] == [125, 125, 10, 0]
    assert fleet.pages == ["", *(str(start) for start in range(25, 260, 25))]
    named = container(table, night).name(logins, until=night.now() + 20)
    assert {login.user for login in named} == {f"user{number}" for number in range(260)}
    assert fleet.calls == []


def test_the_sweep_keeps_to_the_pace(table: Table, night: FakeClock, fleet: Fleet) -> None:
    hire(fleet, 260)
    tick(table, night)
    assert night.slept == [0.5] * 4


def test_the_fleet_is_looked_at_once_a_night(table: Table, night: FakeClock, fleet: Fleet) -> None:
    hire(fleet, 10)
    assert [tick(table, night) for _ in range(3)] == [10, 0, 0]
    night.advance(DAY)
    assert [tick(table, night) for _ in range(3)] == [10, 0, 0]
    assert len(fleet.pages) == 2


@pytest.mark.parametrize(("hour", "swept"), [(0, 10), (4.9, 10), (5.02, 0), (9, 0), (23.9, 0)])
def test_only_the_night_is_for_sweeping(table: Table, clock: FakeClock, fleet: Fleet, hour: float, swept: int) -> None:
    hire(fleet, 10)
    clock.advance(19 * 3600 + hour * 3600 - 60)
    assert tick(table, clock) == swept


def test_a_large_fleet_goes_on_the_next_night(table: Table, fleet: Fleet, clock: FakeClock) -> None:
    hire(fleet, 200)
    clock.advance(19 * 3600 + 4.99 * 3600 - 60)
    assert [tick(table, clock), tick(table, clock)] == [125, 0]
    clock.advance(19 * 3600)
    assert tick(table, clock) == 75


def test_a_token_that_aws_forgot_begins_the_sweep_anew(table: Table, night: FakeClock, fleet: Fleet) -> None:
    hire(fleet, 30)
    another(table, night).sweep(HERE, Swept("forgotten", ""))
    assert tick(table, night) == 0
    assert tick(table, night) == 30


@pytest.mark.slow
@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InternalServerError"])
def test_a_sweep_that_aws_stops_keeps_its_place_and_goes_on_with_the_next_tick(
    table: Table, night: FakeClock, fleet: Fleet, code: str, log: pytest.LogCaptureFixture
) -> None:
    hire(fleet, 150)
    tick(table, night)
    fleet.script(refusal(code))
    assert [tick(table, night), tick(table, night)] == [0, 25]
    assert fleet.pages[-2:] == ["125", "125"]
    assert not [record for record in log.records if "user1" in str(record.__dict__)]


@pytest.mark.parametrize("seconds", [-1.0, CALL_SECONDS - 0.1], ids=["over", "too little to write what was seen"])
def test_a_sweep_without_time_makes_no_call(table: Table, night: FakeClock, fleet: Fleet, seconds: float) -> None:
    hire(fleet, 10)
    assert container(table, night).sweep(HERE, until=night.now() + seconds) == 0
    assert fleet.pages == []


def test_without_a_table_nobody_sweeps(table: Table, night: FakeClock, fleet: Fleet) -> None:
    hire(fleet, 10)
    assert WorkSpacesPeople(own_account(table, night), night).sweep(HERE, until=EVER) == 0
    table.trouble = [error("AccessDeniedException")]
    assert tick(table, night) == 0
    assert fleet.pages == []


TICK = {"detail-type": "Scheduled Event", "source": "aws.events", "account": HERE[0], "region": HERE[1], "detail": {}}


@pytest.mark.parametrize(
    ("event", "pages"),
    [(TICK, 1), (TICK | {"account": None}, 0), ({"Records": []}, 0)],
    ids=["a tick", "a tick from nowhere", "a batch"],
)
def test_the_nights_ticks_sweep_the_place_that_they_come_from(
    event: dict[str, Any], pages: int, *, table: Table, night: FakeClock, fleet: Fleet, tmp_path: Path
) -> None:
    hire(fleet, 10)
    pipeline = bots.Bot(tmp_path / "outbox.sqlite", {}, clock=night).pipeline
    answer(Bot(pipeline, Refusals(table, night), night, container(table, night)), event, None)
    assert len(fleet.pages) == pages


def test_no_name_is_ever_logged(table: Table, night: FakeClock, fleet: Fleet, log: pytest.LogCaptureFixture) -> None:
    logins = hire(fleet, 150)
    tick(table, night)
    fleet.script(refusal("InternalServerError", 500), refusal("AccessDeniedException"))
    container(table, night).name(logins, until=night.now() + 20)
    table.trouble = [error("AccessDeniedException")]
    container(table, night).name(logins, until=night.now() + 20)
    assert len(log.records) >= 2
    assert not [record for record in log.records if "user1" in str(record.__dict__)]
