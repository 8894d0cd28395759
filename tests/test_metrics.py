"""What CloudWatch is told: every number, under its dimensions, in lines that it reads; and never at a login's cost."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot import metrics
from bot.delivery import LEASE, Told
from bot.handler import NotKeptError, handle
from bot.metrics import UNITS, Figure
from bot.outbox.base import DestinationStatus
from bot.pace import Pace
from bot.pipeline import Intake, Taken
from bot.routing import Decision, Directory, Match, Route, Routing
from bot.senders.base import Verdict
from tests.support.aws import LoopbackAws
from tests.support.bots import Bot, event_of
from tests.support.channel import Channel
from tests.support.clock import START
from tests.support.logins import event, make_login
from tests.support.stage import set_stage

DOCS = Path(__file__).parent.parent / "docs" / "metrics.md"

Numbers = dict[tuple[str, ...], Any]


def numbers(documents: Iterable[dict[str, Any]]) -> Numbers:
    """What CloudWatch makes of `documents`: (metric, then its dimensions' values) → the sum, or all values."""
    found: Numbers = {}
    for document in documents:
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        (names,) = directive["Dimensions"]
        assert directive["Namespace"] == "LoginBot"
        for metric in directive["Metrics"]:
            key = (metric["Name"], *(document[name] for name in names if name != "Service"))
            value = document[metric["Name"]]
            found[key] = found[key] + value if key in found else value
    return found


def of(figures: Iterable[Figure]) -> Numbers:
    return numbers(metrics.documents("login-bot-dev", figures, START))


# the format


def read(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines()]


def test_a_line_is_a_document_as_cloudwatch_specifies_it(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = Figure("Verdicts", 2, (("Destination", "eng"), ("Verdict", "sent")))
    metrics.tell("login-bot-dev", [Figure("Logins", 3), Figure("AwsDelay", [8.75, 9]), verdicts], START + 0.25)
    assert read(capsys.readouterr().out) == [
        {
            "_aws": {
                "Timestamp": int(START * 1000) + 250,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "LoginBot",
                        "Dimensions": [["Service"]],
                        "Metrics": [{"Name": "Logins", "Unit": "Count"}, {"Name": "AwsDelay", "Unit": "Seconds"}],
                    }
                ],
            },
            "Service": "login-bot-dev",
            "Logins": 3,
            "AwsDelay": [8.75, 9],
        },
        {
            "_aws": {
                "Timestamp": int(START * 1000) + 250,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "LoginBot",
                        "Dimensions": [["Service", "Destination", "Verdict"]],
                        "Metrics": [{"Name": "Verdicts", "Unit": "Count"}],
                    }
                ],
            },
            "Service": "login-bot-dev",
            "Destination": "eng",
            "Verdict": "sent",
            "Verdicts": 2,
        },
    ]


def test_no_line_holds_more_than_100_values_of_a_metric_and_none_is_lost() -> None:
    login = make_login()
    taken = tuple(Taken(login=login, decision=Decision({}, ())) for _ in range(250))
    documents = metrics.documents("s", metrics.of_intake(Intake(taken=taken)), START)
    assert [len(document["AwsDelay"]) for document in documents] == [100, 100, 50]
    assert [document.get("Logins") for document in documents] == [250, None, None]
    assert max(len(json.dumps(document)) for document in documents) < 4096


def test_a_name_that_is_not_ascii_is_a_dimension_all_the_same() -> None:
    (document,) = metrics.documents("s", [Figure("Waiting", 1, (("Destination", "経理"),))], START)
    assert document["Destination"] == "\\u7d4c\\u7406"


def test_the_docs_list_every_metric_with_its_unit() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    assert dict(rows) == UNITS
    assert len(rows) == len(UNITS)


# what came in


ROUTING = Routing(
    directories={"d-9067000001": Directory(id="d-9067000001", name="Engineering", notify=("eng",))},
    routes=(Route(label="routes[0]", match=Match(platform=("Web",)), notify=("web",), continue_=True),),
    default=("ops",),
)


def taken(**different: Any) -> Taken:
    login = make_login(**different)
    return Taken(login=login, decision=ROUTING.decide(login))


def test_logins_are_counted_and_timed_and_refusals_apart() -> None:
    intake = Intake(taken=(taken(), Taken(refused="not a JSON object but text"), taken()))
    assert of(metrics.of_intake(intake)) == {("Logins",): 2, ("Refused",): 1, ("AwsDelay",): [8.75, 8.75]}


def test_logins_that_could_not_be_kept_are_no_logins_yet() -> None:
    intake = Intake(taken=(taken(), Taken(refused="no login"), taken()), unkept="the table did not answer")
    assert of(metrics.of_intake(intake)) == {("NotKept",): 2, ("Refused",): 1}


UNROUTED = {
    "a directory that nobody listed": ({"directory_id": "d-9067000099"}, 1),
    "a directory that somebody listed": ({}, 0),
    "one that a route speaks of, too": ({"directory_id": "d-9067000099", "platform": "Web"}, 0),
}


@pytest.mark.parametrize(("different", "unrouted"), UNROUTED.values(), ids=UNROUTED.keys())
def test_a_login_is_unrouted_when_only_the_default_speaks_of_it(different: dict[str, str], unrouted: int) -> None:
    assert of(metrics.of_intake(Intake(taken=(taken(**different),)))).get(("Unrouted",), 0) == unrouted


def test_a_listed_directory_that_leaves_it_to_the_default_is_not_unrouted() -> None:
    routing = Routing(directories={"d-9067000001": Directory(id="d-9067000001")}, default=("ops",))
    login = make_login()
    intake = Intake(taken=(Taken(login=login, decision=routing.decide(login)),))
    assert ("Unrouted",) not in of(metrics.of_intake(intake))


# what went out


def told(verdict: Verdict, *event_ids: str, **different: Any) -> Told:
    usual: dict[str, Any] = {
        "destination": "eng",
        "event_ids": event_ids or ("event-1",),
        "verdict": verdict,
        "payload": None,
        "milliseconds": 12.0,
    }
    return Told(**(usual | different))


def test_cards_are_counted_by_verdict_and_timed_for_each_login() -> None:
    cards = [
        told(Verdict.sent(), waited=(0.4,)),
        told(Verdict.sent(), "event-2", "event-3", waited=(1.2345, 2.0)),
        told(Verdict.again("429", after=3.0), destination="ops"),
    ]
    assert of(metrics.of_told(cards)) == {
        ("Cards",): 2,
        ("Digests",): 1,
        ("Verdicts", "eng", "sent"): 2,
        ("Verdicts", "ops", "again"): 1,
        ("BotDelay",): [0.4, 1.234, 2.0],
    }


DOUBTS = {
    "no answer to a card of two": (told(Verdict.unsure("timeout"), "a", "b"), 2),
    "a card that died begun, and was sent": (told(Verdict.sent(), "a", "b", died=True), 2),
    "one that died begun, and got no answer": (told(Verdict.unsure("timeout"), died=True), 2),
    "a card that was sent": (told(Verdict.sent()), 0),
    "a card that was not taken": (told(Verdict.again("503")), 0),
}


@pytest.mark.parametrize(("card", "doubts"), DOUBTS.values(), ids=DOUBTS.keys())
def test_a_doubt_is_a_login_that_may_be_said_twice(card: Told, doubts: int) -> None:
    assert of(metrics.of_told([card])).get(("Doubts",), 0) == doubts


def test_a_verdict_that_could_not_be_written_gives_nothing_up_yet() -> None:
    numbers = of(metrics.of_told([told(Verdict.dead("404", "destination"), settled=False)]))
    assert numbers == {("Verdicts", "eng", "dead"): 1}


# what waits


def waiting(name: str, number: int, oldest: float | None) -> DestinationStatus:
    return DestinationStatus(
        destination=name, group=name, waiting=number, oldest=oldest, not_before=None, said=7, given_up=1, doubts=0
    )


def test_what_waits_is_told_in_all_and_where() -> None:
    rows = [waiting("eng", 3, START - 90), waiting("it", 0, None), waiting("ops", 1, START - 5)]
    assert of(metrics.of_waiting(rows, START)) == {
        ("Logins",): 0,
        ("Waiting",): 4,
        ("OldestWaitingSeconds",): 90.0,
        ("Waiting", "eng"): 3,
        ("OldestWaitingSeconds", "eng"): 90.0,
        ("Waiting", "ops"): 1,
        ("OldestWaitingSeconds", "ops"): 5.0,
    }


def test_that_nothing_waits_is_told_as_well() -> None:
    assert of(metrics.of_waiting([], START)) == {("Logins",): 0, ("Waiting",): 0, ("OldestWaitingSeconds",): 0.0}


# through a whole bot


@pytest.fixture
def eng() -> Channel:
    return Channel()


@pytest.fixture
def bot(tmp_path: Path, eng: Channel) -> Bot:
    return Bot(tmp_path / "outbox.sqlite", {"eng": eng})


GIVEN_UP = {
    "payload": [Verdict.dead("400 invalid_blocks", "payload")],
    "destination": [Verdict.dead("404 no_service", "destination")] * 2,
    "doubts": [Verdict.unsure("timeout")] * 12,
    "too old": [Verdict.again("503", after=3600.0)] * 30,
}


@pytest.mark.parametrize(("why", "verdicts"), GIVEN_UP.items(), ids=GIVEN_UP.keys())
def test_what_is_given_up_is_counted_with_a_reason_of_few_words(
    bot: Bot, eng: Channel, why: str, verdicts: Sequence[Verdict]
) -> None:
    eng.answers.extend(verdicts)
    bot.take_in(event_of(1))
    for _ in range(30):
        bot.tell()
        bot.clock.advance(3601)
    found = of(metrics.of_told(bot.told))
    assert {key: value for key, value in found.items() if key[0] == "GivenUp"} == {("GivenUp",): 1, ("GivenUp", why): 1}


def test_a_login_waits_from_when_it_was_received_until_its_card_was_taken(bot: Bot, eng: Channel) -> None:
    eng.answers.append(Verdict.again("503", after=30.0))
    bot.take_in(event_of(1))
    bot.tell()
    bot.clock.advance(40)
    bot.tell()
    assert of(metrics.of_told(bot.told))[("BotDelay",)] == [40.0]


def test_a_card_that_died_begun_is_a_doubt_when_it_is_told_again(bot: Bot, eng: Channel) -> None:
    bot.take_in(event_of(1))
    turn = bot.outbox.waiting("eng", 10)
    bot.outbox.begin(turn, turn.rows, LEASE, Pace(messages=1000, per=0.0, gap=0.0, group="eng"))  # and then no more
    bot.clock.advance(LEASE + 1)
    bot.tell()
    found = of(metrics.of_told(bot.told))
    assert (found["Doubts",], found["Cards",]) == (1, 1)


# never at a login's cost


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A laptop's stage without a channel that would have to be asked."""
    set_stage(tmp_path, monkeypatch, "destinations:\n  eng: {type: console}\ndefault: [eng]\n")
    return monkeypatch


def lines(captured: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.splitlines() if line.startswith("{")]


def test_a_call_tells_what_it_saw_without_a_name_or_an_id(
    stage: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.setenv("METRICS", "1")
    handle(event("seed"), None)
    handle({"detail-type": "Scheduled Event"}, None)
    documents = lines(capsys.readouterr().out)
    found = numbers(documents)
    assert {key: found[key] for key in (("Logins",), ("Cards",), ("Waiting",), ("Verdicts", "eng", "sent"))} == {
        ("Logins",): 1,
        ("Cards",): 1,
        ("Waiting",): 0,
        ("Verdicts", "eng", "sent"): 1,
    }
    assert {document["Service"] for document in documents} == {"login-bot"}
    text = json.dumps(documents)
    assert [each for each in ("alice", "ws-", "d-9067", "203.0.113") if each in text] == []


def test_look_ups_are_counted_by_the_call(
    stage: pytest.MonkeyPatch, aws: LoopbackAws, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.setenv("METRICS", "1")
    stage.delenv("USERS_FILE")
    handle(event("seed"), None)
    handle(event("seed"), None)  # nobody is asked for twice
    assert numbers(lines(capsys.readouterr().out))["LookUps",] == 1


def test_a_direct_event_that_could_not_be_kept_is_counted_before_it_raises(
    stage: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.sqlite").write_text("this is no database, and far longer than a header of one " * 20)
    stage.setenv("METRICS", "1")
    with pytest.raises(NotKeptError):
        handle(event("seed"), None)
    assert numbers(lines(capsys.readouterr().out)) == {("NotKept",): 1}


def test_on_a_laptop_nobody_counts(stage: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    handle(event("seed"), None)
    assert lines(capsys.readouterr().out) == []


def test_on_lambda_the_service_is_the_functions_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "login-bot-prod-notify")
    assert metrics.service() == "login-bot-prod-notify"


def _broken() -> Iterator[Figure]:
    yield Figure("Logins", 1)
    raise RuntimeError("a secret may stand here")


def test_numbers_that_cannot_be_made_are_one_log_line_and_no_more(
    capsys: pytest.CaptureFixture[str], log: pytest.LogCaptureFixture
) -> None:
    metrics.tell("s", _broken(), START)
    assert capsys.readouterr().out == ""
    assert [(record.getMessage(), record.__dict__["fields"]) for record in log.records] == [
        ("metrics not written", {"reason": "RuntimeError"})
    ]


class Closed:
    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_standard_output_that_is_gone_costs_no_login(
    stage: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    stage.setattr(sys, "stdout", Closed())
    metrics.tell("s", [Figure("Logins", 1)], START)
    assert [record.getMessage() for record in log.records] == ["metrics not written"]
