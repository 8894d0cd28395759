"""Names of people that outlive a container, and one pace of asking AWS for them among all copies of the bot.

In the bot's own DynamoDB table, beside the outbox:

    PK                                       SK      what it holds
    name#<account>#<region>#<WorkSpace id>   name    whose desk it is; for 30 days after it was last used or swept
    name#<account>#<region>                  pace    when DescribeWorkspaces may be called next
    name#<account>#<region>                  sweep   how far the nightly look at the whole fleet got

A table in trouble costs no login: for a few seconds nobody is known there, and this process paces itself alone.
Names are personal data: they are never logged.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from bot.aws import Aws
from bot.clock import Clock
from bot.events import NamedAfter, NameGap, Person

log = logging.getLogger("bot.names")

CALL_GAP_SECONDS = 0.5
"""Practitioners report throttling near two calls a second for an account and region; AWS publishes no quota."""

ABSURD_SECONDS = 60.0
"""Nobody waits that long for a call: a later one was reserved by a clock that was wrong."""

KEPT_SECONDS = 30 * 24 * 3600
AGED_SECONDS = 24 * 3600
"""A name that is used is written again when it is older than that, and so kept for another 30 days."""

AGED_AT_ONCE = 250
"""No more names than this are written again after one look-up, oldest first: a morning's storm is not the time."""

READ_AT_ONCE = 100  # BatchGetItem, API reference
WRITTEN_AT_ONCE = 25  # BatchWriteItem, API reference

PAUSES = (0.0, 0.05, 0.2, 0.8)
"""Seconds before each try of a call that the table had no room for."""

LEFT_ALONE_SECONDS = 10.0
"""A table in trouble is not asked for that long: it must not cost every look-up its timeout."""

NO_ROOM = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})
NOT_SO = "ConditionalCheckFailedException"

EXPIRES = "expires"  # the attribute that the table's TTL looks at
WRITABLE = re.compile(r"[\w.-]{0,128}", re.ASCII)
"""What may be part of a key. AWS's own accounts, regions and ids all are; anything else is not kept."""

Place = tuple[str, str]  # account, region
Item = dict[str, Any]
Thing = TypeVar("Thing")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Swept:
    """How far the sweep of a fleet got: AWS's token of the next page, and the last night that saw its end."""

    token: str = ""
    night: str = ""


class Names(Protocol):
    """What the copies of the bot share about people. No method raises."""

    def known(self, place: Place, ids: Sequence[str], until: float) -> dict[str, Person]:
        """Who is behind those of the WorkSpaces `ids` that are known; being asked for keeps them known.

        It asks once at least, and begins nothing more after `until`.
        """

    def remember(self, place: Place, people: Mapping[str, Person]) -> None:
        """Know `people`, by WorkSpace id."""

    def slot(self, place: Place, latest: float) -> float | None:
        """Reserve one call of DescribeWorkspaces: when it may be made, None when that would be after `latest`."""

    def swept(self, place: Place) -> Swept | None:
        """How far the sweep got, None where there is nothing to sweep for."""

    def sweep(self, place: Place, swept: Swept) -> None:
        """Write how far the sweep got."""


class OwnNames:
    """Shares nothing: this process paces itself, and whom it knows only it knows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[Place, float] = {}

    def known(self, place: Place, ids: Sequence[str], until: float) -> dict[str, Person]:  # noqa: ARG002 - nobody is
        return {}

    def remember(self, place: Place, people: Mapping[str, Person]) -> None:
        """Nothing: who asks remembers on its own."""

    def slot(self, place: Place, latest: float) -> float | None:
        now = self._clock.now()
        slot = min(max(now, self._next.get(place, 0.0)), now + CALL_GAP_SECONDS)  # no later, even if it was put back
        if slot > latest:
            return None
        self._next[place] = slot + CALL_GAP_SECONDS
        return slot

    def swept(self, place: Place) -> Swept | None:  # noqa: ARG002 - there is nothing to sweep for
        return None

    def sweep(self, place: Place, swept: Swept) -> None:
        """Nothing, for `swept` says so."""


class DynamoNames:
    """Names and the pace in the table `table_name`."""

    def __init__(self, table_name: str, aws: Aws, clock: Clock) -> None:
        self._table = table_name
        self._aws = aws
        self._clock = clock
        self._alone = OwnNames(clock)
        self._well_from = 0.0

    def known(self, place: Place, ids: Sequence[str], until: float) -> dict[str, Person]:
        now = self._clock.now()
        keys = [_key(place, "name", id_) for id_ in dict.fromkeys(ids) if _writable(place, id_)]
        told = [each for each in self._told(keys, until) if each.written_at + KEPT_SECONDS > now]
        aged = sorted((each for each in told if now - each.written_at >= AGED_SECONDS), key=lambda one: one.written_at)
        self.remember(place, {each.id: each.person for each in aged[:AGED_AT_ONCE]})
        return {each.id: each.person for each in told}

    def remember(self, place: Place, people: Mapping[str, Person]) -> None:
        now = self._clock.now()
        puts = [
            {"PutRequest": {"Item": _key(place, "name", id_) | _facts(person, now)}}
            for id_, person in people.items()
            if _writable(place, id_)
        ]
        for some in _pieces(puts, WRITTEN_AT_ONCE):
            for _ in self._in_full("batch_write_item", some, "UnprocessedItems"):
                pass

    def slot(self, place: Place, latest: float) -> float | None:
        """At once where nobody has reserved a call, else after the last one reserved.

        Each of the two is one conditional write; the third covers that the last one came to pass between them.
        """
        if _writable(place):
            for reserve in (self._at_once, self._after_the_last, self._at_once):
                if (slot := reserve(place, latest)) is not None:
                    return slot
            if not self._in_trouble():
                return None
        return self._alone.slot(place, latest)

    def swept(self, place: Place) -> Swept | None:
        if not _writable(place):
            return None
        return self._ask("get_item", _swept, TableName=self._table, Key=_key(place, "sweep"))

    def sweep(self, place: Place, swept: Swept) -> None:
        facts = _texts(token=swept.token, night=swept.night) | _numbers(**{EXPIRES: self._clock.now() + KEPT_SECONDS})
        self._ask("put_item", bool, TableName=self._table, Item=_key(place, "sweep") | facts)

    def _at_once(self, place: Place, latest: float) -> float | None:
        now = self._clock.now()
        if now > latest:
            return None
        times = {":now": now, ":absurd": now + ABSURD_SECONDS, ":next": now + CALL_GAP_SECONDS}
        return self._ask(
            "update_item",
            lambda _: now,
            TableName=self._table,
            Key=_key(place, "pace"),
            UpdateExpression=f"SET next_call = :next, {EXPIRES} = :expires",
            ConditionExpression="attribute_not_exists(next_call) OR next_call <= :now OR next_call > :absurd",
            ExpressionAttributeValues=_numbers(**times, **{":expires": now + KEPT_SECONDS}),
        )

    def _after_the_last(self, place: Place, latest: float) -> float | None:
        return self._ask(
            "update_item",
            lambda answer: float(answer["Attributes"]["next_call"]["N"]),
            TableName=self._table,
            Key=_key(place, "pace"),
            UpdateExpression="SET next_call = next_call + :gap",
            ConditionExpression="next_call BETWEEN :now AND :latest",
            ExpressionAttributeValues=_numbers(
                **{":gap": CALL_GAP_SECONDS, ":now": self._clock.now(), ":latest": latest}
            ),
            ReturnValues="UPDATED_OLD",
        )

    def _told(self, keys: Sequence[Item], until: float) -> Iterator["_Told"]:
        for number, some in enumerate(_pieces(keys, READ_AT_ONCE)):
            if number and self._clock.now() >= until:
                return
            for answer in self._in_full("batch_get_item", {"Keys": some}, "UnprocessedKeys"):
                yield from filter(None, map(_told, answer.get("Responses", {}).get(self._table, [])))

    def _in_full(self, operation: str, asked: Any, left: str) -> Iterator[Any]:
        """The answers to a call, and to those for what the table left over; none any more, once it is in trouble."""
        for pause in PAUSES:
            self._clock.sleep(pause)
            answer = self._ask(operation, dict, RequestItems={self._table: asked})
            if answer is None:
                return
            yield answer
            asked = answer.get(left, {}).get(self._table)
            if not asked:
                return
        self._leave_alone(operation, left)

    def _ask(self, operation: str, read: Callable[[Any], Answer], **request: Any) -> Answer | None:
        """What `read` finds in the table's answer. None where a condition did not hold, and where there is trouble."""
        if self._in_trouble():
            return None
        code = ""
        for pause in PAUSES:
            self._clock.sleep(pause)
            try:
                return read(getattr(self._aws.client("dynamodb"), operation)(**request))
            except Exception as error:  # noqa: BLE001 - whatever fails here, the login goes on
                code = _code(error)
            if code == NOT_SO:
                return None
            if code not in NO_ROOM:
                break
        self._leave_alone(operation, code)
        return None

    def _leave_alone(self, operation: str, reason: str) -> None:
        self._well_from = self._clock.now() + LEFT_ALONE_SECONDS
        log.warning("names table in trouble", extra={"fields": {"operation": operation, "reason": reason}})

    def _in_trouble(self) -> bool:
        return 0 < self._well_from - self._clock.now() <= LEFT_ALONE_SECONDS


@dataclass(frozen=True, slots=True)
class _Told:
    """What an item tells: who is behind a WorkSpace, and when that was written."""

    id: str
    person: Person
    written_at: float


def _told(item: Item) -> _Told | None:
    try:
        gap = item["gap"]["S"]
        person = Person(
            name=item["name"]["S"],
            named_after=NamedAfter(item["named_after"]["S"]),
            gap=NameGap(gap) if gap else None,
        )
        return _Told(item["PK"]["S"].rpartition("#")[2], person, float(item["written_at"]["N"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None  # whatever wrote that, it is asked for again


def _facts(person: Person, now: float) -> Item:
    texts = _texts(name=person.name, named_after=person.named_after.value, gap=person.gap.value if person.gap else "")
    return texts | _numbers(**{"written_at": now, EXPIRES: now + KEPT_SECONDS})


def _swept(answer: Any) -> Swept:
    item = answer.get("Item", {})
    return Swept(*(item[name]["S"] if name in item else "" for name in ("token", "night")))


def _key(place: Place, kind: str, *id_: str) -> Item:
    return _texts(PK="#".join(("name", *place, *id_)), SK=kind)


def _writable(place: Place, id_: str = "") -> bool:
    return all(WRITABLE.fullmatch(part) for part in (*place, id_))


def _texts(**values: str) -> Item:
    return {name: {"S": value} for name, value in values.items()}


def _numbers(**values: float) -> Item:
    """Times to the millisecond; those that the TTL looks at are whole seconds."""
    return {
        name: {"N": str(int(value)) if name.endswith(EXPIRES) else f"{value:.3f}"} for name, value in values.items()
    }


def _pieces(things: Sequence[Thing], size: int) -> Iterator[Sequence[Thing]]:
    return (things[start : start + size] for start in range(0, len(things), size))


def _code(error: Exception) -> str:
    """AWS's code or, where AWS did not answer, the exception's name. Never its text."""
    answer = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code") or type(error).__name__)[:60]
