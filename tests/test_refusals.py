"""What was refused: on the dead-letter queue with its reason, however odd it is, or back to where it came from."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.aws import CALL_SECONDS, Aws
from bot.handler import NotKeptError, handle
from bot.refusals import MAX_MESSAGE_BYTES, Refusal, Refusals, _message
from tests.support.aws import LoopbackAws
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.logins import event
from tests.support.providers import Answer, How, Provider, Request
from tests.support.stage import set_stage

EVER = 1e12
KEYS = {"reason", "record_id", "cut", "record"}


class DeadLetters:
    """A queue of moto's; `arrived` empties it."""

    def __init__(self, aws: LoopbackAws) -> None:
        self._sqs = aws.client("sqs")
        self.url = self._sqs.create_queue(QueueName="dead-letters")["QueueUrl"]

    def arrived(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
        return found


@pytest.fixture
def queue(aws: LoopbackAws) -> DeadLetters:
    return DeadLetters(aws)


@pytest.fixture
def refusals(aws: LoopbackAws, queue: DeadLetters) -> Refusals:
    return Refusals(aws.clients, FakeClock(), queue.url)


# on the queue


def test_a_refusal_is_written_with_its_reason_and_where_it_came_from(refusals: Refusals, queue: DeadLetters) -> None:
    assert refusals.put([Refusal("{oops", "not JSON", "m-1")], until=EVER) == []
    assert queue.arrived() == [{"reason": "not JSON", "record_id": "m-1", "cut": False, "record": "{oops"}]


class Odd:
    def __str__(self) -> str:
        return "odd"


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


RECORDS: dict[str, tuple[object, str]] = {
    "an object": ({"a": [1, None, "ü"]}, '{"a": [1, null, "ü"]}'),
    "nothing": (None, "null"),
    "text of all kinds": ("山田 \u202e\x00\x1b[31m \ufffe 😀", "山田 \u202e\x00\x1b[31m \ufffe 😀"),
    "half a surrogate pair": ("half\ud83d", "half?"),
    "half a pair in an object": ({"k\ud83d": "\udc00"}, '{"k?": "?"}'),
    "what JSON does not know": ({"a": Odd()}, '{"a": "odd"}'),
    "nested too deeply": (nested(100_000), "can't be written as JSON: RecursionError"),
    "a number too long": (10**5000, "can't be written as JSON: ValueError"),
    "a key that is none": ({(1, 2): 3}, "can't be written as JSON: TypeError"),
    "empty": ("", ""),
}


@pytest.mark.parametrize(("raw", "record"), RECORDS.values(), ids=RECORDS.keys())
def test_every_record_can_be_written(raw: object, record: str, refusals: Refusals, queue: DeadLetters) -> None:
    assert refusals.put([Refusal(raw, "odd")], until=EVER) == []
    (message,) = queue.arrived()
    assert (message["record"], message["cut"]) == (record, False)


@pytest.mark.parametrize("character", ["x", '"', "\x00", "é", "山", "😀", "\ud83d", "\ufffe"])
def test_a_record_too_long_is_cut_to_64_kb_of_the_message_and_says_so(
    character: str, refusals: Refusals, queue: DeadLetters
) -> None:
    assert refusals.put([Refusal("#" + character * 70_000, "x" * 5_000, "m" * 5_000)], until=EVER) == []
    (message,) = queue.arrived()
    size = len(json.dumps(message))
    assert message["cut"] is True
    assert MAX_MESSAGE_BYTES - 12 <= size <= MAX_MESSAGE_BYTES
    assert ("#" + character * 70_000).encode("utf-8", "replace").decode().startswith(message["record"])


@given(
    raw=st.text(st.characters() | st.sampled_from('\x00\ud800\udfff😀\\"'), max_size=200),
    times=st.sampled_from([1, 400, 5_000]),
    reason=st.text(max_size=50),
)
@examples(60)
def test_no_message_is_longer_than_64_kb_and_each_can_be_read(raw: str, times: int, reason: str) -> None:
    message = _message(Refusal(raw * times, reason))
    assert message.isascii()
    assert len(message) <= MAX_MESSAGE_BYTES
    read = json.loads(message)
    whole = (raw * times).encode("utf-8", "replace").decode()
    assert read.keys() == KEYS
    assert read["cut"] == (read["record"] != whole)
    assert whole.startswith(read["record"])


# many at once


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch, aws: LoopbackAws) -> Iterator[Provider]:
    """An SQS that takes everything and shows what it was sent."""
    with Provider(_takes(lambda _: True), path="/") as provider:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", provider.url)
        yield provider


def _takes(fine: Callable[[str], bool]) -> Callable[[Request], Answer]:
    """Takes the messages that are `fine`, as SendMessageBatch answers."""

    def answer(request: Request) -> Answer:
        entries = request.json["Entries"]
        good = [entry["Id"] for entry in entries if fine(entry["MessageBody"])]
        bad = [entry["Id"] for entry in entries if entry["Id"] not in good]
        said = {
            "Successful": [{"Id": id_, "MessageId": f"message-{id_}"} for id_ in good],
            "Failed": [{"Id": id_, "Code": "InternalError", "SenderFault": False} for id_ in bad],
        }
        return Answer(200, json.dumps(said), {"Content-Type": "application/x-amz-json-1.0"})

    return answer


def refused(number: int, body: str = "garbage") -> list[Refusal]:
    return [Refusal(f"{body} {each}", "no login", f"m-{each}") for each in range(number)]


def on(sqs: Provider, clock: FakeClock | None = None) -> Refusals:
    return Refusals(Aws(), clock or FakeClock(), f"{sqs.url}123456789012/dead-letters")


def sent(sqs: Provider) -> list[list[str]]:
    """The bodies of each call."""
    return [[entry["MessageBody"] for entry in post.json["Entries"]] for post in sqs.posts]


def test_ten_go_in_a_call_and_every_one_is_written_once(sqs: Provider) -> None:
    assert on(sqs).put(refused(1_000), until=EVER) == []
    calls = sent(sqs)
    assert (len(calls), {len(call) for call in calls}) == (100, {10})
    written = [json.loads(body)["record"] for call in calls for body in call]
    assert written == [f"garbage {number}" for number in range(1_000)]


def test_no_call_is_larger_than_what_sqs_takes(sqs: Provider) -> None:
    assert on(sqs).put(refused(25, "x" * 100_000), until=EVER) == []
    calls = sent(sqs)
    assert [len(call) for call in calls] == [4] * 6 + [1]
    assert max(sum(map(len, call)) for call in calls) <= 262_144


def test_nothing_refused_calls_nobody(sqs: Provider) -> None:
    assert on(sqs).put([], until=EVER) == []
    assert sqs.connections == 0


def test_without_a_queue_a_refusal_is_a_log_line(sqs: Provider, log: pytest.LogCaptureFixture) -> None:
    assert Refusals(Aws(), FakeClock()).put(refused(2), until=EVER) == []
    assert sqs.connections == 0
    assert [record.__dict__["fields"] for record in log.records] == [
        {"record_id": "m-0", "reason": "no login"},
        {"record_id": "m-1", "reason": "no login"},
    ]


# a queue in trouble


def test_what_the_queue_takes_not_comes_again_alone(sqs: Provider, log: pytest.LogCaptureFixture) -> None:
    sqs.rule = _takes(lambda body: "garbage 7" not in body and "garbage 23" not in body)
    asked = refused(30)
    assert on(sqs).put(asked, until=EVER) == [asked[7], asked[23]]
    assert len(sqs.posts) == 3
    last = log.records[-1].__dict__["fields"]
    assert last == {"records": 2, "reason": "InternalError"}


TROUBLES = {
    "closed": Answer(how=How.CLOSE),
    "no HTTP": Answer(how=How.GARBAGE),
    "500": Answer(500, "{}"),
    "denied": Answer(403, '{"__type": "AccessDeniedException"}'),
    "no such queue": Answer(400, '{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}'),
    "an answer without a word": Answer(200, "{}"),
    "an answer about others": Answer(200, '{"Successful": [{"Id": "4711"}]}'),
    "an odd answer": Answer(200, '{"Successful": [{"Id": "x"}]}'),
    "a list": Answer(200, "[]"),
}


@pytest.mark.slow
@pytest.mark.parametrize("answer", TROUBLES.values(), ids=TROUBLES.keys())
def test_whatever_a_queue_in_trouble_says_nothing_is_forgotten(answer: Answer, sqs: Provider) -> None:
    sqs.always(answer)
    assert on(sqs).put(refused(3), until=EVER) == refused(3)


def test_a_queue_that_is_down_costs_one_call_and_what_was_written_before_stays_so(sqs: Provider) -> None:
    accept = _takes(lambda _: True)
    sqs.rule = lambda request: accept(request) if len(sqs.posts) <= 2 else Answer(how=How.CLOSE)
    asked = refused(100)
    assert on(sqs).put(asked, until=EVER) == asked[20:]
    assert len(sqs.posts) == 3


def test_no_call_begins_that_could_end_too_late(sqs: Provider) -> None:
    clock = FakeClock()
    accept = _takes(lambda _: True)

    def slow(request: Request) -> Answer:
        clock.advance(4.0)
        return accept(request)

    sqs.rule = slow
    asked = refused(100)
    assert on(sqs, clock).put(asked, until=clock.now() + CALL_SECONDS + 8.0) == asked[30:]
    assert len(sqs.posts) == 3


def test_a_log_line_of_a_queue_in_trouble_holds_no_word_of_the_provider(
    sqs: Provider, log: pytest.LogCaptureFixture
) -> None:
    sqs.always(Answer(403, '{"__type": "AccessDenied", "message": "arn:aws:sts::123456789012:assumed-role/bot"}'))
    on(sqs).put(refused(1), until=EVER)
    assert "assumed-role" not in log.text + str([record.__dict__ for record in log.records])


def test_a_log_line_of_a_queue_that_may_not_be_written_to_says_so(sqs: Provider, log: pytest.LogCaptureFixture) -> None:
    sqs.always(Answer(403, '{"__type": "AccessDenied"}'))
    on(sqs).put(refused(1), until=EVER)
    assert log.records[-1].fields == {"records": 1, "reason": "AccessDenied"}  # type: ignore[attr-defined]


# through the door

ROUTES = """
trusted_hosts: ["{host}"]
destinations: {{ops: {{type: slack, webhook_url: "env:OPS_WEBHOOK", pace: {{messages: 1000, per: 1}}}}}}
default: [ops]
"""


@pytest.fixture
def stage(tmp_path: Path, queue: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The function with a dead-letter queue and one channel."""
    with Provider.slack() as slack:
        environment = {"DEAD_LETTER_QUEUE_URL": queue.url, "OPS_WEBHOOK": slack.url, "LOG_LEVEL": "ERROR"}
        set_stage(tmp_path, monkeypatch, ROUTES.format(host=slack.host), **environment)
        yield slack


def record(number: int, body: object = None) -> dict[str, Any]:
    """A queue record with the `number`th login, or with something else."""
    raw = event("seed") | {"id": f"event-{number}"} if body is None else body
    return {"messageId": f"m-{number}", "body": raw if isinstance(raw, str) else json.dumps(raw)}


POISON = '{"detail-type": "WorkSpaces Access", "source": "aws.workspaces", "detail": "\ud83d"}'


def test_a_poison_record_among_3999_good_ones_is_refused_alone(stage: Provider, queue: DeadLetters) -> None:
    batch = [record(number) for number in range(4_000)]
    batch[2_000] = record(2_000, POISON)
    assert handle({"Records": batch}, None) == {"batchItemFailures": []}
    assert queue.arrived() == [
        {
            "reason": "detail is text, not an object",
            "record_id": "m-2000",
            "cut": False,
            "record": POISON.replace("\ud83d", "?"),
        }
    ]
    assert sum(int(post.json["text"].split()[0].replace(",", "")) for post in stage.posts) == 3_999


@pytest.mark.usefixtures("stage")
def test_a_batch_of_garbage_is_refused_whole(queue: DeadLetters) -> None:
    bodies = ["", "{", "null", "[" * 50_000, "9" * 5_000, "x" * 300_000, "\x00", '{"detail-type": "\\ud800"}']
    batch: list[Any] = [record(number, body) for number, body in enumerate(bodies)]
    batch += [{"messageId": "m-8"}, {"messageId": "m-9", "body": {"a": 1}}, "no record"]
    assert handle({"Records": batch}, None) == {"batchItemFailures": []}
    arrived = {message["record_id"]: message for message in queue.arrived()}
    assert len(arrived) == len(batch)
    assert all(message["reason"] for message in arrived.values())
    assert arrived["m-8"]["record"] == '{"messageId": "m-8"}'
    assert arrived["m-9"]["record"] == '{"messageId": "m-9", "body": {"a": 1}}'
    assert arrived[""]["record"] == "no record"


def test_a_refusal_that_cannot_be_written_goes_back_to_the_queue_and_its_neighbours_do_not(
    stage: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Provider(lambda _: Answer(how=How.CLOSE), path="/") as sqs:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", sqs.url)
        answer = handle({"Records": [record(1), record(2, POISON), record(3)]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-2"}]}
    assert len(stage.posts) == 2


@pytest.mark.usefixtures("stage")
def test_a_direct_event_that_is_refused_is_on_the_queue(queue: DeadLetters) -> None:
    assert handle({"detail-type": "X"}, None) == {}
    (message,) = queue.arrived()
    assert (message["record"], message["record_id"]) == ('{"detail-type": "X"}', "")


@pytest.mark.usefixtures("stage")
def test_a_direct_event_whose_refusal_cannot_be_written_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with Provider(lambda _: Answer(500), path="/") as sqs:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", sqs.url)
        with pytest.raises(NotKeptError, match="the dead-letter queue did not take it"):
            handle({"detail-type": "X"}, None)


HOSTILE: dict[str, Any] = {
    "half a pair": "\ud800",
    "NUL": "a\x00b",
    "long": "x" * 100_000,
    "number": 7,
    "far too large a number": 1e308,
    "not a number": float("nan"),
    "object": {"a": 1},
    "list": ["ws-8n1k2m3p4"],
    "nothing": None,
    "false": False,
    "blank": " ",
    "year 1": "0001-01-01T00:00:00+14:00",
    "year 9999": "9999-12-31T23:59:59-14:00",
    "address": "::ffff:203.0.113.7%eth0",
}
FIELDS = ("id", "time", "account", "region", "source", "detail-type", "detail", "resources")
DETAILS = ("clientIpAddress", "actionType", "loginTime", "clientPlatform", "directoryId", "workspaceId")


@pytest.mark.slow
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_field_of_a_record_can_take_its_neighbours_along(value: Any, stage: Provider) -> None:
    batch = [record(number, event("seed") | {"id": f"odd-{number}", key: value}) for number, key in enumerate(FIELDS)]
    for number, key in enumerate(DETAILS, start=len(batch)):
        raw = event("seed") | {"id": f"odd-{number}"}
        batch.append(record(number, raw | {"detail": raw["detail"] | {key: value}}))
    batch.append(record(99, event("ipv6") | {"id": "the-neighbour"}))
    assert handle({"Records": batch}, None) == {"batchItemFailures": []}
    assert stage.posts
