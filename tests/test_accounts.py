"""People of other accounts: looked up with the role that the routing file names, and with no other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.accounts import Accounts, RoleError
from bot.aws import Keys
from bot.config import Account
from bot.events import Login, NameGap, Person
from bot.secrets import SecretRef, Secrets
from bot.users import WorkSpacesPeople
from tests.support.aws import LoopbackAws
from tests.support.clock import FakeClock
from tests.support.fleet import hire
from tests.support.logins import make_login
from tests.support.outbox_aws import FaultyAws, client_error, on_loopback

OWN, OTHER, THIRD = "123456789012", "210987654321", "111122223333"
ROLE = f"arn:aws:iam::{OTHER}:role/login-bot-lookup"
EXTERNAL_ID = "made-up-external-id"


@dataclass
class Stage:
    outside: LoopbackAws
    aws: FaultyAws
    clock: FakeClock = field(default_factory=FakeClock)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.secrets = Secrets(self.aws, self.clock)

        def note(operation: str, request: dict[str, Any]) -> None:
            if operation == "assume_role":
                self.asked.append(request)

        self.aws.before = note

    def accounts(self, external_id: str = "") -> Accounts:
        ref = SecretRef.parse(external_id) if external_id else None
        return Accounts({OTHER: Account(role_arn=ROLE, external_id=ref)}, self.aws, self.secrets, self.clock)

    def people(self, external_id: str = "") -> WorkSpacesPeople:
        return WorkSpacesPeople(self.accounts(external_id), self.clock)

    def store(self, value: str) -> None:
        self.outside.client("ssm").put_parameter(
            Name="/login-bot/external", Value=value, Type="SecureString", Overwrite=True
        )

    def sts_says(self, error: Exception) -> None:
        def before(operation: str, _: dict[str, Any]) -> None:
            if operation == "assume_role":
                raise error

        self.aws.before = before


@pytest.fixture
def stage(aws: LoopbackAws) -> Iterator[Stage]:
    with on_loopback(aws) as bots:
        yield Stage(aws, bots)


def at(workspace_id: str, account: str, region: str = "eu-west-1") -> Login:
    return make_login(workspace_id=workspace_id, account=account, region=region, person=None)


def names(people: WorkSpacesPeople, *logins: Login, clock: FakeClock) -> list[Person | None]:
    return [login.person for login in people.name(logins, until=clock.now() + 20)]


def test_each_account_is_asked_with_its_own_role_or_with_the_bots_own_credentials(stage: Stage) -> None:
    (alice,) = hire(["alice"], "eu-west-1", OWN)
    (bob,) = hire(["bob"], "eu-west-1", OTHER)
    logins = (at(alice, OWN), at(bob, OTHER))
    assert names(stage.people(), *logins, clock=stage.clock) == [Person(name="alice"), Person(name="bob")]
    assert stage.asked == [{"RoleArn": ROLE, "RoleSessionName": "login-bot"}]


def test_a_region_has_a_client_of_its_own_on_one_session(stage: Stage) -> None:
    (bob,) = hire(["bob"], "eu-west-1", OTHER)
    (eve,) = hire(["eve"], "us-east-1", OTHER)
    logins = (at(bob, OTHER), at(eve, OTHER, "us-east-1"))
    assert names(stage.people(), *logins, clock=stage.clock) == [Person(name="bob"), Person(name="eve")]
    assert [region for _, region in stage.aws.keys] == ["eu-west-1", "us-east-1"]
    assert len(stage.asked) == 1


def test_an_account_without_an_entry_is_asked_with_the_bots_own_credentials(stage: Stage) -> None:
    (mallory,) = hire(["mallory"], "eu-west-1", THIRD)
    (person,) = names(stage.people(), at(mallory, THIRD), clock=stage.clock)
    assert person is not None
    assert (person.name, person.gap) == (mallory, NameGap.UNKNOWN)
    assert stage.asked == []


def test_the_external_id_is_a_secret_and_goes_with_the_role(stage: Stage) -> None:
    stage.store(EXTERNAL_ID)
    stage.accounts("ssm:/login-bot/external").workspaces((OTHER, "eu-west-1"))
    assert stage.asked == [{"RoleArn": ROLE, "RoleSessionName": "login-bot", "ExternalId": EXTERNAL_ID}]


def test_a_session_is_used_until_it_is_near_its_end_and_then_taken_on_afresh(stage: Stage) -> None:
    stage.accounts().workspaces((OTHER, "eu-west-1"))
    given = stage.aws.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="of-a-test")
    ends = given["Credentials"]["Expiration"].timestamp()
    stage.asked.clear()
    stage.clock.advance(ends - 3600 - stage.clock.now())  # moto knows no other time than the real one
    accounts = stage.accounts()
    first = accounts.workspaces((OTHER, "eu-west-1"))
    stage.clock.advance(3600 - 302)
    assert accounts.workspaces((OTHER, "eu-west-1")) is first
    stage.clock.advance(10)
    assert accounts.workspaces((OTHER, "eu-west-1")) is not first
    assert len(stage.asked) == 2
    assert len({keys for keys, _ in stage.aws.keys}) == len(stage.aws.keys), "each with keys of its own"


TROUBLES = {
    "denied": (
        client_error("AccessDenied", 403, f"not with {EXTERNAL_ID}"),
        NameGap.DENIED,
        "may the bot's role assume it",
    ),
    "region off": (client_error("RegionDisabledException", 403), NameGap.UNREACHABLE, "STS did not give the role"),
    "silent": (TimeoutError(EXTERNAL_ID), NameGap.UNREACHABLE, "TimeoutError"),
}


@pytest.mark.parametrize(("error", "gap", "why"), TROUBLES.values(), ids=TROUBLES.keys())
def test_a_role_that_is_not_to_be_had_costs_the_name_and_not_the_login(
    stage: Stage, error: Exception, gap: NameGap, why: str, log: pytest.LogCaptureFixture
) -> None:
    stage.store(EXTERNAL_ID)
    stage.sts_says(error)
    (person,) = names(stage.people("ssm:/login-bot/external"), at("ws-bob000001", OTHER), clock=stage.clock)
    assert person is not None
    assert (person.name, person.gap) == ("ws-bob000001", gap)
    (line,) = [vars(record)["fields"] for record in log.records if record.message == "names not found"]
    assert why in line["reason"]
    assert ROLE in line["reason"]
    assert EXTERNAL_ID not in log.text + str(line)


def test_an_external_id_that_cannot_be_read_costs_the_name_and_not_the_login(stage: Stage) -> None:
    (person,) = names(stage.people("ssm:/login-bot/missing"), at("ws-bob000001", OTHER), clock=stage.clock)
    assert person is not None
    assert person.gap is NameGap.DENIED
    with pytest.raises(RoleError, match="ssm:/login-bot/missing is missing"):
        stage.accounts("ssm:/login-bot/missing").workspaces((OTHER, "eu-west-1"))


def test_after_a_denial_the_external_id_is_read_and_the_role_taken_on_afresh(stage: Stage) -> None:
    (bob,) = hire(["bob"], "eu-west-1", OTHER)
    stage.store("of yesterday")
    people = stage.people("ssm:/login-bot/external")
    note = stage.aws.before
    stage.sts_says(client_error("AccessDenied", 403))
    names(people, at(bob, OTHER), clock=stage.clock)
    stage.aws.before = note
    stage.store(EXTERNAL_ID)
    stage.clock.advance(61)
    assert names(people, at(bob, OTHER), clock=stage.clock) == [Person(name="bob")]
    assert [request["ExternalId"] for request in stage.asked] == [EXTERNAL_ID]


def test_no_error_and_no_repr_shows_a_key(stage: Stage) -> None:
    stage.store(EXTERNAL_ID)
    stage.sts_says(client_error("AccessDenied", 403, f"not with {EXTERNAL_ID}"))
    with pytest.raises(RoleError) as failed:
        stage.accounts("ssm:/login-bot/external").workspaces((OTHER, "eu-west-1"))
    assert EXTERNAL_ID not in repr(failed.value)
    assert (failed.value.__cause__, failed.value.__context__) == (None, None)
    assert repr(Keys("AKIAEXAMPLE", "made-up", "made-up")) == "Keys()"
