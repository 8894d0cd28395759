"""The table, and the calls to it: tried again where that may help, and explained where nothing does."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from bot.aws import Aws, NoRegionError
from bot.clock import Clock
from bot.outbox.base import OutboxError
from bot.outbox.dynamodb.items import Item, typed

TABLE: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "PK", "AttributeType": "S"},
        {"AttributeName": "SK", "AttributeType": "S"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
"""The table as CreateTable takes it, but for its name."""

EXPIRES = "expires"
"""The attribute that the table's TTL looks at, in seconds since the epoch."""

PATIENCE = 3.0
TRIES = 7
"""A call is tried again for so many seconds, and so often: throttling passes, and every call may be repeated."""

AT_ONCE_GET, AT_ONCE_WRITE = 100, 25
"""The most keys and the most items that DynamoDB takes in one call."""

PASSING = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
}

CURES = {
    "ResourceNotFoundException": "deploy the table, or mend TABLE_NAME and the region",
    "AccessDeniedException": "allow the function's role to use the table",
    "UnrecognizedClientException": "mend the AWS credentials",
    "ThrottlingException": "nothing is lost, and it is tried again",
}


def create_table(client: Any, name: str) -> None:
    """Make the table through boto3's `client`, for tests and for whoever deploys without the template."""
    client.create_table(TableName=name, **TABLE)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES})


class ConditionError(Exception):
    """A conditional write did not find what it asked for: somebody was first."""


class Table:
    """The calls that the outbox makes. Each raises OutboxError where the table does not answer, or says no."""

    def __init__(self, name: str, aws: Aws, clock: Clock) -> None:
        self._name = name
        self._aws = aws
        self._clock = clock

    def all(self, partition: Item, beginning: str = "") -> Iterator[Item]:
        start = Item()
        while True:
            answer = self.query(partition, beginning, **start)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def query(self, partition: Item, beginning: str = "", **how: Any) -> Item:
        values = {":pk": partition} | ({":sk": typed(beginning)} if beginning else {})
        return self.ask(
            "query",
            KeyConditionExpression="PK = :pk" + (" AND begins_with(SK, :sk)" if beginning else ""),
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **how,
        )

    def get(self, keys: Sequence[Item]) -> list[Item]:
        """The items that there are, in no order."""
        found: list[Item] = []

        def get(some: list[Item]) -> list[Item]:
            answer = self.ask("batch_get_item", RequestItems={self._name: {"Keys": some, "ConsistentRead": True}})
            found.extend(answer["Responses"].get(self._name, []))
            left: list[Item] = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            return left

        self._in_batches(keys, AT_ONCE_GET, get)
        return found

    def put(self, items: Iterable[Item]) -> None:
        self.write(items, ())

    def delete(self, keys: Iterable[Item]) -> None:
        self.write((), keys)

    def write(self, items: Iterable[Item], gone: Iterable[Item]) -> None:
        """Put `items`, delete the keys `gone`: in that order, but for what goes in one call."""

        def write(some: list[Item]) -> list[Item]:
            answer = self.ask("batch_write_item", RequestItems={self._name: some})
            left: list[Item] = answer.get("UnprocessedItems", {}).get(self._name, [])
            return left

        requests: list[Item] = [{"PutRequest": {"Item": item}} for item in items]
        requests += [{"DeleteRequest": {"Key": key}} for key in gone]
        self._in_batches(requests, AT_ONCE_WRITE, write)

    def _in_batches(self, things: Sequence[Item], most: int, call: Callable[[list[Item]], list[Item]]) -> None:
        """Call with up to `most` of `things` at once. What a call leaves over is asked for again."""
        for start in range(0, len(things), most):
            left = list(things[start : start + most])
            for _ in self._tries():
                left = call(left)
                if not left:
                    break
            else:
                raise OutboxError(f"DynamoDB table {self._name!r}: throttled; {CURES['ThrottlingException']}")

    def ask(self, operation: str, **request: Any) -> Item:
        """One call's answer. Raises ConditionError where a condition did not hold, OutboxError where nothing helps."""
        if "RequestItems" not in request:
            request["TableName"] = self._name
        failed: Exception | None = None
        for _ in self._tries():
            try:
                answer: Item = getattr(self._aws.client("dynamodb"), operation)(**request)
            except (ClientError, BotoCoreError, NoRegionError) as error:
                if _code(error) == "ConditionalCheckFailedException":
                    raise ConditionError from None
                failed = error
                if not _passes(error):
                    break
            else:
                return answer
        raise OutboxError(f"DynamoDB table {self._name!r}: {failed}; {_cure(failed)}") from failed

    def _tries(self) -> Iterator[None]:
        """Now, and again after ever longer pauses, as long as patience lasts."""
        until = self._clock.now() + PATIENCE
        for attempt in range(TRIES):
            if attempt:
                pause = 0.05 * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads copies, hides nothing
                if self._clock.now() + pause > until:
                    return
                self._clock.sleep(pause)
            yield


def _code(error: Exception | None) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _passes(error: Exception) -> bool:
    """Whether asking again may help. Where the first call took effect after all, nothing is done twice by it."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _code(error) in PASSING or status >= 500
    return isinstance(error, (HTTPClientError, NoConnectionError))


def _cure(error: Exception | None) -> str:
    if isinstance(error, NoRegionError):
        return "set AWS_REGION"
    return CURES.get(_code(error), CURES["ThrottlingException"] if error and _passes(error) else "look at the table")
