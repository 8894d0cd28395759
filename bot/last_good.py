"""What every copy of the bot knows of a routing file on S3: the last good one, and why a newer one is not in force.

In the bot's own DynamoDB table, beside the outbox; neither item ends by the table's TTL:

    PK      SK                              what it holds
    routes  in force|s3://bucket/routes.yml the file and its compiled form, its ETag, since when it is in force
    routes  refused|s3://bucket/routes.yml  the ETag of a file with mistakes, and these

Nothing here raises but `records`, which is for operators: a table in trouble is logged, and the routing goes on.
"""

import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from bot.aws import Aws
from bot.config import Config
from bot.config.bucket import Version
from bot.config.compiled import VERSION, NotPlainError, dump

log = logging.getLogger("bot.last_good")

PK = "routes"
IN_FORCE, REFUSED = "in force", "refused"

NEWS = "attribute_not_exists(PK) OR (#etag <> :etag AND #since < :since) OR (#etag = :etag AND #form <> :form)"
"""Another file, unless it was seen before the one that stands there; or the same one for this version of the bot."""

NOT_SO = "ConditionalCheckFailedException"

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Good:
    """A file without mistakes: as it was written, compiled (empty where it has no such form), and since when."""

    content: bytes
    compiled: str
    etag: str
    since: float

    @classmethod
    def of(cls, version: Version, config: Config, since: float) -> Self:
        try:
            compiled = dump(config, version.content)
        except NotPlainError:
            compiled = ""
        return cls(version.content, compiled, version.etag, since)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not in force, its mistakes, and when they were found."""

    etag: str
    mistakes: tuple[str, ...]
    since: float


class LastGood:
    """The two items of the file at `url`."""

    def __init__(self, table_name: str, aws: Aws, url: str) -> None:
        self._table = table_name
        self._aws = aws
        self._url = url

    def read(self) -> Good | None:
        """The last good file; None where there is none, or where the table does not say."""
        found = self._ask("get_item", Key=self._key(IN_FORCE), ConsistentRead=True)
        return _good(found["Item"]) if found and "Item" in found else None

    def keep(self, good: Good) -> bool:
        """Make it the last good one; False where that is to be tried again."""
        facts = {
            "etag": {"S": good.etag},
            "since": {"N": f"{good.since:.3f}"},
            "form": {"N": str(VERSION)},
        }
        packed = {"content": _packed(good.content), "compiled": _packed(good.compiled.encode())}
        kept = self._ask(
            "put_item",
            Item=self._key(IN_FORCE) | facts | packed,
            ConditionExpression=NEWS,
            ExpressionAttributeNames={f"#{name}": name for name in facts},
            ExpressionAttributeValues={f":{name}": value for name, value in facts.items()},
        )
        return kept is not None

    def refuse(self, refused: Refused) -> None:
        """Say for operators what is wrong with the newest file."""
        mistakes = {"L": [{"S": mistake} for mistake in refused.mistakes]}
        facts = {"etag": {"S": refused.etag}, "since": {"N": f"{refused.since:.3f}"}, "mistakes": mistakes}
        self._ask("put_item", Item=self._key(REFUSED) | facts)

    def _key(self, kind: str) -> Item:
        return {"PK": {"S": PK}, "SK": {"S": f"{kind}|{self._url}"}}

    def _ask(self, operation: str, **request: Any) -> Any:
        """The table's answer, empty where a condition did not hold; None where there is trouble."""
        try:
            return getattr(self._aws.client("dynamodb"), operation)(TableName=self._table, **request)
        except Exception as error:  # noqa: BLE001 - whatever fails here, the routing goes on
            answer = getattr(error, "response", None) or {}
            code = str(answer.get("Error", {}).get("Code") or type(error).__name__)[:60]
        if code == NOT_SO:
            return {}
        fields = {"source": self._url, "operation": operation, "reason": code}
        log.warning("last good routes not reached", extra={"fields": fields})
        return None


def records(table_name: str, aws: Aws) -> dict[str, tuple[Good | None, Refused | None]]:
    """What the table says of each routing file on S3, by its URL. Raises whatever boto3 does."""
    query = {
        "TableName": table_name,
        "KeyConditionExpression": "PK = :pk",
        "ExpressionAttributeValues": {":pk": {"S": PK}},
        "ConsistentRead": True,
    }
    found: dict[str, tuple[Good | None, Refused | None]] = {}
    for item in _pages(aws.client("dynamodb"), query):
        kind, _, url = item["SK"]["S"].partition("|")
        good, refused = found.get(url, (None, None))
        found[url] = (_good(item), refused) if kind == IN_FORCE else (good, _refused(item))
    return found


def _pages(dynamodb: Any, query: Item) -> Iterator[Item]:
    while True:
        page = dynamodb.query(**query)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query = query | {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _good(item: Item) -> Good | None:
    """None where something else wrote the item: it is no routing file then."""
    try:
        content, compiled = (zlib.decompress(item[name]["B"]) for name in ("content", "compiled"))
        return Good(content, compiled.decode(), item["etag"]["S"], float(item["since"]["N"]))
    except (KeyError, ValueError, TypeError, zlib.error):
        return None


def _refused(item: Item) -> Refused | None:
    try:
        mistakes: Sequence[str] = [mistake["S"] for mistake in item["mistakes"]["L"]]
        return Refused(item["etag"]["S"], tuple(mistakes), float(item["since"]["N"]))
    except (KeyError, ValueError, TypeError):
        return None


def _packed(content: bytes) -> Item:
    """A table's item holds 400 KB (quotas of DynamoDB), a routing file up to a megabyte, most of it repetition."""
    return {"B": zlib.compress(content)}
