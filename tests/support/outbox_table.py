"""A DynamoDB table in memory with the face of its boto3 client: a hundred times as fast as a server, and as strict.

It knows what the outbox asks, refuses what DynamoDB would refuse, and fails loudly on anything else.
"""

import json
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from decimal import Decimal
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]

PAGE_BYTES = 1_000_000
ITEM_BYTES = 400_000
EXPRESSION_BYTES = 4096


def refused(code: str, message: str = "of the table") -> ClientError:
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(said, "AnyOperation")


class SmallTable:
    """`partitions` holds the items: partition key → sort key → item."""

    def __init__(self) -> None:
        self.partitions: dict[str, dict[str, Item]] = {}
        self._order: dict[str, list[str]] = {}
        self._lock = Lock()

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> Item:  # noqa: N803 - boto3's names
        assert ConsistentRead
        with self._lock:
            found = self._found(Key)
            return {} if found is None else {"Item": dict(found)}

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        KeyConditionExpression: str,  # noqa: N803
        ExpressionAttributeValues: Item,  # noqa: N803
        ConsistentRead: bool,  # noqa: N803
        Limit: int = 10**9,  # noqa: N803
        ExclusiveStartKey: Item | None = None,  # noqa: N803
    ) -> Item:
        assert ConsistentRead
        partition = ExpressionAttributeValues[":pk"]["S"]
        beginning = ExpressionAttributeValues.get(":sk", {"S": ""})["S"]
        assert KeyConditionExpression == "PK = :pk" + (" AND begins_with(SK, :sk)" if beginning else "")
        with self._lock:
            order = self._order.get(partition, [])
            after = bisect_right(order, ExclusiveStartKey["SK"]["S"]) if ExclusiveStartKey else 0
            answer: Item = {"Items": []}
            size = 0
            for sort_key in order[max(after, bisect_left(order, beginning)) :]:
                if not sort_key.startswith(beginning):
                    break
                item = self.partitions[partition][sort_key]
                answer["Items"].append(dict(item))
                size += len(json.dumps(item))
                if len(answer["Items"]) == Limit or size > PAGE_BYTES:
                    answer["LastEvaluatedKey"] = _key(item)
                    break
            return answer

    def batch_get_item(self, *, RequestItems: Item) -> Item:  # noqa: N803
        ((name, request),) = RequestItems.items()
        _one_batch([json.dumps(key) for key in request["Keys"]], 100)
        assert request["ConsistentRead"]
        with self._lock:
            found = [self._found(key) for key in request["Keys"]]
            return {"Responses": {name: [dict(item) for item in found if item]}, "UnprocessedKeys": {}}

    def batch_write_item(self, *, RequestItems: Item) -> Item:  # noqa: N803
        (requests,) = RequestItems.values()
        asked = [(kind, *what.values()) for each in requests for kind, what in each.items()]
        _one_batch([json.dumps(_key(item)) for _, item in asked], 25)
        with self._lock:
            for kind, item in asked:
                self._drop(item)
                if kind == "PutRequest":
                    self._put(dict(item))
            return {"UnprocessedItems": {}}

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Item,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ExpressionAttributeNames: Item,  # noqa: N803
        ReturnValues: str,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeValues: Item | None = None,  # noqa: N803
    ) -> Item:
        if len(UpdateExpression) > EXPRESSION_BYTES:
            raise refused("ValidationException", "Expression size has exceeded the maximum allowed size")
        values = ExpressionAttributeValues or {}
        with self._lock:
            item = dict(self._found(Key) or Key)
            if ConditionExpression and not _holds(
                ConditionExpression, self._found(Key) or {}, ExpressionAttributeNames, values
            ):
                raise refused("ConditionalCheckFailedException")
            _update(item, UpdateExpression, ExpressionAttributeNames, values)
            self._drop(Key)
            self._put(item)
            return {"Attributes": dict(item)} if ReturnValues == "ALL_NEW" else {}

    def _found(self, key: Item) -> Item | None:
        return self.partitions.get(key["PK"]["S"], {}).get(key["SK"]["S"])

    def _put(self, item: Item) -> None:
        if len(json.dumps(item)) > ITEM_BYTES:
            raise refused("ValidationException", "Item size has exceeded the maximum allowed size")
        partition, sort_key = item["PK"]["S"], item["SK"]["S"]
        assert partition
        assert sort_key
        self.partitions.setdefault(partition, {})[sort_key] = item
        insort(self._order.setdefault(partition, []), sort_key)

    def _drop(self, key: Item) -> None:
        partition, sort_key = key["PK"]["S"], key["SK"]["S"]
        if self.partitions.get(partition, {}).pop(sort_key, None) is not None:
            order = self._order[partition]
            del order[bisect_left(order, sort_key)]


def _key(item: Item) -> Item:
    return {name: item[name] for name in ("PK", "SK")}


def _one_batch(keys: list[str], most: int) -> None:
    if not 0 < len(keys) <= most or len(set(keys)) < len(keys):
        raise refused("ValidationException", f"a batch of {len(keys)} keys, {len(set(keys))} different")


CLAUSES: dict[str, Callable[[Item, Item, str, str], bool]] = {
    r"attribute_exists\((#?\w+)\)()": lambda item, _, name, __: name in item,
    r"attribute_not_exists\((#?\w+)\)()": lambda item, _, name, __: name not in item,
    r"(#?\w+) = (:\w+)": lambda item, values, name, value: name in item and item[name] == values[value],
    r"(\w+) <= (:\w+)": lambda item, values, name, value: (
        name in item and Decimal(item[name]["N"]) <= Decimal(values[value]["N"])
    ),
}


def _holds(condition: str, item: Item, names: Item, values: Item) -> bool:
    if " AND " in condition:
        return all(_holds(part, item, names, values) for part in condition.split(" AND "))
    if condition.startswith("(") and condition.endswith(")"):
        return any(_holds(part, item, names, values) for part in condition[1:-1].split(" OR "))
    for form, clause in CLAUSES.items():
        if match := re.fullmatch(form, condition):
            name, value = match.groups()
            return clause(item, values, str(names.get(name, name)), value)
    raise AssertionError(f"what is {condition!r}?")


def _update(item: Item, expression: str, names: Item, values: Item) -> None:
    before = dict(item)
    verbs = re.split(r"\b(SET|ADD|REMOVE) ", expression)[1:]
    told = set()
    for verb, parts in zip(verbs[::2], verbs[1::2], strict=True):
        for part in re.split(r", (?=#)", parts.strip()):
            name, *_ = re.findall(r"#\w+", part)
            value, *_ = [*re.findall(r":\w+", part), ""]
            attribute = names[name]
            assert attribute not in told, f"two changes of {attribute}"
            told.add(attribute)
            if verb == "REMOVE":
                item.pop(attribute, None)
            elif verb == "ADD":
                sum_of = Decimal(before.get(attribute, {"N": "0"})["N"]) + Decimal(values[value]["N"])
                item[attribute] = {"N": str(sum_of)}
            elif "if_not_exists" not in part or attribute not in before:
                item[attribute] = values[value]
