# ruff: noqa: N803 - arguments have boto3's own names
"""A DynamoDB table in memory, on simulated time: as much of boto3's client as the bot uses, and far quicker than moto.

Its limits are DynamoDB's own (API reference): 25 writes and 100 reads a call, 400 KB an item, 1 MB a page. A test holds
it to what moto answers.
"""

import re
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from marshal import dumps, loads
from types import CodeType
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.storm.clock import SimClock

Item = dict[str, Any]

TABLE_SECONDS = 0.012
ITEM_BYTES = 400_000
PAGE_BYTES = 1_000_000


class Table:
    """Every call has its effect in the middle of its time: who dies in the second half never learns of it."""

    def __init__(self, clock: SimClock, is_down: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._is_down = is_down
        self._items: dict[tuple[str, str], bytes] = {}  # by PK and SK; packed, for a storm leaves half a million
        self._order: dict[str, list[str]] = {}
        self.calls: Counter[str] = Counter()

    def get_item(self, *, Key: Item, **_: Any) -> Item:
        with self.called("get_item"):
            found = self._read(Key)
            return {"Item": found} if found else {}

    def put_item(self, *, Item: Item, **_: Any) -> Item:
        with self.called("put_item"):
            self._write(Item)
            return {}

    def update_item(
        self,
        *,
        Key: Item,
        UpdateExpression: str,
        ConditionExpression: str = "",
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Item] | None = None,
        ReturnValues: str = "NONE",
        **_: Any,
    ) -> Item:
        with self.called("update_item"):
            before = self._read(Key) or dict(Key)
            names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}
            if ConditionExpression and not _holds(ConditionExpression, before, names, values):
                raise _refusal("ConditionalCheckFailedException", "UpdateItem")
            after, changed = _updated(UpdateExpression, before, names, values)
            self._write(after)
            if ReturnValues == "UPDATED_OLD":
                return {"Attributes": {name: before[name] for name in changed if name in before}}
            return {"Attributes": after} if ReturnValues == "ALL_NEW" else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Item], **_: Any) -> Item:
        with self.called("batch_get_item"):
            ((table, asked),) = RequestItems.items()
            self._check(asked["Keys"], 100, "BatchGetItem")
            return {"Responses": {table: [item for key in asked["Keys"] if (item := self._read(key))]}}

    def batch_write_item(self, *, RequestItems: Mapping[str, Sequence[Item]], **_: Any) -> Item:
        with self.called("batch_write_item"):
            ((_table, requests),) = RequestItems.items()
            things = [
                request.get("PutRequest", {}).get("Item") or request["DeleteRequest"]["Key"] for request in requests
            ]
            self._check(things, 25, "BatchWriteItem")
            for request, thing in zip(requests, things, strict=True):
                (self._write if "PutRequest" in request else self._delete)(thing)
            return {}

    def query(
        self,
        *,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Mapping[str, Item],
        Limit: int = 1_000_000,
        ExclusiveStartKey: Item | None = None,
        **_: Any,
    ) -> Item:
        with self.called("query"):
            partition = ExpressionAttributeValues[":pk"]["S"]
            beginning = ExpressionAttributeValues.get(":sk", {"S": ""})["S"]
            order = self._order.get(partition, [])
            start = bisect_right(order, ExclusiveStartKey["SK"]["S"]) if ExclusiveStartKey else 0
            found: list[Item] = []
            size = 0
            for sort_key in order[start:]:
                if len(found) == Limit or size > PAGE_BYTES:
                    return {"Items": found, "LastEvaluatedKey": {name: found[-1][name] for name in ("PK", "SK")}}
                if sort_key.startswith(beginning):
                    packed = self._items[partition, sort_key]
                    size += len(packed)
                    found.append(loads(packed))
            return {"Items": found}

    @contextmanager
    def called(self, operation: str) -> Iterator[None]:
        """The time of a call, with its effect in the middle."""
        self.calls[operation] += 1
        self._clock.dawdle(TABLE_SECONDS / 2)
        if self._is_down():
            raise EndpointConnectionError(endpoint_url="https://dynamodb.example")
        yield
        self._clock.dawdle(TABLE_SECONDS / 2)

    def _check(self, things: Sequence[Item], most: int, operation: str) -> None:
        if len(things) > most or len({(thing["PK"]["S"], thing["SK"]["S"]) for thing in things}) < len(things):
            raise _refusal("ValidationException", operation)

    def _read(self, key: Item) -> Item | None:
        packed = self._items.get((key["PK"]["S"], key["SK"]["S"]))
        return loads(packed) if packed else None

    def _write(self, item: Item) -> None:
        partition, sort_key = item["PK"]["S"], item["SK"]["S"]
        packed = dumps(item)
        if len(packed) > ITEM_BYTES:
            raise _refusal("ValidationException", "PutItem")
        if (partition, sort_key) not in self._items:
            insort(self._order.setdefault(partition, []), sort_key)
        self._items[partition, sort_key] = packed

    def _delete(self, key: Item) -> None:
        partition, sort_key = key["PK"]["S"], key["SK"]["S"]
        if self._items.pop((partition, sort_key), None):
            self._order[partition].remove(sort_key)


def _refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as DynamoDB would"}}, operation)


_WORD = re.compile(r"attribute_(?:not_)?exists|[:#]?[A-Za-z_]\w*")
_WORDS = {"AND": "and", "OR": "or", "attribute_exists": "there", "attribute_not_exists": "not there"}


@cache
def _compiled(condition: str) -> CodeType:
    """A condition as Python: what is not there is less, more and equal to nothing."""
    between = re.sub(r"(\S+) BETWEEN (\S+) AND (\S+)", r"(\2 <= \1 AND \1 <= \3)", condition)
    equals = re.sub(r"(?<![<>])=", "==", between)
    python = _WORD.sub(lambda word: _WORDS.get(word.group(), f"value({word.group()!r})"), equals)
    return compile(python, condition, "eval")


def _holds(condition: str, item: Item, names: Mapping[str, str], values: Mapping[str, Item]) -> bool:
    def value(word: str) -> Any:
        typed = values[word] if word.startswith(":") else item.get(names.get(word, word))
        if typed is None:
            return float("nan")
        ((kind, said),) = typed.items()
        return float(said) if kind == "N" else said

    def there(found: Any) -> bool:
        return bool(found == found)  # noqa: PLR0124 - all but NaN

    return bool(eval(_compiled(condition), {"value": value, "there": there}))


def _updated(
    expression: str, before: Item, names: Mapping[str, str], values: Mapping[str, Item]
) -> tuple[Item, list[str]]:
    """The item after the update, and the names of the attributes that it was about."""
    after, changed = dict(before), []
    _, *parts = re.split(r"\b(SET|ADD|REMOVE) ", expression)
    for verb, actions in zip(parts[::2], parts[1::2], strict=True):
        for action in re.split(r",\s*(?![^()]*\))", actions.strip()):
            word, *rest = re.findall(r"[:#]?\w+", action)
            name = names.get(word, word)
            changed.append(name)
            if verb == "REMOVE":
                after.pop(name, None)
            elif verb == "ADD":
                after[name] = _sum(before.get(name, {"N": "0"}), values[rest[0]])
            elif "if_not_exists" in rest:
                after[name] = before.get(name, values[rest[-1]])
            elif "+" in action:
                after[name] = _sum(before[name], values[rest[-1]])
            else:
                after[name] = values[rest[0]]
    return after, changed


def _sum(one: Item, other: Item) -> Item:
    return {"N": str(Decimal(one["N"]) + Decimal(other["N"]))}
